// SPDX-License-Identifier: BSD-3-Clause
#include "app/bench/traffic.h"

#include <fmt/format.h>

#include "app/bench/flow_writer.h"
#include "net/packet_builder.h"

namespace yagura::bench {
namespace {

constexpr std::uint32_t kHeaders = 14 + 20 + 20;

RawFrame frame_of(const net::FlowKey& key, const net::PacketBuilder::TcpFields& fields,
                  std::string_view payload, std::uint8_t flags = net::tcp_flag::kAck) {
    auto bytes = net::PacketBuilder()
                     .ethernet()
                     .ipv4(key.src, key.dst)
                     .tcp(key.sport, key.dport, flags, fields)
                     .payload(payload)
                     .build();
    const auto size = static_cast<std::uint32_t>(bytes.size());
    return {.bytes = std::move(bytes), .wire_length = size};
}

}  // namespace

RawFrames make_packets(std::uint32_t flows, std::size_t packets, const FrameSizes& sizes, unsigned chosen) {
    RawFrames raw{.name = "made packets", .frames = {}};
    const std::size_t laps = (packets + flows - 1) / flows;
    raw.frames.reserve(laps * flows);
    for (std::size_t i = 0; i < laps * flows; ++i) {
        const std::uint64_t flow = i % flows;
        const net::FlowKey key = made_flow(flow, is_chosen(flow, chosen));
        const std::string payload(sizes.of(i) - kHeaders, 'y');
        raw.frames.push_back(frame_of(i / flows % 2 == 0 ? key : key.reversed(), {}, payload));
    }
    return raw;
}

base::Result<RawFrames> make_sessions(std::uint32_t flows, const FrameSizes& sizes, unsigned chosen,
                                      std::span<const Literal> literals) {
    constexpr std::size_t kRequestEvery = 4;
    constexpr std::size_t kSizeStep = 5;  // each flow goes through all sizes of a mix
    struct Session {
        std::uint32_t said[2] = {1, 1};  ///< sequence numbers: of the client, of the server
        bool waits;                      ///< for a packet with room for its literal
    };
    RawFrames raw{.name = "made sessions", .frames = {}};
    raw.frames.reserve(flows * kPacketsOfSession);
    std::vector<Session> sessions(flows);
    std::size_t waiting = 0;
    for (std::uint32_t flow = 0; flow < flows; ++flow) {
        sessions[flow].waits = is_chosen(flow, chosen);
        waiting += sessions[flow].waits ? 1 : 0;
    }
    Words words(1);
    std::string text;
    std::size_t planted = 0;
    for (std::size_t i = 0; i < flows * kPacketsOfSession; ++i) {
        const std::size_t flow = i % flows;
        const std::size_t turn = i / flows;
        Session& session = sessions[flow];
        const std::size_t size = sizes.of(flow + kSizeStep * turn) - kHeaders;
        while (text.size() < size) text += words.next() + ' ';
        std::string payload = text.substr(0, size);
        text.erase(0, size);
        if (session.waits) {
            const std::string& bytes = literals[planted % literals.size()].bytes;
            if (bytes.size() <= size) {
                payload.replace(size - bytes.size(), bytes.size(), bytes);
                session.waits = false;
                ++planted;
                --waiting;
            }
        }
        const net::FlowKey key = made_flow(flow, false);
        const unsigned side = turn % kRequestEvery == 0 ? 0 : 1;
        const bool last = turn + 1 == kPacketsOfSession || turn + kRequestEvery == kPacketsOfSession;
        const auto flags = static_cast<std::uint8_t>(net::tcp_flag::kAck | (last ? net::tcp_flag::kFin : 0));
        raw.frames.push_back(frame_of(side == 0 ? key : key.reversed(),
                                      {.seq = session.said[side], .ack = session.said[1 - side]}, payload,
                                      flags));
        session.said[side] += static_cast<std::uint32_t>(size);
    }
    if (waiting != 0) {
        return base::Error{fmt::format(
            "frames of {} bytes have no room for a pattern that is to be found; choose a larger --size",
            sizes.name)};
    }
    return raw;
}

}  // namespace yagura::bench
