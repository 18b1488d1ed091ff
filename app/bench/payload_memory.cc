// SPDX-License-Identifier: BSD-3-Clause
#include "app/bench/payload_memory.h"

#include <unistd.h>

#include <fstream>
#include <vector>

#include "app/bench/rule_texts.h"
#include "flow/flow_table.h"
#include "flow/hold_queue.h"
#include "net/protocol_numbers.h"

namespace yagura::bench {
namespace {

std::uint64_t resident_bytes() {
    std::uint64_t total = 0;
    std::uint64_t resident = 0;
    std::ifstream("/proc/self/statm") >> total >> resident;
    return resident * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
}

}  // namespace

double bytes_per_flow(bool details) {
    constexpr std::uint32_t kFlows = 1u << 20;
    const std::uint64_t before = resident_bytes();
    flow::FlowTable table(kFlows, {}, details);
    std::uint32_t tracked = 0;
    for (std::uint32_t n = 0; n < kFlows; ++n) {
        const net::FlowKey key = nth_flow(n);
        const flow::Arrival arrival{
            .now_ns = 1'700'000'000'000'000'000, .tcp_flags = net::tcp_flag::kAck, .has_payload = true};
        const auto found = table.find_or_insert(key, key.symmetric_hash(1), arrival);
        if (found.index == flow::FlowTable::kNone) continue;
        ++tracked;
        if (details) table.details(found.index).packets = 1;
    }
    return static_cast<double>(resident_bytes() - before) / tracked;
}

double bytes_per_held(std::size_t size, std::uint32_t packets) {
    flow::BlockStore store(std::uint64_t{64} << 20);
    flow::HoldQueue queue;
    const std::vector<std::uint8_t> frame(size);
    const flow::HeldPacket held{.size = static_cast<std::uint32_t>(size), .in_ledger = true};
    for (std::uint32_t i = 0; i < packets; ++i) {
        if (!queue.push(store, held, frame)) break;
    }
    const double bytes = static_cast<double>(store.blocks_used() * flow::BlockStore::kBlockSize);
    const double each = bytes / queue.packets;
    store.free(queue.chain);
    return each;
}

}  // namespace yagura::bench
