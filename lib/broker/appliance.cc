// SPDX-License-Identifier: BSD-3-Clause
#include "broker/appliance.h"

#include <fmt/format.h>
#include <sys/random.h>
#include <time.h>

#include <chrono>
#include <cstdio>
#include <memory>
#include <vector>

#include "base/diagnostics.h"
#include "broker/capabilities.h"
#include "broker/control_plane.h"
#include "broker/database_maker.h"
#include "broker/doctor/doctor.h"
#include "broker/eal.h"
#include "broker/interrupt.h"
#include "broker/live.h"
#include "broker/live_run.h"
#include "broker/ports.h"
#include "broker/report.h"
#include "dataplane/pipeline.h"

namespace yagura::broker {
namespace {

ExitStatus fail(ExitStatus status, const std::string& message) {
    base::diagnose("yagura run: {}{}", message, message.ends_with('\n') ? "" : "\n");
    return status;
}

std::uint64_t random_seed() {
    std::uint64_t seed = 0;
    if (getrandom(&seed, sizeof seed, 0) != sizeof seed) seed = static_cast<std::uint64_t>(time(nullptr));
    return seed;
}

void report_links(Ports& ports) {
    for (const std::string& line : ports.look()) base::diagnose("yagura run: {}\n", line);
}

/// What opened the ports is not needed any more.
void give_capabilities_away(LiveRun& run) {
    const Capabilities had = own_capabilities();
    Capabilities keep = 0;
    for (const rules::Port& port : run.config.ports) {
        const ethdev::DeviceString device(port.device);
        keep |= to_run(device.kind(), doctor::pci_driver(doctor::Host(), device.name()));
    }
    for (const std::string& kind : run.config.hotplug) {
        keep |= to_plug(kind);
        const Capabilities lacking = to_plug(kind) & ~had;
        if (lacking == 0) continue;
        base::diagnose("yagura run: warning: hotplug \"{}\": {} is lacking\n", kind,
                       capability_names(lacking));
    }
    if (had == 0) return;
    if (auto kept = keep_capabilities(keep); !kept) {
        base::diagnose("yagura run: warning: {}\n", kept.error().message);
        return;
    }
    run.given_away = had & ~keep;
    base::diagnose("yagura run: capabilities kept: {}\n", capability_names(keep & had));
}

void wait_for_end(LiveRun& run, ControlPlane& plane, Ports& ports, const RunOptions& options) {
    using Clock = std::chrono::steady_clock;
    const auto begin = Clock::now();
    auto looked = begin;
    while (!interrupted() && !run.stop_wanted && !run.pipeline->drained()) {
        const auto now = Clock::now();
        if (options.duration && now - begin >= *options.duration) break;
        if (now - looked >= std::chrono::milliseconds(200)) {
            report_links(ports);
            plane.look_at_tools(ports.down_tools());
            if (const std::string said = plane.responses().look(); !said.empty())
                base::diagnose("yagura run: {}\n", said);
            run.pipeline->retire_policy();
            looked = now;
        }
        if (hangup_came()) plane.reload();
        plane.serve(std::chrono::milliseconds(5));
    }
}

/// Lets what is inside reach its end. Whoever asks is answered meanwhile.
void drain(LiveRun& run, ControlPlane& plane) {
    run.draining = true;
    while (plane.ports().busy()) plane.serve(std::chrono::milliseconds(1));
    run.pipeline->stop_sources();
    while (!run.pipeline->drained()) plane.serve(std::chrono::milliseconds(1));
    plane.stop();
    run.pipeline->stop();
}

std::vector<dataplane::ToolLimit> limits_of(const rules::Config& config) {
    std::vector<dataplane::ToolLimit> limits;
    for (const rules::Port* tool : config.tool_ports()) limits.push_back(limit_of(*tool));
    return limits;
}

LoadedConfig compile_at_start(rules::ConfigOutcome outcome, DatabaseMaker& maker) {
    const Cancellation never;  // but by the signal that ends us
    DatabaseSession session(maker, never);
    return compile_live_config(std::move(outcome), &session);
}

}  // namespace

ExitStatus run(const RunOptions& options) {
    // Before anything that takes its time. stderr may be a pipe whose reader goes.
    ignore_broken_pipes();
    catch_hangups();
    rules::ConfigOutcome read = read_trusted_config(options.config);
    DatabaseMaker maker(read.config.cache, options.compiler,
                        [](const std::string& line) { base::diagnose("yagura run: {}\n", line); });
    const LoadedConfig loaded = compile_at_start(std::move(read), maker);
    if (!loaded.ok()) return fail(ExitStatus::kUsage, error_report(options.config, loaded.errors));
    const std::vector<unsigned> cpus = dataplane::usable_cpus();
    const auto planned = plan_lcores(loaded.config.lcores, options.lcores, cpus);
    if (!planned) return fail(ExitStatus::kUsage, planned.error().message);

    const doctor::Task task = live_task(loaded.config, *planned, options.config);
    if (const auto findings = doctor::obstacles(doctor::Host(), task); !findings.empty()) {
        return fail(ExitStatus::kUsage, "the ports cannot be opened\n" + to_text(findings));
    }
    // In the order in which they may go, the last first.
    LiveEnvironment environment;
    auto ports = std::make_unique<Ports>();
    LiveRun run;
    run.program_version = options.version;
    run.config_path = options.config;
    run.take_effect(loaded.config, {.action = "start"});
    run.plan = *planned;
    ControlPlane plane(run, maker);
    if (auto opened = plane.open(options.control); !opened) {
        return fail(ExitStatus::kUsage, opened.error().message);
    }
    if (auto opened = plane.responses().open(loaded.config.response); !opened)
        return fail(ExitStatus::kUsage, opened.error().message);
    if (const std::string why_not = plane.responses().why_not(); !why_not.empty())
        base::diagnose("yagura run: connections are not cut: {}\n", why_not);
    auto started_environment = start_live(run.config, run.plan, cpus, {.telemetry = plane.wants_telemetry()});
    if (!started_environment) return fail(ExitStatus::kUsage, started_environment.error().message);
    environment = std::move(*started_environment);
    run.ports = ports.get();
    run.pool = environment.pool->get();
    run.hugepages = environment.hugepages;
    if (auto opened = ports->open(run.config, environment.pool->get()); !opened) {
        return fail(ExitStatus::kUsage, opened.error().message);
    }
    report_links(*ports);
    const rules::Response& response = loaded.config.response;
    auto pipeline =
        dataplane::Pipeline::create({.plan = run.plan,
                                     .sources = ports->sources(),
                                     .places = ports->places(),
                                     .tools = ports->tools(),
                                     .limits = limits_of(loaded.config),
                                     .ports = ports->network_ports(),
                                     .ports_change = true,
                                     .policy = select::make_policy(loaded.config, loaded.compiled),
                                     .pressure = dataplane::Pressure::kDrop,
                                     .inspect = loaded.config.inspect,
                                     .hash_seed = random_seed(),
                                     .keep_details = false,
                                     .release_pool = environment.release_pool->get(),
                                     .response = plane.responses().settings(
                                         environment.inject_pool ? environment.inject_pool->get() : nullptr),
                                     .injects = ports->injects(loaded.config),
                                     .listens_to_tools = response.enabled && response.from_tools,
                                     .feedbacks = ports->feedbacks()});
    if (!pipeline) return fail(ExitStatus::kUsage, pipeline.error().message);
    run.pipeline = std::move(*pipeline);
    if (auto started = plane.start(); !started) return fail(ExitStatus::kUsage, started.error().message);
    plane.look_at_tools(ports->down_tools());

    catch_interrupts();
    if (auto started = run.pipeline->start(); !started) {
        run.pipeline.reset();
        return fail(ExitStatus::kUsage, started.error().message);
    }
    base::diagnose("yagura run: {} network ports, {} tool ports, lcores {}{}\n", ports->network_ports(),
                   ports->tools().size(), run.plan.to_string(), plane.describe());
    give_capabilities_away(run);
    wait_for_end(run, plane, *ports, options);
    drain(run, plane);
    report_links(*ports);

    ExitStatus status = ExitStatus::kOk;
    if (auto closed = ports->close_tools(); !closed) status = fail(ExitStatus::kLoss, closed.error().message);
    const dataplane::Stats stats = run.pipeline->stats();
    run.pipeline.reset();
    ports.reset();
    const bool balanced = stats.balanced() && environment.pools_whole();
    // A fault of stdout stays with it, for who ends the process to see.
    std::fputs(summary(stats, run.config, balanced).c_str(), stdout);
    base::diagnose("{}", exhaustion_warnings(stats, run.config));
    if (!balanced || stats.lost() != 0) status = ExitStatus::kLoss;
    return status;
}

}  // namespace yagura::broker
