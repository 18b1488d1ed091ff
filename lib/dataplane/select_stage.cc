// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/select_stage.h"

#include <rte_prefetch.h>

#include <algorithm>
#include <bit>

#include "base/clock.h"

namespace yagura::dataplane {
namespace {

/// How many flows end in one turn at the end of the input.
constexpr std::uint32_t kFinishPerTurn = 4096;
/// How many entries are looked at for a new one.
constexpr std::uint32_t kLooksPerFlow = 4;
/// And how many packets pay for one look, besides the one that every turn has.
constexpr std::uint32_t kPacketsPerLook = 16;
/// How often an idle live stage looks at the clock.
constexpr unsigned kIdleTurns = 1024;

using End = select::Selector::End;

select::Decided reason_of(End end) {
    switch (end) {
        case End::kFlow:
            return select::Decided::kFlowEnded;
        case End::kShort:
            return select::Decided::kNoRoom;
        case End::kPolicy:
            break;
    }
    return select::Decided::kPolicy;
}

/// What is asked of every packet: its length, and of its metadata all but what fragments need.
void prefetch_meta(const rte_mbuf* packet) {
    const auto* meta = reinterpret_cast<const std::uint8_t*>(&port::meta(packet));
    rte_prefetch0(packet);
    rte_prefetch0(meta);
    rte_prefetch0(meta + RTE_CACHE_LINE_SIZE);
}

}  // namespace

SelectStage::SelectStage(Options options, const ToolOutlet::Options& outlet, flow::BlockStore& store,
                         select::Selector* selector)
    : options_(std::move(options)),
      store_(store),
      selector_(selector),
      next_selector_(selector),
      flows_(options_.flows, options_.timeouts, options_.keep_details),
      port_counters_(options_.ports),
      outlet_(outlet, store, port_counters_),
      shedder_(outlet.lane, options_.flows),
      buffer_(std::make_unique<port::FrameBuffer>()) {
    options_.feeders.reserve(kMaxInputs);
    options_.inputs.reserve(kMaxInputs);
    for (std::size_t tool = 0; tool < outlet.limits.size(); ++tool) {
        if (outlet.limits[tool] == nullptr) continue;
        auto limited = shedder_.make_tool(*outlet.limits[tool]);
        shedder_.set_tool(base::ToolId{static_cast<std::uint8_t>(tool)}, limited);
    }
    limited_ = shedder_.limited();
    if (options_.response != nullptr) {
        responder_ = std::make_unique<Responder>(Responder::Options{.settings = options_.response,
                                                                    .stages = options_.response_stages,
                                                                    .ports = options_.ports,
                                                                    .seed = options_.hash_seed,
                                                                    .any_domain = options_.flow_has_domain},
                                                 flows_);
    }
}

SelectStage::~SelectStage() {
    for (; at_ < burst_->count; ++at_) rte_pktmbuf_free(burst_->packets[at_]);
    if (next_->count != 0) rte_pktmbuf_free_bulk(next_->packets.data(), next_->count);
    if (unwanted_count_ != 0) rte_pktmbuf_free_bulk(unwanted_.data(), unwanted_count_);
}

void SelectStage::take_memory() noexcept {
    if (options_.pressure != Pressure::kDrop) return;
    flows_.take_pages();
    if (responder_ != nullptr) responder_->take_pages();
}

unsigned SelectStage::turn() {
    if (options_.down_tools != nullptr) down_ = options_.down_tools->load(std::memory_order_relaxed);
    if (limited_ != 0) [[unlikely]]
        shedder_.look(now_ns_);
    unsigned handled = adopt_policy() ? 1 : 0;
    if (outlet_.waits()) {
        handled += outlet_.drain();
        outlet_.flush();
        if (outlet_.waits()) return handled;
    }
    handled += go_on();
    for (PacketRing* input : options_.inputs) {
        if (!may_begin()) return handled;
        begin();
        take(*input);
        look_elsewhere();
        handled += go_on();
    }
    if (responder_ != nullptr) [[unlikely]]
        handled += hear_tools() + responder_->turn();
    sweep(handled);
    if (passing_ != nullptr) [[unlikely]]
        pass_some();
    if (handled == 0 && !has_taken() && !outlet_.waits() && !finished_.load(std::memory_order_relaxed))
        finish();
    return handled;
}

/// What comes of a burst has room.
bool SelectStage::may_begin() {
    return at_ == burst_->count && !outlet_.waits() &&
           (options_.pressure != Pressure::kPushBack || outlet_.has_room());
}

/// The burst taken last is the one to be dealt with now.
void SelectStage::begin() {
    std::swap(burst_, next_);
    next_->count = next_->arrivals = 0;
    at_ = 0;
    elsewhere_ = 0;
    for (unsigned i = 0; i < burst_->count; ++i) {
        prefetch_meta(burst_->packets[i]);
        const std::uint32_t candidate = flows_.candidate(burst_->hashes[i], options_.keep_details);
        candidates_[i] = candidate;
        elsewhere_ |= std::uint64_t{candidate == flow::FlowTable::kElsewhere} << i;
        if (responder_ != nullptr && candidate < flow::FlowTable::kElsewhere) [[unlikely]]
            responder_->prefetch(candidate);
    }
    if (draws_ != nullptr) [[unlikely]]
        draw_packets();
}

/// Flows that are not in their first bucket.
void SelectStage::look_elsewhere() {
    for (std::uint64_t rest = elsewhere_; rest != 0; rest &= rest - 1) {
        const auto i = static_cast<std::size_t>(std::countr_zero(rest));
        candidates_[i] = flows_.second_candidate(burst_->hashes[i], options_.keep_details);
    }
}

void SelectStage::take(PacketRing& input) {
    next_->count = input.take({next_->packets.data(), options_.burst});
    if (next_->count == 0) return;
    const std::span<rte_mbuf* const> packets(next_->packets.data(), next_->count);
    Arrival run{};
    for (std::size_t i = 0; i < packets.size(); ++i) {
        const port::PacketMeta& m = port::meta(packets[i]);
        next_->hashes[i] = m.flow_hash;
        flows_.prefetch(m.flow_hash);
        if (m.port != run.port) [[unlikely]] {
            if (run.packets != 0) next_->arrived[next_->arrivals++] = run;
            run = {.port = m.port, .packets = 0, .bytes = 0};
        }
        ++run.packets;
        run.bytes += rte_pktmbuf_pkt_len(packets[i]);
    }
    next_->arrived[next_->arrivals++] = run;
}

/// Deals with the burst, as far as the outlet takes what comes of it. Returns the packets dealt with.
unsigned SelectStage::go_on() {
    if (at_ == burst_->count) return 0;
    if (limited_ != 0) [[unlikely]]
        shedder_.look(std::max(now_ns_, port::meta(burst_->packets[burst_->count - 1]).order_time));
    const unsigned begin = at_;
    const Taken& burst = *burst_;
    SettledRun run;
    while (at_ < burst.count && !outlet_.waits()) {
        const unsigned i = at_++;
        if (take_settled(i, run)) [[likely]]
            continue;
        end_run(run);
        run = {};
        fetch_ahead();
        select_one(burst.packets[i], candidates_[i]);
    }
    end_run(run);
    // Taken is counted last, and by sizes read before tx can free a packet: what is not yet offered is still
    // in flight.
    outlet_.flush();
    if (responder_ != nullptr) [[unlikely]]
        responder_->flush();
    const unsigned handled = at_ - begin;
    if (at_ < burst.count) return handled;
    for (const Arrival& arrival : std::span(burst.arrived.data(), burst.arrivals))
        port_counters_[arrival.port.index()].taken.add(arrival.packets, arrival.bytes);
    if (unwanted_count_ != 0) rte_pktmbuf_free_bulk(unwanted_.data(), unwanted_count_);
    unwanted_count_ = 0;
    return handled;
}

/// Before a packet whose payload may be looked at: what the next ones need of an undecided flow, and what
/// take() has fetched, for that payload may drive it out.
inline void SelectStage::fetch_ahead() {
    if (at_ == burst_->count || !selector_->inspects_payload()) return;
    prefetch_meta(burst_->packets[at_]);
    if (candidates_[at_] != flow::FlowTable::kNone)
        selector_->prefetch_stream(flows_.entry(candidates_[at_]),
                                   port::meta(burst_->packets[at_]).parsed.key);
    if (at_ + 1 < burst_->count && candidates_[at_ + 1] != flow::FlowTable::kNone)
        selector_->prefetch(flows_.entry(candidates_[at_ + 1]));
}

/// What nearly every packet is: a sound one of a flow whose verdict is known. False: it is not, and nothing
/// has been done.
[[gnu::always_inline]] inline bool SelectStage::take_settled(unsigned place, SettledRun& run) {
    const std::uint32_t candidate = candidates_[place];
    if (candidate == flow::FlowTable::kNone) [[unlikely]]
        return false;
    const rte_mbuf* const packet = burst_->packets[place];
    const port::PacketMeta& m = port::meta(packet);
    // An ICMP error of ours may be in a flow of its own.
    if (responder_ != nullptr && Responder::may_be_error(m.parsed.key)) [[unlikely]]
        return false;
    const flow::FlowEntry& flow = flows_.entry(candidate);
    if (!selector_->settled(flow) || m.parsed.malformed != net::Malformed::kNone ||
        !flows_.goes_on(candidate, m.parsed.key, m.reversed,
                        {.now_ns = m.order_time, .tcp_flags = m.parsed.tcp_flags, .has_payload = false}))
        [[unlikely]] {
        return false;
    }
    now_ns_ = std::max(now_ns_, m.order_time);
    if (responder_ != nullptr) [[unlikely]]
        responder_->note(candidate, flow.key_reversed ^ static_cast<unsigned>(m.reversed), packet, m);
    if (flow.decision != run.joined_by || m.port != run.port) [[unlikely]] {
        end_run(run);
        run = begin_run(place, flow, m.port);
    }
    const std::uint32_t captured = rte_pktmbuf_pkt_len(packet);
    ++run.packets;
    run.bytes += captured;
    if (options_.keep_details) {
        flow::FlowDetails& details = flows_.details(candidate);
        count_flow(details, m, captured, false);
        if (run.tools != 0) details.count_offered(captured);
    }
    return true;
}

SelectStage::SettledRun SelectStage::begin_run(unsigned place, const flow::FlowEntry& flow,
                                               base::PortId port) const {
    const std::uint32_t decision = flow.decision;
    const auto [tools, reason] = selector_->decision(decision);
    SettledRun run{.first = place,
                   .decision = decision,
                   .joined_by = decision,
                   .port = port,
                   .reason = reason,
                   .tools = tools};
    if ((tools & down_) != 0) [[unlikely]] {
        // Where it goes instead depends on the flow.
        run.tools = selector_->redirect(flow, burst_->hashes[place], down_);
        run.joined_by = select::DecisionTable::kFull;
    }
    return run;
}

void SelectStage::end_run(const SettledRun& run) {
    if (run.packets == 0) return;
    selector_->count(run.decision, {run.packets, run.bytes});
    SelectPortCounters& counters = port_counters_[run.port.index()];
    const std::span<rte_mbuf* const> packets(burst_->packets.data() + run.first, run.packets);
    if (run.tools != 0) {
        counters.forwarded.add(run.packets, run.bytes);
        if ((run.tools & limited_) != 0) [[unlikely]]
            return offer_run(run);
        outlet_.offer(packets, run.bytes, run.tools);
    } else {
        counters.dropped[static_cast<std::size_t>(run.reason)].add(run.packets, run.bytes);
        std::ranges::copy(packets, unwanted_.begin() + unwanted_count_);
        unwanted_count_ += run.packets;
    }
}

flow::FlowTable::Found SelectStage::find(const port::PacketMeta& m, std::uint32_t candidate) {
    const flow::Arrival arrival{
        .now_ns = m.order_time, .tcp_flags = m.parsed.tcp_flags, .has_payload = m.parsed.payload_size != 0};
    if (candidate != flow::FlowTable::kNone && flows_.is_open(candidate) &&
        flows_.goes_on(candidate, m.parsed.key, m.reversed, arrival)) {
        return {.index = candidate, .reverse = m.reversed != (flows_.entry(candidate).key_reversed != 0)};
    }
    flow::FlowTable::Found found = flows_.find_or_insert(m.parsed.key, m.flow_hash, arrival);
    if (found.index == flow::FlowTable::kNone) [[unlikely]] {
        if (make_room(m.flow_hash)) found = flows_.find_or_insert(m.parsed.key, m.flow_hash, arrival);
        if (found.index == flow::FlowTable::kNone) flow_counters_.untracked.add(1);
    }
    if (found.inserted) looks_ += kLooksPerFlow;
    if (found.ended) [[unlikely]] {
        end_flow(found.index, found.reused ? select::FlowEnd::kReuse : select::FlowEnd::kTimeout);
        flows_.restart(found.index, m.parsed.key, arrival);
        found = {.index = found.index, .inserted = true};
    }
    return found;
}

/// The flow table has no room for this hash: somebody goes, undecided flows first that only one side speaks
/// for. False when everyone stays.
bool SelectStage::make_room(std::uint64_t hash) {
    std::uint32_t index = flow::FlowTable::kNone;
    const bool full = flows_.size() == flows_.capacity();
    if (full) index = oldest_one_sided();
    if (index == flow::FlowTable::kNone) index = flows_.victim(hash);
    if (index == flow::FlowTable::kNone && full) index = oldest_inspected();
    if (index == flow::FlowTable::kNone) return false;
    const bool over = flows_.is_over(index);
    if (!over) flow_counters_.evicted.add(1);
    end_flow(index, over ? select::FlowEnd::kTimeout : select::FlowEnd::kEvicted);
    flows_.erase(index);
    return true;
}

void SelectStage::select_one(rte_mbuf* packet, std::uint32_t candidate) {
    const port::PacketMeta& m = port::meta(packet);
    const std::uint32_t captured = rte_pktmbuf_pkt_len(packet);
    SelectPortCounters& counters = port_counters_[m.port.index()];
    now_ns_ = std::max(now_ns_, m.order_time);

    flow::FlowTable::Found found;
    flow::FlowEntry* flow = nullptr;
    bool traced = false;
    if (responder_ != nullptr && take_own(packet)) [[unlikely]]
        return;
    if (m.parsed.has_flow()) [[likely]] {
        found = find(m, candidate);
        if (found.inserted && limited_ != 0) [[unlikely]]
            shedder_.forget(found.index);
        if (found.index != flow::FlowTable::kNone) [[likely]]
            flow = &flows_.entry(found.index);
        if (responder_ != nullptr && flow != nullptr) [[unlikely]] {
            if (respond(found.index, found.reverse, found.inserted, packet)) return;
        }
        if (options_.trace != nullptr) [[unlikely]] {
            if (flow == nullptr) options_.trace->untracked(m.parsed.key);
            if (found.inserted) options_.trace->begin(found.index, *flow, m.timestamp_ns);
            traced = flow != nullptr && flow->traced;
        }
    }
    match::PacketView view{
        .frame = {}, .wire_length = m.wire_length, .parsed = &m.parsed, .captured = captured};
    if (flow != nullptr) pass_on(*flow, found.index, m.flow_hash);
    select::Selector& selector = flow == nullptr ? *selector_ : selector_of(*flow);
    const bool open = selector.needs_bytes(flow);
    if (open || traced) view.frame = port::contiguous(packet, *buffer_);
    if (open && !selector.has_room()) [[unlikely]] {
        const std::uint32_t oldest = selector.oldest_inspected();
        if (oldest != flow::FlowTable::kNone && oldest != found.index) let_go(oldest);
    }

    if (traced) [[unlikely]]
        trace_packet(selector, view, m, found.index);
    select::Verdict verdict = selector.select(view, m.flow_hash, flow, found.index);
    std::uint64_t goes_to = reached(selector, verdict.rules, verdict.tools, m.flow_hash, flow);
    std::uint64_t shunted = 0;
    if (responder_ != nullptr) [[unlikely]] {
        if (verdict.responds) {
            if (flow != nullptr) {
                responder_->by_rules(found.index, verdict.rules, selector.policy());
            } else {
                responder_->by_rules_untracked();
            }
        }
        if (flow != nullptr && !ends_flow(m)) shunted = shunted_from(*flow, found.index);
        goes_to &= ~shunted;
    }
    if (traced) [[unlikely]]
        options_.trace->selected(found.index, *flow, selector, verdict);
    const Hold hold_outcome =
        verdict.hold ? hold(selector, view, m, *flow, found.index, verdict, goes_to) : Hold::kNotAsked;
    const bool held = hold_outcome == Hold::kHeld;
    if (hold_outcome == Hold::kShort && selector.forwards_when_short()) [[unlikely]] {
        // It is the oldest itself.
        end_inspection(found.index, End::kShort);
        const std::uint64_t more = selector.flow_tools(*flow) & ~verdict.tools;
        goes_to |= reached(selector, selector.flow_rules(*flow), more, m.flow_hash, flow) & ~shunted;
        verdict = {.tools = verdict.tools | more};
        pass_on(*flow, found.index, m.flow_hash);
        if (verdict.tools == 0) verdict.reason = select::DropReason::kHoldBudget;
    } else if (verdict.hold && !held) {
        const select::DropReason reason = selector.refuse_hold(*flow, view);
        if (verdict.tools == 0) verdict.reason = reason;
        if (traced) [[unlikely]] {
            const flow::HoldQueue& queue = selector.held(*flow);
            options_.trace->turn_to(found.index, m.timestamp_ns);
            options_.trace->note(
                {.kind = select::FlowEvent::Kind::kHoldFull, .packets = queue.packets, .bytes = queue.bytes});
        }
    }
    if (verdict.resolve) resolve_held(selector, found.index, verdict.closed);
    if (verdict.closed) {
        selector.end_inspection(*flow);
        pass_on(*flow, found.index, m.flow_hash);
    }
    if (goes_to == 0 && verdict.tools != 0) [[unlikely]] {
        verdict.tools = 0;
        verdict.reason = select::DropReason::kShunted;
    }
    if (traced) [[unlikely]]
        options_.trace->outcome(found.index, verdict, held);

    if (flow != nullptr && options_.keep_details) {
        flow::FlowDetails& details = flows_.details(found.index);
        count_flow(details, m, captured, found.inserted);
        if (verdict.tools != 0) details.count_offered(captured);
    }
    if (verdict.tools != 0) {
        counters.forwarded.add(1, captured);
        if ((goes_to & limited_) != 0) [[unlikely]]
            return offer_limited(packet, found.index, goes_to, selector);
        outlet_.offer({&packet, 1}, captured, goes_to);
        return;
    }
    if (held) {
        counters.parked.add(1, captured);
    } else {
        counters.dropped[static_cast<std::size_t>(verdict.reason)].add(1, captured);
    }
    unwanted_[unwanted_count_++] = packet;
}

void SelectStage::end_inspection(std::uint32_t index, End end) {
    flow::FlowEntry& flow = flows_.entry(index);
    select::Selector& selector = selector_of(flow);
    if (flow.traced) options_.trace->turn_to(index, now_ns_);
    selector.close(flow, end);
    if (flow.traced)
        options_.trace->note({.kind = select::FlowEvent::Kind::kDecided, .decided = reason_of(end)});
    resolve_held(selector, index, true);
    selector.end_inspection(flow);
}

/// For want of room; the flow goes on.
void SelectStage::let_go(std::uint32_t index) {
    end_inspection(index, End::kShort);
    flow::FlowEntry& flow = flows_.entry(index);
    pass_on(flow, index, flow.key.symmetric_hash(options_.hash_seed));
}

void SelectStage::end_flow(std::uint32_t index, select::FlowEnd why) {
    const End end = why == select::FlowEnd::kEvicted ? End::kShort : End::kFlow;
    if (inspects(flows_.entry(index))) end_inspection(index, end);
    // Who wants no more of it is asked when what is held of it is released.
    if (responder_ != nullptr) responder_->forget(index);
    if (flows_.entry(index).traced) options_.trace->end(index, why, now_ns_);
    if (options_.log != nullptr && flows_.details(index).packets != 0) {
        options_.log->flow_ended(flows_.entry(index), flows_.details(index), knower_of(flows_.entry(index)));
    }
}

/// Reclaims flows that have ended. Looks at entries for packets, and when there are none; and at
/// four for each flow that has begun, so that at least three quarters of the entries in use are of flows that
/// have not ended, however short flows are.
void SelectStage::sweep(unsigned handled) {
    const bool idle = handled == 0 && !has_taken();
    if (idle && options_.pressure == Pressure::kDrop && ++idle_turns_ >= kIdleTurns) {
        idle_turns_ = 0;
        now_ns_ = std::max(now_ns_, base::realtime_ns());
    }
    if (outlet_.waits() || now_ns_ == 0 || finished_flows_ != 0) return;
    bool ended = false;
    bool inspected = false;
    looks_ = std::min(looks_ + handled / kPacketsPerLook + 1, flows_.capacity());
    // One undecided flow at most: what is held of it may fill the rings, and tx has to come to its turn.
    while (looks_ != 0 && !inspected && !outlet_.waits()) {
        const std::uint32_t index = flows_.sweep(now_ns_, looks_);
        if (index == flow::FlowTable::kNone) break;
        inspected = inspects(flows_.entry(index));
        end_flow(index, select::FlowEnd::kTimeout);
        flows_.erase(index);
        ended = true;
    }
    if (ended) outlet_.flush();
}

/// When nothing more can come every flow has ended.
void SelectStage::finish() {
    if (options_.feeders.empty() && !no_more_feeders_.load(std::memory_order_relaxed)) return;
    // First whether they are done, then whether they have left something.
    if (!std::ranges::all_of(options_.feeders, [](const RxStage* rx) { return rx->done(); })) return;
    if (std::ranges::any_of(options_.inputs, [](const PacketRing* ring) { return ring->count() != 0; }))
        return;
    for (std::uint32_t n = 0; n < kFinishPerTurn && finished_flows_ < flows_.indices(); ++n) {
        const std::uint32_t index = finished_flows_++;
        if (flows_.entry(index).used) end_flow(index, select::FlowEnd::kInput);
        if (outlet_.waits()) break;
    }
    outlet_.flush();
    if (finished_flows_ == flows_.indices()) finished_.store(true, std::memory_order_release);
}

bool SelectStage::add_feeder(const RxStage* feeder, PacketRing* input) noexcept {
    if (finished_flows_ != 0) return false;
    options_.feeders.push_back(feeder);
    if (input != nullptr) options_.inputs.push_back(input);
    return true;
}

void SelectStage::remove_feeder(const RxStage* feeder) noexcept {
    std::erase(options_.feeders, feeder);
}

void SelectStage::remove_input(const PacketRing* input) noexcept {
    const auto found = std::ranges::find(options_.inputs, input);
    if (found != options_.inputs.end()) options_.inputs.erase(found);
}

void SelectStage::trace_packet(const select::Selector& selector, const match::PacketView& packet,
                               const port::PacketMeta& m, std::uint32_t index) {
    options_.trace->packet(
        index, flows_.entry(index), selector,
        {.view = packet, .timestamp_ns = m.timestamp_ns, .record = m.order_record, .file = m.order_file});
}

void SelectStage::count_flow(flow::FlowDetails& details, const port::PacketMeta& m, std::uint32_t captured,
                             bool inserted) {
    // In capture order, which is not quite that of arrival: a fragment may have waited for its first one.
    const auto order = flow::CaptureOrder::of(m.order_time, m.order_file, m.order_record);
    if (inserted || order < details.first) {
        details.first_ns = m.timestamp_ns;
        details.first = order;
        details.vlans = m.parsed.vlans;
        details.vlan_count = m.parsed.vlan_count;
        details.tunnel = m.parsed.tunnel;
        details.tunnel_id = m.parsed.tunnel_id;
    }
    if (inserted || order >= details.last) {
        details.last_ns = m.timestamp_ns;
        details.last = order;
    }
    ++details.seen_packets;
    details.seen_bytes += captured;
}

}  // namespace yagura::dataplane
