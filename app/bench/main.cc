// SPDX-License-Identifier: BSD-3-Clause
#include <CLI/CLI.hpp>
#include <cstdio>
#include <fstream>

#include "app/bench/benchmarks.h"
#include "broker/exit_status.h"
#include "dataplane/lcore_plan.h"

namespace {

using yagura::base::Result;

struct Output {
    std::string json;  ///< file, or "-"
    std::string into;
};

Result<void> write(const Output& output, const yagura::bench::Report& report,
                   const yagura::bench::Environment& environment) {
    const std::string json = yagura::bench::to_json(report, environment);
    const std::string tables = yagura::bench::to_markdown(report, environment);
    std::fputs(output.json == "-" ? json.c_str() : tables.c_str(), stdout);
    if (!output.json.empty() && output.json != "-") {
        std::ofstream file(output.json);
        file << json;
        file.close();
        if (!file) return yagura::base::Error{output.json + ": cannot be written"};
    }
    if (output.into.empty()) return {};
    return yagura::bench::write_into(output.into, report.benchmark, tables);
}

Result<void> run(const yagura::bench::Benchmark& benchmark, const yagura::bench::Common& common,
                 const Output& output, yagura::bench::Environment environment) {
    auto report = benchmark(common);
    if (!report) return report.error();
    yagura::bench::complete(environment);
    return write(output, *report, environment);
}

int fail(const std::string& message, yagura::broker::ExitStatus status) {
    std::fprintf(stderr, "yagura-bench: %s\n", message.c_str());
    return static_cast<int>(status);
}

}  // namespace

int main(int argc, char** argv) {
    using yagura::broker::ExitStatus;
    CLI::App app{
        "yagura-bench: what yagura's parts cost, each beside a ceiling or a peer that is measured in the "
        "same "
        "run.\nCycles are those of the time stamp counter.",
        "yagura-bench"};
    app.require_subcommand(1);
    app.fallthrough();

    yagura::bench::Common common;
    common.cpu = yagura::dataplane::usable_cpus().back();
    Output output;
    app.add_option("--repeats", common.measure.repeats, "Measurements of each figure")
        ->check(CLI::Range(1u, 1000u))
        ->capture_default_str();
    app.add_option("--slices", common.measure.slices,
                   "Slices of work in a repeat, of which the median counts")
        ->check(CLI::Range(1u, 100'000u))
        ->capture_default_str();
    app.add_option("--cpu", common.cpu, "CPU to run on")
        ->check(CLI::IsMember(yagura::dataplane::usable_cpus()))
        ->capture_default_str();
    app.add_option("--json", output.json, "Write the figures as JSON, \"-\" to standard output")
        ->type_name("FILE|-");
    app.add_option("--into", output.into,
                   "Replace the figures of this benchmark in a page, between <!-- yagura-bench: NAME --> and "
                   "<!-- end -->")
        ->check(CLI::ExistingFile)
        ->type_name("FILE");

    yagura::bench::Benchmark chosen;
    yagura::bench::add_parse(app, chosen);
    yagura::bench::add_forward(app, chosen);
    yagura::bench::add_rings(app, chosen);
    yagura::bench::add_stages(app, chosen);
    yagura::bench::add_filters(app, chosen);
    yagura::bench::add_bpf(app, chosen);
    yagura::bench::add_flow(app, chosen);
    yagura::bench::add_blocks(app, chosen);
    yagura::bench::add_payload(app, chosen);
    yagura::bench::add_reload(app, chosen);
    yagura::bench::add_reset(app, chosen);
    yagura::bench::add_card(app, chosen);
    try {
        app.parse(argc, argv);
        const auto done = run(chosen, common, output, yagura::bench::read_environment(argc, argv));
        if (!done) return fail(done.error().message, ExitStatus::kUsage);
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? 0 : static_cast<int>(ExitStatus::kUsage);
    } catch (const std::exception& error) {
        return fail(error.what(), ExitStatus::kUsage);
    }
    return 0;
}
