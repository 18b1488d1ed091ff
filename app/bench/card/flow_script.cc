// SPDX-License-Identifier: BSD-3-Clause
#include "app/bench/card/flow_script.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <map>
#include <string>
#include <tuple>

#include "app/bench/card/frame_of_class.h"
#include "net/parser.h"
#include "net/protocol_numbers.h"

namespace yagura::bench {
namespace {

using namespace net::tcp_flag;

std::size_t address_size(std::uint8_t ip_version) {
    return ip_version == 4 ? 4 : 16;
}

}  // namespace

FlowFrame FlowFrame::of(std::vector<std::uint8_t> bytes) {
    const net::ParsedPacket parsed = net::parse(bytes, bytes.size(), net::LinkType::kEthernet);
    FlowFrame frame{.bytes = std::move(bytes), .ip_version = parsed.key.ip_version};
    if (!parsed.has_flow()) return frame;
    frame.src = static_cast<std::uint16_t>(parsed.inner_ip + (frame.ip_version == 4 ? 12 : 8));
    frame.dst = static_cast<std::uint16_t>(frame.src + address_size(frame.ip_version));
    const bool ports = parsed.key.sport != 0 || parsed.key.dport != 0;
    if (!ports || parsed.transport == net::kNoOffset) return frame;
    frame.ports = parsed.transport;
    if (parsed.key.proto == net::ip_proto::kTcp) frame.seq = static_cast<std::uint16_t>(parsed.transport + 4);
    return frame;
}

void FlowFrame::write_key(std::uint8_t* copy, const net::FlowKey& key) const {
    if (src == 0) return;
    std::memcpy(copy + src, key.src.data(), address_size(ip_version));
    std::memcpy(copy + dst, key.dst.data(), address_size(ip_version));
    if (ports == 0) return;
    base::store_be16(copy + ports, key.sport);
    base::store_be16(copy + ports + 2, key.dport);
}

/// What has been said so far, and frames for what is said next.
struct FlowScript::Saying {
    FlowScript& script;
    std::array<std::size_t, 2> said{};        // bytes, by the server, by the client
    std::array<std::uint32_t, 2> next_seq{};  // likewise
    std::map<std::tuple<bool, std::uint8_t, std::uint32_t>, std::uint32_t> fillers;

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
    std::uint32_t frame_of(bool to_server, std::uint8_t flags, const std::string& payload) {
        script.frames_.push_back(FlowFrame::of(
            class_frame(script.flow_class_, {.to_server = to_server, .flags = flags}, payload)));
        return static_cast<std::uint32_t>(script.frames_.size() - 1);
    }
    Packet packet(bool to_server, std::uint8_t flags, std::size_t size) {
        Packet made{
            .frame = 0, .seq = next_seq[to_server], .ack = next_seq[!to_server], .to_server = to_server};
        const bool filler = said[to_server] >= opening(to_server).size();
        const auto key = std::make_tuple(to_server, flags, static_cast<std::uint32_t>(size));
        const auto known = fillers.find(key);
        if (filler && known != fillers.end()) {
            made.frame = known->second;
            said[to_server] += size;
        } else {
            made.frame = frame_of(to_server, flags, next_bytes(to_server, size));
            if (filler) fillers.emplace(key, made.frame);
        }
        next_seq[to_server] += static_cast<std::uint32_t>(size) + ((flags & (kSyn | kFin)) != 0 ? 1u : 0u);
        return made;
    }
};

FlowScript::FlowScript(const FlowClass& flow_class, std::span<const std::uint32_t> sizes,
                       std::uint32_t packets)
    : flow_class_(flow_class) {
    const std::size_t headers = class_frame(flow_class_, {.to_server = true}, "").size();
    const auto payload = [&](std::uint32_t k) {
        const std::size_t size = std::min(sizes[k % sizes.size()], kLargest);
        return size > headers ? size - headers : std::size_t{0};
    };
    Saying saying{.script = *this};
    const bool tcp = flow_class.key.proto == net::ip_proto::kTcp;
    for (std::uint32_t k = 0; k < packets; ++k) {
        if (tcp && k < 2) {
            script_.push_back(saying.packet(k == 0, k == 0 ? kSyn : kSyn | kAck, 0));
        } else if (tcp && packets >= 6 && k >= packets - 2) {
            script_.push_back(saying.packet(k == packets - 2, kFin | kAck, 0));
        } else {
            const bool to_server = tcp ? k % 4 == 2 : k % 2 == 0;
            script_.push_back(saying.packet(to_server, kAck | kPsh, payload(k)));
        }
    }
    for (std::uint32_t k = 0; k < 2 * sizes.size(); ++k) {
        for (auto& said : saying.said) said = ~std::size_t{0} >> 1;
        middle_.push_back(saying.packet(k % 2 == 0, kAck, payload(k / 2)));
    }
}

std::uint32_t FlowScript::write(std::uint8_t* to, std::uint64_t n, const Packet& packet) const {
    const FlowFrame& frame = frames_[packet.frame];
    std::memcpy(to, frame.bytes.data(), frame.bytes.size());
    const net::FlowKey key = flow_class_.nth(n);
    frame.write_key(to, packet.to_server ? key : key.reversed());
    if (frame.seq != 0) {
        base::store_be32(to + frame.seq, packet.seq);
        base::store_be32(to + frame.seq + 4, packet.ack);
    }
    return static_cast<std::uint32_t>(frame.bytes.size());
}

std::uint32_t FlowScript::write(std::uint8_t* to, std::uint64_t n, std::uint32_t k) const {
    return write(to, n, script_[k]);
}

std::uint32_t FlowScript::write_middle(std::uint8_t* to, std::uint64_t n, std::uint32_t k) const {
    return write(to, n, middle_[k % middle_.size()]);
}

std::uint64_t FlowScript::bytes() const {
    std::uint64_t sum = 0;
    for (const Packet& packet : script_) sum += frames_[packet.frame].bytes.size();
    return sum;
}

}  // namespace yagura::bench
