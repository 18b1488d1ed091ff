// SPDX-License-Identifier: BSD-3-Clause
#include "broker/explain.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "base/diagnostics.h"
#include "broker/flow_name.h"
#include "broker/flow_story.h"
#include "broker/interrupt.h"
#include "drivers/loop/loop.h"

namespace yagura::broker {
namespace {

using Traces = std::vector<std::unique_ptr<select::FlowTrace>>;

ExitStatus fail(ExitStatus status, const std::string& message) {
    base::diagnose("yagura explain: {}{}", message, message.ends_with('\n') ? "" : "\n");
    return status;
}

/// Why nothing can be told, and which flows might have been meant.
std::string not_found(const std::string& flow, const Traces& traces, std::uint64_t packets) {
    std::string text =
        fmt::format("--flow '{}': there is no such flow among the {} packets that were read", flow, packets);
    std::set<std::string> names;
    std::uint64_t count = 0;
    for (const auto& trace : traces) {
        for (const net::FlowKey& key : trace->near_misses()) names.insert(flow_name(key));
        count += trace->near_miss_count();
    }
    if (names.empty()) return text + ", nor any other between these two hosts";
    text += fmt::format("; between these two hosts there {} {}:", count == 1 ? "is" : "are", count);
    std::size_t shown = 0;
    for (const std::string& name : names) {
        if (shown++ == select::FlowTrace::kMostNearMisses) break;
        text += fmt::format("\n  {}", name);
    }
    return text;
}

/// Without a protocol in its name, a flow may be two.
bool is_ambiguous(const std::vector<FlowLife>& lives) {
    std::set<std::uint8_t> protocols;
    for (const FlowLife& life : lives) protocols.insert(life.events.front().proto);
    return protocols.size() > 1;
}

std::string ambiguous(const std::string& flow, const std::vector<FlowLife>& lives,
                      const select::FlowTrace::Wanted& wanted) {
    std::set<std::string> names;
    for (const FlowLife& life : lives) {
        net::FlowKey key = wanted.key;
        key.proto = life.events.front().proto;
        names.insert(flow_name(key));
    }
    std::string text = fmt::format("--flow '{}': there are flows of several protocols; name one of", flow);
    for (const std::string& name : names) text += fmt::format("\n  {}", name);
    return text;
}

void warn(const Traces& traces, const dataplane::Stats& stats, const rules::Config& config) {
    std::uint64_t untracked = 0;
    std::uint64_t untraced = 0;
    for (const auto& trace : traces) {
        untracked += trace->untracked_packets();
        untraced += trace->untraced_flows();
    }
    if (untracked != 0) {
        base::diagnose(
            "warning: {} packets of it are not shown: the flow table was full; raise inspect.flows\n",
            untracked);
    }
    if (untraced != 0) {
        base::diagnose("warning: {} flows of this name are not shown: {} are open at once\n", untraced,
                       select::FlowTrace::kMostFlows);
    }
    base::diagnose("{}", exhaustion_warnings(stats, config));
}

}  // namespace

ExitStatus explain(const ExplainOptions& options) {
    const auto wanted = parse_flow_name(options.flow);
    if (!wanted) return fail(ExitStatus::kUsage, "--flow " + wanted.error().message);
    CaptureRun run;
    if (const auto failure = run.open(options.captures)) return fail(failure->status, failure->message);

    constexpr unsigned kBurst = 32;
    // A hold without a bound is spooled to a file that has no name.
    std::error_code error;
    const std::filesystem::path spool = std::filesystem::temp_directory_path(error);
    dataplane::PipelineOptions pipeline_options =
        run.pipeline_options(kBurst, error ? std::string(".") : spool.string());
    Traces traces;
    for (std::size_t i = 0; i < run.plan.select.size(); ++i) {
        traces.push_back(std::make_unique<select::FlowTrace>(*wanted));
        pipeline_options.flow_traces.push_back(traces.back().get());
    }
    std::vector<std::unique_ptr<loop::LoopSink>> sinks;
    for (std::size_t i = 0; i < run.loaded.config.tool_ports().size(); ++i) {
        sinks.push_back(std::make_unique<loop::LoopSink>());
        pipeline_options.tools.push_back(sinks.back().get());
    }
    auto pipeline = dataplane::Pipeline::create(std::move(pipeline_options));
    if (!pipeline) return fail(ExitStatus::kUsage, pipeline.error().message);
    if (auto ran = run.run(**pipeline); !ran) return fail(ExitStatus::kUsage, ran.error().message);

    const dataplane::Stats stats = (*pipeline)->stats();
    ExitStatus status = ExitStatus::kOk;
    const std::vector<FlowLife> lives = lives_of(traces);
    if (lives.empty()) {
        status = fail(ExitStatus::kUsage, not_found(options.flow, traces, run.source->packets()));
    } else if (wanted->any_protocol && is_ambiguous(lives)) {
        status = fail(ExitStatus::kUsage, ambiguous(options.flow, lives, *wanted));
    } else {
        FlowStory story(run, *wanted);
        for (std::size_t i = 0; i < lives.size(); ++i) {
            if (!options.json && i != 0) fmt::print("\n");
            fmt::print(
                "{}", options.json ? story.json(lives[i], i + 1) : story.text(lives[i], i + 1, lives.size()));
        }
    }
    warn(traces, stats, run.loaded.config);
    if (!stats.balanced() || !run.pools_whole()) {
        status = fail(ExitStatus::kLoss, "the ledger does not balance: what is said may not be true");
    }
    for (const pcap::Damage& damage : run.source->damages()) {
        status = fail(ExitStatus::kDamaged, damage.text + "; what came before it was looked at");
    }
    if (interrupted()) {
        status = fail(ExitStatus::kInterrupted,
                      fmt::format("interrupted after {} packets", run.source->packets()));
    }
    return status;
}

}  // namespace yagura::broker
