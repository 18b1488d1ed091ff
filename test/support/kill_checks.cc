// SPDX-License-Identifier: BSD-3-Clause
#include "support/kill_checks.h"

#include <array>
#include <map>
#include <vector>

#include "reset/kill_machine.h"

namespace yagura::test {
namespace {

constexpr std::uint64_t kMs = 1'000'000;

class Bytes {
  public:
    explicit Bytes(base::Bytes bytes) : bytes_(bytes) {}
    bool empty() const { return at_ >= bytes_.size(); }
    std::uint8_t byte() { return empty() ? std::uint8_t{0} : bytes_[at_++]; }
    std::uint32_t word() {
        std::uint32_t word = 0;
        for (unsigned i = 0; i < 4; ++i) word = word << 8 | byte();
        return word;
    }
    /// Around a number, or anywhere.
    std::uint32_t near(std::uint32_t number) {
        const std::uint8_t how = byte();
        return how == 255 ? word() : number + how - 8;
    }

  private:
    base::Bytes bytes_;
    std::size_t at_ = 0;
};

reset::KillSettings small() {
    reset::KillSettings settings;
    settings.capacity = 5;
    settings.frames_per_second = 1000;
    settings.frame_burst = 40;
    settings.kill_segments = 30;
    settings.reaction_burst = 4;
    return settings;
}

}  // namespace

std::string check_kill_machine(base::Bytes choices) {
    Bytes bytes(choices);
    const reset::KillSettings settings = small();
    constexpr std::uint64_t kStart = 1000 * kMs;
    std::uint64_t now = kStart;
    reset::KillMachine machine(settings, 1, now);
    std::array<std::uint32_t, 2> numbers{0xfffffff0, 100};
    struct Known {
        reset::KillId id;
        std::array<std::uint8_t, 2> frames_toward{};
        std::uint32_t segments = 0;
        std::uint32_t frames = 0;
        bool reported = false;
    };
    std::map<std::uint64_t, Known> known;
    std::uint64_t frames = 0;
    std::uint64_t cookie = 0;
    std::array<reset::Shot, 40> room;
    std::string wrong;

    const auto take = [&](const reset::Shots& shots) {
        for (const reset::Shot& shot : shots.all()) {
            Known& kill = known[shot.cookie];
            if (kill.reported) wrong = "a shot after the report";
            if (++kill.segments > settings.kill_segments)
                wrong = "more segments than one connection may have";
            if (shot.toward > 1 || kill.frames_toward[shot.toward] == 0) {
                wrong = "a shot toward no end";
                continue;
            }
            kill.frames += kill.frames_toward[shot.toward];
            frames += kill.frames_toward[shot.toward];
        }
        // The last segment may owe a frame.
        const std::uint64_t allowed =
            settings.frame_burst + 1 + (now - kStart) / (1000 * kMs / settings.frames_per_second);
        if (frames > allowed) wrong = "more frames than the budget";
    };
    const auto take_reports = [&] {
        reset::KillReport report;
        while (machine.next_report(report)) {
            Known& kill = known[report.cookie];
            if (kill.reported) wrong = "a second report";
            if (report.outcome == reset::Outcome::kRunning) wrong = "a report of a kill that runs";
            if (report.frames != kill.frames) wrong = "a report with another count of frames";
            kill.reported = true;
        }
    };

    while (!bytes.empty() && wrong.empty()) {
        const std::uint8_t what = bytes.byte();
        reset::Shots shots(
            std::span<reset::Shot>(room).first(what % 3 == 0 ? room.size() : bytes.byte() % room.size()));
        if (what < 40) {
            reset::KillRequest request{.cookie = ++cookie, .verdict = now};
            for (unsigned end = 0; end < 2; ++end) {
                request.numbers.ends[end] = {.seq_end = bytes.near(numbers[end]),
                                             .ack = bytes.near(numbers[1 - end]),
                                             .window = 1000,
                                             .ttl = 64,
                                             .bits = static_cast<std::uint8_t>(bytes.byte() & 31)};
                // Mostly by one port.
                const std::uint8_t how = bytes.byte();
                request.frames[end] = how < 200 ? 1 : how < 250 ? 2 : 0;
            }
            known[cookie] = {.frames_toward = request.frames};
            const auto started = machine.start(now, request, shots);
            if (started.outcome == reset::Outcome::kRunning) {
                known[cookie].id = started.id;
            } else {
                if (!shots.all().empty()) wrong = "shots for what was not started";
                known[cookie].reported = true;
            }
        } else if (what < 200) {
            const unsigned from = bytes.byte() & 1;
            const reset::SeenSegment segment{.seq = bytes.near(numbers[from]),
                                             .ack = bytes.near(numbers[1 - from]),
                                             .payload = bytes.byte() % 4 == 0 ? bytes.byte() : 0u,
                                             .window = 1000,
                                             .flags = bytes.byte(),
                                             .ttl = 64};
            if (segment.payload != 0) numbers[from] = segment.end();
            const std::uint64_t which = cookie - bytes.byte() % 6;
            const auto kill = known.find(which);
            const auto origin = static_cast<reset::KillMachine::Origin>(bytes.byte() % 3);
            const bool own = machine.saw(now, kill == known.end() ? reset::KillId{} : kill->second.id, from,
                                         segment, origin);
            if (own && origin == reset::KillMachine::Origin::kForeign)
                wrong = "a foreign segment taken for ours";
        } else if (what < 240) {
            machine.flush(now, shots);
        } else {
            now += std::uint64_t{bytes.byte()} * kMs * (what > 252 ? 40 : 1);
            machine.tick(now, shots);
        }
        take(shots);
        if (what % 5 == 0) take_reports();
        if (machine.size() > settings.capacity || machine.running() > machine.size())
            wrong = "more kills than room";
    }

    // Left alone, all of them end, and nothing stays.
    for (int n = 0; n < 40'000 && machine.size() > 0 && wrong.empty(); ++n) {
        now += kMs;
        reset::Shots shots(room);
        machine.flush(now, shots);
        machine.tick(now, shots);
        take(shots);
        take_reports();
    }
    if (!wrong.empty()) return wrong;
    if (machine.size() != 0) return "a kill that never ends";
    if (machine.next_due() != ~std::uint64_t{0}) return "something due of nothing";
    for (const auto& [number, kill] : known) {
        if (!kill.reported) return "a kill without report";
        if (!machine.is_forgotten(kill.id)) return "a kill that is not forgotten";
    }
    return {};
}

}  // namespace yagura::test
