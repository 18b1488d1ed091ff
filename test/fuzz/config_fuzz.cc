// SPDX-License-Identifier: BSD-3-Clause
// Whatever the text, reading it ends and says why; and a configuration that is right comes back from its
// canonical form.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "rules/config.h"

namespace {

void require(bool holds) {
    if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace yagura::rules;
    const ConfigOutcome outcome = parse_config({reinterpret_cast<const char*>(data), size});
    for (const ConfigError& error : outcome.errors) {
        require(!error.reason.empty());
        require(error.pointer.empty() || error.pointer.front() == '/');
        require(error.to_string().find('\n') == std::string::npos);
    }
    // Faulty or not, it can be printed.
    const std::string canonical = canonical_json(outcome.config);
    if (!outcome.ok()) return 0;
    const ConfigOutcome again = parse_config(canonical);
    require(again.ok());
    require(again.config == outcome.config);
    require(canonical_json(again.config) == canonical);
    return 0;
}
