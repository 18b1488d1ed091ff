// SPDX-License-Identifier: BSD-3-Clause
#include "rules/rule_reader.h"

#include <fmt/format.h>

#include <limits>
#include <map>
#include <optional>
#include <tuple>
#include <utility>

#include "rules/fields.h"
#include "rules/keys.h"
#include "rules/pattern.h"
#include "rules/response_reader.h"

namespace yagura::rules {
namespace {

class RuleReader {
  public:
    RuleReader(const Names& names, bool may_respond, ErrorList& errors)
        : names_(names),
          may_respond_(may_respond),
          errors_(errors),
          named_by_(names.tool_groups.size() + names.tool_ports.size()) {}

    Rule read(const Json& value, const Place& place, std::size_t index) {
        Rule rule;
        constexpr std::string_view kExample = R"({"id": 10, "filter": "tcp port 80", "forward": ["ids"]})";
        const auto fields = Fields::open(value, place, kRuleKeys, "a rule (an object)", kExample, errors_);
        if (!fields) return rule;
        read_id(*fields, index, rule);
        read_header(*fields, rule);
        const std::size_t before = errors_.count();
        rule.payload = read_patterns(*fields, "payload");
        rule.payload_all = read_patterns(*fields, "payload_all");
        rule.payload_none = read_patterns(*fields, "payload_none");
        if (errors_.count() == before) check_contradiction(*fields, rule);
        read_action(*fields, place, index, rule);
        rule.scope = fields->choice("scope", kScopes).value_or(rule.scope);
        read_priority(*fields, rule);
        read_sample(*fields, rule);
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

    /// A single pattern is taken for an array of one.
    std::vector<Pattern> read_patterns(const Fields& fields, std::string_view key) {
        std::vector<Pattern> patterns;
        const Json* value = fields.find(key);
        if (value == nullptr) return patterns;
        const Place place = fields.place(key);
        const auto* items = value->get_ptr<const Json::array_t*>();
        if (items == nullptr) {
            if (value->is_string() || value->is_object()) {
                patterns.push_back(read_pattern_entry(*value, place, errors_));
            } else {
                fields.wrong_type(key);
            }
            return patterns;
        }
        if (items->empty()) errors_.add(place, "is empty", "leave the key out: every payload will do");
        patterns.reserve(items->size());
        for (std::size_t i = 0; i < items->size(); ++i) {
            patterns.push_back(read_pattern_entry((*items)[i], {place, i}, errors_));
        }
        return patterns;
    }

    /// A pattern that must be found and must not be found: the rule can never match. Seen where the text is
    /// the same and the forbidden one may stand in the same places, or anywhere.
    void check_contradiction(const Fields& fields, const Rule& rule) {
        if (rule.payload_none.empty()) return;
        using Identity = std::tuple<std::string_view, Direction, std::uint64_t, std::optional<std::uint64_t>>;
        const auto identity = [](const Pattern& pattern) {
            return Identity(pattern.text, pattern.direction, pattern.offset, pattern.depth);
        };
        std::map<Identity, std::size_t> forbidden;
        for (std::size_t i = 0; i < rule.payload_none.size(); ++i) {
            forbidden.emplace(identity(rule.payload_none[i]), i);
        }
        const auto forbidden_by = [&](const Pattern& pattern) -> std::optional<std::size_t> {
            for (const Identity& same :
                 {identity(pattern), Identity(pattern.text, Direction::kBoth, 0, std::nullopt)}) {
                if (const auto found = forbidden.find(same); found != forbidden.end()) return found->second;
            }
            return std::nullopt;
        };
        const auto report = [&](std::size_t entry, std::string_view key, std::string_view reason) {
            const Place list = fields.place("payload_none");
            const Place item(list, entry);
            errors_.add(fields.find("payload_none")->is_array() ? item : list,
                        fmt::format("{} is in {} too{}: the rule can never match",
                                    in_quotes(rule.payload_none[entry].text), key, reason),
                        "leave it out of one of the two");
        };
        for (const Pattern& pattern : rule.payload_all) {
            if (const auto entry = forbidden_by(pattern)) return report(*entry, "payload_all", "");
        }
        std::optional<std::size_t> last;
        for (const Pattern& pattern : rule.payload) {
            last = forbidden_by(pattern);
            if (!last) return;
        }
        if (last) report(*last, "payload", ", as is all that stands there");
    }

    void read_action(const Fields& fields, const Place& place, std::size_t index, Rule& rule) {
        rule.drop = fields.boolean("drop").value_or(false);
        const bool forwards = fields.has("forward");
        if (forwards) read_forward(fields, index, rule);
        read_response_of(fields, rule);
        // What stands there and is faulty has been reported.
        const auto not_boolean = [&fields](std::string_view key) {
            return fields.has(key) && !fields.find(key)->is_boolean();
        };
        const bool unknown =
            not_boolean("drop") || not_boolean("reset") || (fields.has("block") && !rule.block);
        if (rule.drop && forwards) {
            errors_.add(place, "both drops and forwards",
                        R"(a rule has either "drop": true or "forward": ["..."])");
            rule.forward.clear();
        } else if (!forwards && !rule.drop && !rule.responds() && !unknown) {
            errors_.add(place, "neither drops, forwards, resets nor blocks",
                        R"(a rule has "drop": true, "forward": ["..."], "reset": true or "block": {})");
        }
    }

    void read_response_of(const Fields& fields, Rule& rule) {
        rule.reset = fields.boolean("reset").value_or(false);
        rule.block = read_block(fields, errors_);
        if (may_respond_ || !rule.responds()) return;
        errors_.add(fields.place(rule.reset ? "reset" : "block"), "response is not enabled",
                    R"(set "response": {"enabled": true})");
    }

    void read_priority(const Fields& fields, Rule& rule) {
        const Json* value = fields.find("priority");
        if (value == nullptr) return;
        const bool forwards = fields.has("forward");
        if (rule.drop || (rule.responds() && !forwards)) {
            errors_.add(fields.place("priority"),
                        rule.drop ? "a rule that drops has no priority"
                                  : "a rule that does not forward has no priority",
                        "leave it out: it belongs to rules that forward");
            return;
        }
        rule.priority = static_cast<unsigned>(
            read_whole_number(*value, fields.place("priority"), "a priority", 0, kPriorities - 1, errors_)
                .value_or(rule.priority));
    }

    void read_sample(const Fields& fields, Rule& rule) {
        const Json* value = fields.find("sample");
        if (value == nullptr) return;
        if (rule.drop) {
            errors_.add(fields.place("sample"), "a rule that drops has no sample",
                        "leave it out: it belongs to rules that do not drop");
            return;
        }
        rule.sample = static_cast<std::uint32_t>(read_whole_number(*value, fields.place("sample"),
                                                                   "a sample (1 in so many flows)", 1,
                                                                   kMaxSample, errors_)
                                                     .value_or(rule.sample));
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
    bool may_respond_;
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

std::vector<Rule> read_rules(const Json& value, const Place& place, const Names& names, bool may_respond,
                             ErrorList& errors) {
    std::vector<Rule> rules;
    const auto& items = value.get_ref<const Json::array_t&>();
    rules.reserve(items.size());
    RuleReader reader(names, may_respond, errors);
    for (std::size_t i = 0; i < items.size(); ++i) rules.push_back(reader.read(items[i], {place, i}, i));
    return rules;
}

}  // namespace yagura::rules
