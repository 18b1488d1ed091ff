// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "net/packet_builder.h"
#include "support/pipeline_run.h"

namespace yagura::test {

/// Frames as they are said, one microsecond apart.
class Traffic {
  public:
    using Fields = net::PacketBuilder::TcpFields;

    /// A connection that grows by what its client and its server say.
    class Session {
      public:
        Session(Traffic& traffic, unsigned number) : traffic_(traffic), number_(number) {}

        Session& open() {
            client("", net::tcp_flag::kSyn);
            server("", net::tcp_flag::kSyn | net::tcp_flag::kAck);
            return *this;
        }
        Session& client(const std::string& text, unsigned flags = net::tcp_flag::kAck) {
            return say(0, text, flags);
        }
        Session& server(const std::string& text, unsigned flags = net::tcp_flag::kAck) {
            return say(1, text, flags);
        }
        /// `n` segments of `size` bytes by the client, among which no pattern of these tests is.
        Session& talk(unsigned n, std::size_t size = 10) {
            for (unsigned i = 0; i < n; ++i) client(std::string(size, 'a'));
            return *this;
        }
        /// Places in `frames` of all that was said.
        const std::vector<std::size_t>& places() const { return places_; }

      private:
        Session& say(unsigned from, const std::string& text, unsigned flags) {
            const net::IpAddress client{10, 0, static_cast<std::uint8_t>(number_ >> 8),
                                        static_cast<std::uint8_t>(number_)};
            const net::IpAddress server{192, 0, 2, 1};
            net::PacketBuilder packet;
            packet.ethernet().ipv4(from == 0 ? client : server, from == 0 ? server : client);
            packet.tcp(from == 0 ? 40000 : 80, from == 0 ? 80 : 40000, static_cast<std::uint8_t>(flags),
                       {.seq = next_[from], .ack = next_[1 - from]});
            if (!text.empty()) packet.payload(text);
            next_[from] += static_cast<std::uint32_t>(text.size()) +
                           ((flags & (net::tcp_flag::kSyn | net::tcp_flag::kFin)) != 0 ? 1 : 0);
            places_.push_back(traffic_.add(packet.build(), from));
            return *this;
        }

        Traffic& traffic_;
        unsigned number_;
        std::array<std::uint32_t, 2> next_{1000, 2000};
        std::vector<std::size_t> places_;
    };

    std::size_t add(std::vector<std::uint8_t> bytes, unsigned port = 0) {
        frames.push_back({.bytes = std::move(bytes),
                          .timestamp_ns = 1'000 * (frames.size() + 1),
                          .wire_length = 0,
                          .port = base::PortId{static_cast<std::uint16_t>(port)}});
        return frames.size() - 1;
    }

    std::vector<loop::Frame> frames;
};

/// The places in the traffic of what a tool got, in the order in which it came. Every frame must be as it
/// was.
inline std::vector<std::size_t> got(const PipelineRun& run, std::size_t tool, const Traffic& traffic) {
    std::vector<std::size_t> places;
    for (loop::Frame frame : run.sinks[tool]->frames()) {
        const std::size_t place = frame.timestamp_ns / 1'000 - 1;
        REQUIRE(place < traffic.frames.size());
        frame.wire_length = 0;
        CHECK(frame == traffic.frames[place]);
        places.push_back(place);
    }
    return places;
}

inline std::vector<std::size_t> sorted(std::vector<std::size_t> places) {
    std::ranges::sort(places);
    return places;
}

inline std::uint64_t dropped(const dataplane::Stats& stats, select::DropReason reason) {
    std::uint64_t packets = 0;
    for (const auto& port : stats.ports) packets += port.dropped[static_cast<std::size_t>(reason)].packets;
    return packets;
}

inline std::uint64_t shed(const dataplane::Stats& stats, port::ShedReason reason) {
    std::uint64_t packets = 0;
    for (const auto& tool : stats.tools) packets += tool.shed[static_cast<std::size_t>(reason)].packets;
    return packets;
}

/// Rings of 16 packets.
inline void narrow(PipelineRun& run, unsigned burst) {
    run.options.fragments.waiting = 8;
    run.options.ring_size = 16;
    run.options.burst = burst;
}

inline void new_release_pool(PipelineRun& run, std::uint32_t size) {
    run.release_pool = std::move(port::PacketPool::create("few", size).value());
    run.options.release_pool = run.release_pool->get();
}

inline constexpr const char* kNeedle = R"([{"id": 1, "payload": ["needle"], "forward": ["a"]}])";
inline std::string with_inspect(const std::string& keys) {
    return R"(, "inspect": {"flows": 4096, )" + keys + "}";
}

}  // namespace yagura::test
