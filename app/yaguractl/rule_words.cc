// SPDX-License-Identifier: BSD-3-Clause
#include "app/yaguractl/rule_words.h"

namespace yagura::ctl {
namespace {

std::string text_of(const Json& object, const char* key) {
    const auto member = object.find(key);
    return member != object.end() && member->is_string() ? member->get<std::string>() : "";
}

bool is_set(const Json& object, const char* key) {
    const auto member = object.find(key);
    return member != object.end() && member->is_boolean() && member->get<bool>();
}

}  // namespace

std::string rule_words(const Json& rule, const std::string& forward) {
    std::string words;
    const auto add = [&words](const std::string& part) { words += (words.empty() ? "" : "; ") + part; };
    if (is_set(rule, "drop")) add("drop");
    if (const auto tools = rule.find("forward"); tools != rule.end() && tools->is_array()) {
        std::string names;
        for (const Json& tool : *tools) {
            if (tool.is_string()) names += " " + tool.get<std::string>();
        }
        add(forward + names);
    }
    if (is_set(rule, "reset")) add("reset");
    if (const auto block = rule.find("block"); block != rule.end() && block->is_object()) {
        const std::string what = text_of(*block, "what");
        const std::string ttl = text_of(*block, "ttl");
        std::string part = what == "source" || what == "destination" ? "block its " + what : "block it";
        if (!ttl.empty()) part += " for " + ttl;
        add(part);
    }
    return words;
}

}  // namespace yagura::ctl
