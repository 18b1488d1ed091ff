// SPDX-License-Identifier: BSD-3-Clause
#include "app/bench/card/card_study.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "app/bench/card/flow_classes.h"
#include "app/bench/frame_sizes.h"
#include "port/packet_pool.h"

namespace yagura::bench {
namespace {

constexpr std::uint32_t kFewFlows = 64;
constexpr std::uint32_t kReleased = 16'383;
/// Slices are longer here than in other benchmarks, and fewer.
constexpr std::size_t kSlice = 16 * CardRig::kChunk;
constexpr unsigned kFewerSlices = 100;
constexpr std::size_t kLongestWarmUp = 32 * CardRig::kChunk;

/// Made or captured; gives each rig a writer of its own.
struct TrafficMaker {
    std::shared_ptr<const TrafficPlan> made;
    std::shared_ptr<const CapturePlan> captured;
    std::uint32_t flows = 0;

    std::size_t packets_of_lap() const { return captured ? captured->frames.size() : flows; }
    std::unique_ptr<PacketWriter> make(bool few, bool ends) const {
        if (captured) return make_writer(captured, ends);
        return make_writer(made, few ? std::min(kFewFlows, flows) : flows, ends);
    }
};

std::uint64_t shortest(const rules::FlowTimeouts& t) {
    return static_cast<std::uint64_t>(std::min({t.tcp_opening, t.tcp, t.tcp_closed, t.udp, t.other}).count());
}

base::Result<std::shared_ptr<const select::PolicySnapshot>> policy_of(const rules::Config& config) {
    auto compiled = match::CompiledRules::compile(config.rules, net::LinkType::kEthernet);
    if (!compiled.errors.empty()) return base::Error{compiled.errors.front().reason};
    return select::make_policy(config, std::move(compiled.rules));
}

base::Result<TrafficMaker> made_traffic(const broker::LoadedConfig& loaded, const CardChoice& choice,
                                        CardFigures& figures) {
    const auto sizes = parse_frame_sizes(choice.size);
    if (!sizes) return sizes.error();
    const auto policy = select::make_policy(loaded.config, loaded.compiled);
    const ClassPlan classes = plan_classes(loaded.config, policy);
    auto plan = std::make_shared<TrafficPlan>();
    std::uint64_t fewest = ~std::uint64_t{0};
    for (const FlowClass& one : classes.selected) {
        plan->selected.emplace_back(one, sizes->turn, choice.packets_per_flow);
        fewest = std::min(fewest, one.flows());
    }
    for (const FlowClass& one : classes.others)
        plan->others.emplace_back(one, sizes->turn, choice.packets_per_flow);
    plan->hits = choice.hits / 100;
    plan->packets_per_flow = choice.packets_per_flow;
    plan->lap_ns = shortest(loaded.config.inspect.timeouts) / 2;
    figures.bytes_per_packet = plan->bytes_per_packet();
    if (classes.selected.empty())
        figures.notes.push_back("No traffic could be made that a rule forwards: nothing is selected.");
    if (classes.others_selected)
        figures.notes.push_back("No traffic could be made that nothing selects: everything is selected.");
    if (fewest < choice.flows) {
        figures.notes.push_back(fmt::format(
            "Some rule names its hosts and ports so closely that its flows are only {} different ones.",
            fewest));
    }
    const auto flows = static_cast<std::uint32_t>(
        std::min<std::uint64_t>(choice.flows, std::max<std::uint64_t>(loaded.config.inspect.flows, 1)));
    return TrafficMaker{.made = std::move(plan), .captured = nullptr, .flows = flows};
}

base::Result<TrafficMaker> captured_traffic(const broker::LoadedConfig& loaded, const CardChoice& choice,
                                            CardFigures& figures) {
    constexpr std::size_t kMostFrames = 200'000;
    const auto raw = read_capture(choice.capture, kMostFrames);
    if (!raw) return raw.error();
    auto plan = CapturePlan::create(*raw, loaded.config.inspect.timeouts);
    if (!plan) return plan.error();
    const CapturePlan& capture = **plan;
    figures.bytes_per_packet = capture.bytes_per_packet();
    figures.notes.push_back(
        fmt::format("{}: {} frames of {} flows, round and round, each lap with new flows (the low 16 bits of "
                    "the client's "
                    "address change). Left out: {} frames larger than {} bytes, {} IP fragments.",
                    raw->name, capture.frames.size(), capture.flows, capture.left_out_large,
                    FlowScript::kLargest, capture.left_out_fragments));
    return TrafficMaker{.made = nullptr, .captured = std::move(*plan), .flows = capture.flows};
}

/// Everything that is measured beside each other.
class Study {
  public:
    Study(const broker::LoadedConfig& loaded, const CardChoice& choice, TrafficMaker traffic)
        : loaded_(loaded), choice_(choice), traffic_(std::move(traffic)), used_(Features::of(loaded)) {}

    base::Result<void> prepare(std::optional<unsigned> select_cpu) {
        if (select_cpu) {
            auto other = OtherCpu::create(*select_cpu);
            if (!other) return other.error();
            other_cpu_ = std::move(*other);
        }
        auto circle = PacketCircle::create(CardRig::kChunk);
        if (!circle) return circle.error();
        circle_ = std::move(*circle);
        auto pool = port::PacketPool::create("card_released", kReleased);
        if (!pool) return pool.error();
        release_pool_ = std::move(*pool);

        rules::Config bare = loaded_.config;
        bare.rules.clear();
        bare.inspect.key_has_vlan = bare.inspect.key_has_tunnel = false;
        const auto plain = [&bare](rules::Config config) {
            config.inspect = bare.inspect;
            return config;
        };
        const auto has = [this](std::size_t rules) { return rules != 0; };
        add(&Observations::base, bare, {.few = true, .ends = false});
        add(&Observations::table, bare, {.ends = false});
        add(&Observations::fresh, bare, {});
        if (has(used_.flow_rules.rules))
            add(&Observations::flow_rules, plain(with_rules_of(loaded_, RuleKind::kFlow)), {});
        if (has(used_.packet_rules.rules))
            add(&Observations::packet_rules, plain(with_rules_of(loaded_, RuleKind::kPacket)), {});
        if (has(used_.payload_rules.rules)) {
            rules::Config payload = plain(with_rules_of(loaded_, RuleKind::kPayload));
            if (used_.holds) add(&Observations::held, payload, {});
            payload.inspect.hold_bytes = 0;
            add(&Observations::payload, payload, {});
        }
        if (!used_.tools.empty()) {
            add(&Observations::copy,
                with_everything_to(bare, {*used_.tools.begin()}, rules::GroupMode::kCopy), {});
        }
        if (used_.tools.size() > 1)
            add(&Observations::copies, with_everything_to(bare, used_.tools, rules::GroupMode::kCopy), {});
        if (!used_.balance_groups.empty()) {
            std::set<std::size_t> members;
            for (const auto& member : loaded_.config.tool_groups[*used_.balance_groups.begin()].members)
                members.insert(member.tool.index());
            add(&Observations::balance, with_everything_to(bare, members, rules::GroupMode::kBalance), {});
        }
        if (choice_.records) add(&Observations::records, bare, {.records = true});
        if (used_.flow_key) {
            rules::Config keyed = bare;
            keyed.inspect = loaded_.config.inspect;
            add(&Observations::flow_key, keyed, {});
        }
        if (other_cpu_) {
            rules::Config one = bare;
            if (has(used_.payload_rules.rules)) {
                one = plain(with_rules_of(loaded_, RuleKind::kPayload));
                one.inspect.hold_bytes = 0;
            } else if (!used_.tools.empty()) {
                one = with_everything_to(bare, {*used_.tools.begin()}, rules::GroupMode::kCopy);
            }
            add(&Observations::apart, one, {.apart = true});
            add(&CardFigures::whole_apart, {.records = choice_.records, .apart = true});
        }
        add(&CardFigures::whole, {.records = choice_.records});
        return failed_;
    }

    base::Result<void> measure_all(const MeasureOptions& options, CardFigures& figures) {
        // Every flow speaks before it counts: else a slice would pay for what the others have driven out of
        // the caches.
        const std::size_t lap = std::min<std::size_t>(traffic_.packets_of_lap(), kLongestWarmUp);
        Group group{.subjects = {}, .unit = kSlice, .warm_up = (lap / CardRig::kChunk + 1) * CardRig::kChunk};
        for (Variant& variant : variants_) {
            variant.rig->open();
            variant.rig->mark();
            group.subjects.push_back(variant.rig->subject());
        }
        const MeasureOptions longer{.repeats = options.repeats,
                                    .slices = std::max(1u, options.slices / kFewerSlices)};
        const Measurement measurement = measure({&group, 1}, longer);
        figures.interrupted_share = measurement.interrupted_share;
        const std::vector<Measured>& measured = measurement.groups[0].subjects;
        for (std::size_t repeat = 0; repeat < measured[0].cycles.repeats.size(); ++repeat) {
            Observations observations;
            for (std::size_t i = 0; i < variants_.size(); ++i) {
                const auto part = [&](std::size_t stage) { return measured[i].parts[stage].repeats[repeat]; };
                const Observation one{.cycles = {.rx = part(0), .select = part(1), .tx = part(2)},
                                      .events = variants_[i].rig->events()};
                variants_[i].store(figures, observations, one);
            }
            figures.parts.push_back(std::move(observations));
        }
        for (const Variant& variant : variants_) {
            if (auto whole = variant.rig->check(); !whole) return whole.error();
        }
        describe_whole(figures);
        return {};
    }

  private:
    struct Kind {
        bool few = false;
        bool ends = true;
        bool records = false;
        bool apart = false;
    };
    using Store = std::function<void(CardFigures&, Observations&, const Observation&)>;
    struct Variant {
        Store store;
        std::unique_ptr<CardRig> rig;
    };

    template <class Member>
    void add(Member Observations::*where, const rules::Config& config, Kind kind) {
        add(config, kind,
            [where](CardFigures&, Observations& to, const Observation& one) { to.*where = one; });
    }
    void add(std::vector<Observation> CardFigures::*where, Kind kind) {
        add(loaded_.config, kind,
            [where](CardFigures& to, Observations&, const Observation& one) { (to.*where).push_back(one); });
    }
    void add(const rules::Config& config, Kind kind, Store store) {
        if (!failed_) return;
        auto policy = policy_of(config);
        if (!policy) {
            failed_ = policy.error();
            return;
        }
        auto rig = CardRig::create({.circle = circle_.get(),
                                    .writer = traffic_.make(kind.few, kind.ends),
                                    .policy = std::move(*policy),
                                    .inspect = config.inspect,
                                    .tools = loaded_.config.tool_ports().size(),
                                    .keep_details = kind.records,
                                    .release_pool = release_pool_->get(),
                                    .select_on = kind.apart ? other_cpu_.get() : nullptr});
        if (!rig) {
            failed_ = rig.error();
            return;
        }
        variants_.push_back({.store = std::move(store), .rig = std::move(*rig)});
    }

    void describe_whole(CardFigures& figures) const {
        const CardRig& whole = *variants_.back().rig;
        const auto counts = whole.rule_counts();
        for (std::size_t i = 0; i < counts.size(); ++i) {
            if (counts[i].count.packets == 0) figures.rules_not_met.push_back(loaded_.config.rules[i].id);
        }
        figures.payload_scanned_share = whole.events().scanned / figures.bytes_per_packet;
        for (const std::string& shortage : whole.shortages())
            figures.notes.push_back(
                fmt::format("Something was short, which costs time of its own: {}.", shortage));
    }

    const broker::LoadedConfig& loaded_;
    const CardChoice& choice_;
    TrafficMaker traffic_;
    Features used_;
    std::unique_ptr<OtherCpu> other_cpu_;
    std::unique_ptr<PacketCircle> circle_;
    std::unique_ptr<port::PacketPool> release_pool_;
    std::vector<Variant> variants_;
    base::Result<void> failed_;
};

}  // namespace

std::size_t card_mbufs() {
    return CardRig::kChunk + kReleased;
}

base::Result<CardFigures> study(const broker::LoadedConfig& loaded, const CardChoice& choice,
                                const MeasureOptions& options, std::optional<unsigned> select_cpu) {
    CardFigures figures;
    auto traffic = choice.capture.empty() ? made_traffic(loaded, choice, figures)
                                          : captured_traffic(loaded, choice, figures);
    if (!traffic) return traffic.error();
    Study all(loaded, choice, std::move(*traffic));
    if (auto ready = all.prepare(select_cpu); !ready) return ready.error();
    if (auto done = all.measure_all(options, figures); !done) return done.error();
    return figures;
}

}  // namespace yagura::bench
