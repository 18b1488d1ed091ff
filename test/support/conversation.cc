// SPDX-License-Identifier: BSD-3-Clause
#include "support/conversation.h"

#include <algorithm>
#include <cctype>

#include "net/protocol_numbers.h"

namespace yagura::test {
namespace {

constexpr std::size_t kMaxDatagram = 60'000;

/// Any bytes but letters, which are for the needles, and newlines, which `$` would look past.
std::string filler(Random& random, std::size_t size) {
    std::string bytes(size, '\0');
    std::uint64_t word = 0;
    for (std::size_t i = 0; i < size; ++i) {
        if (i % 8 == 0) word = random.word();
        const auto byte = static_cast<unsigned char>(word >> (i % 8 * 8));
        const bool reserved = std::isalpha(byte) != 0 || byte == '\n';
        bytes[i] = static_cast<char>(reserved ? '0' + byte % 10 : byte);
    }
    return bytes;
}

std::size_t stream_size(Random& random) {
    switch (random.below(32)) {
        case 0:
            return random.between(20'000, 150'000);
        case 1:
        case 2:
            return 0;
        default:
            break;
    }
    if (random.one_in(4)) return random.between(600, 6'000);
    return random.one_in(4) ? random.between(1, 40) : random.between(40, 600);
}

std::string disguised(Random& random, std::string word) {
    switch (random.below(6)) {
        case 0:
            std::ranges::transform(word, word.begin(), [](unsigned char c) { return std::toupper(c); });
            return word;
        case 1:
            return word.substr(0, random.between(1, word.size() - 1));
        case 2:
            return word.substr(0, random.between(1, word.size() - 1)) + word;  // a false start
        default:
            return word;
    }
}

/// Puts words over the filler; those that come last may cover those before them.
void hide_needles(Random& random, std::array<std::string, 2>& streams) {
    for (const char* needle : kNeedles) {
        if (random.one_in(2)) continue;
        for (std::uint32_t times = random.one_in(4) ? 2 : 1; times > 0; --times) {
            std::string& stream = streams[random.below(2)];
            const std::string word = disguised(random, needle);
            if (stream.size() < word.size()) continue;
            const std::size_t last = stream.size() - word.size();
            std::size_t at = random.below(last + 1);
            if (random.one_in(5)) at = 0;
            if (random.one_in(5)) at = last;
            if (random.one_in(6)) at = random.below(std::min<std::size_t>(last, 300) + 1);
            stream.replace(at, word.size(), word);
        }
    }
}

std::vector<std::string> split(Random& random, const std::string& stream, std::size_t most) {
    std::vector<std::string> parts;
    std::vector<std::size_t> cuts = {0, stream.size()};
    for (std::uint32_t n = random.below(4); n > 0; --n) cuts.push_back(random.below(stream.size()));
    if (random.one_in(3)) {
        const std::size_t word = stream.find_first_of("NQP");
        if (word != std::string::npos) cuts.push_back(std::min(word + random.between(1, 6), stream.size()));
    }
    for (std::size_t at = most; at < stream.size(); at += most) cuts.push_back(at);
    std::ranges::sort(cuts);
    for (std::size_t i = 1; i < cuts.size(); ++i) {
        if (cuts[i] > cuts[i - 1]) parts.push_back(stream.substr(cuts[i - 1], cuts[i] - cuts[i - 1]));
    }
    return parts;
}

}  // namespace

Payload Conversation::payload() const {
    Payload payload;
    for (const Turn& turn : turns) {
        auto& pieces = payload.pieces[index_of(turn.way)];
        if (proto == net::ip_proto::kUdp || pieces.empty()) {
            pieces.push_back(turn.bytes);
        } else {
            pieces.front() += turn.bytes;
        }
    }
    return payload;
}

Conversation make_conversation(Random& random) {
    Conversation conversation;
    conversation.ip_version = random.one_in(3) ? 6 : 4;
    const bool is_udp = random.one_in(5);
    conversation.proto = is_udp ? net::ip_proto::kUdp : net::ip_proto::kTcp;
    std::array<std::string, 2> streams;
    for (std::string& stream : streams) stream = filler(random, stream_size(random));
    if (streams[0].empty()) streams[0] = filler(random, random.between(1, 100));
    hide_needles(random, streams);

    std::array<std::vector<std::string>, 2> parts;
    for (const Way way : kBothWays) {
        const std::size_t i = index_of(way);
        parts[i] = split(random, streams[i], is_udp ? kMaxDatagram : std::string::npos / 2);
    }
    std::array<std::size_t, 2> next = {0, 0};
    Way way = Way::kToServer;
    while (next[0] < parts[0].size() || next[1] < parts[1].size()) {
        const std::size_t i = index_of(way);
        if (next[i] < parts[i].size()) conversation.turns.push_back({way, parts[i][next[i]++]});
        way = other(way);
    }
    return conversation;
}

}  // namespace yagura::test
