// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "reset/due_heap.h"
#include "reset/flow_numbers.h"
#include "reset/frame_budget.h"
#include "reset/kill_report.h"
#include "reset/reset_builder.h"

namespace yagura::reset {

struct KillSettings {
    std::uint32_t capacity = 4096;           ///< connections that are being cut at a time
    std::uint64_t give_up = 10'000'000'000;  ///< ns after the verdict
    std::uint64_t settle = 1'000'000'000;    ///< ns of silence of one end after the other has answered
    std::uint64_t linger = 1'000'000'000;    ///< ns after the outcome for which late probes are known as ours
    std::uint32_t frames_per_second = 20'000;  ///< of all machines together
    std::uint32_t machines = 1;                ///< that share frames_per_second equally
    std::uint32_t frame_burst = 2'000;         ///< of this one
    std::uint32_t kill_segments = 600;         ///< for one connection, in all
    std::uint32_t reactions_per_second = 500;  ///< of one connection, to what is seen of it
    std::uint32_t reaction_burst = 24;
    /// Ask each end by a keep-alive probe whether it still knows the connection. Without it only what the
    /// ends say of themselves can prove anything.
    bool probe = true;
};

/// A connection that is being cut. Stays good until its report was taken and it has lingered.
struct KillId {
    static constexpr std::uint32_t kNone = 0xffffffff;
    std::uint32_t index = kNone;
    std::uint32_t generation = 0;

    explicit operator bool() const { return index != kNone; }
    bool operator==(const KillId&) const = default;
};

struct KillRequest {
    std::uint64_t cookie = 0;   ///< the caller's own: comes back in shots and in the report
    std::uint64_t verdict = 0;  ///< ns, when it was said; not later than `now`
    FlowNumbers numbers{};
    /// To each end: how many frames a segment takes, one for each port by which it leaves. 0: it cannot be
    /// sent.
    std::array<std::uint8_t, 2> frames{1, 1};
};

/// A segment to be made and sent by the caller, in the other end's name.
struct Shot {
    KillId kill;
    std::uint64_t cookie = 0;
    std::uint8_t toward = 0;  ///< the end that receives it
    Segment segment;
};

/// The caller's room for the shots of one call.
class Shots {
  public:
    explicit Shots(std::span<Shot> room) : room_(room) {}
    std::span<const Shot> all() const { return room_.first(count_); }
    std::size_t left() const { return room_.size() - count_; }
    void add(const Shot& shot) { room_[count_++] = shot; }  ///< with room left
    void clear() { count_ = 0; }

  private:
    std::span<Shot> room_;
    std::size_t count_ = 0;
};

/// Cuts TCP connections from beside them: says what to send and when, and whether they are dead. What it does
/// and why: docs/decisions/0030-kill-state-machine.md.
///
/// One for each select lcore, of which it belongs to the thread. Bytes, ports and clocks are the caller's: it
/// gets what was seen and gives shots. Allocates when it is made and never again. The work of a call is
/// bounded: by the burst that went before for flush(), by the room of the shots for tick().
class KillMachine {
  public:
    /// Room for the shots of one connection's try. Calls that find less leave what there is to do for later.
    static constexpr std::size_t kShotsOfTry = 16;

    /// `seed`: for numbers that nobody should guess. `now` in ns, of a clock that all calls share.
    KillMachine(const KillSettings& settings, std::uint64_t seed, std::uint64_t now);
    ~KillMachine();
    KillMachine(const KillMachine&) = delete;
    KillMachine& operator=(const KillMachine&) = delete;

    struct Started {
        KillId id;        ///< of a kill that runs
        Outcome outcome;  ///< kRunning; else there will be no report
    };
    /// Sends the first shots at once, as far as room and budgets allow.
    [[nodiscard]] Started start(std::uint64_t now, const KillRequest& request, Shots& out);

    /// How a segment is known (ResetBuilder): by its whole mark, by its id alone, or not at all.
    enum class Origin : std::uint8_t { kForeign, kPerhapsProbe, kOwn };
    /// A segment of a connection that is being cut, sent by end `from` as far as it says. True: it is one of
    /// our own. Sends nothing: flush() after the burst does.
    [[nodiscard]] bool saw(std::uint64_t now, KillId kill, unsigned from, const SeenSegment& segment,
                           Origin origin);
    void flush(std::uint64_t now, Shots& out);
    /// From now on a segment to this end takes so many frames (KillRequest::frames).
    void reach(KillId kill, unsigned end, std::uint8_t frames);
    /// Frames that the caller sends beside those of its kills, which count like them. False: not now.
    [[nodiscard]] bool take_frames(std::uint64_t now, std::uint32_t frames) {
        return budget_.take(now, frames);
    }

    /// What is due; cheap when nothing is. Call it every turn.
    void tick(std::uint64_t now, Shots& out) {
        if (next_due() <= now) turn(now, out);
    }
    /// When something will be due; the greatest value there is if nothing.
    std::uint64_t next_due() const { return due_.empty() ? ~std::uint64_t{0} : due_.due(due_.first()); }

    /// The next connection whose outcome is known, once for each that was started.
    [[nodiscard]] bool next_report(KillReport& report);

    /// The kill is over and its id means nothing any more: the flow can forget it.
    bool is_forgotten(KillId kill) const;
    std::uint32_t running() const { return running_; }
    std::uint32_t size() const { return size_; }  ///< with those that linger

  private:
    struct End;
    struct Kill;

    Kill* find(KillId id);
    void turn(std::uint64_t now, Shots& out);
    void turn_of(std::uint64_t now, Kill& kill, Shots& out);
    bool try_once(std::uint64_t now, Kill& kill, Shots& out);
    void aim_at(std::uint64_t now, Kill& kill, unsigned toward, Shots& out);
    void react(std::uint64_t now, Kill& kill, unsigned toward, Shots& out);
    bool shoot(std::uint64_t now, Kill& kill, unsigned toward, std::uint32_t seq, Shots& out);
    void probe(std::uint64_t now, Kill& kill, unsigned toward, Shots& out);
    bool send(std::uint64_t now, Kill& kill, unsigned toward, const Segment& segment, Shots& out);
    void saw_reset(std::uint64_t now, Kill& kill, unsigned from, const SeenSegment& segment);
    void saw_numbers(std::uint64_t now, Kill& kill, unsigned from, const SeenSegment& segment);
    void mark_dirty(Kill& kill, unsigned end);
    bool settled(const Kill& kill, unsigned end) const;
    void finish(std::uint64_t now, Kill& kill, Outcome outcome, Seen seen);
    void judge(std::uint64_t now, Kill& kill);
    std::uint32_t random();

    KillSettings settings_;
    std::uint64_t seed_;
    FrameBudget budget_;
    DueHeap due_;  ///< of those in use
    std::unique_ptr<Kill[]> kills_;
    std::vector<std::uint32_t> free_;
    std::vector<std::uint32_t> dirty_;     ///< seen in this burst
    std::vector<std::uint32_t> finished_;  ///< a ring of reports to be taken
    std::uint32_t finished_begin_ = 0;
    std::uint32_t finished_count_ = 0;
    std::uint32_t running_ = 0;
    std::uint32_t size_ = 0;
};

}  // namespace yagura::reset
