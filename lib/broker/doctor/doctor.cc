// SPDX-License-Identifier: BSD-3-Clause
#include "broker/doctor/doctor.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/diagnostics.h"
#include "broker/eal.h"
#include "broker/live.h"

namespace yagura::broker::doctor {

const char* status_name(Status status) {
    switch (status) {
        case Status::kOk:
            return "ok";
        case Status::kWarning:
            return "warning";
        case Status::kError:
            return "error";
    }
    return "";
}

Findings examine(const Host& host, const Task& task) {
    Findings findings;
    for (const auto check : {check_hugepages, check_locked_memory, check_devices, check_iommu, check_offloads,
                             check_receive_side, check_cpus, check_clock, check_capabilities, check_files,
                             check_control_files}) {
        check(host, task, findings);
    }
    return findings;
}

Findings obstacles(const Host& host, const Task& task) {
    Findings findings;
    for (const auto check :
         {check_devices, check_iommu, check_hugepages, check_locked_memory, check_capabilities, check_files})
        check(host, task, findings);
    std::erase_if(findings, [](const Finding& finding) { return finding.status != Status::kError; });
    return findings;
}

Status worst(const Findings& findings) {
    Status worst = Status::kOk;
    for (const Finding& finding : findings) worst = std::max(worst, finding.status);
    return worst;
}

std::string to_text(const Findings& findings) {
    std::string text;
    for (const Finding& finding : findings) {
        const std::string what = finding.check + (finding.subject.empty() ? "" : ", " + finding.subject);
        text += fmt::format("{:<8} {:<28} {}\n", status_name(finding.status), what, finding.found);
        if (!finding.means.empty()) text += fmt::format("{:9}  means: {}\n", "", finding.means);
        if (!finding.fix.empty()) text += fmt::format("{:9}  fix:   {}\n", "", finding.fix);
    }
    return text;
}

std::string to_json(const Findings& findings) {
    using Json = nlohmann::ordered_json;
    Json json{{"version", 1}, {"worst", status_name(worst(findings))}, {"findings", Json::array()}};
    for (const Finding& finding : findings) {
        json["findings"].push_back({{"check", finding.check},
                                    {"subject", finding.subject},
                                    {"status", status_name(finding.status)},
                                    {"found", finding.found},
                                    {"means", finding.means},
                                    {"fix", finding.fix}});
    }
    return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

ExitStatus run(const Options& options) {
    rules::Config config;
    if (!options.config.empty()) {
        LoadedConfig loaded = load_live_config(options.config);
        if (!loaded.ok()) {
            base::diagnose("yagura doctor: {}", error_report(options.config, loaded.errors));
            return ExitStatus::kUsage;
        }
        config = std::move(loaded.config);
    }
    const auto plan = plan_lcores(config.lcores, "", dataplane::usable_cpus());
    if (!plan) {
        base::diagnose("yagura doctor: {}\n", plan.error().message);
        return ExitStatus::kUsage;
    }
    const Findings findings = examine(Host(options.root), live_task(config, *plan, options.config));
    fmt::print("{}", options.json ? to_json(findings) : to_text(findings));
    return worst(findings) == Status::kError ? ExitStatus::kLoss : ExitStatus::kOk;
}

}  // namespace yagura::broker::doctor
