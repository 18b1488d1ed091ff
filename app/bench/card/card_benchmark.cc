// SPDX-License-Identifier: BSD-3-Clause
// The cost card: what each feature of a configuration costs on this machine, what that predicts for the
// whole, and what the whole costs when it is run.
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <rte_cycles.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <optional>

#include "app/bench/benchmarks.h"
#include "app/bench/card/card_report.h"
#include "app/bench/card/card_study.h"
#include "app/bench/environment.h"
#include "broker/eal.h"
#include "broker/live.h"

namespace yagura::bench {
namespace {

/// As `yagura run` reads it: every error, with its place.
base::Result<broker::LoadedConfig> load(const std::string& path) {
    auto loaded = broker::compile_live_config(broker::read_config(path));
    if (loaded.ok()) return loaded;
    std::string report = broker::error_report(path, loaded.errors);
    if (report.ends_with('\n')) report.pop_back();
    return base::Error{report};
}

base::Result<Report> run_card(const CardChoice& choice, const Common& common) {
    const auto loaded = load(choice.config);
    if (!loaded) return loaded.error();
    const std::vector<unsigned> cpus = dataplane::usable_cpus();
    const auto plan = broker::plan_lcores(loaded->config.lcores, "", cpus);
    if (!plan) return plan.error();
    const auto other = std::ranges::find_if(cpus, [&](unsigned cpu) { return cpu != common.cpu; });
    std::optional<unsigned> select_cpu;
    if (select_is_apart(*plan) && other != cpus.end()) select_cpu = *other;
    if (auto started = start(common.cpu, memory_for(card_mbufs())); !started) return started.error();
    const auto figures = study(*loaded, choice, common.measure, select_cpu);
    if (!figures) return figures.error();
    return card_report(*loaded, *plan, choice, *figures, rte_get_tsc_hz());
}

}  // namespace

void add_card(CLI::App& app, Benchmark& chosen) {
    auto choice = std::make_shared<CardChoice>();
    CLI::App* command = app.add_subcommand(
        "card", "What each feature of a configuration costs, and what that makes together");
    command->add_option("--config", choice->config, "Configuration file; none of its ports is opened")
        ->required()
        ->type_name("FILE");
    auto* size =
        command->add_option("--size", choice->size, "Bytes of a frame, or imix (7:4:1 of 64, 594 and 1518)")
            ->check(CLI::IsMember(std::vector<std::string>{"64", "128", "512", "1518", "imix"}))
            ->capture_default_str();
    auto* flows =
        command->add_option("--flows", choice->flows, "Flows at the same time, at most inspect.flows")
            ->check(CLI::Range(64u, 16'000'000u))
            ->capture_default_str();
    auto* hits = command->add_option("--hits", choice->hits, "Percent of flows that some rule forwards")
                     ->check(CLI::Range(0.0, 100.0))
                     ->capture_default_str();
    auto* length = command->add_option("--packets-per-flow", choice->packets_per_flow, "Packets of a flow")
                       ->check(CLI::Range(2u, 100'000u))
                       ->capture_default_str();
    auto* share =
        command
            ->add_option_function<std::string>(
                "--share",
                [choice](const std::string& text) {
                    const auto shares = parse_traffic_shares(text);
                    if (!shares) throw CLI::ValidationError("--share", shares.error().message);
                    choice->shares = *shares;
                },
                fmt::format(
                    "Percent of packets that are in a tunnel, tagged or fragments ({}, fragments), as "
                    "in vxlan=20,fragments=1; what is not named is none",
                    fmt::join(kWrappingNames, ", ")))
            ->type_name("KIND=PERCENT,...");
    command->add_option("--capture", choice->capture, "Frames of a capture file instead")
        ->check(CLI::ExistingFile)
        ->excludes(size)
        ->excludes(flows)
        ->excludes(hits)
        ->excludes(length)
        ->excludes(share);
    command->add_flag("--records", choice->records, "Keep flow records, as yagura replay does");
    command->callback(
        [choice, &chosen] { chosen = [choice](const Common& common) { return run_card(*choice, common); }; });
}

}  // namespace yagura::bench
