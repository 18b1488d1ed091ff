// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace yagura::select {

/// The weight that a name gives: independent of its place in the configuration.
std::uint64_t weight_seed(std::string_view name);

/// A group in "balance" mode: each flow has one member. Chosen by highest random weight (Thaler, Ravishankar
/// 1998), so that when a member leaves only its own flows move. Nothing is remembered of a choice: when it
/// comes back they come back.
struct BalanceGroup {
    struct Member {
        std::uint64_t tools;  ///< its bit; two while another tool mirrors it
        std::uint64_t seed;   ///< made of its name
    };
    std::vector<Member> members;
    std::vector<Member> standby;

    /// Bits of the member that a flow with this hash goes to while all tools are up: its own one.
    std::uint64_t pick(std::uint64_t flow_hash) const;
    /// The same while the tools `down` (bits) are not up: the flow's own member, if that is up; else one of
    /// the standby that are up, else one of the other members that are; when all are down its own.
    std::uint64_t pick(std::uint64_t flow_hash, std::uint64_t down) const;
};

/// A group in "copy" mode that has a standby.
struct CopyGroup {
    std::vector<std::uint64_t> members;  ///< bits of each: two while another tool mirrors it
    std::vector<std::uint64_t> standby;

    /// Where the copies of `tools` go while `down` are not up; what is no member's is left out. In their
    /// order, the first standby that is up stands in for the first member that is down, and so on; a member
    /// for whom none is left keeps its copy.
    std::uint64_t deal(std::uint64_t tools, std::uint64_t down) const;
};

}  // namespace yagura::select
