// SPDX-License-Identifier: BSD-3-Clause
#include "app/bench/card/card_study.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <atomic>

#include "app/bench/card/traffic_maker.h"
#include "broker/live.h"
#include "port/packet_pool.h"

namespace yagura::bench {
namespace {

constexpr std::uint32_t kReleased = 16'383;
/// Slices are longer here than in other benchmarks, and fewer.
constexpr std::size_t kSlice = 16 * CardRig::kChunk;
constexpr unsigned kFewerSlices = 100;
constexpr std::size_t kLongestWarmUp = 32 * CardRig::kChunk;
/// With fewer fragments than that, what one costs would be lost among what all packets cost.
constexpr double kLeastFragments = 0.1;

base::Result<std::shared_ptr<const select::PolicySnapshot>> policy_of(const rules::Config& config) {
    auto compiled = match::CompiledRules::compile(config.rules, net::LinkType::kEthernet);
    if (!compiled.errors.empty()) return base::Error{compiled.errors.front().reason};
    return select::make_policy(config, std::move(compiled.rules));
}

/// What is to be had of a tool with a limit: all of it, whatever its rate. So nothing is shed.
dataplane::ToolLimit roomy(const dataplane::ToolLimit& limit) {
    constexpr std::uint64_t kRate = dataplane::TokenBucket::kMaxRate;
    constexpr std::uint32_t kPackets = 1u << 20;
    if (!limit.limits()) return {};
    return {.rate = limit.rate == 0 ? 0 : kRate, .queue_packets = kPackets};
}

std::vector<dataplane::ToolLimit> limits_of(const rules::Config& config) {
    std::vector<dataplane::ToolLimit> limits;
    for (const rules::Port* tool : config.tool_ports()) limits.push_back(roomy(broker::limit_of(*tool)));
    return limits;
}

/// Everything that is measured beside each other.
class Study {
  public:
    Study(const broker::LoadedConfig& loaded, const CardChoice& choice, TrafficMaker traffic)
        : loaded_(loaded), choice_(choice), traffic_(std::move(traffic)), used_(Features::of(loaded)) {
        const rules::Response& response = loaded.config.response;
        response_.kills.capacity = response.kills;
        response_.kills.frames_per_second = response.frames_per_second;
        response_.kills.frame_burst = response.frames_per_second;
        response_.secret = {1, 2};
        response_.mode = &mode_;
    }

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

        add_everything();
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
        bool limits = false;     ///< tools have theirs
        bool response = false;   ///< connections can be cut
        std::uint64_t down = 0;  ///< bit per ToolId
        TrafficShares shares = {};
    };
    using Store = std::function<void(CardFigures&, Observations&, const Observation&)>;
    struct Variant {
        Store store;
        std::unique_ptr<CardRig> rig;
    };

    template <class Member>
    void add(Member Observations::*where, const rules::Config& config, const Kind& kind) {
        add(config, kind,
            [where](CardFigures&, Observations& to, const Observation& one) { to.*where = one; });
    }
    /// All that is configured.
    void add(std::vector<Observation> CardFigures::*where, bool apart) {
        add(loaded_.config,
            {.records = choice_.records,
             .apart = apart,
             .limits = true,
             .response = used_.response,
             .shares = choice_.shares},
            [where](CardFigures& to, Observations&, const Observation& one) { (to.*where).push_back(one); });
    }
    void add_everything() {
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
        rules::Config payload = bare;  // with payload rules, if there are any; nothing is held
        if (has(used_.payload_rules.rules)) {
            payload = plain(with_rules_of(loaded_, RuleKind::kPayload));
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
        if (!used_.limited_tools.empty()) {
            const std::set<std::size_t> tool{*used_.limited_tools.begin()};
            add(&Observations::limited, with_everything_to(bare, tool, rules::GroupMode::kCopy),
                {.limits = true});
        }
        if (used_.response) {
            add(&Observations::response_lasting, bare, {.ends = false, .response = true});
            add(&Observations::response, bare, {.response = true});
        }
        if (traffic_.is_made()) add_kinds_of_packets(bare, payload);
        add_down(bare);
        if (other_cpu_) {
            const bool to_tool = !has(used_.payload_rules.rules) && !used_.tools.empty();
            add(&Observations::apart,
                to_tool ? with_everything_to(bare, {*used_.tools.begin()}, rules::GroupMode::kCopy) : payload,
                {.apart = true});
            add(&CardFigures::whole_apart, true);
        }
        add(&CardFigures::whole, false);
    }
    void add_kinds_of_packets(const rules::Config& bare, const rules::Config& payload) {
        for (std::size_t i = 0; i < kWrappings; ++i) {
            Kind all{.few = true, .ends = false};
            all.shares.wrapped[i] = 1;
            add(bare, all,
                [i](CardFigures&, Observations& to, const Observation& one) { to.wrapped[i] = one; });
        }
        const double fragments =
            std::min(std::max(choice_.shares.fragments, kLeastFragments), traffic_.most_fragments());
        if (fragments > 0) add(&Observations::fragments, payload, {.shares = {.fragments = fragments}});
    }
    /// Somebody stands in for the first tool.
    void add_down(const rules::Config& bare) {
        if (!used_.stand_in) return;
        const std::size_t down = *used_.tools.begin();
        const std::size_t other = down == 0 ? 1 : 0;
        add(&Observations::down, with_everything_to(bare, {down}, *used_.stand_in, {other}),
            {.down = std::uint64_t{1} << down});
    }
    void add(const rules::Config& config, const Kind& kind, Store store) {
        if (failed_) failed_ = try_to_add(config, kind, std::move(store));
    }
    base::Result<void> try_to_add(const rules::Config& config, const Kind& kind, Store store) {
        auto policy = policy_of(config);
        if (!policy) return policy.error();
        auto writer = traffic_.make(kind.shares, kind.few, kind.ends);
        if (!writer) return writer.error();
        auto rig = CardRig::create(
            {.circle = circle_.get(),
             .writer = std::move(*writer),
             .policy = std::move(*policy),
             .inspect = config.inspect,
             .tools = loaded_.config.tool_ports().size(),
             .keep_details = kind.records,
             .release_pool = release_pool_->get(),
             .limits = kind.limits ? limits_of(loaded_.config) : std::vector<dataplane::ToolLimit>{},
             .response = kind.response ? &response_ : nullptr,
             .down_tools = kind.down,
             .select_on = kind.apart ? other_cpu_.get() : nullptr});
        if (!rig) return rig.error();
        variants_.push_back({.store = std::move(store), .rig = std::move(*rig)});
        return {};
    }

    void describe_whole(CardFigures& figures) const {
        const CardRig& whole = *variants_.back().rig;
        const auto counts = whole.rule_counts();
        for (std::size_t i = 0; i < counts.size(); ++i) {
            if (counts[i].count.packets == 0) figures.rules_not_met.push_back(loaded_.config.rules[i].id);
        }
        figures.bytes_per_packet = whole.bytes_per_packet();
        figures.payload_scanned_share = whole.events().scanned / figures.bytes_per_packet;
        figures.notes.insert(figures.notes.end(), traffic_.notes().begin(), traffic_.notes().end());
        for (const std::string& shortage : whole.shortages())
            figures.notes.push_back(
                fmt::format("Something was short, which costs time of its own: {}.", shortage));
    }

    const broker::LoadedConfig& loaded_;
    const CardChoice& choice_;
    TrafficMaker traffic_;
    Features used_;
    std::atomic<dataplane::ResponseMode> mode_{dataplane::ResponseMode::kDryRun};
    dataplane::ResponseSettings response_;
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
    auto traffic = TrafficMaker::create(loaded, choice);
    if (!traffic) return traffic.error();
    Study all(loaded, choice, std::move(*traffic));
    if (auto ready = all.prepare(select_cpu); !ready) return ready.error();
    CardFigures figures;
    if (auto done = all.measure_all(options, figures); !done) return done.error();
    return figures;
}

}  // namespace yagura::bench
