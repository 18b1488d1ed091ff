// SPDX-License-Identifier: BSD-3-Clause
// What every method of a live run does to it, and which are refused while the audit log cannot be written.
#include <catch2/catch.hpp>
#include <map>
#include <string>

#include "broker/control_plane.h"
#include "unit/control/control_rig.h"

namespace yagura::broker {
namespace {

/// All others read.
const std::map<std::string, std::string> kEffects{
    {"response.disable", "makes_safer"}, {"blocks.remove", "makes_safer"},   {"flows.release", "makes_safer"},
    {"rules.cancel", "makes_safer"},     {"system.shutdown", "makes_safer"}, {"response.enable", "changes"},
    {"blocks.add", "changes"},           {"flows.reset", "changes"},         {"flows.block", "changes"},
    {"flows.shunt", "changes"},          {"ports.add", "changes"},           {"ports.remove", "changes"},
    {"tools.switch", "changes"},         {"rules.load", "changes"},          {"rules.rollback", "changes"},
    {"config.save", "changes"}};

TEST_CASE("without an audit log all methods that change something are refused, and no others") {
    LiveRun run;
    DatabaseMaker maker({.enabled = false, .folder = {}, .max_size = 0}, {}, [](const std::string&) {});
    ControlPlane plane(run, maker);
    control::Fixture fixture;
    add_system_commands(fixture.table, plane);
    add_stats_commands(fixture.table, plane);
    add_ports_commands(fixture.table, plane);
    add_tools_commands(fixture.table, plane);
    add_flows_commands(fixture.table, plane);
    add_rules_commands(fixture.table, plane);
    add_config_commands(fixture.table, plane);
    add_audit_commands(fixture.table, plane);
    add_response_commands(fixture.table, plane);
    fixture.open();
    fixture.audit.writable = false;
    control::Connection client(fixture.path);
    const auto answer = fixture.ask(client, control::request("rpc.methods"));
    std::size_t known = 0;
    for (const auto& method : answer["result"]["methods"]) {
        const auto name = method["name"].get<std::string>();
        if (name.starts_with("test.")) continue;
        const auto found = kEffects.find(name);
        known += found != kEffects.end() ? 1 : 0;
        const std::string effect = found != kEffects.end() ? found->second : "reads";
        CAPTURE(name);
        CHECK(method["effect"] == effect);
        // Refused for its parameters, where it is not before that: nothing is done here.
        const auto error =
            fixture.ask(client, control::request(name, R"({"no such parameter": 1})"))["error"];
        CHECK(error["code"] == (effect == "changes" ? -32005 : -32602));
    }
    CHECK(known == kEffects.size());
}

}  // namespace
}  // namespace yagura::broker
