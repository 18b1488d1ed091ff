// SPDX-License-Identifier: BSD-3-Clause
// Filters against libpcap's bpf_filter(): the first byte chooses the check, the rest drives a grammar of
// expressions, programs and packets; or the bytes are a filter's text as they are.
#include <cstdio>
#include <cstdlib>
#include <string>

#include "match/bpf_program.h"
#include "match/filter_text.h"
#include "match/plain_filter.h"
#include "support/filter_checks.h"

using namespace yagura;

namespace {

/// Any text: what is plain to us, libpcap accepts. Names are left out, so that nothing is looked up.
std::string check_text(const std::string& text) {
    const std::vector<match::Token> tokens = match::tokenize(text);
    const bool link = !match::link_layer_word(tokens).empty();
    if (text.size() > 200 || !match::name_to_resolve(tokens).empty()) return {};
    const bool plain = match::parse_plain_filter(tokens).has_value();
    static match::BpfCompiler ip(net::LinkType::kRaw);
    static match::BpfCompiler frame(net::LinkType::kEthernet);
    const bool accepted = frame.compile(text).ok() && (link || ip.compile(text).ok());
    if (plain && !accepted) return "plain to us, and an error to libpcap: " + text;
    return {};
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    test::Choices choices(std::span(data + 1, size - 1));
    test::CheckCounts counts;
    std::string wrong;
    switch (data[0] % 6) {
        case 0:
            wrong = test::check_expression(choices, counts);
            break;
        case 1:
            wrong = test::check_program(choices, counts);
            break;
        case 2:
            wrong = test::check_per_flow(choices, counts);
            break;
        case 3:
            wrong = test::check_plain(choices, counts);
            break;
        case 4:
            wrong = test::check_rules(choices, counts);
            break;
        default:
            wrong = check_text({reinterpret_cast<const char*>(data + 1), size - 1});
    }
    if (!wrong.empty()) {
        std::fprintf(stderr, "%s\n", wrong.c_str());
        std::abort();
    }
    return 0;
}
