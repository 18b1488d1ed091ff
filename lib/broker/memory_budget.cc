// SPDX-License-Identifier: BSD-3-Clause
#include "broker/memory_budget.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstdint>

#include "flow/flow_table.h"

namespace yagura::broker {
namespace {

/// What flow::FlowTable keeps of each flow besides its entry: a part of the buckets (cache lines with eight
/// slots, filled to a half at most, a power of two of them) and a link.
std::uint64_t flow_table_bytes(std::uint64_t flows) {
    constexpr std::uint64_t kBucket = 64;
    constexpr std::uint64_t kFlowsPerBucket = 4;
    const std::uint64_t buckets = std::bit_ceil(std::max<std::uint64_t>(flows / kFlowsPerBucket, 2));
    return flows * (sizeof(flow::FlowEntry) + sizeof(std::uint32_t)) + buckets * kBucket;
}

/// Rounded up: what is there must be enough.
std::string mib(std::uint64_t bytes) {
    constexpr std::uint64_t kMiB = 1u << 20;
    return fmt::format("{} MiB", bytes / kMiB + (bytes % kMiB != 0 ? 1 : 0));
}

std::string held_line(const rules::Inspect& inspect) {
    if (inspect.hold_bytes == rules::Inspect::kUnlimited) {
        return fmt::format("//   held packets: on disk, without bound; waiting segments: {}\n",
                           mib(inspect.hold_budget));
    }
    if (inspect.hold_bytes == 0) {
        return fmt::format("//   waiting segments: {}; nothing is held\n", mib(inspect.hold_budget));
    }
    return fmt::format("//   held packets and waiting segments: {}, which is {} flows x {} bytes held\n",
                       mib(inspect.hold_budget), inspect.hold_budget / inspect.hold_bytes,
                       inspect.hold_bytes);
}

std::string streams_line(const rules::Inspect& inspect, std::uint64_t state_bytes) {
    if (state_bytes == 0) return "//   streams: none, no rule inspects a flow\n";
    const std::uint64_t at_once = inspect.stream_budget / state_bytes;
    std::string line = fmt::format(
        "//   streams: {}, which is {} flows x {} bytes for both directions; all {} flows would take {}\n",
        mib(inspect.stream_budget), at_once, state_bytes, inspect.flows, mib(inspect.flows * state_bytes));
    if (at_once == 0) {
        line += "//   warning: stream_budget has no room for a single flow: payload rules never match\n";
    }
    return line;
}

}  // namespace

std::string memory_budget(const rules::Inspect& inspect, std::size_t state_bytes) {
    const std::uint64_t table = flow_table_bytes(inspect.flows);
    return fmt::format(
               "// memory, at most:\n//   flow table: {}, which is {} flows x {} bytes; of their records: "
               "{}\n",
               mib(table), inspect.flows, (table + inspect.flows - 1) / inspect.flows,
               mib(inspect.flows * sizeof(flow::FlowDetails))) +
           held_line(inspect) + streams_line(inspect, state_bytes);
}

}  // namespace yagura::broker
