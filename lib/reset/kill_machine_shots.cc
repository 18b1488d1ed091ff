// SPDX-License-Identifier: BSD-3-Clause
// What is sent to the ends of a connection that is being cut.
#include <algorithm>

#include "base/hash.h"
#include "reset/kill_machine.h"
#include "reset/kill_state.h"

namespace yagura::reset {

using namespace net::tcp_flag;

/// All that it may be waiting for has come, and it has said so: a RST there hits.
bool KillMachine::settled(const Kill& kill, unsigned end) const {
    return kill.has(end, EndNumbers::kHasAck) &&
           (!kill.has(1 - end, EndNumbers::kHasSeq) ||
            kill.numbers.ends[end].ack == kill.numbers.ends[1 - end].seq_end);
}

/// To an end that has said or been sent something new: at the place where it must be by now. What there is no
/// room or budget for is left out; the next segment or try brings another chance.
void KillMachine::react(std::uint64_t now, Kill& kill, unsigned toward, Shots& out) {
    constexpr unsigned kRungs = 3;
    constexpr std::uint32_t kMissesBeforeRungs = 4;
    End& end = kill.ends[toward];
    const EndNumbers& peer = kill.numbers.ends[1 - toward];
    if (out.left() < kRungs + 3 || !kill.reactions.take(now)) return;

    const auto shoot_once = [&](std::uint32_t seq) {
        return end.shots.holds(seq) || shoot(now, kill, toward, seq, out);
    };
    if (kill.is_opening(toward)) {
        if (shoot(now, kill, toward, peer.has(EndNumbers::kHasSeq) ? peer.seq_end : 0, out)) {
            probe(now, kill, toward, out);
        }
        return;
    }
    const bool is_new = peer.has(EndNumbers::kHasSeq) && !end.shots.holds(peer.seq_end);
    if (!is_new || settled(kill, toward)) {
        // A challenge ACK, or the acknowledgement of all that was sent.
        if (!end.has_latest_ack || end.shots.holds(end.latest_ack)) return;
        if (shoot(now, kill, toward, end.latest_ack, out)) probe(now, kill, toward, out);
        return;
    }
    // Behind the data that has just gone by. An end that has moved on before the RST came will move on again:
    // then where it will be after one, two or three more segments.
    if (!shoot_once(peer.seq_end)) return;
    const std::uint32_t step = kill.ends[1 - toward].step;
    if (++kill.misses <= kMissesBeforeRungs || step == 0) return;
    for (std::uint32_t rung = 1; rung <= kRungs && kill.reactions.take(now); ++rung) {
        if (!shoot_once(peer.seq_end + rung * step)) return;
    }
}

/// Every number that it may be waiting for, then the question whether it still is.
void KillMachine::aim_at(std::uint64_t now, Kill& kill, unsigned toward, Shots& out) {
    const End& end = kill.ends[toward];
    const EndNumbers& numbers = kill.numbers.ends[toward];
    const EndNumbers& peer = kill.numbers.ends[1 - toward];
    std::array<std::uint32_t, 4> targets;
    std::size_t count = 0;
    const auto add = [&](bool known, std::uint32_t seq) {
        if (known && std::find(targets.begin(), targets.begin() + count, seq) == targets.begin() + count) {
            targets[count++] = seq;
        }
    };
    add(numbers.has(EndNumbers::kHasAck), numbers.ack);
    add(end.has_latest_ack, end.latest_ack);
    add(peer.has(EndNumbers::kHasSeq), peer.seq_end);
    add(end.has_anchor, end.anchor);
    // In SYN-SENT the acknowledgement counts, not the number.
    if (count == 0 && kill.is_opening(toward)) add(true, 0);
    for (std::size_t i = 0; i < count; ++i) {
        if (!shoot(now, kill, toward, targets[i], out)) return;
    }
    probe(now, kill, toward, out);
}

bool KillMachine::shoot(std::uint64_t now, Kill& kill, unsigned toward, std::uint32_t seq, Shots& out) {
    const EndNumbers& numbers = kill.numbers.ends[toward];
    const EndNumbers& peer = kill.numbers.ends[1 - toward];
    Segment reset{.seq = seq, .flags = kRst};
    if (peer.has(EndNumbers::kHasAck) || numbers.has(EndNumbers::kHasSeq)) {
        reset.flags |= kAck;
        reset.ack = peer.has(EndNumbers::kHasAck) ? peer.ack : numbers.seq_end;
    }
    if (!send(now, kill, toward, reset, out)) return false;
    kill.ends[toward].shots.add(seq);
    if (!kill.was_shot()) kill.first_reset = now;
    return true;
}

/// A keep-alive probe (RFC 9293, 3.8.4): one number below what the end waits for. If it knows the connection,
/// it answers with the number that it does wait for; if not, with a RST that has the number which its peer
/// waits for, so that the peer obeys.
void KillMachine::probe(std::uint64_t now, Kill& kill, unsigned toward, Shots& out) {
    if (!settings_.probe) return;
    End& end = kill.ends[toward];
    const EndNumbers& numbers = kill.numbers.ends[toward];
    const EndNumbers& peer = kill.numbers.ends[1 - toward];
    Segment probe{.flags = kAck, .window = peer.window};
    if (numbers.has(EndNumbers::kHasAck)) {
        probe.seq = numbers.ack - 1;
    } else {
        // Where it may be inside the window it would not be answered: half of the numbers are outside,
        // whatever the window is.
        constexpr std::uint32_t kHalf = 1u << 31;
        probe.seq =
            (peer.has(EndNumbers::kHasSeq) ? peer.seq_end - 1 : random()) + (kill.tries % 2 != 0 ? kHalf : 0);
    }
    if (peer.has(EndNumbers::kHasAck)) {
        probe.ack = peer.ack;
    } else {
        probe.ack = numbers.has(EndNumbers::kHasSeq) ? numbers.seq_end : random();
    }
    if (!send(now, kill, toward, probe, out)) return;
    end.probe = probe;
    end.was_probed = true;
    end.probe_was_blind = !peer.has(EndNumbers::kHasAck) && !numbers.has(EndNumbers::kHasSeq);
}

bool KillMachine::send(std::uint64_t now, Kill& kill, unsigned toward, const Segment& segment, Shots& out) {
    const std::uint8_t frames = kill.ends[toward].frames;
    if (kill.segments >= settings_.kill_segments || out.left() == 0 || !budget_.take(now, frames))
        return false;
    ++kill.segments;
    kill.frames += frames;
    out.add({.kill = {.index = kill.index, .generation = kill.generation},
             .cookie = kill.cookie,
             .toward = static_cast<std::uint8_t>(toward),
             .segment = segment});
    return true;
}

std::uint32_t KillMachine::random() {
    seed_ += base::kHashA;
    return static_cast<std::uint32_t>(base::mix(seed_, base::kHashB));
}

}  // namespace yagura::reset
