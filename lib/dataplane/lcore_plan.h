// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "rules/config.h"

namespace yagura::dataplane {

/// Lcores are numbered 0 to kMaxLcores - 1; the one above is the control thread's.
inline constexpr unsigned kMaxLcores = 127;

/// Reads "auto" or 'rx=0;select=1,2,3;tx=0', the form of --lcores.
base::Result<rules::LcoreSpec> parse_lcores(std::string_view text);

/// Which stage runs on which lcore, and which CPU each lcore runs on.
struct LcorePlan {
    std::vector<unsigned> rx;
    std::vector<unsigned> select;
    std::vector<unsigned> tx;

    struct Lcore {
        unsigned id;
        unsigned cpu;
        bool shares_cpu;  ///< with another lcore of the plan
    };
    std::vector<Lcore> lcores;  ///< all that appear above, ascending

    /// An lcore of the plan runs on the CPU of its number where this process may use it, else on one of those
    /// it may use, in turn. "auto" gives each of four stages its own CPU as far as there are any: one CPU
    /// runs everything; of two the second has select; of more, select has all but the first (rx) and the last
    /// (tx). `spec` not auto: every stage has an lcore.
    static LcorePlan make(const rules::LcoreSpec& spec, const std::vector<unsigned>& cpus);

    /// The EAL's --lcores argument. The control thread (and every ordinary one) runs on those of `cpus` that
    /// no lcore has, or on any when there are none.
    std::string eal_lcores(const std::vector<unsigned>& cpus) const;
    /// "rx=0;select=1;tx=0"
    std::string to_string() const;
};

/// The CPUs that this process may run on.
std::vector<unsigned> usable_cpus();

}  // namespace yagura::dataplane
