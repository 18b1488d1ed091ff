// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"

namespace yagura::bench {

/// Where, when and how figures came about.
struct Environment {
    std::string date;     ///< of the run, UTC
    std::string commit;   ///< that was built; "-dirty" when something was changed since
    std::string command;  ///< as typed, but for where the figures go
    std::string cpu;
    unsigned cpus = 0;
    bool virtual_machine = false;
    unsigned free_hugepages_mib = 0;
    std::uint64_t tsc_hz = 0;
    std::string kernel;
    std::string compiler;
    std::string build_type;
    std::string dpdk;
    std::vector<double> load_before;  ///< averages over 1, 5 and 15 minutes
    std::vector<double> load_after;

    std::string to_markdown() const;
};

/// All but tsc_hz, which EAL knows, and load_after.
Environment read_environment(int argc, const char* const* argv);
/// After the last measurement.
void complete(Environment& environment);

/// Starts DPDK's environment as yagura does, with this thread kept on one CPU. `memory_mib`: for pools and
/// rings.
base::Result<void> start(unsigned cpu, unsigned memory_mib);

/// After start(): as yagura's tables get huge pages where the kernel has them, so does what DPDK's tables
/// lie in.
void ask_for_huge_pages();

}  // namespace yagura::bench
