// SPDX-License-Identifier: BSD-3-Clause
#include "select/tool_choice.h"

#include <algorithm>
#include <span>

#include "base/hash.h"

namespace yagura::select {
namespace {

/// What is up of the member with the highest weight among those of which something is; 0: there is none.
std::uint64_t highest(std::span<const BalanceGroup::Member> members, std::uint64_t flow_hash,
                      std::uint64_t down) {
    std::uint64_t best_weight = 0;
    std::uint64_t best = 0;
    for (const BalanceGroup::Member& member : members) {
        const std::uint64_t up = member.tools & ~down;
        if (up == 0) continue;
        const std::uint64_t weight = base::mix(flow_hash ^ member.seed, base::kHashD);
        if (best == 0 || weight > best_weight) {
            best_weight = weight;
            best = up;
        }
    }
    return best;
}

}  // namespace

std::uint64_t weight_seed(std::string_view name) {
    std::uint64_t h = base::kHashA ^ name.size();
    for (const char c : name) h = base::mix(h ^ static_cast<unsigned char>(c), base::kHashB);
    return h;
}

std::uint64_t BalanceGroup::pick(std::uint64_t flow_hash) const {
    return highest(members, flow_hash, 0);
}

std::uint64_t BalanceGroup::pick(std::uint64_t flow_hash, std::uint64_t down) const {
    const std::uint64_t own = pick(flow_hash);
    if (const std::uint64_t up = own & ~down; up != 0) return up;
    if (const std::uint64_t other = highest(standby, flow_hash, down); other != 0) return other;
    if (const std::uint64_t other = highest(members, flow_hash, down); other != 0) return other;
    return own;
}

std::uint64_t CopyGroup::deal(std::uint64_t tools, std::uint64_t down) const {
    std::uint64_t dealt = 0;
    auto next = standby.begin();
    for (const std::uint64_t member : members) {
        if (const std::uint64_t up = member & ~down; up != 0) {
            dealt |= up & tools;
            continue;
        }
        next = std::find_if(next, standby.end(), [down](std::uint64_t s) { return (s & ~down) != 0; });
        std::uint64_t instead = member & tools;
        if (next != standby.end()) {
            if (instead != 0) instead = *next & ~down;
            ++next;
        }
        dealt |= instead;
    }
    return dealt;
}

}  // namespace yagura::select
