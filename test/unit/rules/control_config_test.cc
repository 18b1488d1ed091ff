// SPDX-License-Identifier: BSD-3-Clause
// "control" and "disabled_features".
#include <catch2/catch.hpp>
#include <string>

#include "config_samples.h"
#include "rules/keys.h"

namespace yagura::rules {
namespace {

TEST_CASE("there is no control socket unless there is the key") {
    const Config without = must_parse(with(R"("rules": [])"));
    CHECK_FALSE(without.control);
    CHECK(without.disabled_features.empty());
    const Config with_it = must_parse(with(R"("control": {})"));
    REQUIRE(with_it.control);
    CHECK(*with_it.control == Control{});
    CHECK(with_it.control->socket == "/run/yagura/control.sock");
}

TEST_CASE("the words of control become its values") {
    const Config config = must_parse(with(R"(
        "control": {"socket": "/tmp/a b.sock", "max_connections_per_user": 1024,
                    "roles": {"admin": {"groups": ["wheel"]}, "viewer": {},
                              "operator": {"users": ["alice", "1000"], "groups": []}}},
        "disabled_features": ["rules", "config.save"])"));
    REQUIRE(config.control);
    CHECK(config.control->socket == "/tmp/a b.sock");
    CHECK(config.control->max_connections_per_user == 1024);
    const auto& roles = config.control->roles;
    CHECK(roles[static_cast<std::size_t>(Role::kViewer)] == RoleMembers{});
    CHECK(roles[static_cast<std::size_t>(Role::kOperator)] == RoleMembers{{"alice", "1000"}, {}});
    CHECK(roles[static_cast<std::size_t>(Role::kResponder)] == RoleMembers{});
    CHECK(roles[static_cast<std::size_t>(Role::kAdmin)] == RoleMembers{{}, {"wheel"}});
    CHECK(config.disabled_features == std::vector<std::string>{"rules", "config.save"});

    const std::string canonical = canonical_json(config);
    CHECK_THAT(canonical, Catch::EndsWith(R"(
  "control": {
    "socket": "/tmp/a b.sock",
    "roles": {
      "operator": {
        "users": ["alice", "1000"]
      },
      "admin": {
        "groups": ["wheel"]
      }
    },
    "max_connections_per_user": 1024
  },
  "disabled_features": ["rules", "config.save"]
}
)"));
    CHECK(must_parse(canonical) == config);
}

TEST_CASE("control as by default comes back as an empty object") {
    const Config config = must_parse(with(R"("control": {"socket": "/run/yagura/control.sock",
        "max_connections_per_user": 64, "roles": {"viewer": {"users": []}}}, "disabled_features": [])"));
    CHECK_THAT(canonical_json(config), Catch::EndsWith("\n  \"control\": {}\n}\n"));
    CHECK(must_parse(canonical_json(config)) == config);
}

TEST_CASE("faults of control are named") {
    const std::string long_path(108, 'x');
    const std::string long_name(65, 'x');
    const auto roles = [](const std::string& text) { return with(R"("control": {"roles": )" + text + "}"); };
    const FaultRow rows[] = {
        {"no object", with(R"("control": true)"), "/control", {"expected an object", "true"}, {"socket"}},
        {"unknown key",
         with(R"("control": {"sokcet": "x"})"),
         "/control/sokcet",
         {"unknown key"},
         {"\"socket\""}},
        {"socket of a wrong type", with(R"("control": {"socket": 1})"), "/control/socket", {"a string"}, {}},
        {"no path", with(R"("control": {"socket": ""})"), "/control/socket", {"0 bytes"}, {"1 to 107"}},
        {"a path too long",
         with(R"("control": {"socket": ")" + long_path + "\"}"),
         "/control/socket",
         {"108 bytes"},
         {"1 to 107"}},
        {"a path of two lines", with(R"("control": {"socket": "a\nb"})"), "/control/socket", {}, {}},
        {"no connections",
         with(R"("control": {"max_connections_per_user": 0})"),
         "/control/max_connections_per_user",
         {"cannot be 0"},
         {"1 to 1024"}},
        {"too many connections",
         with(R"("control": {"max_connections_per_user": 1025})"),
         "/control/max_connections_per_user",
         {"cannot be 1025"},
         {"1 to 1024"}},
        {"connections as text",
         with(R"("control": {"max_connections_per_user": "1"})"),
         "/control/max_connections_per_user",
         {"found a string"},
         {}},
        {"roles of a wrong type", roles("[]"), "/control/roles", {"found an array"}, {}},
        {"a role that is not there",
         roles(R"({"root": {}})"),
         "/control/roles/root",
         {"unknown key"},
         {"viewer, operator, responder, admin"}},
        {"a role of a wrong type",
         roles(R"({"admin": ["alice"]})"),
         "/control/roles/admin",
         {"found an array"},
         {"users"}},
        {"a member of a role that is not there",
         roles(R"({"admin": {"user": ["alice"]}})"),
         "/control/roles/admin/user",
         {"unknown key"},
         {"did you mean \"users\"?"}},
        {"users of a wrong type",
         roles(R"({"admin": {"users": "alice"}})"),
         "/control/roles/admin/users",
         {"found a string"},
         {}},
        {"a user as a number",
         roles(R"({"admin": {"users": [1000]}})"),
         "/control/roles/admin/users/0",
         {"expected a user", "found a number"},
         {"\"alice\""}},
        {"a user without a name",
         roles(R"({"admin": {"users": [""]}})"),
         "/control/roles/admin/users/0",
         {"not the name of a user"},
         {"1 to 64"}},
        {"a group with a long name",
         roles(R"({"admin": {"groups": [")" + long_name + "\"]}}"),
         "/control/roles/admin/groups/0",
         {"not the name of a group"},
         {"1 to 64"}},
        {"a group twice",
         roles(R"({"admin": {"groups": ["a", "b", "a"]}})"),
         "/control/roles/admin/groups/2",
         {"\"a\" stands twice"},
         {"once"}},
        {"features of a wrong type",
         with(R"("disabled_features": "rules")"),
         "/disabled_features",
         {"found a string"},
         {"rules.load"}},
        {"a feature of a wrong type",
         with(R"("disabled_features": [{}])"),
         "/disabled_features/0",
         {"expected a method"},
         {"rules.load"}},
        {"a feature twice",
         with(R"("disabled_features": ["a", "a"])"),
         "/disabled_features/1",
         {"twice"},
         {}},
    };
    for (const FaultRow& row : rows) check_fault(row);
}

TEST_CASE("examples of control in errors are right in their place") {
    for (const KeySpec& key : kControlKeys) {
        CAPTURE(key.name);
        must_parse(
            with("\"control\": {\"" + std::string(key.name) + "\": " + std::string(key.example) + "}"));
    }
    for (const KeySpec& role : kRoleKeys) {
        CAPTURE(role.name);
        must_parse(with("\"control\": {\"roles\": {\"" + std::string(role.name) +
                        "\": " + std::string(role.example) + "}}"));
    }
}

}  // namespace
}  // namespace yagura::rules
