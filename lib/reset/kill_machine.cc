// SPDX-License-Identifier: BSD-3-Clause
#include "reset/kill_machine.h"

#include <algorithm>
#include <utility>

#include "reset/kill_state.h"

namespace yagura::reset {
namespace {

constexpr std::uint64_t kMillisecond = 1'000'000;
/// When a connection is tried again, after the verdict. From 500 ms on, the limit is what Linux sets itself
/// for challenge ACKs of one socket (tcp_invalid_ratelimit).
constexpr std::array<std::uint64_t, 12> kTries{0,
                                               2 * kMillisecond,
                                               10 * kMillisecond,
                                               40 * kMillisecond,
                                               150 * kMillisecond,
                                               600 * kMillisecond,
                                               1200 * kMillisecond,
                                               1900 * kMillisecond,
                                               3000 * kMillisecond,
                                               4500 * kMillisecond,
                                               6500 * kMillisecond,
                                               9000 * kMillisecond};
}  // namespace

KillMachine::KillMachine(const KillSettings& settings, std::uint64_t seed, std::uint64_t now)
    : settings_(settings),
      seed_(seed),
      budget_(settings.frames_per_second, settings.frame_burst, now, settings.machines),
      due_(settings.capacity),
      kills_(std::make_unique<Kill[]>(settings.capacity)) {
    free_.reserve(settings.capacity);
    dirty_.reserve(settings.capacity);
    finished_.resize(settings.capacity);
    for (std::uint32_t index = settings.capacity; index-- > 0;) free_.push_back(index);
}

KillMachine::~KillMachine() = default;

KillMachine::Started KillMachine::start(std::uint64_t now, const KillRequest& request, Shots& out) {
    if (request.numbers.is_over()) return {.id = {}, .outcome = Outcome::kTooLate};
    if (request.frames[0] == 0 && request.frames[1] == 0) return {.id = {}, .outcome = Outcome::kNoPath};
    if (free_.empty()) return {.id = {}, .outcome = Outcome::kRateLimited};

    const std::uint32_t index = free_.back();
    free_.pop_back();
    Kill& kill = kills_[index];
    const std::uint32_t generation = kill.generation + 1;
    kill = Kill{};
    kill.index = index;
    kill.generation = generation;
    kill.in_use = true;
    kill.cookie = request.cookie;
    kill.verdict = request.verdict;
    kill.numbers = request.numbers;
    kill.reactions = FrameBudget(settings_.reactions_per_second, settings_.reaction_burst, now);
    for (unsigned end = 0; end < 2; ++end) {
        kill.ends[end].frames = request.frames[end];
        if (kill.has(end, EndNumbers::kHasAck)) {
            kill.ends[end].latest_ack = kill.numbers.ends[end].ack;
            kill.ends[end].has_latest_ack = true;
            kill.ends[end].acks.add(kill.numbers.ends[end].ack);
        }
    }
    ++running_;
    ++size_;
    due_.insert(index, now);
    turn_of(now, kill, out);
    return {.id = {.index = index, .generation = generation}, .outcome = Outcome::kRunning};
}

void KillMachine::reach(KillId id, unsigned end, std::uint8_t frames) {
    if (Kill* const kill = find(id)) kill->ends[end].frames = frames;
}

void KillMachine::flush(std::uint64_t now, Shots& out) {
    for (const std::uint32_t index : dirty_) {
        Kill& kill = kills_[index];
        kill.is_listed = false;
        for (unsigned end = 0; end < 2; ++end) {
            if (!std::exchange(kill.ends[end].is_dirty, false)) continue;
            if (kill.outcome == Outcome::kRunning) react(now, kill, end, out);
        }
    }
    dirty_.clear();
}

void KillMachine::turn(std::uint64_t now, Shots& out) {
    constexpr unsigned kMostInOneTurn = 64;
    for (unsigned n = 0; n < kMostInOneTurn && !due_.empty(); ++n) {
        const std::uint32_t index = due_.first();
        if (due_.due(index) > now || out.left() < kShotsOfTry) return;
        turn_of(now, kills_[index], out);
    }
}

void KillMachine::turn_of(std::uint64_t now, Kill& kill, Shots& out) {
    if (kill.outcome != Outcome::kRunning) {
        if (now < kill.ended + settings_.linger || !kill.is_reported || kill.is_listed) {
            due_.change(kill.index, std::max(now + kMillisecond, kill.ended + settings_.linger));
            return;
        }
        kill.in_use = false;
        due_.remove(kill.index);
        free_.push_back(kill.index);
        --size_;
        return;
    }
    judge(now, kill);
    if (kill.outcome != Outcome::kRunning) return;
    const std::uint64_t give_up = kill.verdict + settings_.give_up;
    if (!try_once(now, kill, out)) {
        due_.change(kill.index, std::min(now + kMillisecond, std::max(now + 1, give_up)));
        return;
    }
    if (kill.tries < kTries.size()) ++kill.tries;
    std::uint64_t due = give_up;
    for (std::size_t n = kill.tries; n < kTries.size(); ++n) {
        if (kill.verdict + kTries[n] > now) {
            due = std::min(due, kill.verdict + kTries[n]);
            break;
        }
    }
    for (const End& end : kill.ends) {
        if (end.is_gone) due = std::min(due, std::max(now, end.gone_at + settings_.settle));
    }
    due_.change(kill.index, std::max(due, now + 1));
}

/// False: another time, for want of room or budget.
bool KillMachine::try_once(std::uint64_t now, Kill& kill, Shots& out) {
    if (out.left() < kShotsOfTry) return false;
    if (kill.segments >= settings_.kill_segments) return true;
    const std::uint32_t before = kill.segments;
    const unsigned first = settled(kill, 0) || !settled(kill, 1) ? 0 : 1;
    bool wanted = false;
    for (const unsigned end : {first, 1 - first}) {
        if (kill.ends[end].is_gone || kill.ends[end].frames == 0) continue;
        wanted = true;
        aim_at(now, kill, end, out);
    }
    return !wanted || kill.segments != before;
}

void KillMachine::judge(std::uint64_t now, Kill& kill) {
    const auto [a, b] = std::pair(&kill.ends[0], &kill.ends[1]);
    if (a->is_gone && b->is_gone) {
        finish(now, kill, Outcome::kVerified, Seen::kBothReset);
        return;
    }
    const std::uint64_t give_up = kill.verdict + settings_.give_up;
    if (a->is_gone || b->is_gone) {
        const End& gone = a->is_gone ? *a : *b;
        const End& other = a->is_gone ? *b : *a;
        const std::uint64_t quiet_since = std::max(gone.gone_at, other.last_seen);
        if (now >= quiet_since + settings_.settle || now >= give_up) {
            finish(now, kill, Outcome::kVerified, Seen::kOneReset);
        }
        return;
    }
    if (now < give_up) return;
    const bool silent = std::max(a->last_seen, b->last_seen) + settings_.settle <= now;
    finish(now, kill, Outcome::kUnverified, silent ? Seen::kSilence : Seen::kStillAlive);
}

void KillMachine::finish(std::uint64_t now, Kill& kill, Outcome outcome, Seen seen) {
    kill.outcome = outcome;
    kill.seen = seen;
    kill.ended = now;
    --running_;
    finished_[(finished_begin_ + finished_count_++) % finished_.size()] = kill.index;
    due_.change(kill.index, now + settings_.linger);
}

bool KillMachine::next_report(KillReport& report) {
    if (finished_count_ == 0) return false;
    Kill& kill = kills_[finished_[finished_begin_]];
    finished_begin_ = (finished_begin_ + 1) % static_cast<std::uint32_t>(finished_.size());
    --finished_count_;
    kill.is_reported = true;
    const auto since_verdict = [&kill](std::uint64_t time) {
        return time > kill.verdict ? time - kill.verdict : 0;
    };
    report = {.cookie = kill.cookie,
              .outcome = kill.outcome,
              .seen = kill.seen,
              .frames = kill.frames,
              .to_first_reset = since_verdict(kill.first_reset),
              .to_death = since_verdict(kill.death)};
    return true;
}

KillMachine::Kill* KillMachine::find(KillId id) {
    if (is_forgotten(id)) return nullptr;
    return &kills_[id.index];
}

bool KillMachine::is_forgotten(KillId id) const {
    if (id.index >= settings_.capacity) return true;
    return !kills_[id.index].in_use || kills_[id.index].generation != id.generation;
}

}  // namespace yagura::reset
