// SPDX-License-Identifier: BSD-3-Clause
#define CATCH_CONFIG_RUNNER
#include <rte_eal.h>
#include <rte_errno.h>

#include <array>
#include <catch2/catch.hpp>
#include <cstdio>

int main(int argc, char* argv[]) {
    // EAL permutes the array and keeps pointers into it.
    static std::array<char[40], 11> words = {{"test", "--no-huge", "--no-pci", "--no-shconf",
                                              "--no-telemetry", "-m", "256", "--lcores=(0-7)@0,127@0",
                                              "--main-lcore", "127", "--log-level=warning"}};
    static std::array<char*, words.size()> arguments;
    for (std::size_t i = 0; i < words.size(); ++i) arguments[i] = words[i];
    if (rte_eal_init(static_cast<int>(arguments.size()), arguments.data()) < 0) {
        std::fprintf(stderr, "cannot start EAL: %s\n", rte_strerror(rte_errno));
        return 1;
    }
    const int failed = Catch::Session().run(argc, argv);
    rte_eal_cleanup();
    return failed;
}
