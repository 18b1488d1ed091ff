// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/flow_draws.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "dataplane/select_stage.h"

namespace yagura::dataplane {

void FlowDraws::reset(std::uint64_t seed, std::uint32_t one_in) {
    random_ = base::mix(seed ^ base::kHashA, base::kHashB) | 1;
    one_in_ = std::clamp(one_in, 1u, 1u << 31);
    seen_ = 0;
    count_ = 0;
    wait_ = std::uint64_t{random()} * one_in_ >> 32;
    began_ns = ended_ns = 0;
}

/// One of each two goes, by lot.
void FlowDraws::halve() {
    for (std::uint32_t i = 0; i < kMost / 2; ++i) drawn_[i] = drawn_[2 * i + (random() & 1)];
    count_ = kMost / 2;
    if (one_in_ < 1u << 31) one_in_ *= 2;
}

void SelectStage::exchange_draws(DrawsExchange& exchange) noexcept {
    const auto now = static_cast<std::uint64_t>(
        std::chrono::nanoseconds(std::chrono::steady_clock::now().time_since_epoch()).count());
    std::swap(draws_, exchange.draws);
    if (draws_ != nullptr) draws_->began_ns = now;
    if (exchange.draws != nullptr) exchange.draws->ended_ns = now;
}

/// Of the burst that is to be dealt with.
void SelectStage::draw_packets() {
    draws_->pass(burst_->count, [this](std::uint32_t place) {
        const port::PacketMeta& m = port::meta(burst_->packets[place]);
        DrawnPacket drawn{.key = {}, .length = rte_pktmbuf_pkt_len(burst_->packets[place])};
        if (!m.parsed.has_flow()) return drawn;
        drawn.key = m.parsed.key;
        const std::uint32_t candidate = candidates_[place] != flow::FlowTable::kElsewhere
                                            ? candidates_[place]
                                            : flows_.second_candidate(burst_->hashes[place]);
        if (candidate == flow::FlowTable::kNone) return drawn;
        const flow::FlowEntry& flow = flows_.entry(candidate);
        if (!flow.used || flow.key.canonical() != drawn.key.canonical()) return drawn;
        drawn.key = flow.key;
        const select::Selector& selector = knower_of(flow);
        drawn.current = flow.epoch == selector.epoch();
        if (drawn.current) drawn.tools = selector.flow_tools(flow);
        return drawn;
    });
}

}  // namespace yagura::dataplane
