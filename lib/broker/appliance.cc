// SPDX-License-Identifier: BSD-3-Clause
#include "broker/appliance.h"

#include <fmt/format.h>
#include <sys/random.h>
#include <time.h>

#include <memory>
#include <vector>

#include "broker/capabilities.h"
#include "broker/doctor/doctor.h"
#include "broker/eal.h"
#include "broker/interrupt.h"
#include "broker/live.h"
#include "broker/ports.h"
#include "broker/report.h"
#include "dataplane/pipeline.h"

namespace yagura::broker {
namespace {

ExitStatus fail(ExitStatus status, const std::string& message) {
    fmt::print(stderr, "yagura run: {}{}", message, message.ends_with('\n') ? "" : "\n");
    return status;
}

std::uint64_t random_seed() {
    std::uint64_t seed = 0;
    if (getrandom(&seed, sizeof seed, 0) != sizeof seed) seed = static_cast<std::uint64_t>(time(nullptr));
    return seed;
}

void report_links(Ports& ports) {
    for (const std::string& line : ports.look()) fmt::print(stderr, "yagura run: {}\n", line);
}

/// What opened the ports is not needed any more.
void give_capabilities_away(const doctor::Task& task) {
    const Capabilities had = own_capabilities();
    Capabilities keep = 0;
    for (const rules::Port& port : task.ports) {
        const ethdev::DeviceString device(port.device);
        keep |= to_run(device.kind(), doctor::pci_driver(doctor::Host(), device.name()));
    }
    if (had == 0) return;
    if (auto kept = keep_capabilities(keep); !kept) {
        fmt::print(stderr, "yagura run: warning: {}\n", kept.error().message);
        return;
    }
    fmt::print(stderr, "yagura run: capabilities kept: {}\n", capability_names(keep & had));
}

void wait_for_end(const dataplane::Pipeline& pipeline, Ports& ports, const RunOptions& options) {
    using Clock = std::chrono::steady_clock;
    const auto begin = Clock::now();
    auto looked = begin;
    while (!interrupted() && !pipeline.drained()) {
        const auto now = Clock::now();
        if (options.duration && now - begin >= *options.duration) break;
        if (now - looked >= std::chrono::milliseconds(200)) {
            report_links(ports);
            looked = now;
        }
        const timespec pause{.tv_sec = 0, .tv_nsec = 5'000'000};
        nanosleep(&pause, nullptr);
    }
}

std::vector<std::uint64_t> rates_of(const rules::Config& config) {
    std::vector<std::uint64_t> rates;
    for (const rules::Port* tool : config.tool_ports())
        rates.push_back(tool->rate_bits_per_second.value_or(0));
    return rates;
}

}  // namespace

ExitStatus run(const RunOptions& options) {
    const LoadedConfig loaded = load_live_config(options.config);
    if (!loaded.ok()) return fail(ExitStatus::kUsage, error_report(options.config, loaded.errors));
    const std::vector<unsigned> cpus = dataplane::usable_cpus();
    const auto planned = plan_lcores(loaded.config.lcores, options.lcores, cpus);
    if (!planned) return fail(ExitStatus::kUsage, planned.error().message);
    const dataplane::LcorePlan& plan = *planned;

    const doctor::Task task = live_task(loaded.config, plan, options.config);
    if (const auto findings = doctor::obstacles(doctor::Host(), task); !findings.empty()) {
        return fail(ExitStatus::kUsage, "the ports cannot be opened\n" + to_text(findings));
    }
    auto environment = start_live(loaded.config, plan, cpus);
    if (!environment) return fail(ExitStatus::kUsage, environment.error().message);
    auto ports = std::make_unique<Ports>();
    if (auto opened = ports->open(loaded.config, environment->pool->get()); !opened) {
        return fail(ExitStatus::kUsage, opened.error().message);
    }
    report_links(*ports);
    auto pipeline =
        dataplane::Pipeline::create({.plan = plan,
                                     .sources = ports->sources(),
                                     .tools = ports->tools(),
                                     .rates = rates_of(loaded.config),
                                     .ports = ports->sources().size(),
                                     .policy = select::make_policy(loaded.config, loaded.compiled),
                                     .pressure = dataplane::Pressure::kDrop,
                                     .inspect = loaded.config.inspect,
                                     .hash_seed = random_seed(),
                                     .keep_details = false,
                                     .release_pool = environment->release_pool->get()});
    if (!pipeline) return fail(ExitStatus::kUsage, pipeline.error().message);

    catch_interrupts();
    if (auto started = (*pipeline)->start(); !started)
        return fail(ExitStatus::kUsage, started.error().message);
    fmt::print(stderr, "yagura run: {} network ports, {} tool ports, lcores {}\n", ports->sources().size(),
               ports->tools().size(), plan.to_string());
    give_capabilities_away(task);
    wait_for_end(**pipeline, *ports, options);

    (*pipeline)->stop_sources();
    while (!(*pipeline)->drained()) {
        const timespec pause{.tv_sec = 0, .tv_nsec = 1'000'000};
        nanosleep(&pause, nullptr);
    }
    (*pipeline)->stop();
    report_links(*ports);
    ExitStatus status = ExitStatus::kOk;
    if (auto closed = ports->close_tools(); !closed) status = fail(ExitStatus::kLoss, closed.error().message);
    const dataplane::Stats stats = (*pipeline)->stats();
    pipeline->reset();
    ports.reset();
    const bool balanced = stats.balanced() && environment->pools_whole();
    fmt::print("{}", summary(stats, loaded.config, balanced));
    fmt::print(stderr, "{}", exhaustion_warnings(stats, loaded.config));
    if (!balanced || stats.lost() != 0) status = ExitStatus::kLoss;
    return status;
}

}  // namespace yagura::broker
