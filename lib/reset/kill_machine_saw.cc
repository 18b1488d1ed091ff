// SPDX-License-Identifier: BSD-3-Clause
// What is seen of a connection that is being cut.
#include <algorithm>

#include "reset/kill_machine.h"
#include "reset/kill_state.h"

namespace yagura::reset {
namespace {

using namespace net::tcp_flag;

/// After an end has answered, the other one is tried this soon.
constexpr std::uint64_t kSoon = 1'000'000;
/// What was sent before a RST may be seen after it for so long.
constexpr std::uint64_t kDisorder = 50'000'000;
/// Numbers further from the known ones are taken for an outsider's guess until a second one agrees.
constexpr std::int32_t kPlausible = 1 << 24;

bool is_near(std::uint32_t a, std::uint32_t b) {
    const std::int32_t d = distance(a, b);
    return d > -kPlausible && d < kPlausible;
}

}  // namespace

bool KillMachine::saw(std::uint64_t now, KillId id, unsigned from, const SeenSegment& segment,
                      Origin origin) {
    Kill* const kill = find(id);
    if (origin == Origin::kOwn) return true;
    if (kill == nullptr) return false;
    if (origin == Origin::kPerhapsProbe && segment.payload == 0) {
        const End& target = kill->ends[1 - from];
        const Segment& probe = target.probe;
        if (target.was_probed && segment.seq == probe.seq && segment.ack == probe.ack &&
            segment.flags == probe.flags && segment.window == probe.window) {
            return true;
        }
    }
    if (kill->outcome != Outcome::kRunning) return false;
    if (segment.has(kRst)) {
        saw_reset(now, *kill, from, segment);
    } else {
        saw_numbers(now, *kill, from, segment);
    }
    return false;
}

/// A RST that an end's kernel sends has the number that the segment before it acknowledged, its peer's or our
/// probe's; an application that aborts sends its own next number. An outsider knows none of them. (An
/// acknowledgement at random proves nothing: an end in SYN-SENT resets those, and lives.)
void KillMachine::saw_reset(std::uint64_t now, Kill& kill, unsigned from, const SeenSegment& segment) {
    End& end = kill.ends[from];
    const End& peer = kill.ends[1 - from];
    const bool answers_syn =
        segment.has(kAck) && kill.is_opening(1 - from) && segment.ack == kill.numbers.ends[1 - from].seq_end;
    const bool genuine =
        answers_syn || peer.acks.holds(segment.seq) ||
        (end.was_probed && !end.probe_was_blind && segment.seq == end.probe.ack) ||
        (kill.has(from, EndNumbers::kHasSeq) && segment.seq == kill.numbers.ends[from].seq_end);
    if (!genuine || end.is_gone) return;
    if (kill.frames == 0) {
        finish(now, kill, Outcome::kTooLate, Seen::kOneReset);
        return;
    }
    end.is_gone = true;
    end.gone_at = now;
    if (kill.death == 0) kill.death = now;
    judge(now, kill);
    if (kill.outcome == Outcome::kRunning)
        due_.change(kill.index, std::min(due_.due(kill.index), now + kSoon));
}

void KillMachine::saw_numbers(std::uint64_t now, Kill& kill, unsigned from, const SeenSegment& segment) {
    End& end = kill.ends[from];
    EndNumbers& numbers = kill.numbers.ends[from];
    const EndNumbers& peer = kill.numbers.ends[1 - from];
    const bool has_ack = segment.has(kAck);

    const bool plausible = (!numbers.has(EndNumbers::kHasSeq) || is_near(numbers.seq_end, segment.seq)) &&
                           (!has_ack || !peer.has(EndNumbers::kHasSeq) || is_near(peer.seq_end, segment.ack));
    if (!plausible) {
        const bool agrees = end.has_pending && is_near(end.pending_seq, segment.seq) &&
                            (!has_ack || is_near(end.pending_ack, segment.ack));
        end.has_pending = !agrees;
        end.pending_seq = segment.seq;
        end.pending_ack = segment.ack;
        if (!agrees) return;
        if (end.has_latest_ack && !end.has_anchor) {
            end.anchor = end.latest_ack;
            end.has_anchor = true;
        }
        numbers.bits = static_cast<std::uint8_t>(numbers.bits & ~(EndNumbers::kHasSeq | EndNumbers::kHasAck));
    }

    end.last_seen = now;
    const FlowNumbers before = kill.numbers;
    kill.numbers.note(from, segment);
    if (segment.payload != 0) end.step = segment.payload;
    const bool sent_more = numbers.seq_end != before.ends[from].seq_end;
    const bool waits_for_other = has_ack && (!end.has_latest_ack || end.latest_ack != segment.ack);
    if (has_ack) {
        end.latest_ack = segment.ack;
        end.has_latest_ack = true;
        end.acks.add(segment.ack);
    }
    if (end.is_gone && (sent_more || waits_for_other) && now > end.gone_at + kDisorder) {
        // Somebody else had said that it was gone.
        end.is_gone = false;
        if (!kill.ends[1 - from].is_gone) kill.death = 0;
    }
    if (kill.numbers.is_over()) {
        finish(now, kill, Outcome::kTooLate, Seen::kClosed);
        return;
    }
    if (kill.is_opening(from) && segment.has(kSyn)) {
        // Whoever knew of no connection may know of one now.
        kill.ends[1 - from].is_gone = false;
        mark_dirty(kill, from);
    }
    if (sent_more) mark_dirty(kill, 1 - from);
    if (waits_for_other) mark_dirty(kill, from);
}

void KillMachine::mark_dirty(Kill& kill, unsigned end) {
    if (kill.ends[end].is_gone || kill.ends[end].frames == 0) return;
    kill.ends[end].is_dirty = true;
    if (kill.is_listed) return;
    kill.is_listed = true;
    dirty_.push_back(kill.index);
}

}  // namespace yagura::reset
