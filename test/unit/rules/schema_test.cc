// SPDX-License-Identifier: BSD-3-Clause
// The JSON schema says what the reader does: the same keys, required keys, words, bounds and defaults.
#include <fmt/format.h>

#include <catch2/catch.hpp>
#include <set>
#include <string>

#include "config_samples.h"
#include "rules/json_document.h"
#include "rules/keys.h"

namespace yagura::rules {
namespace {

const Json& schema() {
    static const Json document = Json::parse(read_source("conf/yagura.schema.json"));
    return document;
}
const Json& at(const std::string& pointer) {
    CAPTURE(pointer);
    const Json::json_pointer place(pointer);
    REQUIRE(schema().contains(place));
    return schema().at(place);
}

struct ObjectRow {
    const char* pointer;
    KeyTable keys;
};
const ObjectRow kObjects[] = {
    {"", kDocumentKeys},        {"/$defs/lcores", kLcoreKeys},
    {"/$defs/port", kPortKeys}, {"/$defs/tool_group", kToolGroupKeys},
    {"/$defs/rule", kRuleKeys}, {"/$defs/inspect", kInspectKeys},
};

TEST_CASE("the schema has the reader's keys, in its order, and no others") {
    for (const ObjectRow& row : kObjects) {
        CAPTURE(row.pointer);
        std::vector<std::string> in_reader;
        std::vector<std::string> in_schema;
        std::set<std::string> required_in_reader;
        std::set<std::string> required_in_schema;
        for (const KeySpec& key : row.keys) {
            in_reader.emplace_back(key.name);
            if (key.required) required_in_reader.emplace(key.name);
        }
        const std::string pointer = row.pointer;
        for (const auto& [key, value] : at(pointer + "/properties").items()) in_schema.push_back(key);
        if (at(pointer).contains("required")) {
            for (const auto& key : at(pointer + "/required"))
                required_in_schema.insert(key.get<std::string>());
        }
        CHECK(in_schema == in_reader);
        CHECK(required_in_schema == required_in_reader);
        CHECK(at(pointer + "/additionalProperties") == Json(false));
    }
}

TEST_CASE("the schema describes every key") {
    const auto described = [](const Json& value) {
        if (value.contains("description")) return true;
        return value.contains("$ref") &&
               at(value["$ref"].get<std::string>().substr(1)).contains("description");
    };
    for (const ObjectRow& row : kObjects) {
        for (const auto& [key, value] : at(std::string(row.pointer) + "/properties").items()) {
            CAPTURE(row.pointer, key);
            CHECK(described(value));
        }
    }
}

template <class Words>
void check_words(const std::string& pointer, const Words& words) {
    CAPTURE(pointer);
    Json expected = Json::array();
    for (const auto& [word, value] : words) expected.push_back(word);
    CHECK(at(pointer) == expected);
}

TEST_CASE("the schema has the reader's words, bounds and defaults") {
    check_words("/$defs/port/properties/role/enum", kRoles);
    check_words("/$defs/tool_group/properties/mode/enum", kModes);
    check_words("/$defs/rule/properties/layer/enum", kLayers);
    check_words("/$defs/rule/properties/scope/enum", kScopes);
    CHECK(at("/$defs/tool_group/properties/mode/default") == Json(word_of(kModes, ToolGroup{}.mode)));
    CHECK(at("/$defs/rule/properties/scope/default") == Json(word_of(kScopes, Rule{}.scope)));
    CHECK(at("/$defs/lcore_list/items/maximum") == Json(kLcoreLimit - 1));
    CHECK(at("/$defs/tool_group/properties/members/maxItems") == Json(base::kMaxTools));
    CHECK(at("/$defs/inspect/properties/flows/maximum") == Json(kMaxFlows));
    CHECK(at("/$defs/rule/properties/id/maximum") == Json(UINT64_MAX));
    const Inspect usual;
    CHECK(at("/$defs/inspect/properties/flows/default") == Json(usual.flows));
    CHECK(parse_size(at("/$defs/inspect/properties/stream_depth/default").get<std::string>()) ==
          usual.stream_depth);
    CHECK(parse_size(at("/$defs/inspect/properties/hold_bytes/default").get<std::string>()) ==
          usual.hold_bytes);
    CHECK_THAT(at("/$defs/name/pattern").get<std::string>(),
               Catch::Contains(std::to_string(kMaxNameBytes - 1)));
}

TEST_CASE("the examples in errors are JSON, and right in their place") {
    for (const ObjectRow& row : kObjects) {
        for (const KeySpec& key : row.keys) {
            CAPTURE(row.pointer, key.name, key.example);
            CHECK(Json::accept(key.example));
        }
    }
    for (const KeySpec& key : kRuleKeys) {
        CAPTURE(key.name);
        std::string rule;
        for (const KeySpec& other : kRuleKeys) {
            const bool needed = other.name == "id" || other.name == "filter" ||
                                (other.name == "forward" && key.name != "drop");
            if (other.name != key.name && !needed) continue;
            rule += fmt::format("{}\"{}\": {}", rule.empty() ? "" : ", ", other.name, other.example);
        }
        CHECK(must_parse(with(fmt::format("\"rules\": [{{{}}}]", rule))).rules.size() == 1);
    }
}

}  // namespace
}  // namespace yagura::rules
