// SPDX-License-Identifier: BSD-3-Clause
#include "reset/kill_machine.h"

#include <array>
#include <catch2/catch.hpp>
#include <set>

#include "support/kill_checks.h"
#include "support/random.h"

using namespace yagura;
using namespace net::tcp_flag;
using reset::EndNumbers;
using reset::KillId;
using reset::KillMachine;
using reset::KillReport;
using reset::KillRequest;
using reset::KillSettings;
using reset::Outcome;
using reset::SeenSegment;
using reset::Shot;
using reset::Shots;
using Origin = KillMachine::Origin;

namespace {

constexpr std::uint64_t kMs = 1'000'000;
constexpr std::uint64_t kStart = 1'000'000 * kMs;

/// Both ends quiet: the client waits for 5000, the server for 1000.
KillRequest quiet(std::uint64_t cookie = 1) {
    constexpr std::uint8_t kBits = EndNumbers::kHasSeq | EndNumbers::kHasAck;
    KillRequest request{.cookie = cookie, .verdict = kStart};
    request.numbers.ends[0] = {.seq_end = 1000, .ack = 5000, .window = 111, .ttl = 64, .bits = kBits};
    request.numbers.ends[1] = {.seq_end = 5000, .ack = 1000, .window = 222, .ttl = 64, .bits = kBits};
    return request;
}

struct Rig {
    explicit Rig(const KillSettings& settings = {}) : machine(settings, 1, kStart) {}

    KillMachine machine;
    std::array<Shot, 64> room;
    Shots shots{room};
    std::uint64_t now = kStart;

    KillId start(const KillRequest& request) {
        const auto started = machine.start(now, request, shots);
        CHECK(started.outcome == Outcome::kRunning);
        return started.id;
    }
    std::size_t sent() {
        const std::size_t count = shots.all().size();
        shots.clear();
        return count;
    }
    std::size_t after(const KillId& id, unsigned from, const SeenSegment& segment,
                      Origin origin = Origin::kForeign) {
        CHECK(machine.saw(now, id, from, segment, origin) == (origin == Origin::kOwn));
        machine.flush(now, shots);
        return sent();
    }
};

}  // namespace

TEST_CASE("the first shots are the exact numbers of both ends, each followed by a question") {
    Rig rig;
    rig.start(quiet());
    const auto all = rig.shots.all();
    REQUIRE(all.size() == 4);
    for (const Shot& shot : all) CHECK(shot.cookie == 1);
    CHECK(all[0].toward == 0);
    CHECK(all[0].segment == reset::Segment{.seq = 5000, .ack = 1000, .flags = kRst | kAck});
    CHECK(all[1].segment == reset::Segment{.seq = 4999, .ack = 1000, .flags = kAck, .window = 222});
    CHECK(all[2].toward == 1);
    CHECK(all[2].segment == reset::Segment{.seq = 1000, .ack = 5000, .flags = kRst | kAck});
    CHECK(all[3].segment == reset::Segment{.seq = 999, .ack = 5000, .flags = kAck, .window = 111});
}

TEST_CASE("the end whose receiving side is idle comes first") {
    Rig rig;
    KillRequest request = quiet();
    request.numbers.ends[1].seq_end = 9000;  // under way to the client
    rig.start(request);
    CHECK(rig.shots.all()[0].toward == 1);
    std::set<std::uint32_t> to_client;
    for (const Shot& shot : rig.shots.all()) {
        if (shot.toward == 0 && (shot.segment.flags & kRst) != 0) to_client.insert(shot.segment.seq);
    }
    CHECK(to_client == std::set<std::uint32_t>{5000, 9000});
}

TEST_CASE("a client in SYN-SENT gets what it obeys") {
    Rig rig;
    KillRequest request{.cookie = 1, .verdict = kStart};
    request.numbers.note(0, {.seq = 77, .flags = kSyn});
    rig.start(request);
    const Shot* to_client = nullptr;
    for (const Shot& shot : rig.shots.all()) {
        if (shot.toward == 0 && (shot.segment.flags & kRst) != 0) to_client = &shot;
    }
    REQUIRE(to_client != nullptr);
    CHECK(to_client->segment == reset::Segment{.seq = 0, .ack = 78, .flags = kRst | kAck});
}

TEST_CASE("a challenge ACK is answered exactly, once") {
    Rig rig;
    const KillId id = rig.start(quiet());
    rig.sent();
    const SeenSegment challenge{.seq = 1000, .ack = 5300, .window = 111, .flags = kAck};
    CHECK(rig.machine.saw(rig.now, id, 0, challenge, Origin::kForeign) == false);
    rig.machine.flush(rig.now, rig.shots);
    REQUIRE(rig.shots.all().size() >= 1);
    CHECK(rig.shots.all()[0].toward == 0);
    CHECK(rig.shots.all()[0].segment.seq == 5300);
    CHECK((rig.shots.all()[0].segment.flags & kRst) != 0);
    rig.sent();
    CHECK(rig.after(id, 0, challenge) == 0);
}

TEST_CASE("data is followed by a RST at its end") {
    Rig rig;
    const KillId id = rig.start(quiet());
    rig.sent();
    CHECK_FALSE(rig.machine.saw(rig.now, id, 0, {.seq = 1000, .ack = 5000, .payload = 700, .flags = kAck},
                                Origin::kForeign));
    CHECK_FALSE(rig.machine.saw(rig.now, id, 0, {.seq = 1700, .ack = 5000, .payload = 700, .flags = kAck},
                                Origin::kForeign));
    rig.machine.flush(rig.now, rig.shots);
    REQUIRE(rig.shots.all().size() == 1);
    CHECK(rig.shots.all()[0].toward == 1);
    CHECK(rig.shots.all()[0].segment.seq == 2400);
}

TEST_CASE("nothing is sent because of a RST or of a frame of our own") {
    Rig rig;
    const KillId id = rig.start(quiet());
    rig.sent();
    test::Random random(1);
    for (int n = 0; n < 10'000; ++n) {
        rig.now += 1000;
        const unsigned from = random.below(2);
        CHECK(rig.after(id, from, {.seq = static_cast<std::uint32_t>(random.word()), .flags = kRst}) == 0);
        CHECK(rig.after(id, from, {.seq = from == 0 ? 1000u : 5000u, .ack = 1, .flags = kRst | kAck},
                        Origin::kOwn) == 0);
    }
    CHECK(rig.machine.running() == 1);
}

TEST_CASE("our probe is known by its numbers, and only if it bears our id") {
    Rig rig;
    const KillId id = rig.start(quiet());
    const SeenSegment probe{.seq = 4999, .ack = 1000, .window = 222, .flags = kAck};
    CHECK(rig.machine.saw(rig.now, id, 1, probe, Origin::kPerhapsProbe));
    CHECK_FALSE(rig.machine.saw(rig.now, id, 1, probe, Origin::kForeign));
    SeenSegment other = probe;
    other.ack = 1001;
    CHECK_FALSE(rig.machine.saw(rig.now, id, 1, other, Origin::kPerhapsProbe));
}

TEST_CASE("what each end's own RST proves") {
    Rig rig;
    const KillId id = rig.start(quiet());
    KillReport report;
    rig.now += 30'000;
    rig.after(id, 0, {.seq = 1000, .flags = kRst});
    CHECK_FALSE(rig.machine.next_report(report));
    rig.now += 10'000;
    rig.after(id, 1, {.seq = 5000, .flags = kRst});
    REQUIRE(rig.machine.next_report(report));
    CHECK(report.outcome == Outcome::kVerified);
    CHECK(report.seen == reset::Seen::kBothReset);
    CHECK(report.to_death == 30'000);
    CHECK(report.frames == 4);
    CHECK_FALSE(rig.machine.next_report(report));
}

TEST_CASE("an end that goes on after a RST in its name was not dead") {
    Rig rig;
    const KillId id = rig.start(quiet());
    rig.after(id, 0, {.seq = 1000, .flags = kRst});
    rig.now += 200 * kMs;
    rig.after(id, 0, {.seq = 1000, .ack = 5000, .payload = 100, .flags = kAck});
    rig.after(id, 1, {.seq = 5000, .flags = kRst});
    KillReport report;
    CHECK_FALSE(rig.machine.next_report(report));
}

TEST_CASE("what is over is not begun") {
    Rig rig;
    KillRequest closed = quiet();
    closed.numbers.ends[0].bits |= EndNumbers::kFinSent;
    closed.numbers.ends[1].bits |= EndNumbers::kFinSent;
    CHECK(rig.machine.start(rig.now, closed, rig.shots).outcome == Outcome::kTooLate);
    KillRequest unreachable = quiet();
    unreachable.frames = {0, 0};
    CHECK(rig.machine.start(rig.now, unreachable, rig.shots).outcome == Outcome::kNoPath);
    CHECK(rig.sent() == 0);
    CHECK(rig.machine.size() == 0);
}

TEST_CASE("a full table refuses, and takes more when the old ones are forgotten") {
    KillSettings settings;
    settings.capacity = 10;
    Rig rig(settings);
    std::vector<KillId> ids;
    for (std::uint64_t n = 0; n < 10; ++n) {
        ids.push_back(rig.start(quiet(n)));
        rig.sent();
    }
    CHECK(rig.machine.start(rig.now, quiet(10), rig.shots).outcome == Outcome::kRateLimited);
    rig.now += settings.give_up;
    rig.machine.tick(rig.now, rig.shots);
    KillReport report;
    std::set<std::uint64_t> cookies;
    while (rig.machine.next_report(report)) {
        CHECK(report.outcome == Outcome::kUnverified);
        CHECK(report.seen == reset::Seen::kSilence);
        cookies.insert(report.cookie);
    }
    CHECK(cookies.size() == 10);
    CHECK_FALSE(rig.machine.is_forgotten(ids[0]));
    rig.now += settings.linger;
    rig.machine.tick(rig.now, rig.shots);
    CHECK(rig.machine.is_forgotten(ids[0]));
    CHECK(rig.machine.size() == 0);
    const KillId again = rig.start(quiet(11));
    CHECK(rig.machine.is_forgotten(ids[again.index < 10 ? 9 - again.index : 0]));
}

TEST_CASE("a flood of verdicts sends no more than the budget, and each is begun in its turn") {
    KillSettings settings;
    settings.capacity = 1000;
    settings.frames_per_second = 1000;
    settings.frame_burst = 100;
    Rig rig(settings);
    std::size_t sent = 0;
    for (std::uint64_t n = 0; n < 1000; ++n) {
        rig.start(quiet(n));
        sent += rig.sent();
    }
    CHECK(sent == 100);
    std::set<std::uint64_t> begun;
    for (unsigned ms = 0; ms < 9000; ++ms) {
        rig.now += kMs;
        rig.machine.tick(rig.now, rig.shots);
        for (const Shot& shot : rig.shots.all()) begun.insert(shot.cookie);
        sent += rig.sent();
        REQUIRE(sent <= 100u + ms + 1);
    }
    CHECK(begun.size() > 990);
}

TEST_CASE("the budget is one of frames: a segment that leaves by two ports takes two") {
    KillSettings settings;
    settings.capacity = 1000;
    settings.frames_per_second = 1000;
    settings.frame_burst = 100;
    const std::uint32_t machines = GENERATE(1, 4, 2000);
    settings.machines = machines;
    Rig rig(settings);
    std::size_t frames = 0;
    const auto count = [&] {
        for (const Shot& shot : rig.shots.all()) frames += shot.toward == 0 ? 2 : 1;
        rig.shots.clear();
    };
    for (std::uint64_t n = 0; n < 1000; ++n) {
        KillRequest request = quiet(n);
        request.frames = {2, 1};
        rig.start(request);
        count();
    }
    // One may be owed.
    CHECK(frames >= 100);
    CHECK(frames <= 101);
    for (unsigned ms = 0; ms < 9000; ++ms) {
        rig.now += kMs;
        rig.machine.tick(rig.now, rig.shots);
        count();
        REQUIRE(frames <= 101u + (ms + 1) / machines);
    }
    // Towards the end not all of them want one.
    CHECK(frames >= 100u + 8000 / machines);
}

TEST_CASE("a report says how many frames were sent, by all ports") {
    Rig rig;
    KillRequest request = quiet();
    request.frames = {2, 1};
    const KillId id = rig.start(request);
    std::size_t toward_client = 0;
    for (const Shot& shot : rig.shots.all()) toward_client += shot.toward == 0;
    std::size_t frames = rig.sent() + toward_client;
    // From now on by one.
    rig.machine.reach(id, 0, 1);
    rig.now += 3 * kMs;
    rig.machine.tick(rig.now, rig.shots);
    frames += rig.sent();
    rig.after(id, 0, {.seq = 1000, .flags = kRst});
    rig.after(id, 1, {.seq = 5000, .flags = kRst});
    KillReport report;
    REQUIRE(rig.machine.next_report(report));
    CHECK(report.frames == frames);
}

TEST_CASE("a storm of believable segments costs one connection no more than its frames") {
    KillSettings settings;
    settings.kill_segments = 50;
    Rig rig(settings);
    const KillId id = rig.start(quiet());
    std::size_t sent = rig.sent();
    std::uint32_t seq = 1000;
    for (int n = 0; n < 100'000; ++n) {
        rig.now += 10'000;
        sent += rig.after(id, 0, {.seq = seq, .ack = 5000, .payload = 100, .flags = kAck});
        seq += 100;
    }
    CHECK(sent == 50);
}

TEST_CASE("without room nothing is lost but time") {
    Rig rig;
    std::array<Shot, KillMachine::kShotsOfTry - 1> little;
    Shots too_few(little);
    (void)rig.machine.start(rig.now, quiet(), too_few);
    CHECK(too_few.all().empty());
    CHECK(rig.machine.next_due() <= rig.now + kMs);
    rig.now += kMs;
    rig.machine.tick(rig.now, rig.shots);
    CHECK(rig.sent() == 4);
}

TEST_CASE("whatever comes in whatever order, the bounds hold") {
    test::Random random(11);
    for (int round = 0; round < 300; ++round) {
        std::vector<std::uint8_t> choices(random.between(50, 3000));
        for (std::uint8_t& byte : choices) byte = static_cast<std::uint8_t>(random.word());
        INFO("round " << round);
        REQUIRE(test::check_kill_machine(choices) == "");
    }
}
