// SPDX-License-Identifier: BSD-3-Clause
#define PCRE2_CODE_UNIT_WIDTH 8
#include "support/pcre_reference.h"

#include <pcre2.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <vector>

namespace yagura::test {
namespace {

[[noreturn]] void give_up(int error) {
    std::fprintf(stderr, "pcre2: error %d\n", error);
    std::abort();
}

}  // namespace

struct PcreReference::State {
    ~State() {
        pcre2_match_data_free(data);
        pcre2_code_free(code);
    }
    pcre2_code* code = nullptr;
    pcre2_match_data* data = nullptr;
    std::uint64_t offset = 0;
    std::uint64_t end = ~std::uint64_t{0};
    bool utf8 = false;
};

PcreReference::PcreReference(std::unique_ptr<State> state) : state_(std::move(state)) {}
PcreReference::~PcreReference() = default;

std::unique_ptr<PcreReference> PcreReference::compile(const rules::Pattern& pattern) {
    // A repeat that nothing follows would not give its shorter matches.
    std::uint32_t options = pattern.regex ? PCRE2_NO_AUTO_POSSESS : PCRE2_LITERAL;
    if (pattern.caseless) options |= PCRE2_CASELESS;
    if (pattern.dotall) options |= PCRE2_DOTALL;
    if (pattern.multiline) options |= PCRE2_MULTILINE;
    if (pattern.utf8) options |= PCRE2_UTF;
    // Hyperscan knows one kind of newline.
    pcre2_compile_context* const context = pcre2_compile_context_create(nullptr);
    pcre2_set_newline(context, PCRE2_NEWLINE_LF);
    int error = 0;
    PCRE2_SIZE where = 0;
    auto state = std::make_unique<State>();
    state->code = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.bytes.data()), pattern.bytes.size(),
                                options, &error, &where, context);
    pcre2_compile_context_free(context);
    if (state->code == nullptr) return nullptr;
    state->data = pcre2_match_data_create(1, nullptr);
    state->offset = pattern.offset;
    if (pattern.depth) state->end = pattern.offset + *pattern.depth;
    state->utf8 = pattern.utf8;
    return std::unique_ptr<PcreReference>(new PcreReference(std::move(state)));
}

bool PcreReference::found(std::string_view subject, std::size_t begin, std::size_t end) const {
    // The shortest match from each place: pcre2_match() would give the one that the regex prefers.
    int workspace[4096];
    for (std::size_t from = begin; from < subject.size(); ++from) {
        if (state_->utf8 && (subject[from] & 0xc0) == 0x80) continue;
        const int status = pcre2_dfa_match(state_->code, reinterpret_cast<PCRE2_SPTR>(subject.data()),
                                           subject.size(), from, PCRE2_ANCHORED | PCRE2_DFA_SHORTEST,
                                           state_->data, nullptr, workspace, std::size(workspace));
        if (status == PCRE2_ERROR_NOMATCH) continue;
        if (status < 0) give_up(status);
        if (pcre2_get_ovector_pointer(state_->data)[1] <= end) return true;
    }
    return false;
}

bool PcreReference::found(std::string_view subject) const {
    return found(subject, state_->offset, state_->end);
}

}  // namespace yagura::test
