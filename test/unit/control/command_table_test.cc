// SPDX-License-Identifier: BSD-3-Clause
#include "control/command_table.h"

#include <catch2/catch.hpp>
#include <string>

namespace yagura::control {
namespace {

Command sample() {
    return {.name = "rules.load",
            .help = "Loads rules",
            .right = Role::kOperator,
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
