// SPDX-License-Identifier: BSD-3-Clause
#include "rules/fields.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

namespace yagura::rules {

std::string_view type_of(const Json& value) {
    switch (value.type()) {
        case Json::value_t::null:
            return "null";
        case Json::value_t::object:
            return "an object";
        case Json::value_t::array:
            return "an array";
        case Json::value_t::string:
            return "a string";
        case Json::value_t::boolean:
            return value.get<bool>() ? "true" : "false";
        case Json::value_t::number_integer:
        case Json::value_t::number_unsigned:
            return "a number";
        case Json::value_t::number_float:
            return "a number with a fraction, an exponent or too many digits";
        case Json::value_t::binary:
        case Json::value_t::discarded:
            break;
    }
    return "nothing";
}

void report_type(const Json& value, const Place& place, std::string_view expected, std::string_view example,
                 ErrorList& errors) {
    errors.add(place, fmt::format("expected {}, found {}", expected, type_of(value)),
               example.empty() ? std::string() : fmt::format("for example {}", example));
}

std::string shown(const Json& value) {
    const auto* text = value.get_ptr<const std::string*>();
    return text != nullptr ? in_quotes(*text) : value.dump();
}

std::optional<std::uint64_t> read_whole_number(const Json& value, const Place& place,
                                               std::string_view meaning, std::uint64_t low,
                                               std::uint64_t high, ErrorList& errors) {
    const std::string range = high == UINT64_MAX ? fmt::format("a whole number from {}", low)
                                                 : fmt::format("a whole number from {} to {}", low, high);
    if (!value.is_number()) {
        errors.add(place, fmt::format("expected {}, found {}", meaning, type_of(value)), "write " + range);
        return std::nullopt;
    }
    if (value.is_number_unsigned()) {
        const auto number = value.get<std::uint64_t>();
        if (number >= low && number <= high) return number;
    }
    errors.add(place, fmt::format("{} cannot be {}", meaning, value.dump()), "write " + range);
    return std::nullopt;
}

bool check_name(std::string_view name, const Place& place, ErrorList& errors) {
    const auto allowed = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
               c == '.' || c == '-';
    };
    if (!name.empty() && name.size() <= kMaxNameBytes && name.front() != '.' && name.front() != '-' &&
        std::all_of(name.begin(), name.end(), allowed)) {
        return true;
    }
    errors.add(place, fmt::format("{} is not a name", in_quotes(name)),
               fmt::format("1 to {} of A-Z a-z 0-9 _ . - and neither . nor - first", kMaxNameBytes));
    return false;
}

bool check_no_control(std::string_view text, const Place& place, ErrorList& errors) {
    const auto bad = std::find_if(text.begin(), text.end(),
                                  [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
    if (bad == text.end()) return true;
    errors.add(place, fmt::format("holds the control character \\u{:04x}", static_cast<unsigned>(*bad)),
               "remove it");
    return false;
}

std::optional<Fields> Fields::open(const Json& value, const Place& place, KeyTable table,
                                   std::string_view expected, std::string_view example, ErrorList& errors) {
    const auto* object = value.get_ptr<const Json::object_t*>();
    if (object == nullptr) {
        report_type(value, place, expected, example, errors);
        return std::nullopt;
    }
    const auto spec_of = [table](std::string_view key) {
        return std::find_if(table.begin(), table.end(),
                            [key](const KeySpec& spec) { return spec.name == key; });
    };
    for (const auto& [key, ignored] : *object) {
        if (spec_of(key) != table.end()) continue;
        std::vector<std::string_view> known;
        for (const KeySpec& spec : table) known.push_back(spec.name);
        errors.add({place, key}, fmt::format("unknown key {}", in_quotes(key)),
                   errors.full() ? std::string() : suggestion(key, known, "known keys"));
    }
    Fields fields(*object, place, table, errors);
    for (const KeySpec& spec : table) {
        if (!spec.required || fields.has(spec.name)) continue;
        errors.add(place, fmt::format("the key \"{}\" is missing: {}", spec.name, spec.expected),
                   fmt::format("add \"{}\": {}", spec.name, spec.example));
    }
    return fields;
}

const Json* Fields::find(std::string_view key) const {
    for (const auto& [name, value] : *object_) {
        if (name == key) return &value;
    }
    return nullptr;
}

void Fields::wrong_type(std::string_view key) const {
    for (const KeySpec& spec : table_) {
        if (spec.name == key) report_type(*find(key), place(key), spec.expected, spec.example, *errors_);
    }
}

std::optional<std::string> Fields::string(std::string_view key) const {
    const Json* value = find(key);
    if (value == nullptr) return std::nullopt;
    if (const auto* text = value->get_ptr<const std::string*>()) return *text;
    wrong_type(key);
    return std::nullopt;
}

std::optional<bool> Fields::boolean(std::string_view key) const {
    const Json* value = find(key);
    if (value == nullptr) return std::nullopt;
    if (value->is_boolean()) return value->get<bool>();
    wrong_type(key);
    return std::nullopt;
}

const Json::array_t* Fields::array(std::string_view key) const {
    const Json* value = find(key);
    if (value == nullptr) return nullptr;
    if (const auto* items = value->get_ptr<const Json::array_t*>()) return items;
    wrong_type(key);
    return nullptr;
}

const Json::object_t* Fields::object(std::string_view key) const {
    const Json* value = find(key);
    if (value == nullptr) return nullptr;
    if (const auto* members = value->get_ptr<const Json::object_t*>()) return members;
    wrong_type(key);
    return nullptr;
}

void read_path(const Fields& fields, std::string_view key, std::string& path, ErrorList& errors) {
    auto text = fields.string(key);
    if (!text) return;
    if (text->empty()) {
        errors.add(fields.place(key), "the path is empty", "leave the key out for the default");
    } else if (check_no_control(*text, fields.place(key), errors)) {
        path = *std::move(text);
    }
}

}  // namespace yagura::rules
