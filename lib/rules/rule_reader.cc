// SPDX-License-Identifier: BSD-3-Clause
#include "rules/rule_reader.h"

#include <fmt/format.h>

#include <limits>
#include <optional>
#include <utility>

#include "rules/fields.h"
#include "rules/keys.h"
#include "rules/pattern.h"

namespace yagura::rules {
namespace {

class RuleReader {
  public:
    RuleReader(const Names& names, ErrorList& errors)
        : names_(names), errors_(errors), named_by_(names.tool_groups.size() + names.tool_ports.size()) {}

    Rule read(const Json& value, const Place& place, std::size_t index) {
        Rule rule;
        constexpr std::string_view kExample = R"({"id": 10, "filter": "tcp port 80", "forward": ["ids"]})";
        const auto fields = Fields::open(value, place, kRuleKeys, "a rule (an object)", kExample, errors_);
        if (!fields) return rule;
        read_id(*fields, index, rule);
        read_header(*fields, rule);
        rule.payload = read_patterns(*fields, "payload");
        rule.payload_all = read_patterns(*fields, "payload_all");
        read_action(*fields, place, index, rule);
        rule.scope = fields->choice("scope", kScopes).value_or(rule.scope);
        return rule;
    }

  private:
    void read_id(const Fields& fields, std::size_t index, Rule& rule) {
        if (const Json* value = fields.find("id")) {
            const Place place = fields.place("id");
            constexpr std::uint64_t kAny = std::numeric_limits<std::uint64_t>::max();
            if (const auto id = read_whole_number(*value, place, "a rule's id", 1, kAny, errors_)) {
                rule.id = *id;
                const auto [first, fresh] = rule_with_.try_emplace(*id, index);
                if (!fresh) {
                    errors_.add(place, fmt::format("the id {} is taken by /rules/{}", *id, first->second),
                                "give every rule an id of its own");
                }
            }
        }
        if (auto name = fields.string("name");
            name && check_no_control(*name, fields.place("name"), errors_)) {
            rule.name = *std::move(name);
        }
    }

    void read_header(const Fields& fields, Rule& rule) {
        if (auto filter = fields.string("filter")) {
            const Place place = fields.place("filter");
            if (filter->find_first_not_of(" \t\r\n") == filter->npos) {
                errors_.add(place, "the filter is empty",
                            "leave the key out: a rule without filter asks every packet");
            } else if (filter->find('\0') != filter->npos) {
                errors_.add(place, "the filter holds a zero byte", "remove it");
            } else {
                rule.filter = *std::move(filter);
            }
        }
        rule.layer = fields.choice("layer", kLayers);
        if (rule.layer && !fields.has("filter")) {
            errors_.add(fields.place("layer"), "says what a filter is asked of, but the rule has no filter",
                        "add a filter or leave the layer out");
        }
        rule.malformed = fields.boolean("malformed");
    }

    /// A single string is taken for an array of one.
    std::vector<Pattern> read_patterns(const Fields& fields, std::string_view key) {
        std::vector<Pattern> patterns;
        const Json* value = fields.find(key);
        if (value == nullptr) return patterns;
        const Place place = fields.place(key);
        if (const auto* text = value->get_ptr<const std::string*>()) {
            patterns.push_back(read_pattern(*text, place, errors_));
            return patterns;
        }
        const auto* items = fields.array(key);
        if (items == nullptr) return patterns;
        if (items->empty()) errors_.add(place, "is empty", "leave the key out: every payload will do");
        patterns.reserve(items->size());
        for (std::size_t i = 0; i < items->size(); ++i) {
            const Place entry(place, i);
            if (const auto* text = (*items)[i].get_ptr<const std::string*>()) {
                patterns.push_back(read_pattern(*text, entry, errors_));
            } else {
                report_type((*items)[i], entry, "a pattern (a string)", R"("/union\\s+select/i")", errors_);
                patterns.push_back(Pattern{.text = "?", .bytes = "?"});  // keeps the place
            }
        }
        return patterns;
    }

    void read_action(const Fields& fields, const Place& place, std::size_t index, Rule& rule) {
        rule.drop = fields.boolean("drop").value_or(false);
        const bool forwards = fields.has("forward");
        if (forwards) read_forward(fields, index, rule);
        constexpr const char* kFix = R"(a rule has either "drop": true or "forward": ["..."])";
        if (rule.drop && forwards) {
            errors_.add(place, "both drops and forwards", kFix);
            rule.forward.clear();
        } else if (!forwards && !rule.drop && !(fields.has("drop") && !fields.find("drop")->is_boolean())) {
            errors_.add(place, "neither drops nor forwards", kFix);
        }
    }

    void read_forward(const Fields& fields, std::size_t index, Rule& rule) {
        const Place place = fields.place("forward");
        const auto* items = fields.array("forward");
        if (items == nullptr) return;
        if (items->empty()) {
            errors_.add(place, "is empty", R"(name a tool group or a tool port, or write "drop": true)");
        }
        for (std::size_t i = 0; i < items->size(); ++i) {
            const Place entry(place, i);
            const auto* name = (*items)[i].get_ptr<const std::string*>();
            if (name == nullptr) {
                report_type((*items)[i], entry, "the name of a tool group or a tool port", R"("ids")",
                            errors_);
                continue;
            }
            const std::optional<std::size_t> group = resolve(*name, entry);
            if (!group) continue;
            NamedBy& last = named_by_[*group];
            if (last.rule == index + 1) {
                errors_.add(entry,
                            fmt::format("{} is already entry {} of this list", in_quotes(*name), last.entry),
                            "name it once");
                continue;
            }
            last = {index + 1, i};
            rule.forward.push_back(*group);
        }
    }

    /// Index into Config::tool_groups, where the groups of the tool ports follow those of the file.
    std::optional<std::size_t> resolve(const std::string& name, const Place& place) {
        const auto found = names_.all.find(name);
        if (found == names_.all.end()) {
            if (names_.ports_known && names_.groups_known) report_unknown(name, place);
            return std::nullopt;
        }
        const Named& named = found->second;
        switch (named.kind) {
            case Named::Kind::kToolGroup:
                return named.index;
            case Named::Kind::kToolPort:
                return names_.tool_groups.size() + named.index;
            case Named::Kind::kNetworkPort:
                errors_.add(place,
                            fmt::format("{} is a network port; a rule forwards to tools", in_quotes(name)),
                            "name a tool group or a tool port");
                return std::nullopt;
            case Named::Kind::kBroken:
                break;
        }
        return std::nullopt;
    }

    void report_unknown(std::string_view name, const Place& place) {
        std::string fix;
        if (!errors_.full()) {
            std::vector<std::string_view> known = names_.tool_groups;
            known.insert(known.end(), names_.tool_ports.begin(), names_.tool_ports.end());
            fix = suggestion(name, known, "known tool groups and tool ports");
            if (fix.empty()) fix = "add a tool port to /ports";
        }
        errors_.add(place, fmt::format("unknown tool {}", in_quotes(name)), std::move(fix));
    }

    const Names& names_;
    ErrorList& errors_;
    std::unordered_map<std::uint64_t, std::size_t> rule_with_;  ///< by id: the first that has it
    /// Per group: which rule named it last (index + 1), and where in its list. Finds a name that stands twice
    /// in one list without a search.
    struct NamedBy {
        std::size_t rule = 0;
        std::size_t entry = 0;
    };
    std::vector<NamedBy> named_by_;
};

}  // namespace

std::vector<Rule> read_rules(const Json& value, const Place& place, const Names& names, ErrorList& errors) {
    std::vector<Rule> rules;
    const auto& items = value.get_ref<const Json::array_t&>();
    rules.reserve(items.size());
    RuleReader reader(names, errors);
    for (std::size_t i = 0; i < items.size(); ++i) rules.push_back(reader.read(items[i], {place, i}, i));
    return rules;
}

}  // namespace yagura::rules
