// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/responder.h"

#include <time.h>

#include <algorithm>
#include <optional>

#include "base/clock.h"
#include "net/protocol_numbers.h"

namespace yagura::dataplane {
namespace {

using reset::Outcome;
using namespace net::tcp_flag;

constexpr std::uint64_t kSecond = 1'000'000'000;
/// Fronts that differ, of all flows of a stage.
constexpr std::uint32_t kFronts = 1u << 16;
/// Who wait for what others have asked for before them.
constexpr std::size_t kWaiters = 4096;
/// Of rules that block, which are in effect together for some flow.
constexpr RuleSets::Set kRuleSets = 1u << 14;
/// Reports beside one for each connection that is being cut.
constexpr std::size_t kSpareReports = 8192;
/// Flows that are asked anew in a turn.
constexpr std::uint32_t kLooksPerTurn = 64;
/// Flows that are gone through in a turn for one that is sought.
constexpr std::uint32_t kSearchPerTurn = 1024;
/// ICMP errors are one in so many of our frames at most, and so many at once.
constexpr std::uint32_t kErrorShare = 20;
constexpr std::uint32_t kErrorBurst = 64;
/// ICMP errors that a verdict on a flow that is no connection brings about at most.
constexpr std::uint8_t kErrorsOfVerdict = 10;
/// Of frames, where none is known that arrives.
constexpr std::uint8_t kTtl = 64;

reset::KillSettings share_of(const ResponseSettings& settings, std::size_t stages) {
    const auto share = [stages](std::uint32_t all, std::uint32_t least) {
        return std::max(static_cast<std::uint32_t>(all / stages), least);
    };
    reset::KillSettings own = settings.kills;
    own.capacity = share(own.capacity, 1);
    own.machines = static_cast<std::uint32_t>(stages);
    // A connection's first shots must not be cut off in the middle, by both ports.
    own.frame_burst = share(own.frame_burst, 2 * reset::KillMachine::kShotsOfTry);
    return own;
}

}  // namespace

/// Kills are clocked by what no one sets.
std::uint64_t Responder::now() {
    timespec time{};
    clock_gettime(CLOCK_MONOTONIC, &time);
    return static_cast<std::uint64_t>(time.tv_sec) * kSecond + static_cast<std::uint64_t>(time.tv_nsec);
}

/// The same moment, of one that the time of day names.
std::uint64_t Responder::monotonic(std::uint64_t realtime_ns) {
    // Who waited for longer would be given up before a try.
    constexpr std::uint64_t kLongest = kSecond;
    const std::uint64_t today = base::realtime_ns();
    const std::uint64_t age = today > realtime_ns ? std::min(today - realtime_ns, kLongest) : 0;
    return now() - age;
}

Responder::Responder(const Options& options, flow::FlowTable& flows)
    : options_(options),
      flows_(flows),
      builder_(options.settings->secret),
      machine_(share_of(*options.settings, options.stages), options.seed ^ options.settings->secret[0],
               now()),
      errors_(options.settings->kills.frames_per_second, kErrorBurst, now(), options.stages * kErrorShare),
      states_(flows.capacity()),
      given_(flows.capacity()),
      rule_sets_(kRuleSets),
      fronts_(kFronts, options.seed ^ options.settings->secret[1]),
      cases_(share_of(*options.settings, options.stages).capacity),
      case_of_kill_(cases_.size()),
      reports_(2 * cases_.size() + kSpareReports),
      outlets_(options.ports) {
    free_cases_.reserve(cases_.size());
    for (auto number = static_cast<std::uint32_t>(cases_.size()); number-- > 0;)
        free_cases_.push_back(number);
    waiters_.reserve(kWaiters);
}

void Responder::set_port(base::PortId port, PacketRing* ring, const InjectPort& inject) noexcept {
    outlets_[port.index()].ring = ring;
    outlets_[port.index()].inject = inject;
}

// ---- packets

bool Responder::is_own(const rte_mbuf* packet, const port::PacketMeta& m) const {
    const net::ParsedPacket& parsed = m.parsed;
    const bool is_reset = (parsed.tcp_flags & kRst) != 0;
    if (!is_reset && !may_be_error(parsed.key)) return false;
    return builder_.is_own(first_bytes(packet), parsed);
}

/// What a packet's frame says of the way of its direction.
void Responder::learn(State& state, unsigned from, const rte_mbuf* packet, const port::PacketMeta& m) {
    Way& way = state.ways[from];
    const auto port = static_cast<std::uint16_t>(m.port.value() + 1);
    const Way before = way;
    learn_way(way, port, packet, m);
    // There may be a way now where there was none.
    if (way != before) state.bits = static_cast<std::uint8_t>(state.bits & ~kNoWay);
}

void Responder::learn_way(Way& way, std::uint16_t port, const rte_mbuf* packet, const port::PacketMeta& m) {
    if (way.port == 0) {
        way.port = port;
    } else if (way.port != port && way.second == 0) {
        way.second = port;
    }
    if (way.front != reset::EncapsulationTable::kNone) return;
    reset::Encapsulation front;
    if (reset::Encapsulation::take(first_bytes(packet), m.parsed, front) != reset::Refusal::kNone) return;
    way.front = fronts_.share(front);
    if (way.front == reset::EncapsulationTable::kNone) counters_.fronts_full.add(1);
}

/// Of a flow that is being cut: its peer may be reached by another station since.
void Responder::learn_again(State& state, unsigned from, const rte_mbuf* packet, const port::PacketMeta& m) {
    Way& way = state.ways[from];
    reset::Encapsulation front;
    if (reset::Encapsulation::take(first_bytes(packet), m.parsed, front) != reset::Refusal::kNone) return;
    if (way.front != reset::EncapsulationTable::kNone && fronts_[way.front] == front) return;
    const std::uint32_t other = fronts_.share(front);
    if (other == reset::EncapsulationTable::kNone) return;
    fronts_.release(way.front);
    way.front = other;
}

bool Responder::saw(std::uint32_t index, unsigned from, bool begins, const rte_mbuf* packet,
                    const port::PacketMeta& m) {
    State& state = states_[index];
    const base::Bytes bytes = first_bytes(packet);
    const bool tcp = m.parsed.key.proto == net::ip_proto::kTcp;
    std::optional<reset::SeenSegment> segment;
    if (tcp) segment = reset::read_segment(bytes, m.wire_length, m.parsed);
    if (segment) {
        // First whether it is ours: then it teaches nothing.
        const bool probe = (state.kill != 0 || orphans_ != 0) && segment->flags == kAck &&
                           segment->payload == 0 && builder_.may_be_probe(bytes, m.parsed);
        if (state.kill != 0) {
            const auto origin =
                probe ? reset::KillMachine::Origin::kPerhapsProbe : reset::KillMachine::Origin::kForeign;
            if (machine_.saw(now(), kill_of(state), from, *segment, origin)) return true;
            if (machine_.is_forgotten(kill_of(state))) {
                state.kill = 0;
                unwatch(index);
            } else {
                learn_again(state, from, packet, m);
            }
        } else if (probe && is_of_orphan(m.parsed.key)) {
            return true;
        }
        state.numbers.note(from, *segment);
    }
    const unsigned port = m.port.value() + 1u;
    const Way& way = state.ways[from];
    if (way.front == reset::EncapsulationTable::kNone || (way.port != port && way.second != port)) {
        learn(state, from, packet, m);
        for (unsigned end = 0; state.kill != 0 && end < 2; ++end) {
            if (const std::uint8_t frames = frames_toward(state.ways, end))
                machine_.reach(kill_of(state), end, frames);
        }
    }
    if (!tcp && state.errors_left != 0) send_error(index, from, packet, m);
    if (begins) {
        ask_blocks(index);
    } else if ((state.bits & kBlocked) != 0 && may_cut_again(state) && still_blocked(index)) {
        cut(index, {.cause = ResponseCause::kBlock, .at = now()});
    }
    return false;
}

/// A frame between these ends may be a probe of a kill whose flow has no entry any more.
bool Responder::is_of_orphan(const net::FlowKey& key) const {
    return std::ranges::any_of(cases_, [&key](const Case& c) {
        return c.kill && c.index == flow::FlowTable::kNone && (c.key == key || c.key == key.reversed());
    });
}

/// What was blocked when it began may not be any more: then nothing is wanted of it.
bool Responder::still_blocked(std::uint32_t index) {
    State& state = states_[index];
    if (options_.settings->blocks->lookup(flows_.entry(index).key, base::realtime_ns())) return true;
    state.bits = static_cast<std::uint8_t>(state.bits & ~kBlocked);
    if (state.errors_left == kForever) state.errors_left = 0;
    unwatch(index);
    return false;
}

/// What wanted the flow cut before still does, it lives on, and there is room to try.
bool Responder::may_cut_again(const State& state) const {
    return state.kill == 0 && (state.bits & (kRefused | kNoWay)) == 0 && !is_over(state) &&
           !free_cases_.empty() && mode() == ResponseMode::kOn;
}

/// It has been cut or has ended, and nobody has said anything new since.
bool Responder::is_over(const State& state) {
    return (state.bits & kOver) != 0 && state.numbers.is_over();
}

/// The flow goes the short way again when nobody wants anything of it.
void Responder::unwatch(std::uint32_t index) {
    const State& state = states_[index];
    const bool wanted =
        (state.bits & (kBlocked | kByRule)) != 0 && (state.bits & kRefused) == 0 && !is_over(state);
    flows_.entry(index).watched = state.kill != 0 || state.shunted != 0 || state.errors_left != 0 || wanted;
}

void Responder::by_rules(std::uint32_t index, std::span<const match::RuleIndex> rules,
                         const select::PolicySnapshot& policy) {
    State& state = states_[index];
    // What comes while nothing is cut comes again with a later packet.
    if (mode() != ResponseMode::kOff) tell_blocks(index, rules, policy);
    if ((state.bits & kByRule) != 0 && !may_cut_again(state)) return;
    const auto found = std::ranges::find_if(
        rules, [&policy](match::RuleIndex rule) { return policy.actions[rule].responds(); });
    if (found == rules.end()) return;
    const select::RuleAction& action = policy.actions[*found];
    state.bits |= kByRule;
    cut(index, {.cause = ResponseCause::kRule, .source = action.id, .at = now()});
}

/// Each rule's once, whenever it comes into effect.
void Responder::tell_blocks(std::uint32_t index, std::span<const match::RuleIndex> rules,
                            const select::PolicySnapshot& policy) {
    State& state = states_[index];
    for (const match::RuleIndex rule : rules) {
        const select::RuleAction& action = policy.actions[rule];
        if (!action.block || rule_sets_.has(state.told, action.id)) continue;
        // Without room it is tried again with the next packet.
        if (!push({.key = opened_by(flows_.entry(index)),
                   .cause = ResponseCause::kRule,
                   .source = action.id,
                   .block = action.block}))
            return;
        state.told = rule_sets_.with(state.told, action.id);
        if (state.told == RuleSets::kAll) counters_.unreported.add(1);
    }
}

void Responder::flush() {
    if (machine_.running() == 0) return;
    reset::Shots shots(shots_);
    machine_.flush(now(), shots);
    fire(shots);
}

// ---- verdicts

void Responder::ask_blocks(std::uint32_t index) {
    const reset::BlockList* const blocks = options_.settings->blocks;
    if (blocks == nullptr || blocks->size() == 0) return;
    if (!blocks->lookup(flows_.entry(index).key, base::realtime_ns())) return;
    State& state = states_[index];
    // Why something else was refused says nothing of a block, whose ICMP errors do not end.
    if ((state.bits & kBlocked) == 0 && flows_.entry(index).key.proto != net::ip_proto::kTcp)
        state.bits = static_cast<std::uint8_t>(state.bits & ~kRefused);
    state.bits |= kBlocked;
    cut(index, {.cause = ResponseCause::kBlock, .at = now()});
}

Responder::Case* Responder::case_of(const State& state) {
    if (state.kill == 0 || machine_.is_forgotten(kill_of(state))) return nullptr;
    Case& known = cases_[case_of_kill_[state.kill - 1]];
    return known.kill == kill_of(state) ? &known : nullptr;
}

void Responder::cut(std::uint32_t index, const Verdict& verdict) {
    flow::FlowEntry& entry = flows_.entry(index);
    State& state = states_[index];
    counters_.verdicts[static_cast<std::size_t>(verdict.cause)].add(1);
    const auto tell_at_once = [&](Outcome outcome, ResponseReport::Why why = ResponseReport::Why::kNone) {
        tell(opened_by(entry), verdict, {.outcome = outcome}, why);
    };
    // What nobody waits for is told once: who asks for the same with every packet fills no queue.
    const bool waited_for = verdict.cookie != 0;
    if (!waited_for && ((state.bits & kRefused) != 0 || is_over(state) || case_of(state) != nullptr)) return;
    const ResponseMode mode = this->mode();
    if (mode == ResponseMode::kOff) {
        unwatch(index);
        return tell_at_once(Outcome::kRefused, ResponseReport::Why::kOff);
    }
    if (options_.settings->never.covers(entry.key)) {
        state.bits |= kRefused;
        return tell_at_once(Outcome::kRefused, ResponseReport::Why::kNeverCut);
    }
    if (verdict.dry_run) return tell_at_once(Outcome::kDryRun);
    if (mode == ResponseMode::kDryRun) {
        state.bits |= kRefused;
        return tell_at_once(Outcome::kDryRun);
    }
    if (entry.key.proto != net::ip_proto::kTcp) {
        state.bits |= kRefused;
        state.errors_left =
            std::max(state.errors_left, verdict.cause == ResponseCause::kBlock ? kForever : kErrorsOfVerdict);
        entry.watched = 1;
        return tell_at_once(Outcome::kNotTcp);
    }
    if (const Case* going_on = case_of(state)) {
        if (waiters_.size() == kWaiters) return tell_at_once(Outcome::kRateLimited);
        waiters_.push_back(
            {.number = static_cast<std::uint32_t>(going_on - cases_.data()), .verdict = verdict});
        return;
    }
    if (is_over(state)) return tell_at_once(Outcome::kTooLate);
    if (free_cases_.empty() || report_count_ + cases_.size() >= reports_.size()) {
        unwatch(index);
        return tell_at_once(Outcome::kRateLimited);
    }

    const std::uint32_t number = free_cases_.back();
    const std::uint64_t time = now();
    reset::Shots shots(shots_);
    const reset::KillMachine::Started started =
        machine_.start(time,
                       {.cookie = number,
                        .verdict = std::min(verdict.at, time),
                        .numbers = state.numbers,
                        .frames = {frames_toward(state.ways, 0), frames_toward(state.ways, 1)}},
                       shots);
    if (!started.id) {
        if (started.outcome == Outcome::kTooLate) state.bits |= kOver;
        if (started.outcome == Outcome::kNoPath) state.bits |= kNoWay;
        unwatch(index);
        return tell_at_once(started.outcome);
    }
    free_cases_.pop_back();
    state.bits = static_cast<std::uint8_t>(state.bits & ~kOver);
    cases_[number] = {.key = entry.key,
                      .client_is_dst = entry.client_is_dst != 0,
                      .verdict = verdict,
                      .kill = started.id,
                      .index = index,
                      .ways = {},
                      .ttl = {}};
    case_of_kill_[started.id.index] = number;
    state.kill = started.id.index + 1;
    state.generation = started.id.generation;
    entry.watched = 1;
    fire(shots);
}

void Responder::heard(base::ToolId tool, std::uint32_t index, std::uint64_t given) {
    ResponseCounters::Heard& counters = counters_.heard[tool.index()];
    if (index == flow::FlowTable::kNone) {
        counters.not_found.add(1);
    } else if (((given | given_[index]) >> tool.value() & 1) == 0) {
        counters.not_given.add(1);
    } else {
        counters.verdicts.add(1);
        cut(index, {.cause = ResponseCause::kTool, .source = tool.value(), .at = now()});
    }
}

FlowResponse Responder::response_of(std::uint32_t index) {
    const State& state = states_[index];
    FlowResponse response{.shunted = state.shunted};
    const Case* const going_on = case_of(state);
    if (going_on != nullptr && !is_over(state)) {
        response.cut = FlowResponse::Cut::kGoesOn;
        response.cause = going_on->verdict.cause;
        response.source = going_on->verdict.source;
    } else if (is_over(state)) {
        response.cut = FlowResponse::Cut::kOver;
    } else if ((state.bits & kRefused) != 0) {
        response.cut = FlowResponse::Cut::kRefused;
    }
    return response;
}

void Responder::shunt(std::uint32_t index, const ResponseRequest& request) {
    State& state = states_[index];
    if (request.action == ResponseAction::kShunt) {
        state.shunted |= request.tools;
    } else {
        state.shunted &= ~request.tools;
    }
    unwatch(index);
    push({.key = opened_by(flows_.entry(index)), .cookie = request.cookie, .action = request.action});
}

void Responder::exchange(ResponseExchange& exchange) noexcept {
    exchange.report_count = 0;
    for (; exchange.report_count < exchange.reports.size() && report_count_ != 0; --report_count_) {
        exchange.reports[exchange.report_count++] = reports_[first_report_];
        first_report_ = (first_report_ + 1) % reports_.size();
    }
    exchange.requests_done = 0;
    for (; exchange.requests_done < exchange.request_count; ++exchange.requests_done) {
        if (report_count_ + cases_.size() + 1 >= reports_.size() || sought_from_ != sought_until_) return;
        const ResponseRequest& request = exchange.requests[exchange.requests_done];
        if (options_.any_domain) {
            sought_ = request;
            sought_from_ = 0;
            sought_until_ = flows_.indices();
            sought_found_ = false;
            if (sought_until_ != 0) continue;
        }
        const std::uint32_t index = flows_.look_up(request.key, request.key.symmetric_hash(options_.seed));
        if (index == flow::FlowTable::kNone) {
            push({.key = request.key, .cookie = request.cookie, .action = request.action, .found = false});
        } else {
            carry_out(index, request);
        }
    }
}

void Responder::carry_out(std::uint32_t index, const ResponseRequest& request) {
    if (request.action != ResponseAction::kReset) return shunt(index, request);
    cut(index, {.cause = ResponseCause::kControl,
                .cookie = request.cookie,
                .at = monotonic(request.verdict_ns),
                .dry_run = request.dry_run});
}

/// A turn's share of going through all flows for the one that is sought, in whatever domain.
unsigned Responder::search() {
    unsigned looks = 0;
    for (; looks < kSearchPerTurn && sought_from_ != sought_until_; ++looks, ++sought_from_) {
        const flow::FlowEntry& entry = flows_.entry(sought_from_);
        if (!entry.used) continue;
        net::FlowKey key = sought_.key;
        key.domain = entry.key.domain;
        if (entry.key != key && entry.key != key.reversed()) continue;
        sought_found_ = true;
        carry_out(sought_from_, sought_);
    }
    if (sought_from_ == sought_until_ && !sought_found_)
        push({.key = sought_.key, .cookie = sought_.cookie, .action = sought_.action, .found = false});
    return looks;
}

// ---- what became of it

bool Responder::push(const ResponseReport& report) {
    // The second half is for those whom somebody waits for.
    const bool may_be_left_out = report.cookie == 0 && !report.block;
    if (report_count_ >= (may_be_left_out ? reports_.size() / 2 : reports_.size())) {
        counters_.unreported.add(1);
        return false;
    }
    reports_[(first_report_ + report_count_++) % reports_.size()] = report;
    return true;
}

void Responder::tell(const net::FlowKey& key, const Verdict& verdict, const reset::KillReport& kill,
                     ResponseReport::Why why) {
    counters_.outcomes[static_cast<std::size_t>(kill.outcome)].add(1);
    push({.key = key,
          .cookie = verdict.cookie,
          .cause = verdict.cause,
          .source = verdict.source,
          .why = why,
          .kill = kill});
}

void Responder::take_reports() {
    reset::KillReport report;
    while (report_count_ + 1 + waiters_.size() < reports_.size() && machine_.next_report(report)) {
        const auto number = static_cast<std::uint32_t>(report.cookie);
        Case& ended = cases_[number];
        const net::FlowKey key = ended.client_is_dst ? ended.key.reversed() : ended.key;
        tell(key, ended.verdict, report);
        std::erase_if(waiters_, [&](const Waiter& waiter) {
            if (waiter.number != number) return false;
            tell(key, waiter.verdict, report);
            return true;
        });
        if (ended.index != flow::FlowTable::kNone) {
            set_over(ended.index, report, ended.kill);
        } else {
            --orphans_;
            for (const Way& way : ended.ways) fronts_.release(way.front);
        }
        ended.kill = {};
        free_cases_.push_back(number);
    }
}

void Responder::set_over(std::uint32_t index, const reset::KillReport& report, reset::KillId kill) {
    State& state = states_[index];
    if (kill_of(state) != kill) return;
    if (report.outcome == Outcome::kVerified || report.outcome == Outcome::kTooLate) state.bits |= kOver;
}

void Responder::forget(std::uint32_t index) {
    State& state = states_[index];
    if (Case* const going_on = case_of(state)) {
        ++orphans_;
        going_on->index = flow::FlowTable::kNone;
        going_on->ways = state.ways;
        going_on->ttl = {state.numbers.ends[0].ttl, state.numbers.ends[1].ttl};
    } else {
        for (const Way& way : state.ways) fronts_.release(way.front);
    }
    state = {};
    given_[index] = 0;
}

// ---- time

unsigned Responder::turn() {
    unsigned did = 0;
    const std::uint64_t changes = options_.settings->block_changes == nullptr
                                      ? 0
                                      : options_.settings->block_changes->load(std::memory_order_acquire);
    if (changes != blocks_seen_) {
        blocks_seen_ = changes;
        to_ask_.begin(flows_.indices());
    }
    if (!to_ask_.over()) did += look_at_flows();
    if (forgetting_.load(std::memory_order_relaxed)) [[unlikely]]
        did += forget_some();
    if (sought_from_ != sought_until_) did += search();
    if (machine_.size() == 0) return did;
    reset::Shots shots(shots_);
    machine_.tick(now(), shots);
    did += static_cast<unsigned>(shots.all().size());
    fire(shots);
    take_reports();
    return did;
}

/// Or was a moment ago, or gets ICMP errors for it: the list says nothing new of it, and its next packet goes
/// on.
bool Responder::is_being_cut_as_blocked(const State& state) const {
    return (state.bits & kBlocked) != 0 &&
           (state.errors_left == kForever || (state.kill != 0 && !machine_.is_forgotten(kill_of(state))));
}

/// Flows that were there before somebody was blocked. Waits while no more can be cut at a time.
unsigned Responder::look_at_flows() {
    unsigned looks = 0;
    for (; looks < kLooksPerTurn && !to_ask_.over() && !free_cases_.empty(); ++looks) {
        const std::uint32_t index = to_ask_.next();
        const flow::FlowEntry& entry = flows_.entry(index);
        if (!entry.used || is_being_cut_as_blocked(states_[index])) continue;
        ask_blocks(index);
    }
    return looks;
}

// ---- frames

/// The port into a routed network by which all frames for flows of this one leave. Both ends are reached by
/// it.
std::optional<base::PortId> Responder::routed(base::PortId heard) const {
    const auto other = outlets_[heard.index()].inject.other;
    return other && outlets_[other->index()].inject.link ? other : std::nullopt;
}

/// Calls back with each port by which an end is reached, and whether that is by another network than the one
/// in which the flow is seen.
template <class Send>
unsigned Responder::for_each_port(const std::array<Way, 2>& ways, unsigned toward, Send&& send) const {
    unsigned count = 0;
    base::PortId last{};
    const auto use = [&](base::PortId port, bool moved) {
        if (outlets_[port.index()].ring == nullptr || (count != 0 && port == last)) return;
        send(port, moved);
        last = port;
        ++count;
    };
    const auto use_port_of = [&](std::uint16_t heard_plus_one) {
        if (heard_plus_one == 0) return;
        const base::PortId heard{static_cast<std::uint16_t>(heard_plus_one - 1)};
        const auto other = routed(heard);
        use(other.value_or(heard), other.has_value());
    };
    use_port_of(ways[toward].port);
    use_port_of(ways[toward].second);
    const Way& peer = ways[1 - toward];
    if (count != 0 || peer.port == 0) return count;
    const base::PortId heard{static_cast<std::uint16_t>(peer.port - 1)};
    if (const auto other = outlets_[heard.index()].inject.other) use(*other, routed(heard).has_value());
    return count;
}

/// As a frame to an end begins that leaves by this port.
void Responder::address(reset::Encapsulation& front, base::PortId port, bool moved,
                        const net::FlowKey& key) const {
    const auto& link = outlets_[port.index()].inject.link;
    if (!link) return;
    if (moved) {
        front.move_to(*link, key.ip_version);
    } else {
        front.address(*link);
    }
}

/// What has to stand in front of a frame to an end: as in those that its peer sends, or else the other way
/// round than in its own.
bool Responder::front_toward(const std::array<Way, 2>& ways, unsigned toward, reset::Encapsulation& front) {
    if (ways[1 - toward].front != reset::EncapsulationTable::kNone) {
        front = fronts_[ways[1 - toward].front];
        return true;
    }
    if (ways[toward].front == reset::EncapsulationTable::kNone) return false;
    front = fronts_[ways[toward].front];
    const reset::Refusal refusal = front.reverse();
    if (refusal == reset::Refusal::kNone) return true;
    counters_.unmade[static_cast<std::size_t>(refusal)].add(1);
    return false;
}

/// How many frames a segment to an end takes; 0: it is not reached.
std::uint8_t Responder::frames_toward(const std::array<Way, 2>& ways, unsigned toward) const {
    const auto frames = static_cast<std::uint8_t>(for_each_port(ways, toward, [](base::PortId, bool) {}));
    if (frames == 0 || ways[1 - toward].front != reset::EncapsulationTable::kNone) return frames;
    if (ways[toward].front == reset::EncapsulationTable::kNone) return 0;
    reset::Encapsulation front = fronts_[ways[toward].front];
    return front.reverse() == reset::Refusal::kNone ? frames : 0;
}

void Responder::fire(reset::Shots& shots) {
    if (mode() != ResponseMode::kOn) {
        counters_.suppressed.add(shots.all().size());
        return;
    }
    for (const reset::Shot& shot : shots.all()) {
        const Case& target = cases_[shot.cookie];
        // What has been seen of the flow up to now counts, while it is there.
        const State* const state = target.index == flow::FlowTable::kNone ? nullptr : &states_[target.index];
        const std::array<Way, 2>& ways = state == nullptr ? target.ways : state->ways;
        reset::Encapsulation front;
        if (!front_toward(ways, shot.toward, front)) continue;
        const net::FlowKey key = shot.toward == 1 ? target.key : target.key.reversed();
        const std::uint8_t seen_ttl =
            state == nullptr ? target.ttl[1u - shot.toward] : state->numbers.ends[1u - shot.toward].ttl;
        const unsigned ports = for_each_port(ways, shot.toward, [&](base::PortId port, bool moved) {
            reset::Encapsulation own = front;
            address(own, port, moved, key);
            // From elsewhere it is farther than from the tap.
            const reset::HopFields hop{.ttl = seen_ttl == 0 || moved ? std::max(seen_ttl, kTtl) : seen_ttl};
            std::array<std::uint8_t, reset::ResetBuilder::kMaxSegmentFrame> frame;
            const reset::Crafted crafted = builder_.segment(own, key, hop, shot.segment, frame);
            if (crafted.ok()) {
                send(port, {frame.data(), crafted.size});
            } else {
                counters_.unmade[static_cast<std::size_t>(crafted.refusal)].add(1);
            }
        });
        if (ports == 0) counters_.no_path.add(1);
    }
}

void Responder::send(base::PortId port, std::span<const std::uint8_t> frame) {
    Outlet& outlet = outlets_[port.index()];
    rte_mbuf* const packet = port::PacketPool::make_packet(options_.settings->pool, frame.data(),
                                                           static_cast<std::uint32_t>(frame.size()));
    if (packet == nullptr) {
        counters_.no_buffer.add(1);
        return;
    }
    outlet.counters.made.add(1, frame.size());
    if (outlet.ring->put({&packet, 1}) == 1) return;
    outlet.counters.shed.add(1, frame.size());
    rte_pktmbuf_free(packet);
}

/// Tells a sender that cannot be cut that its packets are not wanted: once a second at most.
void Responder::send_error(std::uint32_t index, unsigned from, const rte_mbuf* packet,
                           const port::PacketMeta& m) {
    State& state = states_[index];
    const std::uint64_t time = now();
    const auto second = static_cast<std::uint32_t>(time / kSecond);
    if (second < state.error_due || mode() != ResponseMode::kOn) return;
    const std::uint8_t frames = frames_toward(state.ways, from);
    if (frames == 0 || !errors_.take(time, frames)) return;
    if (state.errors_left == kForever && !still_blocked(index)) return;
    reset::Encapsulation front;
    if (!front_toward(state.ways, from, front) || !machine_.take_frames(time, frames)) return;
    state.error_due = second + 1;
    if (state.errors_left != kForever) --state.errors_left;
    for_each_port(state.ways, from, [&](base::PortId port, bool moved) {
        reset::Encapsulation own = front;
        address(own, port, moved, m.parsed.key);
        std::array<std::uint8_t, reset::ResetBuilder::kMaxUnreachableFrame> frame;
        const reset::Crafted crafted = builder_.unreachable(own, first_bytes(packet), m.parsed,
                                                            reset::Unreachable::kProhibited, {}, frame);
        if (crafted.ok()) {
            counters_.errors.add(1);
            send(port, {frame.data(), crafted.size});
        } else {
            counters_.unmade[static_cast<std::size_t>(crafted.refusal)].add(1);
        }
    });
}

}  // namespace yagura::dataplane
