// SPDX-License-Identifier: BSD-3-Clause
#include "control/command_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cassert>

#include "rules/report.h"

namespace yagura::control {
namespace {

/// Longer texts are told by their size.
constexpr std::size_t kShownText = 64;
/// Of a list: bytes of an item that is not told by its size, and of the items that are shown in all. A flow
/// between two IPv6 addresses fits in the one, some of them in the other.
constexpr std::size_t kShownItem = 128;
constexpr std::size_t kShownList = 512;

std::string_view type_name(ParameterType type) {
    constexpr std::array<std::string_view, 4> kNames{"string", "integer", "boolean", "list"};
    return kNames[static_cast<std::size_t>(type)];
}

constexpr std::array<std::string_view, 3> kEffects{"changes", "makes_safer", "reads"};

Json describe(const Parameter& parameter) {
    Json json{
        {"name", parameter.name}, {"type", type_name(parameter.type)}, {"required", parameter.required}};
    if (parameter.type == ParameterType::kNumber || parameter.type == ParameterType::kList) {
        json["minimum"] = parameter.low;
        if (parameter.high != UINT64_MAX) json["maximum"] = parameter.high;
    }
    if (parameter.type == ParameterType::kList && parameter.item_high != UINT64_MAX)
        json["item_maximum"] = parameter.item_high;
    json["description"] = parameter.help;
    return json;
}

Json describe(const CommandTable::Entry& entry) {
    Json parameters = Json::array();
    for (const Parameter& parameter : entry.command.parameters) parameters.push_back(describe(parameter));
    return {{"name", entry.command.name},
            {"description", entry.command.help},
            {"right", role_name(entry.command.right)},
            {"effect", effect_name(entry.command.effect)},
            {"enabled", entry.enabled},
            {"parameters", std::move(parameters)}};
}

RpcError invalid(const std::string& name, std::string message) {
    return {.code = RpcCode::kInvalidParams, .message = std::move(message), .field = "params/" + name};
}

std::optional<RpcError> check_list(const Parameter& parameter, const GivenJson& list) {
    if (list.size() < parameter.low || list.size() > parameter.high) {
        return invalid(parameter.name,
                       fmt::format("{} has {} items; from {} to {} it may have", parameter.name, list.size(),
                                   parameter.low, parameter.high));
    }
    for (std::size_t i = 0; i < list.size(); ++i) {
        const auto* item = list[i].get_ptr<const std::string*>();
        const std::string place = fmt::format("{}/{}", parameter.name, i);
        if (item == nullptr)
            return invalid(place, fmt::format("{} is a string, not {}", place, list[i].type_name()));
        if (item->empty() || item->size() > parameter.item_high) {
            return invalid(place, fmt::format("{} has {} bytes; from 1 to {} it may have", place,
                                              item->size(), parameter.item_high));
        }
    }
    return std::nullopt;
}

std::optional<RpcError> check_value(const Parameter& parameter, const GivenJson& value) {
    const auto wrong_type = [&](std::string_view type) {
        return invalid(parameter.name,
                       fmt::format("{} is {}, not {}", parameter.name, type, value.type_name()));
    };
    switch (parameter.type) {
        case ParameterType::kText: {
            const auto* text = value.get_ptr<const std::string*>();
            if (text == nullptr) return wrong_type("a string");
            if (text->size() < parameter.low || text->size() > parameter.high) {
                return invalid(parameter.name,
                               fmt::format("{} has {} bytes; from {} to {} it may have", parameter.name,
                                           text->size(), parameter.low, parameter.high));
            }
            return std::nullopt;
        }
        case ParameterType::kNumber: {
            const bool whole = value.is_number_unsigned();
            if (!whole && !value.is_number()) return wrong_type("a whole number");
            if (!whole || value.get<std::uint64_t>() < parameter.low ||
                value.get<std::uint64_t>() > parameter.high) {
                return invalid(parameter.name, fmt::format("{} is a whole number from {} to {}",
                                                           parameter.name, parameter.low, parameter.high));
            }
            return std::nullopt;
        }
        case ParameterType::kFlag:
            if (!value.is_boolean()) return wrong_type("true or false");
            return std::nullopt;
        case ParameterType::kList:
            if (!value.is_array()) return wrong_type("a list of strings");
            return check_list(parameter, value);
    }
    return std::nullopt;
}

/// Nothing in it ends an item, a list or a value, nor is a byte that is not shown as it is.
bool is_plain(std::string_view item) {
    constexpr std::string_view kOther = " .:>/_-";
    return std::ranges::all_of(item, [&](char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
               kOther.find(c) != std::string_view::npos;
    });
}

std::string shown_item(const GivenJson& value) {
    const auto* item = value.get_ptr<const std::string*>();
    if (item == nullptr) return "<...>";
    if (item->size() > kShownItem) return fmt::format("<{} bytes>", item->size());
    return is_plain(*item) ? *item : rules::in_quotes(*item);
}

/// "[3] tcp a:1 > b:2, ..."
std::string shown_list(const GivenJson& list) {
    const std::string count = fmt::format("[{}]", list.size());
    std::string items;
    for (const GivenJson& value : list) {
        const std::string item = shown_item(value);
        const bool first = items.empty();
        if (items.size() + item.size() > kShownList) return count + items + (first ? " ..." : ", ...");
        items += (first ? " " : ", ") + item;
    }
    return count + items;
}

}  // namespace

std::string_view effect_name(Effect effect) {
    return kEffects[static_cast<std::size_t>(effect)];
}

const std::string* Arguments::text(std::string_view name) const {
    const auto found = params_.find(name);
    return found != params_.end() ? found->get_ptr<const std::string*>() : nullptr;
}

std::optional<std::uint64_t> Arguments::number(std::string_view name) const {
    const auto found = params_.find(name);
    if (found == params_.end()) return std::nullopt;
    return found->get<std::uint64_t>();
}

bool Arguments::flag(std::string_view name) const {
    const auto found = params_.find(name);
    return found != params_.end() && found->get<bool>();
}

RpcError busy() {
    return {.code = RpcCode::kBusy, .message = "too many requests of this connection wait for their answer"};
}

std::vector<std::string> Arguments::list(std::string_view name) const {
    const auto found = params_.find(name);
    if (found == params_.end()) return {};
    return found->get<std::vector<std::string>>();
}

CommandTable::CommandTable() {
    add({.name = "rpc.methods",
         .help = "The methods that there are, their parameters, the right that each needs, and its effect",
         .right = Role::kViewer,
         .effect = Effect::kReads,
         .parameters = {},
         .handler = [this](const Arguments&, Call&) -> Answer {
             Json methods = Json::array();
             for (const Entry& entry : entries_) methods.push_back(describe(entry));
             return Json{{"methods", std::move(methods)}};
         }});
}

void CommandTable::add(Command command) {
    assert(find(command.name) == nullptr);
    entries_.push_back({.command = std::move(command)});
}

base::Result<void> CommandTable::disable(const std::string& feature) {
    bool known = false;
    for (Entry& entry : entries_) {
        if (entry.command.name != feature && !entry.command.name.starts_with(feature + ".")) continue;
        entry.enabled = false;
        known = true;
    }
    if (known) return {};
    return base::Error{fmt::format("there is no method and no family of methods {}; {}",
                                   rules::in_quotes(feature), suggestion(feature))};
}

const CommandTable::Entry* CommandTable::find(std::string_view name) const {
    const auto found = std::ranges::find_if(entries_, [&](const Entry& e) { return e.command.name == name; });
    return found != entries_.end() ? &*found : nullptr;
}

std::string CommandTable::suggestion(std::string_view name) const {
    std::vector<std::string_view> known;
    for (const Entry& entry : entries_) known.push_back(entry.command.name);
    return rules::suggestion(name, known, "methods");
}

std::optional<RpcError> check_parameters(const Command& command, const GivenJson& params) {
    for (const auto& [name, value] : params.items()) {
        const auto declared = std::ranges::find(command.parameters, name, &Parameter::name);
        if (declared == command.parameters.end()) {
            std::vector<std::string_view> known;
            for (const Parameter& parameter : command.parameters) known.push_back(parameter.name);
            const std::string hint = known.empty() ? fmt::format("{} has none", command.name)
                                                   : rules::suggestion(name, known, "parameters");
            RpcError error =
                invalid({}, fmt::format("unknown parameter {} ({})", rules::in_quotes(name), hint));
            error.field = "params/" + name.substr(0, kShownText);
            return error;
        }
        if (auto fault = check_value(*declared, value)) return fault;
    }
    for (const Parameter& parameter : command.parameters) {
        if (parameter.required && !params.contains(parameter.name)) {
            return invalid(parameter.name,
                           fmt::format("the parameter {} is missing: {}", parameter.name, parameter.help));
        }
    }
    return std::nullopt;
}

std::string object_of(const Command& command, const GivenJson& params) {
    std::string object;
    for (const Parameter& parameter : command.parameters) {
        const auto value = params.find(parameter.name);
        if (value == params.end()) continue;
        if (parameter.type == ParameterType::kList && value->is_array()) {
            object += fmt::format("{}{}={}", object.empty() ? "" : " ", parameter.name, shown_list(*value));
            continue;
        }
        const auto* text = value->get_ptr<const std::string*>();
        const bool shown = text == nullptr ? value->is_primitive() : text->size() <= kShownText;
        object += object.empty() ? "" : " ";
        object += parameter.name + "=";
        if (shown) {
            object += text != nullptr ? rules::in_quotes(*text) : value->dump();
        } else {
            object += text != nullptr ? fmt::format("<{} bytes>", text->size()) : "<...>";
        }
    }
    return object;
}

}  // namespace yagura::control
