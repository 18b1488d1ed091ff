// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <algorithm>
#include <atomic>
#include <string>
#include <vector>

#include "net/parser.h"
#include "support/held_traffic.h"

namespace yagura::test {

/// Gives the frames in their order, so far as it is told to.
class GatedSource final : public port::RxQueue {
  public:
    GatedSource(const std::vector<loop::Frame>& frames, rte_mempool* pool) : source_(frames, 1, pool) {}

    void open_to(std::uint64_t place) { limit_.store(place, std::memory_order_release); }

    [[nodiscard]] std::uint16_t receive(std::span<rte_mbuf*> burst) override {
        const std::uint64_t left = limit_.load(std::memory_order_acquire) - given_;
        if (left == 0) return 0;
        const std::uint16_t n = source_.receive(burst.first(std::min<std::size_t>(burst.size(), left)));
        given_ += n;
        return n;
    }
    bool can_wait() const override { return true; }
    bool exhausted() const override { return source_.exhausted(); }

  private:
    loop::LoopSource source_;
    std::atomic<std::uint64_t> limit_{0};
    std::uint64_t given_ = 0;
};

/// A run whose packets come in steps, between which tools go down and up.
struct SteppedRun : PipelineRun {
    SteppedRun(const Traffic& t, const std::string& rules, const std::string& more = "")
        : PipelineRun(rules, 8191, more), traffic(t), source(t.frames, pool->get()) {
        options.sources = {&source};
    }
    /// Lets packets up to this place in, and waits until each is where it goes or held.
    void go_to(std::size_t place) {
        source.open_to(place);
        for (;;) {
            const dataplane::Stats stats = pipeline->stats();
            std::uint64_t arrived = 0;
            for (const auto& port : stats.ports) arrived += port.received.packets - port.in_flight.packets;
            bool quiet = arrived == place;
            for (const auto& tool : stats.tools) quiet = quiet && tool.offered == tool.sent;
            if (quiet) return;
            test::sleep_ms(1);
        }
    }
    std::vector<std::size_t> places(std::size_t tool) const { return got(*this, tool, traffic); }

    const Traffic& traffic;
    GatedSource source;
};

/// The hash by which the session with this number chooses.
inline std::uint64_t hash_of_session(unsigned number, std::uint64_t seed) {
    net::PacketBuilder packet;
    packet.ethernet().ipv4({10, 0, static_cast<std::uint8_t>(number >> 8), static_cast<std::uint8_t>(number)},
                           {192, 0, 2, 1});
    packet.tcp(40000, 80, net::tcp_flag::kAck);
    const auto bytes = packet.build();
    return net::parse(bytes, bytes.size(), net::LinkType::kEthernet).key.symmetric_hash(seed);
}

}  // namespace yagura::test
