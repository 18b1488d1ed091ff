// SPDX-License-Identifier: BSD-3-Clause
#include <catch2/catch.hpp>
#include <sstream>
#include <string>

#include "flow/flow_table.h"
#include "flow_keys.h"
#include "segment_words.h"

using namespace yagura;
using flow::Arrival;
using flow::FlowTable;
using flow::FlowTimeouts;
using test::numbered;

namespace {

constexpr std::uint64_t kSecond = 1'000'000'000;
constexpr std::uint64_t kTick = std::uint64_t{1} << flow::FlowClock::kTickShift;
constexpr std::uint64_t kYear = 365 * 86'400 * kSecond;
/// Not a whole number of ticks.
constexpr std::uint64_t kStart = 1'700'000'000 * kSecond + 12'345'678;

constexpr std::uint8_t kTcp = net::ip_proto::kTcp;
constexpr std::uint8_t kUdp = net::ip_proto::kUdp;
constexpr std::uint8_t kIcmp = net::ip_proto::kIcmp;
constexpr std::uint8_t kSctp = net::ip_proto::kSctp;

constexpr FlowTimeouts kTimeouts{.tcp_opening = 20 * kSecond,
                                 .tcp = 500 * kSecond,
                                 .tcp_closed = 3 * kSecond,
                                 .udp = 100 * kSecond,
                                 .other = 7 * kSecond};

/// A table and what is said to it. Words as in segment_words.h.
struct Talk {
    explicit Talk(std::uint8_t protocol, std::uint32_t capacity = 64,
                  const FlowTimeouts& timeouts = kTimeouts)
        : proto(protocol), table(capacity, timeouts, true) {}

    FlowTable::Found say(const std::string& word, std::uint64_t now, std::uint32_t flow = 0) {
        const flow::TcpSignal segment = test::segment_from_word(word);
        const net::FlowKey key = numbered(flow, proto);
        return table.find_or_insert(
            segment.from_dst ? key.reversed() : key, key.symmetric_hash(1),
            {.now_ns = now, .tcp_flags = segment.flags, .has_payload = segment.has_payload});
    }
    FlowTable::Found say_all(const std::string& text, std::uint64_t now, std::uint32_t flow = 0) {
        FlowTable::Found found;
        std::istringstream words(text);
        for (std::string word; words >> word;) {
            found = say(word, now, flow);
            REQUIRE_FALSE(found.ended);
        }
        return found;
    }
    std::uint32_t sweep(std::uint64_t now, std::uint32_t looks) { return table.sweep(now, looks); }

    std::uint8_t proto;
    FlowTable table;
};

}  // namespace

TEST_CASE("a flow ends when it has been idle for its timeout, within two ticks, and not before") {
    struct Row {
        const char* what;
        std::uint8_t proto;
        const char* packets;
        std::uint64_t timeout;
    };
    const auto row = GENERATE(values<Row>({
        {"a SYN", kTcp, ">S", kTimeouts.tcp_opening},
        {"half open: the server has answered, the client has not", kTcp, ">S <SA", kTimeouts.tcp_opening},
        {"backscatter of somebody else's flood", kTcp, ">SA", kTimeouts.tcp_opening},
        {"a scan without flags", kTcp, ">-", kTimeouts.tcp_opening},
        {"established", kTcp, ">S <SA >A", kTimeouts.tcp},
        {"established, one direction captured", kTcp, ">S >A", kTimeouts.tcp},
        {"picked up in the middle, one direction captured", kTcp, ">AD", kTimeouts.tcp},
        {"one end has sent a FIN", kTcp, ">A <A >FA", kTimeouts.tcp},
        {"the only end that is captured has sent a FIN", kTcp, ">S >A >FA", kTimeouts.tcp_closed},
        {"both ends have sent a FIN", kTcp, ">A <A >FA <FA >A", kTimeouts.tcp_closed},
        {"reset", kTcp, ">A <A <R", kTimeouts.tcp_closed},
        {"refused", kTcp, ">S <RA", kTimeouts.tcp_closed},
        {"reset by somebody else", kTcp, ">A <A >R >AD", kTimeouts.tcp},
        {"a datagram", kUdp, ">-D", kTimeouts.udp},
        {"a datagram and its answer", kUdp, ">-D <-D", kTimeouts.udp},
        {"what would be a FIN in TCP", kUdp, ">FA <FA", kTimeouts.udp},
        {"an echo and its answer", kIcmp, ">-D <-D", kTimeouts.other},
        {"a protocol with ports", kSctp, ">-D", kTimeouts.other},
    }));
    CAPTURE(row.what, row.packets);
    const std::uint64_t start = kStart + GENERATE(0, kTick / 2, kTick - 1);
    CAPTURE(start);
    {
        Talk talk(row.proto);
        const auto flow = talk.say_all(row.packets, start);
        const auto found = talk.say("<-", start + row.timeout);
        CHECK(found.index == flow.index);
        CHECK_FALSE(found.ended);
        CHECK(talk.table.ended_by_timeout() == 0);
    }
    {
        Talk talk(row.proto);
        const auto flow = talk.say_all(row.packets, start);
        const auto found = talk.say(">-", start + row.timeout + 2 * kTick);
        CHECK(found.index == flow.index);
        CHECK(found.ended);
        CHECK_FALSE(found.inserted);
        CHECK(talk.table.ended_by_timeout() == 1);
        CHECK(talk.table.ended_by_reuse() == 0);
    }
}

TEST_CASE("every packet, either way, puts a flow's end off") {
    Talk talk(kUdp);
    std::uint64_t now = kStart;
    for (int i = 0; i < 10; ++i) {
        CHECK_FALSE(talk.say(i % 2 == 0 ? ">-D" : "<-D", now).ended);
        now += kTimeouts.udp;
    }
    CHECK(talk.say(">-D", now + 2 * kTick).ended);
}

TEST_CASE("a packet with an older stamp belongs to its flow and does not turn its time back") {
    Talk talk(kIcmp);
    talk.say(">-", kStart);
    const auto late = talk.say("<-", kStart - 30 * kSecond);
    CHECK_FALSE(late.ended);
    CHECK(talk.table.entry(late.index).answered);
    CHECK_FALSE(talk.say(">-", kStart + kTimeouts.other).ended);
}

TEST_CASE("an opening segment where a connection is over begins a new one") {
    struct Row {
        const char* what;
        const char* before;
        const char* next;
        bool ended;
    };
    const auto row = GENERATE(values<Row>({
        {"after FINs of both", ">S <SA >A >FA <FA >A", ">S", true},
        {"from the other end", ">S <SA >A >FA <FA >A", "<S", true},
        {"with data (RFC 7413)", ">A >FA <FA", ">SD", true},
        {"after a reset", ">A <A >R", ">S", true},
        {"after a refusal: each try is a connection", ">S <RA", ">S", true},
        {"after the FIN of the only end that is captured", ">S >A >FA", ">S", true},
        {"after one FIN", ">A <A >FA", ">S", false},
        {"while opening: sent again", ">S", ">S", false},
        {"in an established connection", ">A <A", ">S", false},
        {"a handshake's answer", ">A >FA <FA", "<SA", false},
        {"a SYN with a FIN", ">A >FA <FA", ">SF", false},
        {"a SYN with a reset", ">A >FA <FA", ">SR", false},
        {"data after FINs of both", ">A >FA <FA", ">AD", false},
    }));
    CAPTURE(row.what, row.before, row.next);
    Talk talk(kTcp);
    const auto before = talk.say_all(row.before, kStart);
    const auto found = talk.say(row.next, kStart + kSecond);
    CHECK(found.index == before.index);
    CHECK(found.ended == row.ended);
    CHECK(talk.table.ended_by_reuse() == (row.ended ? 1 : 0));
    CHECK(talk.table.ended_by_timeout() == 0);
    CHECK(talk.table.size() == 1);
}

TEST_CASE("what has ended is as its last packet left it, until it is begun anew") {
    Talk talk(kTcp);
    const auto first = talk.say_all(">S <SA >A >FA <FA", kStart);
    const flow::FlowEntry before = talk.table.entry(first.index);
    talk.table.entry(first.index).decision = 5;
    talk.table.details(first.index).packets = 6;
    const auto found = talk.say("<S", kStart + kSecond);
    REQUIRE(found.ended);
    CHECK(found.reverse);
    const flow::FlowEntry& entry = talk.table.entry(found.index);
    CHECK(entry.tcp_state == before.tcp_state);
    CHECK(entry.last_seen == before.last_seen);
    CHECK(entry.decision == 5);

    const net::FlowKey key = numbered(0).reversed();
    talk.table.restart(found.index, key,
                       {.now_ns = kStart + kSecond, .tcp_flags = net::tcp_flag::kSyn, .has_payload = false});
    CHECK(entry.key == key);
    CHECK(entry.used);
    CHECK(entry.decision == 0);
    CHECK_FALSE(entry.answered);
    CHECK(entry.tcp_state == static_cast<unsigned>(flow::TcpState::kOpening));
    CHECK(talk.table.details(found.index).packets == 0);
    CHECK(talk.table.size() == 1);
    // The directions are those of the new flow, and so is the time.
    CHECK_FALSE(talk.say("<A", kStart + kSecond + kTimeouts.tcp_opening).reverse);
    CHECK(talk.say(">A", kStart + kSecond).reverse);
}

TEST_CASE("who answers, and who is the client") {
    struct Row {
        const char* what;
        const char* packets;
        bool answered;
        bool client_is_dst;
    };
    const auto row = GENERATE(values<Row>({
        {"the client begins", ">S", false, false},
        {"the client begins and is answered", ">S <SA >A", true, false},
        {"the first packet is the answer", ">SA", false, true},
        {"the first packet is the answer, the SYN comes after it", ">SA <S <A", true, true},
        {"picked up in the middle: the first sender", ">A", false, false},
        {"a SYN with ACK and FIN is nobody's answer", ">SAF", false, false},
    }));
    CAPTURE(row.what);
    Talk talk(kTcp);
    const flow::FlowEntry& entry = talk.table.entry(talk.say_all(row.packets, kStart).index);
    CHECK(entry.answered == row.answered);
    CHECK(entry.client_is_dst == row.client_is_dst);
    Talk datagrams(kUdp);
    CHECK_FALSE(datagrams.table.entry(datagrams.say(">SA", kStart).index).client_is_dst);
}

TEST_CASE("a sweep hands out what ended, once a fragment from before the end cannot come any more") {
    Talk talk(kIcmp);
    const std::uint32_t index = talk.say(">-", kStart).index;
    const std::uint64_t end = kStart + kTimeouts.other + FlowTable::kSweepSlackNs;
    CHECK(talk.sweep(end, 100) == FlowTable::kNone);
    // A fragment that has waited: its stamp is from before the end.
    CHECK_FALSE(talk.say(">-", kStart + kTimeouts.other - kSecond).ended);
    const std::uint64_t later = end + kTimeouts.other + 3 * kTick;
    CHECK(talk.sweep(later, 100) == index);
    CHECK(talk.table.ended_by_timeout() == 1);
    talk.table.erase(index);
    CHECK(talk.sweep(later, 100) == FlowTable::kNone);
    CHECK(talk.table.size() == 0);
}

TEST_CASE("a sweep goes on with the looks that it has left") {
    Talk talk(kIcmp, 100);
    for (std::uint32_t n = 0; n < 100; ++n) talk.say(">-", n % 10 == 3 ? kStart : kStart + kYear, n);
    std::uint32_t looks = 50;
    for (const std::uint32_t index : {3u, 13u, 23u, 33u, 43u}) {
        CHECK(talk.table.sweep(kStart + kYear, looks) == index);
        CHECK(looks == 49 - index);
        talk.table.erase(index);
    }
    CHECK(talk.table.sweep(kStart + kYear, looks) == FlowTable::kNone);
    CHECK(looks == 0);
}

TEST_CASE("a sweep looks at no more entries than it is told, and comes round to all") {
    Talk talk(kIcmp, 100);
    for (std::uint32_t n = 0; n < 100; ++n) talk.say(">-", n == 70 ? kStart : kStart + kYear, n);
    std::uint32_t calls = 1;
    std::uint32_t found;
    while ((found = talk.sweep(kStart + kYear, 10)) == FlowTable::kNone && calls < 100) ++calls;
    CHECK(found == 70);
    CHECK(calls == 8);
    talk.table.erase(found);
    for (int i = 0; i < 11; ++i) CHECK(talk.sweep(kStart + kYear, 10) == FlowTable::kNone);
    CHECK(talk.sweep(kStart + kYear, 0) == FlowTable::kNone);
    std::uint32_t swept = 0;
    while ((found = talk.sweep(kStart + 2 * kYear, 1)) != FlowTable::kNone || swept < 99) {
        if (found == FlowTable::kNone) continue;
        talk.table.erase(found);
        ++swept;
    }
    CHECK(talk.table.size() == 0);
}

TEST_CASE("who gives way") {
    struct Row {
        const char* what;
        std::uint8_t proto;
        const char* first;   ///< at the start
        const char* second;  ///< a second later
        int victim;          ///< 0: nobody
    };
    const auto row = GENERATE(values<Row>({
        {"closed before opening, though later", kTcp, ">S", ">A <R", 2},
        {"closed before one direction alone, though later", kTcp, ">A", ">A <A >FA <FA", 2},
        {"the older of two closed ones", kTcp, ">A <R", ">A <R", 1},
        {"the older of two that are opening", kTcp, ">S", ">S", 1},
        {"one direction alone is no better than opening", kTcp, ">A", ">S", 1},
        {"half open though answered, before established", kTcp, ">A <A", ">S <SA", 2},
        {"established both ways never", kTcp, ">S <SA >A", ">A <A", 0},
        {"one FIN is not yet the end", kTcp, ">A <A >FA", ">A <A", 0},
        {"unanswered datagrams", kUdp, ">-D <-D", ">-D", 2},
        {"answered datagrams never", kUdp, ">-D <-D", ">-D <-D", 0},
        {"an echo without answer", kIcmp, ">-", ">- <-", 1},
    }));
    CAPTURE(row.what);
    Talk talk(row.proto, 2);
    const std::uint32_t first = talk.say_all(row.first, kStart, 1).index;
    const std::uint32_t second = talk.say_all(row.second, kStart + kSecond, 2).index;
    // Two buckets at this capacity: every flow is in reach.
    const std::uint64_t hash = numbered(3, row.proto).symmetric_hash(1);
    REQUIRE(talk.say(">-", kStart + kSecond, 3).index == FlowTable::kNone);
    const std::uint32_t victim = talk.table.victim(hash);
    CHECK(victim == (row.victim == 0 ? FlowTable::kNone : row.victim == 1 ? first : second));
    CHECK(talk.table.evicted() == (row.victim == 0 ? 0 : 1));
    if (victim == FlowTable::kNone) {
        // What is protected ends all the same.
        talk.say(">-", kStart + kYear, 3);
        CHECK(talk.table.victim(hash) == first);
        CHECK(talk.table.evicted() == 0);
        CHECK(talk.table.ended_by_timeout() == 1);
        return;
    }
    talk.table.erase(victim);
    CHECK(talk.say(">-", kStart + kSecond, 3).inserted);
}

TEST_CASE("no jump of the clock makes an old flow look fresh") {
    const std::uint64_t jump = GENERATE(kTick << 31, (kTick << 31) + kTick, (kTick << 32) - kTick,
                                        kTick << 32, (kTick << 32) + kTick, (kTick << 33), 36 * kYear);
    const std::uint64_t start = GENERATE(std::uint64_t{0}, kTick - 1, kStart, 500 * kYear);
    CAPTURE(jump, start);
    Talk talk(kTcp);
    talk.say_all(">A <A", start, 1);
    SECTION("by its own packet") {
        CHECK(talk.say(">A", start + jump, 1).ended);
    }
    SECTION("by another's") {
        CHECK(talk.say(">A", start + jump, 2).inserted);
        CHECK(talk.say(">A", start + jump, 1).ended);
        CHECK(talk.say(">A", start + jump - 30 * kSecond, 1).ended);
        CHECK_FALSE(talk.say(">A", start + jump + kTimeouts.tcp, 2).ended);
    }
    SECTION("by a sweep") {
        CHECK(talk.sweep(start + jump, 100) != FlowTable::kNone);
    }
    SECTION("in two steps, each within reach") {
        talk.say(">A", start + jump / 2, 2);
        talk.say(">A", start + jump, 2);
        CHECK(talk.say(">A", start + jump, 1).ended);
    }
    SECTION("with a stamp from before all time") {
        if (start < kStart) return;
        talk.say(">A", start + jump, 2);
        CHECK(talk.say(">A", 0, 1).ended);
    }
}

TEST_CASE("ticks of the clock") {
    using flow::FlowClock;
    CHECK(FlowClock::ticks(0) == 0);
    CHECK(FlowClock::ticks(1) == 1);
    CHECK(FlowClock::ticks(kTick) == 1);
    CHECK(FlowClock::ticks(kTick + 1) == 2);
    CHECK(FlowClock::ticks(kYear) == 234'961'510);
    CHECK(FlowClock::ticks(~std::uint64_t{0}) == FlowClock::kLongest);
    CHECK(FlowClock::ticks(FlowTable::kSweepSlackNs) == 224);
}
