// SPDX-License-Identifier: BSD-3-Clause
// Methods of the control socket: rules.
#include "broker/control_plane.h"
#include "broker/paging.h"
#include "broker/report.h"
#include "rules/keys.h"

namespace yagura::broker {
namespace {

using control::Answer;
using control::Arguments;
using control::Call;
using control::ParameterType;
using control::Role;

/// Less than a line may have, for a text in JSON is longer than itself.
constexpr std::uint64_t kMaxConfig = 8u << 20;

Json rule_entry(const rules::Rule& rule, const rules::Config& config) {
    Json entry{{"id", rule.id}};
    if (!rule.name.empty()) entry["name"] = rule.name;
    if (!rule.filter.empty()) entry["filter"] = rule.filter;
    const std::size_t patterns = rule.payload.size() + rule.payload_all.size() + rule.payload_none.size();
    if (patterns != 0) entry["patterns"] = patterns;
    if (rule.drop) {
        entry["drop"] = true;
    } else {
        entry["forward"] = Json::array();
        for (const std::size_t group : rule.forward)
            entry["forward"].push_back(config.tool_groups[group].name);
    }
    entry["scope"] = rules::word_of(rules::kScopes, rule.scope);
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

}  // namespace

void add_rules_commands(control::CommandTable& table, ControlPlane& plane) {
    table.add(
        {.name = "rules.list",
         .help = "The rules in their order, and what each has selected since its configuration is in effect",
         .right = Role::kViewer,
         .parameters = page_parameters(),
         .handler = [&plane](const Arguments& arguments, Call&) -> Answer {
             return rules_page(plane.run(), arguments);
         }});
    table.add({.name = "rules.check",
               .help = "Says whether a configuration could be loaded; its errors by their places if not",
               .right = Role::kOperator,
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
         .parameters = {{.name = "config",
                         .type = ParameterType::kText,
                         .help = "the text of a configuration; when it is left out, the file that yagura was "
                                 "started with is read again",
                         .high = kMaxConfig}},
         .handler = [&plane](const Arguments& arguments, Call& call) -> Answer {
             return plane.later(call, [&](const Reloader::Done& done) {
                 const std::string* text = arguments.text("config");
                 plane.reloader().load(text != nullptr ? std::optional<std::string>(*text) : std::nullopt,
                                       done);
             });
         }});
}

}  // namespace yagura::broker
