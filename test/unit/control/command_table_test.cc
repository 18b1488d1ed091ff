// SPDX-License-Identifier: BSD-3-Clause
#include "control/command_table.h"

#include <catch2/catch.hpp>
#include <chrono>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace yagura::control {
namespace {

Command sample() {
    return {.name = "rules.load",
            .help = "Loads rules",
            .right = Role::kOperator,
            .effect = Effect::kChanges,
            .parameters =
                {{.name = "config",
                  .type = ParameterType::kText,
                  .help = "its text",
                  .required = true,
                  .low = 1,
                  .high = 100},
                 {.name = "limit", .type = ParameterType::kNumber, .help = "a bound", .low = 1, .high = 9},
                 {.name = "force", .type = ParameterType::kFlag, .help = "anyway"}},
            .handler = [](const Arguments&, Call&) -> Answer { return Json::object(); }};
}

TEST_CASE("parameters are checked, and the error names the one at fault") {
    struct Row {
        const char* params;
        const char* field;  ///< empty: they are right
        const char* in_message;
    };
    const Row rows[] = {
        {R"({"config": "x"})", "", ""},
        {R"({"config": "x", "limit": 1, "force": true})", "", ""},
        {R"({})", "params/config", "missing: its text"},
        {R"({"limit": 1})", "params/config", "missing"},
        {R"({"config": 1})", "params/config", "a string, not number"},
        {R"({"config": null})", "params/config", "a string, not null"},
        {R"({"config": ""})", "params/config", "0 bytes"},
        {R"({"config": "x", "limit": 0})", "params/limit", "from 1 to 9"},
        {R"({"config": "x", "limit": 10})", "params/limit", "from 1 to 9"},
        {R"({"config": "x", "limit": -1})", "params/limit", "from 1 to 9"},
        {R"({"config": "x", "limit": 1.5})", "params/limit", "from 1 to 9"},
        {R"({"config": "x", "limit": 18446744073709551616})", "params/limit", "from 1 to 9"},
        {R"({"config": "x", "limit": "1"})", "params/limit", "a whole number, not string"},
        {R"({"config": "x", "force": 1})", "params/force", "true or false"},
        {R"({"config": "x", "confg": 1})", "params/confg", "did you mean \"config\"?"},
    };
    const Command command = sample();
    for (const Row& row : rows) {
        CAPTURE(row.params);
        const auto fault = check_parameters(command, GivenJson::parse(row.params));
        CHECK(fault.has_value() == (*row.field != '\0'));
        if (!fault) continue;
        CHECK(fault->code == RpcCode::kInvalidParams);
        CHECK(fault->field == row.field);
        CHECK_THAT(fault->message, Catch::Contains(row.in_message));
    }
}

TEST_CASE("arguments are there or not") {
    const GivenJson params = GivenJson::parse(R"({"config": "x", "limit": 3, "force": true})");
    const Arguments given(params);
    CHECK(*given.text("config") == "x");
    CHECK(given.number("limit") == 3);
    CHECK(given.flag("force"));
    const GivenJson none = GivenJson::object();
    const Arguments missing(none);
    CHECK(missing.text("config") == nullptr);
    CHECK_FALSE(missing.number("limit"));
    CHECK_FALSE(missing.flag("force"));
}

TEST_CASE("the audit log learns short values, and of long ones their size") {
    const Command command = sample();
    CHECK(object_of(command, GivenJson::parse(R"({"limit": 3, "config": "a\nb"})")) ==
          "config=\"a\\u000ab\" limit=3");
    const GivenJson large{{"config", std::string(1000, 'x')}};
    CHECK(object_of(command, large) == "config=<1000 bytes>");
    // What is of a wrong type is not spelled out, however large it is.
    CHECK(object_of(command, GivenJson::parse(R"({"config": [1, 2], "other": 1})")) == "config=<...>");
}

Command sample_of_lists() {
    return {.name = "flows.reset",
            .help = "Cuts flows",
            .right = Role::kResponder,
            .effect = Effect::kMakesSafer,
            .parameters = {{.name = "flows",
                            .type = ParameterType::kList,
                            .help = "which",
                            .required = true,
                            .low = 1,
                            .high = 5,
                            .item_high = 200},
                           {.name = "reason", .type = ParameterType::kText, .help = "why", .high = 54}},
            .handler = [](const Arguments&, Call&) -> Answer { return Json::object(); }};
}

TEST_CASE("lists are checked, and the error names the item at fault") {
    struct Row {
        std::string params;
        const char* field;  ///< empty: they are right
        const char* in_message;
    };
    const Row rows[] = {
        {R"({"flows": ["a"]})", "", ""},
        {R"({"flows": ["a", "b", "c", "d", "e"]})", "", ""},
        {R"({"flows": [")" + std::string(200, 'x') + R"("]})", "", ""},
        {R"({})", "params/flows", "missing: which"},
        {R"({"flows": "a"})", "params/flows", "a list of strings, not string"},
        {R"({"flows": {"0": "a"}})", "params/flows", "a list of strings, not object"},
        {R"({"flows": null})", "params/flows", "a list of strings, not null"},
        {R"({"flows": []})", "params/flows", "0 items; from 1 to 5"},
        {R"({"flows": ["a", "b", "c", "d", "e", "f"]})", "params/flows", "6 items; from 1 to 5"},
        {R"({"flows": ["a", "b", "c", 4]})", "params/flows/3", "flows/3 is a string, not number"},
        {R"({"flows": [["a"]]})", "params/flows/0", "flows/0 is a string, not array"},
        {R"({"flows": ["a", ""]})", "params/flows/1", "0 bytes; from 1 to 200"},
        {R"({"flows": [")" + std::string(201, 'x') + R"("]})", "params/flows/0", "201 bytes; from 1 to 200"},
    };
    const Command command = sample_of_lists();
    for (const Row& row : rows) {
        CAPTURE(row.params);
        const auto fault = check_parameters(command, GivenJson::parse(row.params));
        CHECK(fault.has_value() == (*row.field != '\0'));
        if (!fault) continue;
        CHECK(fault->code == RpcCode::kInvalidParams);
        CHECK(fault->field == row.field);
        CHECK_THAT(fault->message, Catch::Contains(row.in_message));
    }
}

TEST_CASE("a list is given in its order, or is empty") {
    const GivenJson params = GivenJson::parse(R"({"flows": ["b", "a", "b"]})");
    CHECK(Arguments(params).list("flows") == std::vector<std::string>{"b", "a", "b"});
    const GivenJson none = GivenJson::object();
    CHECK(Arguments(none).list("flows").empty());
}

TEST_CASE("of a list the audit log learns how long it is, and as many items as fit") {
    const Command command = sample_of_lists();
    struct Row {
        GivenJson flows;
        std::string object;
    };
    const std::string flow = "tcp 2001:db8::1:4000 > 10.0.0.2:80";
    const std::string long_item(129, 'x');
    const Row rows[] = {
        {{flow}, "flows=[1] " + flow},
        {{flow, "10.0.0.0/8"}, "flows=[2] " + flow + ", 10.0.0.0/8"},
        {GivenJson::array(), "flows=[0]"},
        // Whoever gives it cannot make it look like something else.
        {{"a, b"}, "flows=[1] \"a, b\""},
        {{"a reason=\"x\""}, "flows=[1] \"a reason=\\\"x\\\"\""},
        {{"a\nb"}, "flows=[1] \"a\\u000ab\""},
        {{long_item, "b"}, "flows=[2] <129 bytes>, b"},
        // What is of a wrong type is not spelled out.
        {{1, GivenJson::array({2})}, "flows=[2] <...>, <...>"},
    };
    for (const Row& row : rows) CHECK(object_of(command, {{"flows", row.flows}}) == row.object);
    CHECK(object_of(command, {{"flows", {"a"}}, {"reason", "why"}}) == "flows=[1] a reason=\"why\"");
    CHECK(object_of(command, {{"flows", "a"}}) == "flows=\"a\"");

    GivenJson many = GivenJson::array();
    for (int i = 0; i < 1000; ++i) many.push_back(flow);
    const std::string object = object_of(command, {{"flows", many}});
    CHECK_THAT(object, Catch::StartsWith("flows=[1000] " + flow + ", "));
    CHECK_THAT(object, Catch::EndsWith(flow + ", ..."));
    CHECK(object.size() > 400);
    CHECK(object.size() < 600);
    const GivenJson escapes = GivenJson::array({std::string(128, '\n'), std::string(128, '\n')});
    CHECK(object_of(command, {{"flows", escapes}}).size() < 600);
}

TEST_CASE("rpc.methods tells the types and bounds of parameters") {
    CommandTable table;
    table.add(sample());
    table.add(sample_of_lists());
    struct : Call {
        const Peer& peer() const override { return nobody; }
        const RoleSet& roles() const override { return none; }
        std::optional<Ticket> defer() override { return std::nullopt; }
        void subscribe(std::chrono::milliseconds) override {}
        bool unsubscribe() override { return false; }
        void subscribe_events(const std::string&) override {}
        bool unsubscribe_events(const std::string&) override { return false; }
        Peer nobody;
        RoleSet none;
    } call;
    const GivenJson nothing = GivenJson::object();
    const Answer answer = table.find("rpc.methods")->command.handler(Arguments(nothing), call);
    const Json methods = std::get<Json>(answer)["methods"];
    REQUIRE(methods.size() == 3);
    CHECK(
        methods[1]["parameters"][0] ==
        Json::parse(R"({"name": "config", "type": "string", "required": true, "description": "its text"})"));
    CHECK(methods[1]["parameters"][1]["maximum"] == 9);
    CHECK(methods[2]["right"] == "responder");
    CHECK(methods[0]["effect"] == "reads");
    CHECK(methods[1]["effect"] == "changes");
    CHECK(methods[2]["effect"] == "makes_safer");
    CHECK(methods[2]["parameters"][0] ==
          Json::parse(R"({"name": "flows", "type": "list", "required": true, "minimum": 1, "maximum": 5,
                          "item_maximum": 200, "description": "which"})"));
}

TEST_CASE("a feature is a method or a family, and cannot be one that is not there") {
    CommandTable table;
    table.add(sample());
    CHECK(table.find("rules.load")->enabled);
    CHECK_FALSE(table.disable("rule").ok());
    CHECK_FALSE(table.disable("rules.").ok());
    CHECK_FALSE(table.disable("").ok());
    CHECK_THAT(table.disable("rules.laod").error().message, Catch::Contains("did you mean \"rules.load\"?"));
    CHECK(table.find("rules.load")->enabled);
    SECTION("method") {
        CHECK(table.disable("rules.load").ok());
    }
    SECTION("family") {
        CHECK(table.disable("rules").ok());
    }
    CHECK_FALSE(table.find("rules.load")->enabled);
    CHECK(table.find("rpc.methods")->enabled);
}

}  // namespace
}  // namespace yagura::control
