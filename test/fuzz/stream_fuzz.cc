// SPDX-License-Identifier: BSD-3-Clause
// Patterns in streams against PCRE2 over the whole stream: the bytes choose patterns, places, the stream and
// where it is cut.
#include <cstdio>
#include <cstdlib>
#include <string>

#include "support/stream_checks.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    yagura::test::Choices choices(std::span(data, size));
    yagura::test::StreamCheckCounts counts;
    const std::string wrong = yagura::test::check_streams(choices, counts);
    if (!wrong.empty()) {
        std::fprintf(stderr, "%s\n", wrong.c_str());
        std::abort();
    }
    return 0;
}
