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
    {"", kDocumentKeys},
    {"/$defs/lcores", kLcoreKeys},
    {"/$defs/port", kPortKeys},
    {"/$defs/route", kRouteKeys},
    {"/$defs/queue", kQueueKeys},
    {"/$defs/tool_group", kToolGroupKeys},
    {"/$defs/group_member", kGroupMemberKeys},
    {"/$defs/rule", kRuleKeys},
    {"/$defs/block", kBlockKeys},
    {"/$defs/inspect", kInspectKeys},
    {"/$defs/pattern_object", kPatternKeys},
    {"/$defs/timeouts", kTimeoutKeys},
    {"/$defs/audit", kAuditKeys},
    {"/$defs/cache", kCacheKeys},
    {"/$defs/response", kResponseKeys},
    {"/$defs/never_cut", kNeverCutKeys},
    {"/$defs/blocks", kBlocksKeys},
    {"/$defs/audit_head", kAuditHeadKeys},
    {"/$defs/control", kControlKeys},
    {"/$defs/roles", kRoleKeys},
    {"/$defs/role", kRoleMemberKeys},
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
    check_words("/$defs/pattern_object/properties/direction/enum", kDirections);
    check_words("/$defs/inspect/properties/when_short/enum", kShortages);
    check_words("/$defs/inspect/properties/flow_key/items/enum", kFlowKeyParts);
    CHECK(at("/$defs/inspect/properties/hold_bytes/oneOf/1/const") == Json(kUnlimitedWord));
    CHECK(at("/$defs/pattern_object/properties/direction/default") ==
          Json(word_of(kDirections, Pattern{}.direction)));
    CHECK(at("/$defs/pattern_object/properties/offset/default") == Json(Pattern{}.offset));
    CHECK(at("/$defs/pattern_object/properties/offset/maximum") == Json(kMaxPatternPlace));
    CHECK(at("/$defs/pattern_object/properties/depth/maximum") == Json(kMaxPatternPlace));
    CHECK(at("/$defs/tool_group/properties/mode/default") == Json(word_of(kModes, ToolGroup{}.mode)));
    CHECK(at("/$defs/rule/properties/scope/default") == Json(word_of(kScopes, Rule{}.scope)));
    CHECK(at("/$defs/queue/properties/packets/minimum") == Json(kMinQueuePackets));
    CHECK(at("/$defs/queue/properties/packets/maximum") == Json(kMaxQueuePackets));
    CHECK(at("/$defs/queue/properties/packets/default") == Json(QueueBound{}.packets));
    CHECK(at("/$defs/rule/properties/priority/maximum") == Json(kPriorities - 1));
    CHECK(at("/$defs/rule/properties/priority/default") == Json(Rule{}.priority));
    CHECK(at("/$defs/rule/properties/sample/maximum") == Json(kMaxSample));
    CHECK(at("/$defs/rule/properties/sample/default") == Json(Rule{}.sample));
    CHECK(at("/$defs/lcore_list/items/maximum") == Json(kLcoreLimit - 1));
    CHECK(at("/$defs/tool_group/properties/members/maxItems") == Json(base::kMaxTools));
    CHECK(at("/$defs/inspect/properties/flows/maximum") == Json(kMaxFlows));
    CHECK(at("/$defs/rule/properties/id/maximum") == Json(UINT64_MAX));
    const Inspect usual;
    CHECK(at("/$defs/inspect/properties/flows/default") == Json(usual.flows));
    const std::pair<const char*, std::uint64_t> sizes[] = {
        {"stream_depth", usual.stream_depth},   {"hold_bytes", usual.hold_bytes},
        {"hold_budget", usual.hold_budget},     {"stream_budget", usual.stream_budget},
        {"reorder_bytes", usual.reorder_bytes},
    };
    for (const auto& [key, value] : sizes) {
        CAPTURE(key);
        CHECK(parse_size(at(fmt::format("/$defs/inspect/properties/{}/default", key)).get<std::string>()) ==
              value);
    }
    CHECK(at("/$defs/inspect/properties/when_short/default") == Json(word_of(kShortages, usual.when_short)));
    for (std::size_t i = 0; i < kTimeouts.size(); ++i) {
        CAPTURE(kTimeoutKeys[i].name);
        const Json& value = at(fmt::format("/$defs/timeouts/properties/{}/default", kTimeoutKeys[i].name));
        CHECK(parse_duration(value.get<std::string>()) == usual.timeouts.*kTimeouts[i]);
    }
    check_words("/$defs/audit/properties/on_failure/enum", kAuditFailures);
    check_words("/$defs/block/properties/what/enum", kBlockWhats);
    CHECK(at("/$defs/block/properties/what/default") == Json(word_of(kBlockWhats, BlockAction{}.what)));
    CHECK(at("/$defs/block/properties/ttl/oneOf/0/maximum") == Json(kMaxBlockTime / std::chrono::seconds(1)));
    CHECK(at("/$defs/block/properties/ttl/oneOf/0/minimum") == Json(kMinBlockTime / std::chrono::seconds(1)));
    CHECK(at("/$defs/rule/properties/reset/default") == Json(Rule{}.reset));
    const Response response;
    CHECK(at("/$defs/response/properties/enabled/default") == Json(response.enabled));
    CHECK(at("/$defs/response/properties/dry_run/default") == Json(response.dry_run));
    CHECK(at("/$defs/response/properties/from_tools/default") == Json(response.from_tools));
    CHECK(at("/$defs/response/properties/kills/default") == Json(response.kills));
    CHECK(at("/$defs/response/properties/kills/maximum") == Json(kMaxKills));
    CHECK(at("/$defs/response/properties/frames_per_second/default") == Json(response.frames_per_second));
    CHECK(at("/$defs/response/properties/frames_per_second/maximum") == Json(kMaxFrameRate));
    CHECK(at("/$defs/blocks/properties/capacity/default") == Json(response.blocks_capacity));
    CHECK(at("/$defs/blocks/properties/capacity/maximum") == Json(kMaxBlocks));
    CHECK(at("/$defs/never_cut/properties/prefixes/maxItems") == Json(kMaxNeverCutPrefixes));
    CHECK(at("/$defs/never_cut/properties/ports/items/maximum") == Json(kMaxPortNumber));
    const CacheSettings cache;
    CHECK(at("/$defs/cache/properties/enabled/default") == Json(cache.enabled));
    CHECK(at("/$defs/cache/properties/folder/default") == Json(cache.folder));
    CHECK(parse_size(at("/$defs/cache/properties/max_size/default").get<std::string>()) == cache.max_size);
    const AuditSettings audit;
    CHECK(at("/$defs/audit/properties/enabled/default") == Json(audit.enabled));
    CHECK(at("/$defs/audit/properties/file/default") == Json(audit.file));
    CHECK(at("/$defs/audit/properties/key/default") == Json(audit.key));
    CHECK(parse_size(at("/$defs/audit/properties/max_size/default").get<std::string>()) == audit.max_size);
    CHECK(at("/$defs/audit/properties/files/default") == Json(audit.files));
    CHECK(at("/$defs/audit/properties/files/minimum") == Json(kMinAuditFiles));
    CHECK(at("/$defs/audit/properties/files/maximum") == Json(kMaxAuditFiles));
    CHECK(at("/$defs/audit/properties/on_failure/default") ==
          Json(word_of(kAuditFailures, audit.on_failure)));
    CHECK(at("/$defs/audit_head/properties/file/default") == Json(audit.head.file));
    CHECK(at("/$defs/audit_head/properties/socket/maxLength") == Json(kMaxSocketPath));
    CHECK(parse_duration(at("/$defs/audit_head/properties/interval/default").get<std::string>()) ==
          audit.head.interval);
    CHECK(at("/$defs/control/properties/socket/default") == Json(Control{}.socket));
    CHECK(at("/$defs/control/properties/socket/maxLength") == Json(kMaxSocketPath));
    CHECK(at("/$defs/member/maxLength") == Json(kMaxNameBytes));
    const Json& connections = at("/$defs/control/properties/max_connections_per_user");
    CHECK(connections["default"] == Json(Control{}.max_connections_per_user));
    CHECK(connections["maximum"] == Json(kMaxConnections));
    CHECK(at("/$defs/duration/oneOf/0/maximum") == Json(kMaxTimeout / std::chrono::seconds(1)));
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
        CHECK(must_parse(with(fmt::format(R"("response": {{"enabled": true}}, "rules": [{{{}}}])", rule)))
                  .rules.size() == 1);
    }
    std::string pattern;
    for (const KeySpec& key : kPatternKeys) {
        pattern += fmt::format("{}\"{}\": {}", pattern.empty() ? "" : ", ", key.name, key.example);
    }
    must_parse(with_rule_keys(fmt::format("\"payload\": [{{{}}}]", pattern)));
    for (const KeySpec& key : kInspectKeys) {
        CAPTURE(key.name);
        must_parse(with(fmt::format("\"inspect\": {{\"{}\": {}}}", key.name, key.example)));
    }
    for (const KeySpec& key : kTimeoutKeys) {
        CAPTURE(key.name);
        must_parse(with(fmt::format("\"inspect\": {{\"timeouts\": {{\"{}\": {}}}}}", key.name, key.example)));
    }
    for (const KeySpec& key : kAuditKeys) {
        CAPTURE(key.name);
        must_parse(with(fmt::format("\"audit\": {{\"{}\": {}}}", key.name, key.example)));
    }
    for (const KeySpec& key : kCacheKeys) {
        CAPTURE(key.name);
        must_parse(with(fmt::format("\"cache\": {{\"{}\": {}}}", key.name, key.example)));
    }
    for (const KeySpec& key : kResponseKeys) {
        CAPTURE(key.name);
        must_parse(with(fmt::format("\"response\": {{\"{}\": {}}}", key.name, key.example)));
    }
    for (const KeySpec& key : kNeverCutKeys) {
        CAPTURE(key.name);
        must_parse(with(fmt::format(R"("response": {{"never_cut": {{"{}": {}}}}})", key.name, key.example)));
    }
    for (const KeySpec& key : kBlocksKeys) {
        CAPTURE(key.name);
        must_parse(with(fmt::format(R"("response": {{"blocks": {{"{}": {}}}}})", key.name, key.example)));
    }
    for (const KeySpec& key : kBlockKeys) {
        CAPTURE(key.name);
        must_parse(with(
            fmt::format(R"("response": {{"enabled": true}}, "rules": [{{"id": 1, "block": {{"{}": {}}}}}])",
                        key.name, key.example)));
    }
    for (const KeySpec& key : kPortKeys) {
        if (key.name != "inject" && key.name != "route") continue;
        CAPTURE(key.name);
        must_parse(with_ports(fmt::format(
            R"("tap1": {{"role": "network", "device": "x"}}, "tap2": {{"role": "network", "device": "y", "{}": {}}})",
            key.name, key.example)));
    }
    for (const KeySpec& key : kAuditHeadKeys) {
        CAPTURE(key.name);
        must_parse(with(fmt::format("\"audit\": {{\"head\": {{\"{}\": {}}}}}", key.name, key.example)));
    }
}

}  // namespace
}  // namespace yagura::rules
