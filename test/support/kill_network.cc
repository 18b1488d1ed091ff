// SPDX-License-Identifier: BSD-3-Clause
#include "support/kill_network.h"

#include <algorithm>

namespace yagura::test {
namespace {

using reset::KillMachine;

constexpr std::uint8_t kRstFlag = 4, kAckFlag = 16;
constexpr std::uint64_t kMillisecond = 1'000'000;
constexpr std::uint64_t kBurst = 20'000;  ///< between two looks at the tap
constexpr std::uint64_t kAfterwards = 3000 * kMillisecond;

enum class What : std::uint8_t { kAtTap, kAtEnd, kInjected };

struct Event {
    std::uint64_t time;
    std::uint64_t order;
    What what;
    unsigned from;  ///< the end in whose name the segment goes
    ModelSegment segment;
    KillMachine::Origin origin;  ///< as the tap's owner can tell
    bool is_ours;

    bool operator>(const Event& other) const {
        return std::pair(time, order) > std::pair(other.time, other.order);
    }
};

class Run {
  public:
    Run(const KillNetwork& network, const reset::KillSettings& settings, std::uint64_t seed)
        : network_(network),
          random_(seed),
          machine_(settings, random_.word(), kStart),
          ends_{TcpEndpoint(TcpEndpoint::State::kSynSent, iss(), network.applications[0], kStart),
                TcpEndpoint(network.answers ? TcpEndpoint::State::kListening : TcpEndpoint::State::kDead,
                            iss(), network.applications[1], kStart)} {}

    KillOutcome run() {
        const std::uint64_t verdict = kStart + network_.verdict_at;
        plan_spoofed(verdict);
        std::uint64_t end = verdict + 60'000 * kMillisecond;
        for (;;) {
            const std::uint64_t now = next_time(verdict);
            if (now > end) break;
            if (!started_ && now >= verdict) start(verdict);
            deliver(now);
            for (unsigned e = 0; e < 2; ++e) {
                if (ends_[e].next_timer() <= now) {
                    TcpEndpoint::Sent sent;
                    ends_[e].poll(now, sent);
                    depart(now, e, sent);
                }
            }
            if (now >= next_look_) look(now);
            reset::KillReport report;
            if (started_ && !outcome_.report && machine_.next_report(report)) {
                outcome_.report = report;
                outcome_.ended_at = now - verdict;
                end = now + kAfterwards;
                received_ = ends_[0].received() + ends_[1].received();
            }
            if (started_ && outcome_.started != reset::Outcome::kRunning && end > now + kAfterwards)
                end = now;
        }
        for (unsigned e = 0; e < 2; ++e) {
            outcome_.dead[e] = !ends_[e].has_connection();
            outcome_.died_at[e] = ends_[e].died_at() > verdict ? ends_[e].died_at() - verdict : 0;
        }
        outcome_.received = ends_[0].received() + ends_[1].received() - received_;
        return outcome_;
    }

  private:
    static constexpr std::uint64_t kStart = 1000 * kMillisecond;

    std::uint32_t iss() {
        const auto any = static_cast<std::uint32_t>(random_.word());
        return network_.near_wrap ? 0u - random_.below(3000) : any;
    }

    std::uint64_t next_time(std::uint64_t verdict) const {
        std::uint64_t next = std::min({ends_[0].next_timer(), ends_[1].next_timer(),
                                       seen_.empty() ? ~std::uint64_t{0} : next_look_,
                                       std::max(machine_.next_due(), next_look_)});
        if (!events_.empty()) next = std::min(next, events_.top().time);
        if (!started_) next = std::min(next, verdict);
        return next;
    }

    /// When a segment that enters a leg comes out of it.
    std::uint64_t arrival(std::uint64_t now, unsigned from, What what) {
        if (network_.spacing == 0) return now + delay();
        std::uint64_t& free = leg_free_[2 * from + (what == What::kAtEnd ? 1 : 0)];
        free = std::max(free, now) + network_.spacing;
        return free + network_.leg_delay;
    }
    std::uint64_t delay() {
        return network_.leg_delay + (network_.jitter != 0 ? random_.below(network_.jitter) : 0);
    }
    bool happens(double probability) { return random_.below(1'000'000) < probability * 1e6; }

    void put(std::uint64_t time, What what, unsigned from, const ModelSegment& segment,
             KillMachine::Origin origin = KillMachine::Origin::kForeign, bool is_ours = false) {
        events_.push({time, order_++, what, from, segment, origin, is_ours});
    }

    void depart(std::uint64_t now, unsigned from, const TcpEndpoint::Sent& sent) {
        for (const ModelSegment& segment : sent) {
            if (network_.firewall && ends_[from].dead() && (segment.flags & kRstFlag) != 0) continue;
            if (!happens(network_.loss)) put(arrival(now, from, What::kAtTap), What::kAtTap, from, segment);
        }
    }

    void deliver(std::uint64_t now) {
        while (!events_.empty() && events_.top().time <= now) {
            const Event event = events_.top();
            events_.pop();
            if (event.what == What::kAtTap) {
                if (network_.seen[event.from] && now >= network_.watch_from && !happens(network_.tap_loss)) {
                    seen_.push_back(event);
                }
                if (!event.is_ours && !happens(network_.loss)) {
                    put(arrival(now, event.from, What::kAtEnd), What::kAtEnd, event.from, event.segment);
                }
                continue;
            }
            if (event.what == What::kInjected) {
                put(arrival(now, event.from, What::kAtEnd), What::kAtEnd, event.from, event.segment);
                continue;
            }
            const unsigned to = 1 - event.from;
            TcpEndpoint::Sent sent;
            ends_[to].receive(now, event.segment, sent);
            depart(now, to, sent);
        }
    }

    void start(std::uint64_t verdict) {
        started_ = true;
        reset::Shots shots(room_);
        const auto [id, outcome] = machine_.start(
            verdict, {.cookie = 7, .verdict = verdict, .numbers = numbers_, .frames = network_.frames},
            shots);
        kill_ = id;
        outcome_.started = outcome;
        shoot(verdict, shots);
    }

    void look(std::uint64_t now) {
        next_look_ = now + kBurst;
        for (const Event& event : seen_) {
            const reset::SeenSegment segment{.seq = event.segment.seq,
                                             .ack = event.segment.ack,
                                             .payload = event.segment.payload,
                                             .window = event.segment.window,
                                             .flags = event.segment.flags,
                                             .ttl = 64};
            if (kill_ && !machine_.is_forgotten(kill_)) {
                (void)machine_.saw(now, kill_, event.from, segment, event.origin);
            } else if (event.origin == KillMachine::Origin::kForeign) {
                numbers_.note(event.from, segment);
            }
        }
        seen_.clear();
        reset::Shots shots(room_);
        machine_.flush(now, shots);
        machine_.tick(now, shots);
        shoot(now, shots);
    }

    /// The tap shows us our own frames on one link in two.
    void shoot(std::uint64_t now, const reset::Shots& shots) {
        for (const reset::Shot& shot : shots.all()) {
            ++outcome_.shots;
            const unsigned from = 1u - shot.toward;
            const ModelSegment segment{.seq = shot.segment.seq,
                                       .ack = shot.segment.ack,
                                       .window = shot.segment.window,
                                       .flags = shot.segment.flags};
            const std::uint64_t out = now + 5'000 + random_.below(30'000);
            const bool is_reset = (segment.flags & kRstFlag) != 0;
            if (random_.one_in(2)) {
                put(out, What::kAtTap, from, segment,
                    is_reset ? KillMachine::Origin::kOwn : KillMachine::Origin::kPerhapsProbe, true);
            }
            if (!happens(network_.loss)) put(out, What::kInjected, from, segment);
        }
    }

    void plan_spoofed(std::uint64_t verdict) {
        for (std::uint32_t n = 0; n < network_.spoofed; ++n) {
            const std::uint8_t flags[] = {kRstFlag, kRstFlag | kAckFlag, kAckFlag};
            const ModelSegment segment{.seq = static_cast<std::uint32_t>(random_.word()),
                                       .ack = static_cast<std::uint32_t>(random_.word()),
                                       .payload = random_.one_in(3) ? random_.below(1000) : 0,
                                       .window = static_cast<std::uint16_t>(random_.word()),
                                       .flags = random_.any_of(flags)};
            put(verdict - 50 * kMillisecond + random_.below(100 * kMillisecond), What::kAtTap,
                random_.below(2), segment);
        }
    }

    const KillNetwork& network_;
    Random random_;
    KillMachine machine_;
    std::array<TcpEndpoint, 2> ends_;
    std::priority_queue<Event, std::vector<Event>, std::greater<>> events_;
    std::uint64_t order_ = 0;
    std::array<std::uint64_t, 4> leg_free_{};
    std::vector<Event> seen_;
    std::uint64_t next_look_ = 0;
    reset::FlowNumbers numbers_{};
    reset::KillId kill_;
    bool started_ = false;
    std::array<reset::Shot, 64> room_;
    KillOutcome outcome_;
    std::uint64_t received_ = 0;
};

}  // namespace

KillOutcome run_kill(const KillNetwork& network, const reset::KillSettings& settings, std::uint64_t seed) {
    return Run(network, settings, seed).run();
}

}  // namespace yagura::test
