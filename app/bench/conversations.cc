// SPDX-License-Identifier: BSD-3-Clause
#include "app/bench/conversations.h"

#include <fmt/format.h>

#include <map>
#include <unordered_map>

#include "app/bench/frame_set.h"
#include "app/bench/literals.h"
#include "net/protocol_numbers.h"

namespace yagura::bench {
namespace {

constexpr std::size_t kRuns = 16;
constexpr std::size_t kLargest = 1460;  ///< of Ethernet's 1,500 bytes, without options

struct KeyHash {
    std::size_t operator()(const net::FlowKey& key) const { return key.symmetric_hash(1); }
};

struct Said {
    net::FlowKey key;
    base::Bytes payload;
};

std::vector<Said> tcp_payloads(const RawFrames& raw) {
    std::vector<Said> said;
    for (const RawFrame& frame : raw.frames) {
        const net::ParsedPacket parsed = net::parse(frame.bytes, frame.wire_length, raw.link_type);
        const bool taken = parsed.has_flow() && parsed.key.proto == net::ip_proto::kTcp &&
                           parsed.transport != net::kNoOffset && !parsed.is_fragment &&
                           parsed.malformed == net::Malformed::kNone && parsed.payload_size != 0;
        if (!taken) continue;
        base::Bytes payload = base::Bytes(frame.bytes).subspan(parsed.payload, parsed.payload_size);
        for (; payload.size() > kLargest; payload = payload.subspan(kLargest))
            said.push_back({parsed.key, payload.first(kLargest)});
        said.push_back({parsed.key, payload});
    }
    return said;
}

/// Connections are numbered as they are first heard of.
class Numbers {
  public:
    std::uint32_t direction_of(const net::FlowKey& key) {
        const net::FlowKey canonical = key.canonical();
        const auto [found, inserted] =
            known_.try_emplace(canonical, Known{static_cast<std::uint32_t>(known_.size()), key});
        return 2 * found->second.number + (found->second.first == key ? 0 : 1);
    }
    std::uint32_t count() const { return static_cast<std::uint32_t>(known_.size()); }

  private:
    struct Known {
        std::uint32_t number;
        net::FlowKey first;
    };
    std::unordered_map<net::FlowKey, Known, KeyHash> known_;
};

}  // namespace

std::uint64_t Conversations::bytes() const {
    std::uint64_t sum = 0;
    for (const Segment& segment : segments) sum += segment.payload.size();
    return sum;
}

base::Result<Conversations> read_conversations(const std::string& capture, std::size_t segments) {
    const auto raw = read_capture(capture, ~std::size_t{0});
    if (!raw) return raw.error();
    const std::vector<Said> said = tcp_payloads(*raw);
    if (said.empty()) return base::Error{fmt::format("{}: there is no TCP payload in it", capture)};
    Conversations conversations{.name = raw->name, .segments = {}};
    Numbers numbers;
    const std::size_t wanted = std::min(segments, said.size());
    for (std::size_t i = 0; i < wanted; ++i) {
        const std::size_t run = i * kRuns / wanted;
        const std::size_t first = (run * wanted + kRuns - 1) / kRuns;
        const Said& one = said[run * (said.size() / kRuns) + i - first];
        conversations.segments.push_back(
            {numbers.direction_of(one.key), {one.payload.begin(), one.payload.end()}});
    }
    conversations.connections = numbers.count();
    return conversations;
}

Conversations make_conversations(std::size_t segments) {
    constexpr std::uint32_t kConnections = 64;
    constexpr std::size_t kRequest = 400;
    constexpr std::size_t kResponse = 1448;
    constexpr std::size_t kResponses = 7;  // to each request
    Conversations conversations{.name = "made words", .segments = {}, .connections = kConnections};
    Words words(1);
    for (std::size_t i = 0; i < segments; ++i) {
        const bool request = i / kConnections % (1 + kResponses) == 0;
        std::string text;
        while (text.size() < (request ? kRequest : kResponse)) text += words.next() + ' ';
        text.resize(request ? kRequest : kResponse);
        conversations.segments.push_back(
            {static_cast<std::uint32_t>(2 * (i % kConnections) + (request ? 0 : 1)),
             {text.begin(), text.end()}});
    }
    return conversations;
}

Conversations recut(const Conversations& conversations, std::span<const std::size_t> sizes,
                    std::size_t segments) {
    struct Said {
        std::vector<std::uint8_t> rest;
        std::size_t cuts = 0;
    };
    Conversations cut{.name = conversations.name, .segments = {}};
    std::vector<Said> said(conversations.directions());
    std::map<std::uint32_t, std::uint32_t> numbers;
    for (const Conversations::Segment& segment : conversations.segments) {
        auto& [rest, cuts] = said[segment.direction];
        rest.insert(rest.end(), segment.payload.begin(), segment.payload.end());
        std::size_t at = 0;
        while (cut.segments.size() < segments) {
            const std::size_t size = sizes[cuts % sizes.size()];
            if (rest.size() - at < size) break;
            const auto begin = rest.begin() + static_cast<std::ptrdiff_t>(at);
            const std::uint32_t connection =
                numbers.try_emplace(segment.direction / 2, static_cast<std::uint32_t>(numbers.size()))
                    .first->second;
            cut.segments.push_back(
                {2 * connection + segment.direction % 2, {begin, begin + static_cast<std::ptrdiff_t>(size)}});
            at += size;
            ++cuts;
        }
        rest.erase(rest.begin(), rest.begin() + static_cast<std::ptrdiff_t>(at));
    }
    cut.connections = static_cast<std::uint32_t>(numbers.size());
    return cut;
}

}  // namespace yagura::bench
