// SPDX-License-Identifier: BSD-3-Clause
// The table against a map that knows every stamp in full and forgets nothing by itself.
#include <catch2/catch.hpp>
#include <map>
#include <random>

#include "flow/flow_table.h"
#include "flow_keys.h"

using namespace yagura;
using flow::FlowTable;
using flow::FlowTimeouts;

namespace {

constexpr std::uint64_t kMillisecond = 1'000'000;
constexpr std::uint64_t kSecond = 1000 * kMillisecond;
constexpr std::uint64_t kTick = std::uint64_t{1} << 27;
constexpr std::uint64_t kLate = 30 * kSecond;

constexpr FlowTimeouts kTimeouts{.tcp_opening = 4 * kSecond,
                                 .tcp = 40 * kSecond,
                                 .tcp_closed = 1 * kMillisecond,
                                 .udp = 15 * kSecond,
                                 .other = 500 * kMillisecond};

struct Flow {
    net::FlowKey key;
    std::uint64_t last_tick;
    flow::TcpState state = flow::TcpState::kOpening;
    bool answered = false;
    std::uint32_t index;
    std::uint32_t mark;  ///< kept in FlowEntry::decision too

    bool over() const { return key.proto == 6 && is_over(state, answered); }
    std::uint64_t timeout() const {
        if (key.proto == 17) return kTimeouts.udp;
        if (key.proto != 6) return kTimeouts.other;
        if (over()) return kTimeouts.tcp_closed;
        return state == flow::TcpState::kOpening ? kTimeouts.tcp_opening : kTimeouts.tcp;
    }
    bool ended(std::uint64_t now, std::uint64_t slack = 0) const {
        const auto up = [](std::uint64_t ns) { return (ns + kTick - 1) / kTick; };
        return now / kTick > last_tick && now / kTick - last_tick > up(timeout()) + up(slack);
    }
};

}  // namespace

TEST_CASE("the table keeps to a model over random packets, sweeps and erasures") {
    const auto seed = GENERATE(take(40, random(0u, 0x7fffffffu)));
    CAPTURE(seed);
    std::mt19937 random(seed);
    const auto up_to = [&](std::uint32_t n) { return static_cast<std::uint32_t>(random() % n); };
    const std::uint32_t capacity = 1 + up_to(400);
    const std::uint32_t keys = 1 + up_to(600);
    // Few hashes make full buckets, and tags that are alike.
    const std::uint64_t hash_bits = up_to(2) == 0 ? ~std::uint64_t{0} : 0x0003'0000'0000'000full;
    const bool sweeping = up_to(3) != 0;

    FlowTable table(capacity, kTimeouts, true);
    std::map<net::FlowKey, Flow> model;  // by canonical key
    std::uint64_t now = up_to(2) == 0 ? up_to(1000) : 1'700'000'000 * kSecond;
    std::uint64_t present = 0;  ///< the latest that the table was told
    std::uint32_t marks = 0;
    std::uint64_t timeouts = 0;
    std::uint64_t reuses = 0;
    std::uint64_t evictions = 0;
    const auto forget = [&](std::uint32_t index) {
        const auto gone = model.find(table.entry(index).key.canonical());
        REQUIRE(gone != model.end());
        REQUIRE(gone->second.index == index);
        REQUIRE(table.entry(index).decision == gone->second.mark);
        table.erase(index);
        model.erase(gone);
    };

    for (int step = 0; step < 3000; ++step) {
        CAPTURE(step);
        now += std::uint64_t{up_to(200)} * kMillisecond;
        if (up_to(300) == 0) now += std::uint64_t{up_to(100)} * kSecond;
        if (up_to(1000) == 0) now += (std::uint64_t{random()} << 32) / (1 + up_to(8)) / 16;
        if (sweeping && up_to(4) == 0) {
            std::uint32_t looks = up_to(50);
            const std::uint32_t index = table.sweep(now, looks);
            present = now;
            if (index != FlowTable::kNone) {
                REQUIRE(model.at(table.entry(index).key.canonical()).ended(now, kLate));
                ++timeouts;
                forget(index);
            }
        }
        if (!model.empty() && up_to(20) == 0) {
            auto any = model.begin();
            std::advance(any, up_to(static_cast<std::uint32_t>(model.size())));
            forget(any->second.index);
        }

        const std::uint32_t n = up_to(keys);
        const std::array<std::uint8_t, 4> protocols{6, 6, 17, 1};
        net::FlowKey key = test::numbered(n, protocols[n % 4]);
        const std::uint64_t hash = key.symmetric_hash(1) & hash_bits;
        if (up_to(2) == 0) key = key.reversed();
        const std::uint64_t stamp =
            up_to(10) == 0 ? now - std::min(now, std::uint64_t{up_to(30'000)} * kMillisecond) : now;
        const std::array<std::uint8_t, 8> flags{0x02, 0x12, 0x10, 0x10, 0x10, 0x11, 0x04, 0x00};
        const flow::Arrival arrival{
            .now_ns = stamp, .tcp_flags = flags[up_to(8)], .has_payload = up_to(2) == 0};
        table.prefetch(hash);
        const auto known = model.find(key.canonical());
        std::uint32_t candidate = table.candidate(hash, true);
        if (candidate == FlowTable::kElsewhere) candidate = table.second_candidate(hash, true);
        const bool short_way = up_to(2) == 0 && candidate != FlowTable::kNone && table.is_open(candidate) &&
                               table.goes_on(candidate, key, !key.is_canonical(), arrival);
        if (short_way) REQUIRE(known != model.end());
        auto found = short_way ? FlowTable::Found{.index = candidate, .reverse = known->second.key != key}
                               : table.find_or_insert(key, hash, arrival);
        present = std::max(present, stamp);

        if (found.index == FlowTable::kNone) {
            REQUIRE(known == model.end());
            REQUIRE((table.size() == capacity || hash_bits != ~std::uint64_t{0}));
            const std::uint32_t victim = table.victim(hash);
            if (victim == FlowTable::kNone) continue;
            const Flow& old = model.at(table.entry(victim).key.canonical());
            const bool ended = old.ended(present, kLate);
            REQUIRE((ended || old.over() || !old.answered ||
                     (old.key.proto == 6 && old.state == flow::TcpState::kOpening)));
            forget(victim);
            found = table.find_or_insert(key, hash, arrival);
            REQUIRE(found.inserted);
            ++(ended ? timeouts : evictions);
        }
        if (known != model.end()) {
            Flow& flow = known->second;
            REQUIRE_FALSE(found.inserted);
            REQUIRE(found.index == flow.index);
            REQUIRE(found.reverse == (flow.key != key));
            REQUIRE(table.entry(found.index).decision == flow.mark);
            const bool timed_out = flow.ended(stamp);
            const bool reused = key.proto == 6 && flow.over() && arrival.tcp_flags == 0x02;
            REQUIRE(found.ended == (timed_out || reused));
            if (!found.ended) {
                if (found.reverse) flow.answered = true;
                flow.last_tick = std::max(flow.last_tick, stamp / kTick);
                if (key.proto == 6) {
                    flow.state = next_state(flow.state, {.flags = arrival.tcp_flags,
                                                         .from_dst = found.reverse,
                                                         .has_payload = arrival.has_payload});
                }
                continue;
            }
            ++(timed_out ? timeouts : reuses);
            table.restart(found.index, key, arrival);
        } else {
            REQUIRE(found.inserted);
            REQUIRE_FALSE(found.reverse);
            REQUIRE_FALSE(found.ended);
        }
        flow::FlowEntry& entry = table.entry(found.index);
        REQUIRE(entry.key == key);
        REQUIRE(entry.decision == 0);
        REQUIRE(table.details(found.index).bytes == 0);
        entry.decision = ++marks;
        table.details(found.index).bytes = marks;
        Flow& flow = model[key.canonical()];
        flow = {.key = key, .last_tick = stamp / kTick, .index = found.index, .mark = marks};
        if (key.proto == 6) {
            flow.state = next_state(
                flow.state,
                {.flags = arrival.tcp_flags, .from_dst = false, .has_payload = arrival.has_payload});
        }
        REQUIRE(table.size() == model.size());
    }
    CHECK(table.ended_by_timeout() == timeouts);
    CHECK(table.ended_by_reuse() == reuses);
    CHECK(table.evicted() == evictions);
    std::size_t left = 0;
    table.for_each([&](std::uint32_t i) {
        ++left;
        CHECK(model.at(table.entry(i).key.canonical()).index == i);
    });
    CHECK(left == model.size());
}
