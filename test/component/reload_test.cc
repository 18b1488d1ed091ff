// SPDX-License-Identifier: BSD-3-Clause
// Rules that change again and again at full speed: nothing lost, nothing doubled, no memory kept.
//
// YAGURA_RELOAD_PATTERNS=N: the patterns of the largest set, 300 when it is not given.
#include <fmt/format.h>
#include <malloc.h>
#include <rte_malloc.h>

#include <cstdlib>
#include <cstring>
#include <iostream>

#include "base/bytes.h"
#include "base/hash.h"
#include "net/packet_builder.h"
#include "net/protocol_numbers.h"
#include "support/allocations.h"
#include "support/made_source.h"
#include "support/pipeline_run.h"

using namespace yagura;
namespace flag = net::tcp_flag;

namespace {

constexpr unsigned kReloads = 200;
constexpr unsigned kWarmUp = 24;
/// What the heap may hold more after the rest of the reloads than before: of what a reload makes, not 6 KiB
/// may stay.
constexpr std::uint64_t kMostGrowth = 1 << 20;
constexpr std::uint64_t kPacketsBetween = 1'000;
/// By the packets' own clock: sessions that have ended leave the flow table after ten seconds of it.
constexpr std::uint64_t kIntervalNs = 1'000'000;

/// Which numbers there were, and how often each: equal for no other numbers but by a chance of 2^-128.
struct Numbers {
    std::uint64_t count = 0;
    std::uint64_t sums[2] = {0, 0};
    void add(std::uint64_t number) {
        ++count;
        sums[0] += base::mix(number ^ base::kHashA, base::kHashB);
        sums[1] += base::mix(number ^ base::kHashC, base::kHashD);
    }
    bool operator==(const Numbers&) const = default;
};
Numbers operator+(const Numbers& a, const Numbers& b) {
    return {a.count + b.count, {a.sums[0] + b.sums[0], a.sums[1] + b.sums[1]}};
}
std::ostream& operator<<(std::ostream& out, const Numbers& numbers) {
    return out << fmt::format("{} packets, {:016x} {:016x}", numbers.count, numbers.sums[0], numbers.sums[1]);
}

// Sessions, so many at a time, of so many packets each; every fourth says the word. A packet's number stands
// where its sender's hardware address would.

constexpr std::uint64_t kAtATime = 64;
/// Long enough that not more than one ends in a burst: a select stage ends one undecided flow in a turn.
constexpr std::uint64_t kSteps = 50;
constexpr std::uint64_t kWordStep = 4;

struct Place {
    explicit Place(std::uint64_t number)
        : session(number / (kAtATime * kSteps) * kAtATime + number % kAtATime),
          step(number / kAtATime % kSteps) {}
    bool says_the_word() const { return session % 4 == 0; }
    /// The packet in which this one's session says it.
    std::uint64_t word_at() const {
        return (session / kAtATime * kSteps + kWordStep) * kAtATime + session % kAtATime;
    }
    std::uint64_t session;
    std::uint64_t step;
};

class Sessions {
  public:
    Sessions() {
        std::uint32_t seqs[2] = {1'000, 70'000};
        for (std::uint64_t step = 0; step < kSteps; ++step) {
            const bool up = step != 1 && step != 5;
            const std::uint8_t flags = step == 0            ? flag::kSyn
                                       : step == 1          ? flag::kSyn | flag::kAck
                                       : step == kSteps - 1 ? flag::kRst | flag::kAck
                                                            : flag::kAck;
            for (const bool word : {false, true}) {
                const bool data = step > 2 && step + 1 < kSteps;
                const std::string payload = !data                       ? ""
                                            : word && step == kWordStep ? "a word: xylophone!"
                                                                        : "nothing special...";
                net::PacketBuilder packet;
                packet.ethernet().ipv4(up ? "10.0.0.0" : "192.0.2.1", up ? "192.0.2.1" : "10.0.0.0");
                packet.tcp(up ? 40000 : 80, up ? 80 : 40000, flags, {.seq = seqs[!up], .ack = seqs[up]});
                frames_[step][word] = packet.payload(payload).build();
                if (word) seqs[!up] += static_cast<std::uint32_t>(payload.size()) + (step < 2 ? 1 : 0);
            }
        }
    }
    std::uint32_t make(std::uint64_t number, std::uint8_t* frame) const {
        const Place place(number);
        const auto& bytes = frames_[place.step][place.says_the_word()];
        std::memcpy(frame, bytes.data(), bytes.size());
        base::store_be16(frame + 6, static_cast<std::uint16_t>(number >> 32));
        base::store_be32(frame + 8, static_cast<std::uint32_t>(number));
        const bool up = place.step != 1 && place.step != 5;
        base::store_be32(frame + (up ? 26 : 30),
                         0x0a000000 + static_cast<std::uint32_t>(place.session & 0xffffff));
        return static_cast<std::uint32_t>(bytes.size());
    }

  private:
    std::vector<std::uint8_t> frames_[kSteps][2];
};

/// Counts what it is given.
class NumberSink final : public port::TxQueue {
  public:
    [[nodiscard]] std::uint16_t send(std::span<rte_mbuf* const> burst) override {
        for (rte_mbuf* packet : burst) {
            const auto* frame = rte_pktmbuf_mtod(packet, const std::uint8_t*);
            numbers.add(std::uint64_t{base::load_be16(frame + 6)} << 32 | base::load_be32(frame + 8));
            rte_pktmbuf_free(packet);
        }
        return static_cast<std::uint16_t>(burst.size());
    }
    Numbers numbers;
};

/// So many patterns to "c", of which one is said, and everything to `tool`.
std::string rules_of(std::size_t patterns, const char* tool) {
    std::string text = R"([{"id": 1, "payload": ["xylophone"], "forward": ["c"]})";
    for (std::size_t i = 1; i < patterns; ++i)
        text += fmt::format(R"(, {{"id": {}, "payload": ["pattern {} {}"], "forward": ["c"]}})", i + 1,
                            i * 7919, tool);
    return text + fmt::format(R"(, {{"id": {}, "filter": "tcp", "forward": ["{}"]}}])", patterns + 1, tool);
}

struct RuleSet {
    rules::Config config;
    std::shared_ptr<const match::CompiledRules> compiled;
};

RuleSet compile(std::size_t patterns, const char* tool) {
    RuleSet set{.config = test::config_with_rules(rules_of(patterns, tool)), .compiled = nullptr};
    auto outcome = match::CompiledRules::compile(set.config.rules, net::LinkType::kEthernet);
    REQUIRE(outcome.errors.empty());
    set.compiled = outcome.rules;
    return set;
}

/// What is allocated by malloc, and of DPDK's memory.
std::uint64_t heap_bytes() {
    const struct mallinfo2 info = mallinfo2();
    rte_malloc_socket_stats dpdk{};
    REQUIRE(rte_malloc_get_socket_stats(0, &dpdk) == 0);
    return info.uordblks + info.hblkhd + dpdk.heap_allocsz_bytes;
}

}  // namespace

TEST_CASE("two hundred reloads at full speed lose nothing, double nothing and keep no memory") {
    const char* text = std::getenv("YAGURA_RELOAD_PATTERNS");
    const std::size_t most =
        std::max<std::size_t>(10, text != nullptr ? std::strtoull(text, nullptr, 10) : 300);
    std::vector<RuleSet> sets;
    for (const std::size_t patterns : {std::size_t{10}, std::size_t{100}, most}) {
        sets.push_back(compile(patterns, "a"));
        sets.push_back(compile(patterns, "b"));
    }
    test::PipelineRun run(rules_of(10, "a"));
    std::vector<std::unique_ptr<NumberSink>> sinks;
    for (std::size_t i = 0; i < run.options.tools.size(); ++i) {
        sinks.push_back(std::make_unique<NumberSink>());
        run.options.tools[i] = sinks.back().get();
    }
    run.options.plan = test::plan_of("rx=0;select=1,2;tx=3");
    run.options.ports = 1;
    const Sessions sessions;
    test::MadeSource source(
        [&](std::uint64_t number, std::uint8_t* frame) { return sessions.make(number, frame); },
        std::uint64_t{1} << 40, {}, kIntervalNs, run.pool->get());
    run.options.sources = {&source};
    dataplane::Pipeline& pipeline = run.start();
    source.open();

    const auto wait_for_packets = [&](std::uint64_t packets) {
        while (pipeline.stats().ports[0].received.packets < packets) test::sleep_ms(1);
    };
    std::vector<std::weak_ptr<const select::PolicySnapshot>> policies;
    std::uint64_t heap_before = 0;
    std::uint64_t heap_after = 0;
    for (unsigned n = 0; n < kReloads; ++n) {
        wait_for_packets(pipeline.stats().ports[0].received.packets + kPacketsBetween);
        // The small sets are compiled anew each time.
        const std::size_t which = n % sets.size();
        if (which < 2) sets[which] = compile(10, which == 0 ? "a" : "b");
        auto policy = select::make_policy(sets[which].config, sets[which].compiled);
        policies.push_back(policy);
        pipeline.swap_policy(std::move(policy));
        // Sessions that are being looked at end under the rules that they began with.
        while (!pipeline.retire_policy()) test::sleep_ms(1);
        const auto alive = std::ranges::count_if(policies, [](const auto& p) { return !p.expired(); });
        CHECK(alive == 1);
        // With the same set in effect.
        if (n % sets.size() != 5) continue;
        const std::uint64_t heap = heap_bytes();
        if (n < kWarmUp) heap_before = heap;
        heap_after = heap;
    }
    pipeline.stop_sources();
    const dataplane::Stats stats = run.finish();

    const std::uint64_t packets = stats.ports[0].received.packets;
    CHECK(packets >= kReloads * kPacketsBetween);
    CHECK(stats.lost() == 0);
    CHECK(stats.let_go == 0);
    CHECK(stats.evicted == 0);
    CHECK(stats.ports[0].forwarded.packets == packets);
    Numbers all;
    Numbers of_the_word;
    for (std::uint64_t number = 0; number < packets; ++number) {
        all.add(number);
        const Place place(number);
        if (place.says_the_word() && place.word_at() < packets) of_the_word.add(number);
    }
    CHECK(sinks[0]->numbers.count > 0);
    CHECK(sinks[1]->numbers.count > 0);
    CHECK(sinks[0]->numbers + sinks[1]->numbers == all);
    CHECK(sinks[2]->numbers == of_the_word);
    if (test::AllocationCount::works()) {
        INFO("the heap holds " << heap_after << " bytes, and held " << heap_before);
        CHECK(heap_after <= heap_before + kMostGrowth);
    }
}
