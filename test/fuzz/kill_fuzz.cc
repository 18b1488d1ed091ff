// SPDX-License-Identifier: BSD-3-Clause
// The kill state machine: the bytes choose verdicts, segments, times and how much room there is.
#include <cstdio>
#include <cstdlib>

#include "support/kill_checks.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string wrong = yagura::test::check_kill_machine({data, size});
    if (!wrong.empty()) {
        std::fprintf(stderr, "%s\n", wrong.c_str());
        std::abort();
    }
    return 0;
}
