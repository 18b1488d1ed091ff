// SPDX-License-Identifier: BSD-3-Clause
// Methods of the control socket: rules.
#include <fmt/format.h>

#include <algorithm>

#include "broker/control_plane.h"
#include "broker/paging.h"
#include "broker/report.h"
#include "broker/utc.h"
#include "rules/keys.h"
#include "rules/units.h"

namespace yagura::broker {
namespace {

using control::Answer;
using control::Arguments;
using control::Call;
using control::Effect;
using control::ParameterType;
using control::Role;
using control::RpcCode;
using control::RpcError;

/// Less than a line may have, for a text in JSON is longer than itself.
constexpr std::uint64_t kMaxConfig = 8u << 20;

Json rule_entry(const rules::Rule& rule, const rules::Config& config) {
    Json entry{{"id", rule.id}};
    if (!rule.name.empty()) entry["name"] = rule.name;
    if (!rule.filter.empty()) entry["filter"] = rule.filter;
    const std::size_t patterns = rule.payload.size() + rule.payload_all.size() + rule.payload_none.size();
    if (patterns != 0) entry["patterns"] = patterns;
    if (rule.drop) entry["drop"] = true;
    if (!rule.forward.empty()) {
        entry["forward"] = Json::array();
        for (const std::size_t group : rule.forward)
            entry["forward"].push_back(config.tool_groups[group].name);
    }
    if (rule.reset) entry["reset"] = true;
    if (rule.block) {
        entry["block"] = {{"what", rules::word_of(rules::kBlockWhats, rule.block->what)}};
        if (rule.block->ttl) entry["block"]["ttl"] = Json::parse(rules::duration_json(*rule.block->ttl));
    }
    entry["scope"] = rules::word_of(rules::kScopes, rule.scope);
    if (!rule.forward.empty()) entry["priority"] = rule.priority;
    if (rule.sample != 1) entry["sample"] = rule.sample;
    return entry;
}

Json rules_page(LiveRun& run, const Arguments& arguments) {
    const dataplane::Stats& stats = run.stats();
    const Page page = page_of(arguments, run.config.rules.size());
    Json list = Json::array();
    for (std::size_t i = page.begin; i < page.end; ++i) {
        Json entry = rule_entry(run.config.rules[i], run.config);
        entry.update(rule_json(stats.rules[i]));
        list.push_back(std::move(entry));
    }
    return {{"config_version", run.version},
            {"count", page.size},
            {"rules", std::move(list)},
            {"next", page.next()}};
}

Json version_entry(const ConfigVersion& version, std::uint64_t in_effect) {
    Json entry{{"version", version.version},      {"since", utc_ms(version.since)},
               {"action", version.origin.action}, {"by", nullptr},
               {"rules", version.rules},          {"in_effect", version.version == in_effect},
               {"kept", version.text != nullptr}};
    if (const auto& by = version.origin.by) {
        entry["by"] = {{"uid", by->uid}, {"pid", by->pid}, {"program", by->program}};
    }
    if (version.origin.rolled_back_to) entry["rolled_back_to"] = *version.origin.rolled_back_to;
    return entry;
}

Json versions(LiveRun& run) {
    Json list = Json::array();
    const auto& all = run.versions().all();
    for (auto it = all.rbegin(); it != all.rend(); ++it) list.push_back(version_entry(*it, run.version));
    return {{"config_version", run.version},
            {"flows_on_old", run.stats().inspected_before},
            {"versions", std::move(list)}};
}

Answer roll_back(ControlPlane& plane, const Arguments& arguments, Call& call) {
    const std::uint64_t wanted = *arguments.number("version");
    const LiveRun& run = plane.run();
    const ConfigVersion* version = run.versions().find(wanted);
    const auto refuse = [](RpcCode code, std::string message) {
        return RpcError{.code = code, .message = std::move(message), .field = "params/version"};
    };
    if (version == nullptr) {
        return refuse(RpcCode::kInvalidParams,
                      fmt::format("version {} is not kept: {} to {} are", wanted,
                                  run.versions().all().front().version, run.version));
    }
    if (wanted == run.version) {
        return refuse(RpcCode::kConflict, fmt::format("version {} is in effect", wanted));
    }
    if (version->text == nullptr) {
        return refuse(
            RpcCode::kConflict,
            fmt::format("the text of version {} was let go: those of all versions have {} MiB together",
                        wanted, ConfigVersions::kMaxBytes >> 20));
    }
    return plane.later(call, [&](const Reloader::Done& done) {
        plane.reloader().roll_back(*version, origin_of("rules.rollback", call), done);
    });
}

}  // namespace

void add_rules_commands(control::CommandTable& table, ControlPlane& plane) {
    table.add(
        {.name = "rules.list",
         .help = "The rules in their order, and what each has selected since its configuration is in effect",
         .right = Role::kViewer,
         .effect = Effect::kReads,
         .parameters = page_parameters(),
         .handler = [&plane](const Arguments& arguments, Call&) -> Answer {
             return rules_page(plane.run(), arguments);
         }});
    table.add({.name = "rules.check",
               .help = "Says whether a configuration could be loaded; its errors by their places if not",
               .right = Role::kOperator,
               .effect = Effect::kReads,
               .parameters = {{.name = "config",
                               .type = ParameterType::kText,
                               .help = "the text of a configuration",
                               .required = true,
                               .high = kMaxConfig}},
               .handler = [&plane](const Arguments& arguments, Call& call) -> Answer {
                   return plane.later(call, [&](const Reloader::Done& done) {
                       plane.reloader().check(*arguments.text("config"), done);
                   });
               }});
    table.add(
        {.name = "rules.load",
         .help = "Brings the rules and tool groups of a configuration into effect while traffic flows. What "
                 "else is in it must be as it runs",
         .right = Role::kOperator,
         .effect = Effect::kChanges,
         .parameters = {{.name = "config",
                         .type = ParameterType::kText,
                         .help = "the text of a configuration; when it is left out, the file that yagura was "
                                 "started with is read again",
                         .high = kMaxConfig}},
         .handler = [&plane](const Arguments& arguments, Call& call) -> Answer {
             return plane.later(call, [&](const Reloader::Done& done) {
                 const std::string* text = arguments.text("config");
                 plane.reloader().load(text != nullptr ? std::optional<std::string>(*text) : std::nullopt,
                                       origin_of("rules.load", call), done);
             });
         }});
    table.add({.name = "rules.cancel",
               .help = "Gives up every rules.check, rules.load and rules.rollback that has not been done yet",
               .right = Role::kOperator,
               .effect = Effect::kMakesSafer,
               .parameters = {},
               .handler = [&plane](const Arguments&, Call&) -> Answer {
                   return Json{{"cancelled", plane.reloader().cancel()}};
               }});
    table.add({.name = "rules.versions",
               .help = "The configurations that were in effect last, the newest first, and who brought them",
               .right = Role::kViewer,
               .effect = Effect::kReads,
               .parameters = {},
               .handler = [&plane](const Arguments&, Call&) -> Answer { return versions(plane.run()); }});
    table.add({.name = "rules.rollback",
               .help = "Brings a version of rules.versions into effect again, as rules.load would its text",
               .right = Role::kOperator,
               .effect = Effect::kChanges,
               .parameters = {{.name = "version",
                               .type = ParameterType::kNumber,
                               .help = "which one",
                               .required = true,
                               .low = 1}},
               .handler = [&plane](const Arguments& arguments, Call& call) -> Answer {
                   return roll_back(plane, arguments, call);
               }});
}

}  // namespace yagura::broker
