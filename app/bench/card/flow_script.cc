// SPDX-License-Identifier: BSD-3-Clause
#include "app/bench/card/flow_script.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <map>
#include <string>
#include <tuple>

#include "app/bench/card/frame_of_class.h"
#include "base/bytes.h"
#include "net/parser.h"
#include "net/protocol_numbers.h"

namespace yagura::bench {
namespace {

using namespace net::tcp_flag;

constexpr std::size_t kFragmentUnit = 8;

/// Headers of a frame of the class, which is wrapped in nothing.
struct Headers {
    std::size_t all = 0;
    std::size_t transport = 0;  ///< of these

    static Headers of(FlowClass flow_class) {
        flow_class.wrapping = Wrapping::kNone;
        const auto bytes = class_frame(flow_class, {.to_server = true}, "");
        const net::ParsedPacket parsed = net::parse(bytes, bytes.size(), net::LinkType::kEthernet);
        const bool known = parsed.transport != net::kNoOffset;
        return {.all = bytes.size(), .transport = known ? bytes.size() - parsed.transport : 0};
    }
    std::size_t payload_of(std::size_t frame) const { return frame > all ? frame - all : 0; }
    /// The first fragment's, of a frame of about this size: it ends where the next may begin.
    std::size_t first_payload_of(std::size_t frame) const {
        const std::size_t most = (transport + payload_of(frame)) / kFragmentUnit * kFragmentUnit;
        const std::size_t least = transport / kFragmentUnit * kFragmentUnit + kFragmentUnit;
        return std::max(most, least) - transport;
    }
};

}  // namespace

FlowFrame FlowFrame::of(std::vector<std::uint8_t> bytes) {
    const net::ParsedPacket parsed = net::parse(bytes, bytes.size(), net::LinkType::kEthernet);
    FlowFrame frame{.bytes = std::move(bytes), .place = {}};
    frame.place = place_of_flow(frame.bytes, parsed);
    if (!frame.place) return frame;
    const net::FlowKey& key = parsed.key;
    if (key.proto == net::ip_proto::kTcp && frame.place->transport != net::kNoOffset)
        frame.seq = static_cast<std::uint16_t>(parsed.transport + 4);
    constexpr unsigned kIpv4Id = 4;
    constexpr unsigned kIpv6Id = 40 + 4;  // of a fragment header that is the first extension
    if (parsed.is_fragment)
        frame.fragment_id =
            static_cast<std::uint16_t>(parsed.inner_ip + (key.ip_version == 4 ? kIpv4Id : kIpv6Id));
    return frame;
}

/// What has been said so far, and frames for what is said next.
struct FlowScript::Saying {
    FlowScript& script;
    std::array<std::size_t, 2> said{};        // bytes, by the server, by the client
    std::array<std::uint32_t, 2> next_seq{};  // likewise
    std::uint32_t datagrams = 0;
    using Filler = std::tuple<bool, std::uint8_t, std::size_t, std::optional<FragmentPlace>>;
    std::map<Filler, std::uint32_t> fillers;

    const std::string& opening(bool to_server) const {
        return to_server ? script.flow_class_.to_server : script.flow_class_.to_client;
    }
    std::string next_bytes(bool to_server, std::size_t size) {
        const std::string& first = opening(to_server);
        std::size_t& at = said[to_server];
        std::string text = at < first.size() ? first.substr(at, size) : std::string();
        at += size;
        return text + filler_words(size - text.size());
    }
    std::uint32_t frame_of(const FrameKind& kind, const std::string& payload) {
        script.frames_.push_back(FlowFrame::of(class_frame(script.flow_class_, kind, payload)));
        return static_cast<std::uint32_t>(script.frames_.size() - 1);
    }
    Packet packet(bool to_server, std::uint8_t flags, std::size_t size,
                  const std::optional<FragmentPlace>& fragment = {}) {
        Packet made{.frame = 0,
                    .seq = next_seq[to_server],
                    .ack = next_seq[!to_server],
                    .datagram = datagrams,
                    .to_server = to_server,
                    .followed = fragment && fragment->more};
        const bool filler = said[to_server] >= opening(to_server).size();
        const Filler key{to_server, flags, size, fragment};
        const auto known = fillers.find(key);
        if (filler && known != fillers.end()) {
            made.frame = known->second;
            said[to_server] += size;
        } else {
            made.frame = frame_of({.to_server = to_server, .flags = flags, .fragment = fragment},
                                  next_bytes(to_server, size));
            if (filler) fillers.emplace(key, made.frame);
        }
        next_seq[to_server] += static_cast<std::uint32_t>(size) + ((flags & (kSyn | kFin)) != 0 ? 1u : 0u);
        if (!made.followed) ++datagrams;
        return made;
    }
    /// A datagram in two fragments, from frames of about these sizes.
    std::array<Packet, 2> two_packets(bool to_server, const Headers& headers, std::size_t first_frame,
                                      std::size_t second_frame) {
        const std::size_t first = headers.first_payload_of(first_frame);
        const std::size_t second =
            std::max(headers.payload_of(second_frame) + headers.transport, kFragmentUnit);
        FragmentPlace place{.offset = 0,
                            .more = true,
                            .datagram = static_cast<std::uint16_t>(headers.transport + first + second)};
        const Packet begin = packet(to_server, kAck | kPsh, first, place);
        place.offset = static_cast<std::uint16_t>(headers.transport + first);
        place.more = false;
        return {begin, packet(to_server, kAck | kPsh, second, place)};
    }
};

FlowScript::FlowScript(const FlowClass& flow_class, std::span<const std::uint32_t> sizes,
                       std::uint32_t packets, bool fragmented)
    : flow_class_(flow_class) {
    const Headers headers = Headers::of(flow_class_);
    const auto frame_size = [&](std::uint32_t k) { return std::min(sizes[k % sizes.size()], kLargest); };
    Saying saying{.script = *this};
    const bool tcp = flow_class.key.proto == net::ip_proto::kTcp;
    const std::uint32_t begin = tcp ? 2 : 0;
    const std::uint32_t end = tcp && packets >= 6 ? packets - 2 : packets;
    for (std::uint32_t k = 0; k < packets; ++k) {
        const std::uint32_t turn = (k - begin) / (fragmented ? 2 : 1);
        const bool to_server = tcp ? turn % 4 == 0 : turn % 2 == 0;
        if (k < begin) {
            script_.push_back(saying.packet(k == 0, k == 0 ? kSyn : kSyn | kAck, 0));
        } else if (k >= end) {
            script_.push_back(saying.packet(k == end, kFin | kAck, 0));
        } else if (fragmented && k + 1 < end) {
            for (const Packet& packet :
                 saying.two_packets(to_server, headers, frame_size(k), frame_size(k + 1)))
                script_.push_back(packet);
            ++k;
        } else {
            script_.push_back(saying.packet(to_server, kAck | kPsh, headers.payload_of(frame_size(k))));
        }
    }
    for (std::uint32_t k = 0; k < 2 * sizes.size(); ++k) {
        for (auto& said : saying.said) said = ~std::size_t{0} >> 1;
        middle_.push_back(saying.packet(k % 2 == 0, kAck, headers.payload_of(frame_size(k / 2))));
    }
}

std::uint32_t FlowScript::write(std::uint8_t* to, std::uint64_t n, const Packet& packet) const {
    const FlowFrame& frame = frames_[packet.frame];
    std::memcpy(to, frame.bytes.data(), frame.bytes.size());
    const net::FlowKey key = flow_class_.nth(n);
    if (frame.place) write_flow(to, *frame.place, packet.to_server ? key : key.reversed());
    if (frame.seq != 0) {
        base::store_be32(to + frame.seq, packet.seq);
        base::store_be32(to + frame.seq + 4, packet.ack);
    }
    if (frame.fragment_id != 0) {
        // Datagrams that are on their way together have different ones.
        const std::uint64_t id = n * script_.size() + packet.datagram;
        if (flow_class_.key.ip_version == 4) {
            base::store_be16(to + frame.fragment_id, static_cast<std::uint16_t>(id));
        } else {
            base::store_be32(to + frame.fragment_id, static_cast<std::uint32_t>(id));
        }
    }
    return static_cast<std::uint32_t>(frame.bytes.size());
}

std::uint32_t FlowScript::write(std::uint8_t* to, std::uint64_t n, std::uint32_t k) const {
    return write(to, n, script_[k]);
}

std::uint32_t FlowScript::write_middle(std::uint8_t* to, std::uint64_t n, std::uint32_t k) const {
    return write(to, n, middle_[k % middle_.size()]);
}

std::uint32_t FlowScript::fragments() const {
    return static_cast<std::uint32_t>(std::ranges::count_if(
        script_, [this](const Packet& packet) { return frames_[packet.frame].fragment_id != 0; }));
}

}  // namespace yagura::bench
