// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace yagura::broker::doctor {

class Host;

/// What the kernel had counted of each CPU's work at a moment.
struct CpuCounts {
    struct Ticks {
        std::uint64_t busy = 0;
        std::uint64_t all = 0;
    };
    struct Thread {
        std::string name;
        unsigned cpu = 0;  ///< where it ran last
        std::uint64_t run_ns = 0;
    };
    struct Interrupt {
        std::string name;                          ///< its devices, as the kernel names them
        std::map<unsigned, std::uint64_t> by_cpu;  ///< how often
    };
    std::vector<Ticks> cpus;                   ///< by number, of /proc/stat
    std::map<int, Thread> threads;             ///< by thread id; without our own
    std::map<unsigned, Interrupt> interrupts;  ///< by number: those that can be moved

    static CpuCounts of(const Host& host);
};

/// What the CPUs did between two moments.
struct CpuUse {
    struct Worker {
        int id = 0;  ///< of the thread
        std::string name;
        unsigned cpu = 0;
        double share = 0;  ///< of the time
    };
    struct Interrupt {
        unsigned number = 0;
        std::string name;
        unsigned cpu = 0;
        double per_second = 0;
    };
    std::vector<double> busy;           ///< share of the time, 0 to 1, by number of the CPU
    std::vector<Worker> workers;        ///< those that ran, the busiest first
    std::vector<Interrupt> interrupts;  ///< by number, then CPU: those that came

    static CpuUse between(const CpuCounts& before, const CpuCounts& after, double seconds);
};

}  // namespace yagura::broker::doctor
