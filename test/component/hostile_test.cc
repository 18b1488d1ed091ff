// SPDX-License-Identifier: BSD-3-Clause
// Senders who mean harm: memory stays inside the budgets, the ledger balances, and the sessions of others are
// selected whole. Budgets are small here, so that every bound is met.
//
// YAGURA_HOSTILE_SCALE=N makes the attacks N percent as large as they are.
#include <fmt/format.h>

#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iostream>
#include <map>

#include "flow/block_store.h"
#include "net/packet_builder.h"
#include "support/made_source.h"
#include "support/pipeline_run.h"
#include "support/random.h"

using namespace yagura;
namespace flag = net::tcp_flag;

namespace {

constexpr std::uint64_t kMiB = 1 << 20;
constexpr std::uint64_t kFlows = 65'536, kHoldMiB = 16, kStreamMiB = 16;
constexpr const char* kSmall =
    R"(, "inspect": {"flows": 65536, "hold_budget": "16MiB", "stream_budget": "16MiB",
    "hold_bytes": "64KiB", "reorder_bytes": "64KiB"})";
/// What the process may grow by: the budgets; 84 bytes for a flow and 192 for its details; and the rest,
/// which no sender can make larger (fragments that wait, decisions, what the test itself keeps).
constexpr std::uint64_t kMostGrowth = (kHoldMiB + kStreamMiB + 48) * kMiB + kFlows * (84 + 192);

std::uint64_t scaled(std::uint64_t full) {
    const char* text = std::getenv("YAGURA_HOSTILE_SCALE");
    const std::uint64_t percent = text != nullptr ? std::strtoull(text, nullptr, 10) : 100;
    const std::uint64_t count = full * percent / 100;
    if (count < full) std::cout << "a smaller attack: " << count << " of " << full << '\n';
    return std::max<std::uint64_t>(count, 1'000);
}

std::uint64_t resident_bytes() {
    std::ifstream file("/proc/self/statm");
    std::uint64_t size = 0;
    std::uint64_t resident = 0;
    file >> size >> resident;
    return resident * 4096;
}

// The innocent: 10.99.x.y talks to 192.0.2.80, and says the word.

using Frames = std::vector<std::vector<std::uint8_t>>;

net::IpAddress innocent(std::uint32_t number) {
    return {10, 99, static_cast<std::uint8_t>(number >> 8), static_cast<std::uint8_t>(number)};
}

/// A handshake, a request with the word cut in two, and `more` exchanges.
Frames session(std::uint32_t number, unsigned more) {
    const net::IpAddress client = innocent(number);
    const net::IpAddress server{192, 0, 2, 80};
    Frames frames;
    std::uint32_t up = 1'000 + number;
    std::uint32_t down = 77'000 + number;
    const auto send = [&](bool to_server, std::uint8_t flags, const std::string& bytes) {
        net::PacketBuilder packet;
        packet.ethernet().ipv4(to_server ? client : server, to_server ? server : client);
        const net::PacketBuilder::TcpFields fields{.seq = to_server ? up : down,
                                                   .ack = to_server ? down : up};
        packet.tcp(to_server ? 40000 : 80, to_server ? 80 : 40000, flags, fields);
        frames.push_back(packet.payload(bytes).build());
        const bool counts = (flags & (flag::kSyn | flag::kFin)) != 0;
        (to_server ? up : down) += static_cast<std::uint32_t>(bytes.size()) + (counts ? 1 : 0);
    };
    send(true, flag::kSyn, "");
    send(false, flag::kSyn | flag::kAck, "");
    send(true, flag::kAck, "");
    send(true, flag::kAck, "GET /innoc");
    send(true, flag::kAck | flag::kPsh, "ent");
    for (unsigned i = 0; i < more; ++i) send(i % 2 != 0, flag::kAck | flag::kPsh, fmt::format("page {}", i));
    return frames;
}

const char* const kRules = R"([{"id": 1, "payload": ["innocent"], "forward": ["a"]},
                               {"id": 2, "payload": ["/wicked.{0,9}\\d/"], "forward": ["b"]}])";

struct Attack {
    test::MadeSource::Maker maker;
    std::uint64_t count;
    std::uint64_t interval_ns = 1'000;
};

/// Runs the attack with sessions that began before it and go on, and with some that begin while it lasts.
/// Checks everything that must hold, and gives the counters.
dataplane::Stats withstand(const Attack& attack, const char* lcores = "rx=0;select=1;tx=0") {
    constexpr std::uint32_t kBefore = 100, kDuring = 400;
    constexpr unsigned kMore = 20;
    std::vector<test::MadeSource::Known> known;
    std::map<net::IpAddress, Frames> expected;
    const std::uint64_t stride = attack.count / (kMore + 1);
    for (std::uint32_t i = 0; i < kBefore + kDuring; ++i) {
        const bool before = i < kBefore;
        const Frames frames = session(i, before ? kMore : 4);
        expected[innocent(i)] = frames;
        const std::uint64_t begin =
            before ? 0 : attack.count / 10 + (i - kBefore) * (attack.count / 2 / kDuring);
        for (std::size_t n = 0; n < frames.size(); ++n) {
            // The word is said early: ten packets of the attack between two of theirs.
            const std::uint64_t at = before ? (n < 5 ? 0 : (n - 4) * stride) : begin + n * 10;
            known.push_back({at, frames[n]});
        }
    }
    test::PipelineRun run(kRules, 16383, kSmall);
    run.options.plan = test::plan_of(lcores);
    test::MadeSource source(attack.maker, attack.count, known, attack.interval_ns, run.pool->get());
    run.options.sources = {&source};
    run.options.ports = 1;
    dataplane::Pipeline& pipeline = run.start();
    const std::uint64_t before = resident_bytes();
    std::uint64_t peak = before;
    source.open();
    while (!pipeline.drained()) {
        test::sleep_ms(5);
        peak = std::max(peak, resident_bytes());
    }
    const dataplane::Stats stats = run.finish();
    const std::uint64_t growth = peak - before;
    INFO("grew by " << growth / kMiB << " MiB, may by " << kMostGrowth / kMiB);
#ifdef __SANITIZE_ADDRESS__
    std::cout
        << "memory by the budgets' own counts alone: AddressSanitizer's shadow cannot be told from ours\n";
#else
    CHECK(growth <= kMostGrowth);
#endif
    CHECK(stats.held_blocks == 0);
    CHECK(stats.held_blocks_peak * flow::BlockStore::kBlockSize <= kHoldMiB * kMiB);
    CHECK(stats.flows <= kFlows);
    // Nothing is lost but what undecided flows had held when room was short.
    const auto hold_budget = static_cast<std::size_t>(select::DropReason::kHoldBudget);
    CHECK(stats.lost() == stats.ports[0].dropped[hold_budget].packets);
    CHECK(stats.ports[0].received.packets == attack.count + known.size());

    std::map<net::IpAddress, Frames> got;
    for (const loop::Frame& frame : run.sinks[0]->frames()) {
        net::IpAddress ends[2] = {};
        std::memcpy(ends[0].data(), frame.bytes.data() + 26, 4);
        std::memcpy(ends[1].data(), frame.bytes.data() + 30, 4);
        got[ends[0][1] == 99 ? ends[0] : ends[1]].push_back(frame.bytes);
    }
    unsigned whole = 0;
    for (const auto& [client, frames] : expected) whole += got[client] == frames;
    CHECK(whole == expected.size());
    CHECK(got.size() == expected.size());
    CHECK(run.sinks[1]->frames().empty());
    return stats;
}

// What attacks are made of: a frame with places to write to.

constexpr std::size_t kIp = 14, kTcp = 34;

/// A TCP frame over IPv4 from 198.18.0.0/15 and beyond, by number.
struct TcpTemplate {
    explicit TcpTemplate(std::uint8_t flags, std::string_view payload)
        : bytes(net::PacketBuilder()
                    .ethernet()
                    .ipv4("198.18.0.1", "192.0.2.80")
                    .tcp(1024, 80, flags)
                    .payload(payload)
                    .build()) {}
    std::uint32_t write(std::uint8_t* frame, std::uint32_t sender, std::uint32_t seq) const {
        std::memcpy(frame, bytes.data(), bytes.size());
        base::store_be32(frame + kIp + 12, 0xc6120000 + (sender >> 8));
        base::store_be16(frame + kTcp, static_cast<std::uint16_t>(1024 + (sender & 0xff)));
        base::store_be32(frame + kTcp + 4, seq);
        return static_cast<std::uint32_t>(bytes.size());
    }
    std::vector<std::uint8_t> bytes;
};

}  // namespace

TEST_CASE("a SYN flood of distinct flows") {
    const TcpTemplate syn(flag::kSyn, "");
    const auto maker = [&](std::uint64_t n, std::uint8_t* frame) {
        return syn.write(frame, static_cast<std::uint32_t>(n), static_cast<std::uint32_t>(n * 2654435761u));
    };
    const std::uint64_t count = scaled(10'000'000);
    const dataplane::Stats stats = withstand({maker, count});
    CHECK(stats.evicted + stats.let_go + kFlows >= count);
}

TEST_CASE("a million flows with one byte each that is out of order") {
    const TcpTemplate syn(flag::kSyn, "");
    const TcpTemplate byte(flag::kAck, "x");
    const auto maker = [&](std::uint64_t n, std::uint8_t* frame) {
        const auto sender = static_cast<std::uint32_t>(n / 2);
        return n % 2 == 0 ? syn.write(frame, sender, 5'000) : byte.write(frame, sender, 9'000);
    };
    const dataplane::Stats stats = withstand({maker, scaled(2'000'000)});
    CHECK(stats.streams.out_of_order > 0);
}

TEST_CASE("a storm of overlapping segments") {
    // A few senders whose first byte never comes; every segment has other bytes.
    constexpr std::uint32_t kSenders = 200;
    const TcpTemplate syn(flag::kSyn, "");
    const TcpTemplate segment(flag::kAck, std::string(700, 'w'));
    const auto maker = [&](std::uint64_t n, std::uint8_t* frame) {
        const auto sender = static_cast<std::uint32_t>(n % kSenders);
        if (n < kSenders) return syn.write(frame, sender, 5'000);
        test::Random random(n);
        const std::uint32_t size = random.between(1, 700);
        segment.write(frame, sender, 5'002 + random.below(random.one_in(4) ? 500'000 : 30'000));
        base::store_be16(frame + kIp + 2, static_cast<std::uint16_t>(40 + size));
        std::memset(frame + kTcp + 20, static_cast<int>('a' + n % 26), size);
        return 54 + size;
    };
    const dataplane::Stats stats = withstand({maker, scaled(1'000'000)}, "rx=0;select=1,2;tx=3");
    CHECK(stats.streams.overlaps > 0);
    CHECK(stats.streams.gaps > 0);
}

TEST_CASE("bombs of tiny fragments, overlapping and never complete") {
    // Datagrams by the thousand, each in 40 fragments of 16 bytes, some without a first one.
    const std::vector<std::uint8_t> udp = net::PacketBuilder()
                                              .ethernet()
                                              .ipv4("198.18.0.1", "192.0.2.80")
                                              .fragment(0, true, 1)
                                              .udp(1024, 53)
                                              .payload("wickedxx")
                                              .build();
    const auto maker = [&](std::uint64_t n, std::uint8_t* frame) {
        constexpr std::uint64_t kAtOnce = 500;  // datagrams whose fragments are mixed
        const std::uint64_t datagram = n % kAtOnce + n / (kAtOnce * 40) * kAtOnce;
        const auto piece = static_cast<unsigned>(n / kAtOnce % 40);
        std::memcpy(frame, udp.data(), udp.size());
        base::store_be32(frame + kIp + 12, 0xc6120000 + static_cast<std::uint32_t>(datagram >> 16));
        base::store_be16(frame + kIp + 4, static_cast<std::uint16_t>(datagram));
        // Of every fourth datagram the first fragment never comes, of every other one it comes in the middle.
        const bool headless = datagram % 4 == 0;
        const bool first = !headless && piece == (datagram % 2 == 0 ? 0u : 20u);
        if (first) {
            base::store_be16(frame + kIp + 6, 0x2000);
            base::store_be16(frame + kTcp, static_cast<std::uint16_t>(1024 + datagram % 60'000));
            base::store_be16(frame + kTcp + 4, 60'000);
            return static_cast<std::uint32_t>(udp.size());
        }
        // Each place twice, with other bytes; the last fragment never.
        base::store_be16(frame + kIp + 6, static_cast<std::uint16_t>(0x2000 | (2 + piece / 2 * 3)));
        std::memset(frame + kTcp, static_cast<int>('a' + piece % 26), 16);
        return static_cast<std::uint32_t>(udp.size());
    };
    withstand({maker, scaled(2'000'000)});
}

TEST_CASE("one stream of 1-byte segments") {
    const std::string text = "GET /wicked-7";
    const bool backwards = GENERATE(false, true);
    const std::uint64_t count = scaled(500'000);
    const TcpTemplate byte(flag::kAck, "x");
    const auto maker = [&](std::uint64_t n, std::uint8_t* frame) {
        // Backwards: in groups of 3,000, the last byte first, so that every byte but the group's first waits.
        constexpr std::uint64_t kGroup = 3'000;
        const std::uint64_t at = !backwards ? n : n / kGroup * kGroup + (kGroup - 1 - n % kGroup);
        return byte.write(frame, 1, static_cast<std::uint32_t>(5'001 + at));
    };
    const dataplane::Stats stats = withstand({maker, count});
    if (!backwards) CHECK(stats.streams.scanned_bytes >= std::min<std::uint64_t>(count, 1 << 20));
}

TEST_CASE("a word at the end of a long stream of 1-byte segments is found") {
    const std::string word = "wicked-7";
    constexpr std::uint32_t kBytes = 200'000;
    const TcpTemplate syn(flag::kSyn, "");
    const TcpTemplate byte(flag::kAck, "x");
    const auto maker = [&](std::uint64_t n, std::uint8_t* frame) {
        if (n == 0) return syn.write(frame, 1, 5'000);
        const std::uint32_t size = byte.write(frame, 1, static_cast<std::uint32_t>(5'000 + n));
        const std::uint64_t left = kBytes - n;
        if (left < word.size()) frame[size - 1] = static_cast<std::uint8_t>(word[word.size() - 1 - left]);
        return size;
    };
    test::PipelineRun run(kRules, 16383, kSmall);
    test::MadeSource source(maker, kBytes + 10, {}, 1'000, run.pool->get());
    source.open();
    run.options.sources = {&source};
    const dataplane::Stats stats = run.run();
    // The head that was held, nothing of what was dropped as hold_full, and all from the match on.
    const auto& frames = run.sinks[1]->frames();
    constexpr std::uint64_t kTail = 10;
    REQUIRE(frames.size() > kTail);
    const std::uint64_t head = frames.size() - kTail;
    CHECK(head * 55 <= 64 * 1024);
    CHECK(head * 55 > 32 * 1024);
    for (std::uint64_t i = 0; i < frames.size(); ++i) {
        const std::uint64_t number = i < head ? i : kBytes + i - head;
        if (frames[i].timestamp_ns != (number + 1) * 1'000) {
            FAIL_CHECK(fmt::format("packet {} is that of {} ns", i, frames[i].timestamp_ns));
            break;
        }
    }
    CHECK(stats.incomplete == 1);
}
