// SPDX-License-Identifier: BSD-3-Clause
#include "app/alerts/json_line.h"

#include <exception>

namespace yagura::alerts {
namespace {

/// Alerts nest five deep or so. What nests deeper would cost much more memory than its length lets one think.
constexpr unsigned kMaxNesting = 32;

bool nests_too_deep(std::string_view line) {
    unsigned depth = 0;
    bool in_string = false;
    for (std::size_t i = 0; i < line.size(); ++i) {
        const char c = line[i];
        if (in_string) {
            if (c == '\\') ++i;
            if (c == '"') in_string = false;
            continue;
        }
        if (c == '"') in_string = true;
        if ((c == '[' || c == '{') && ++depth > kMaxNesting) return true;
        if ((c == ']' || c == '}') && depth > 0) --depth;
    }
    return false;
}

const AlertJson* member(const AlertJson& object, const char* name) {
    const auto found = object.find(name);
    return found != object.end() ? &*found : nullptr;
}

}  // namespace

std::optional<AlertJson> parse_object(std::string_view line) {
    if (nests_too_deep(line)) return std::nullopt;
    try {
        AlertJson object = AlertJson::parse(line, nullptr, false);
        if (!object.is_object()) return std::nullopt;
        return object;
    } catch (const std::exception&) {
        return std::nullopt;  // no memory
    }
}

const AlertJson* object_in(const AlertJson& object, const char* name) {
    const AlertJson* found = member(object, name);
    return found != nullptr && found->is_object() ? found : nullptr;
}

std::string_view text_in(const AlertJson& object, const char* name) {
    const AlertJson* found = member(object, name);
    if (found == nullptr || !found->is_string()) return {};
    return found->get_ref<const std::string&>();
}

std::optional<std::uint64_t> number_in(const AlertJson& object, const char* name) {
    const AlertJson* found = member(object, name);
    if (found == nullptr || !found->is_number_unsigned()) return std::nullopt;
    return found->get<std::uint64_t>();
}

std::optional<Address> address_in(const AlertJson& object, const char* name, bool& wrong) {
    if (member(object, name) == nullptr) return std::nullopt;
    auto address = parse_address(text_in(object, name));
    if (!address) wrong = true;
    return address;
}

std::optional<std::uint16_t> port_in(const AlertJson& object, const char* name, bool& wrong) {
    if (member(object, name) == nullptr) return std::nullopt;
    const auto number = number_in(object, name);
    if (number && *number <= UINT16_MAX) return static_cast<std::uint16_t>(*number);
    wrong = true;
    return std::nullopt;
}

}  // namespace yagura::alerts
