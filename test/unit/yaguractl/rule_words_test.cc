// SPDX-License-Identifier: BSD-3-Clause
#include "app/yaguractl/rule_words.h"

#include <catch2/catch.hpp>

namespace yagura::ctl {
namespace {

TEST_CASE("what a rule does is told in words") {
    const std::pair<const char*, const char*> rows[] = {
        {R"({"drop": true})", "drop"},
        {R"({"forward": ["ids", "rec"], "priority": 8})", "to ids rec"},
        {R"({"reset": true})", "reset"},
        {R"({"drop": true, "reset": true, "block": {"what": "source", "ttl": "10m"}})",
         "drop; reset; block its source for 10m"},
        {R"({"forward": ["ids"], "block": {"what": "destination"}})", "to ids; block its destination"},
        {R"({"block": {"what": "connection", "ttl": "1h"}})", "block it for 1h"},
        {R"({"id": 1})", ""},
        {R"({"forward": 1, "reset": "x", "drop": 2, "block": []})", ""},
        {R"({"forward": [1, "a"], "block": {"what": 7, "ttl": []}})", "to a; block it"},
    };
    for (const auto& [rule, words] : rows) {
        CAPTURE(rule);
        CHECK(rule_words(Json::parse(rule), "to") == words);
    }
}

}  // namespace
}  // namespace yagura::ctl
