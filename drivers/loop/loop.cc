// SPDX-License-Identifier: BSD-3-Clause
#include "drivers/loop/loop.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <limits>

#include "base/clock.h"
#include "net/packet_builder.h"
#include "port/packet.h"
#include "port/packet_pool.h"

namespace yagura::loop {

LoopSource::LoopSource(std::vector<Frame> frames, std::uint64_t laps, rte_mempool* pool, Clock clock)
    : frames_(std::move(frames)), laps_(laps), pool_(pool), clock_(clock) {}

std::uint16_t LoopSource::receive(std::span<rte_mbuf*> burst) {
    std::uint16_t n = 0;
    const std::uint64_t now = clock_ == Clock::kReception ? base::realtime_ns() : 0;
    while (n < burst.size() && !exhausted()) {
        const Frame& frame = frames_[next_];
        const auto size = static_cast<std::uint32_t>(frame.bytes.size());
        rte_mbuf* packet = port::PacketPool::make_packet(pool_, frame.bytes.data(), size);
        if (packet == nullptr) break;
        port::PacketMeta& m = port::meta(packet);
        m.timestamp_ns = clock_ == Clock::kReception ? now : frame.timestamp_ns;
        order_time_ = std::max(order_time_, m.timestamp_ns);
        m.order_time = order_time_;
        m.order_record = record_++;
        m.order_file = 0;
        m.port = frame.port;
        m.wire_length = std::max(frame.wire_length, size);
        burst[n++] = packet;
        if (++next_ == frames_.size()) {
            next_ = 0;
            ++lap_;
        }
    }
    return n;
}

std::uint16_t LoopSink::send(std::span<rte_mbuf* const> burst) {
    if (refuse_.load(std::memory_order_relaxed)) return 0;
    if (keep_ == Keep::kFrames) {
        std::vector<std::uint8_t> buffer;
        for (const rte_mbuf* packet : burst) {
            const port::PacketMeta& m = port::meta(packet);
            buffer.resize(rte_pktmbuf_pkt_len(packet));
            const void* bytes = rte_pktmbuf_read(packet, 0, rte_pktmbuf_pkt_len(packet), buffer.data());
            const auto* first = static_cast<const std::uint8_t*>(bytes);
            frames_.push_back({.bytes = {first, first + buffer.size()},
                               .timestamp_ns = m.timestamp_ns,
                               .wire_length = m.wire_length,
                               .port = m.port});
        }
    }
    packets_ += burst.size();
    rte_pktmbuf_free_bulk(const_cast<rte_mbuf**>(burst.data()), static_cast<unsigned>(burst.size()));
    return static_cast<std::uint16_t>(burst.size());
}

base::Result<LoopDevice> parse_loop_device(std::string_view text) {
    constexpr std::uint64_t kMaxFlows = 16'000'000;
    LoopDevice device;
    struct Key {
        std::string_view name;
        std::uint64_t least, most;
    };
    static constexpr Key kKeys[] = {
        {"flows", 1, kMaxFlows}, {"size", 60, 9018}, {"count", 0, std::numeric_limits<std::uint64_t>::max()}};
    while (!text.empty()) {
        const std::string_view item = text.substr(0, text.find(','));
        text.remove_prefix(std::min(text.size(), item.size() + 1));
        const std::size_t equals = item.find('=');
        const std::string_view name = item.substr(0, equals);
        const auto key = std::ranges::find(kKeys, name, &Key::name);
        if (equals == std::string_view::npos || key == std::end(kKeys)) {
            return base::Error{fmt::format(
                "loop: \"{}\" is not known; write for instance loop:flows=1000,size=64,count=100000", item)};
        }
        const std::string_view value = item.substr(equals + 1);
        std::uint64_t number = 0;
        const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
        if (error != std::errc{} || end != value.data() + value.size() || number < key->least ||
            number > key->most) {
            return base::Error{fmt::format("loop: {} is a number from {} to {}, not \"{}\"", name, key->least,
                                           key->most, value)};
        }
        if (name == "flows") {
            device.flows = static_cast<std::uint32_t>(number);
        } else if (name == "size") {
            device.size = static_cast<std::uint32_t>(number);
        } else {
            device.count = number;
        }
    }
    return device;
}

std::vector<Frame> make_frames(const LoopDevice& device, base::PortId port) {
    constexpr std::uint32_t kHeaders = 14 + 20 + 20;
    const std::string payload(device.size - kHeaders, 'y');
    std::vector<Frame> frames;
    frames.reserve(device.flows);
    for (std::uint32_t flow = 0; flow < device.flows; ++flow) {
        // 10.x.y.z, 256 clients to a network, talks to 192.0.2.1.
        const net::IpAddress client{10, static_cast<std::uint8_t>(flow >> 16),
                                    static_cast<std::uint8_t>(flow >> 8), static_cast<std::uint8_t>(flow)};
        const net::IpAddress server{192, 0, 2, 1};
        net::PacketBuilder packet;
        packet.ethernet();
        if (flow % 2 == 0) {
            packet.ipv4(client, server).tcp(40000, 80);
        } else {
            packet.ipv4(server, client).tcp(80, 40000);
        }
        frames.push_back(
            {.bytes = packet.payload(payload).build(), .timestamp_ns = flow, .wire_length = 0, .port = port});
    }
    return frames;
}

}  // namespace yagura::loop
