// SPDX-License-Identifier: BSD-3-Clause
// The generator of segmentation_test.cc, checked by reading its packets back the slow way.
#include <catch2/catch.hpp>
#include <map>

#include "base/bytes.h"
#include "net/parser.h"
#include "net/protocol_numbers.h"
#include "support/payload_rules.h"
#include "support/wire_form.h"

using namespace yagura;
using test::Way;

namespace {

/// Puts fragments together and the bytes of each direction in order, the first wins.
class Reader {
  public:
    Reader(const test::Endpoints& ends, bool is_tcp) : ends_(ends), is_tcp_(is_tcp) {}

    void take(const test::WireCase::Packet& packet) {
        const net::ParsedPacket p = net::parse(packet.frame, packet.frame.size(), net::LinkType::kEthernet);
        REQUIRE(p.has_flow());
        const bool up = packet.way == Way::kToServer;
        REQUIRE(p.key.src == (up ? ends_.client : ends_.server));
        if (!p.is_fragment) {
            REQUIRE(p.malformed == net::Malformed::kNone);
            REQUIRE(p.key.sport == (up ? ends_.client_port : ends_.server_port));
            const base::Bytes ip_payload = base::Bytes(packet.frame).subspan(p.transport);
            transport(packet.way, ip_payload.first(p.payload - p.transport + p.payload_size));
            return;
        }
        fragments = true;
        Datagram& datagram = datagrams_[{packet.way, p.fragment_id}];
        // The offset and the bytes by the headers themselves.
        const std::uint8_t* ip = packet.frame.data() + p.inner_ip;
        const bool v6 = p.key.ip_version == 6;
        const unsigned field = base::load_be16(v6 ? ip + 42 : ip + 6);
        const std::size_t offset = v6 ? field & 0xfff8 : (field & 0x1fff) * 8;
        const bool more = v6 ? (field & 1) != 0 : (field & 0x2000) != 0;
        const std::size_t begin = v6 ? 48 : 20;
        const std::size_t end = v6 ? 40u + base::load_be16(ip + 4) : base::load_be16(ip + 2);
        for (std::size_t i = begin; i < end; ++i) datagram.bytes.try_emplace(offset + i - begin, ip[i]);
        if (!more) datagram.size = offset + end - begin;
        if (datagram.size == 0 || datagram.bytes.size() < datagram.size || datagram.done) return;
        datagram.done = true;
        std::vector<std::uint8_t> whole;
        for (const auto& [at, byte] : datagram.bytes) whole.push_back(byte);
        transport(packet.way, whole);
    }

    test::Payload payload() const {
        if (!is_tcp_) return datagram_payload_;
        test::Payload payload;
        for (const Way way : test::kBothWays) {
            const auto& stream = streams_[index_of(way)];
            if (stream.empty()) continue;
            REQUIRE(stream.rbegin()->first + 1 == static_cast<std::int64_t>(stream.size()));  // no gaps
            std::string bytes;
            for (const auto& [at, byte] : stream) bytes += static_cast<char>(byte);
            payload.pieces[index_of(way)] = {bytes};
        }
        return payload;
    }

    bool fragments = false;
    bool late = false;  ///< a segment came before one that belongs before it
    bool again = false;

  private:
    void transport(Way way, base::Bytes bytes) {
        const std::size_t i = index_of(way);
        if (!is_tcp_) {
            datagram_payload_.pieces[i].emplace_back(bytes.begin() + 8, bytes.end());
            return;
        }
        const std::uint8_t flags = bytes[13];
        const std::uint32_t seq = base::load_be32(bytes.data() + 4);
        if ((flags & net::tcp_flag::kSyn) != 0) {
            start_[i] = seq + 1;
            return;
        }
        const base::Bytes data = bytes.subspan(std::size_t{bytes[12]} >> 4 << 2);
        if (data.empty()) return;
        if (!start_[i]) start_[i] = seq;
        auto& stream = streams_[i];
        const std::int64_t at = static_cast<std::int32_t>(seq - *start_[i]);
        REQUIRE(at >= 0);
        late |= at > static_cast<std::int64_t>(stream.size());
        for (std::size_t k = 0; k < data.size(); ++k) {
            again |= !stream.try_emplace(at + static_cast<std::int64_t>(k), data[k]).second;
        }
    }

    struct Datagram {
        std::map<std::size_t, std::uint8_t> bytes;
        std::size_t size = 0;
        bool done = false;
    };
    test::Endpoints ends_;
    bool is_tcp_;
    std::map<std::pair<Way, std::uint32_t>, Datagram> datagrams_;
    std::array<std::optional<std::uint32_t>, 2> start_;
    std::array<std::map<std::int64_t, std::uint8_t>, 2> streams_;
    test::Payload datagram_payload_;
};

}  // namespace

TEST_CASE("the generator's packets say what its conversation says") {
    unsigned fragmented = 0, late = 0, again = 0, changed = 0, tunnels = 0;
    for (std::uint32_t number = 0; number < 1'500; ++number) {
        const std::uint64_t seed = 77'000 + number;
        INFO("seed " << seed);
        test::Random random(seed);
        const test::Conversation conversation = test::make_conversation(random);
        const test::WireForm form = test::make_form(conversation, random);
        INFO(form.to_string());
        const auto ends = test::endpoints_of(number, conversation.ip_version, test::kServerPort);
        const test::WireCase wire = test::make_wire(conversation, form, ends, random);

        const bool is_tcp = conversation.proto == net::ip_proto::kTcp;
        Reader reader(ends, is_tcp);
        for (const auto& packet : wire.packets) reader.take(packet);
        const bool same = reader.payload() == wire.seen;
        CHECK(same);
        const bool both = form.sides == test::WireForm::Sides::kBoth;
        if (is_tcp && both && !form.conflicts) {
            const bool whole = wire.seen == conversation.payload();
            CHECK(whole);
        }
        changed += both && is_tcp && wire.seen != conversation.payload();
        fragmented += reader.fragments;
        late += reader.late;
        again += reader.again;
        tunnels += form.outside >= test::WireForm::Outside::kVxlan;

        std::vector<std::size_t> order = wire.handed_on;
        std::ranges::sort(order);
        for (std::size_t i = 0; i < order.size(); ++i) REQUIRE(order[i] == i);
        REQUIRE(order.size() == wire.packets.size());
    }
    // Each shape came often enough to mean something.
    for (const unsigned count : {fragmented, late, again, tunnels}) CHECK(count > 150);
    CHECK(changed > 20);
}

TEST_CASE("the slow way judges words as the rules say") {
    using test::WordPattern;
    struct Row {
        const char* description;
        WordPattern pattern;
        std::string bytes;
        bool found;
    };
    const Row rows[] = {
        {"in the middle", {.word = "abc"}, "xxabcxx", true},
        {"not all of it", {.word = "abc"}, "xxabxc", false},
        {"other case", {.word = "abc"}, "ABC", false},
        {"any case", {.word = "abc", .caseless = true}, "xAbC", true},
        {"at the start", {.word = "abc", .at_start = true}, "abcx", true},
        {"not at the start", {.word = "abc", .at_start = true}, "xabc", false},
        {"at the end", {.word = "abc", .at_end = true}, "xabc", true},
        {"not at the end", {.word = "abc", .at_end = true}, "abcx", false},
        {"at the offset", {.word = "abc", .offset = 2}, "xxabc", true},
        {"before the offset", {.word = "abc", .offset = 3}, "xxabc", false},
        {"up to the depth", {.word = "abc", .depth = 5}, "xxabc", true},
        {"beyond the depth", {.word = "abc", .depth = 4}, "xxabc", false},
        {"the depth counts from the offset", {.word = "abc", .offset = 2, .depth = 3}, "xxabc", true},
        {"a later one will do", {.word = "abc", .offset = 1}, "abcabc", true},
        {"two words", {.word = "ab", .then = "cd", .gap = 2}, "xabxxcd", true},
        {"two words too far apart", {.word = "ab", .then = "cd", .gap = 2}, "xabxxxcd", false},
        {"the other direction", {.word = "abc", .way = Way::kToClient}, "abc", false},
        {"the right direction", {.word = "abc", .way = Way::kToServer}, "abc", true},
    };
    for (const Row& row : rows) {
        INFO(row.description);
        test::Payload payload;
        payload.pieces[index_of(Way::kToServer)] = {row.bytes};
        CHECK(test::tools_of({{.any = {row.pattern}, .tool = 'b'}}, payload) == (row.found ? 2u : 0u));
        CHECK(test::tools_of({{.none = {row.pattern}, .tool = 'a'}}, payload) == (row.found ? 0u : 1u));
        CHECK(test::tools_of({{.any = {row.pattern}, .drop = true}, {.tool = 'c'}}, payload) ==
              (row.found ? 0u : 4u));
    }
    test::Payload split;
    split.pieces[0] = {"xab", "cx"};
    CHECK(test::tools_of({{.any = {{.word = "abc"}}}}, split) == 0);
    split.pieces[0] = {"xabcx"};
    CHECK(test::tools_of({{.any = {{.word = "abc"}}}}, split, 4) == 1);
    CHECK(test::tools_of({{.any = {{.word = "abc"}}}}, split, 3) == 0);
    CHECK(test::tools_of({{.any = {{.word = "abc", .at_end = true}}}}, split, 4) == 0);
}
