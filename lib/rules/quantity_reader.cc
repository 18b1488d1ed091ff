// SPDX-License-Identifier: BSD-3-Clause
#include "rules/quantity_reader.h"

#include <fmt/format.h>

#include "rules/units.h"

namespace yagura::rules {

bool read_size(const Fields& fields, std::string_view key, std::uint64_t low, std::uint64_t high,
               std::uint64_t& out, ErrorList& errors) {
    const Json* value = fields.find(key);
    if (value == nullptr) return true;
    std::optional<std::uint64_t> size;
    if (const auto* text = value->get_ptr<const std::string*>()) {
        size = parse_size(*text);
    } else if (value->is_number_unsigned()) {
        size = value->get<std::uint64_t>();
    } else if (!value->is_number()) {
        fields.wrong_type(key);
        return false;
    }
    if (!size) {
        errors.add(fields.place(key), fmt::format("{} is not a size", shown(*value)),
                   fmt::format("only sizes are accepted: {}", kSizeForms));
        return false;
    }
    if (*size < low || *size > high) {
        errors.add(fields.place(key), fmt::format("{} is out of range", shown(*value)),
                   fmt::format("from {} to {}", size_json(low), size_json(high)));
        return false;
    }
    out = *size;
    return true;
}

std::optional<std::chrono::nanoseconds> read_duration(const Fields& fields, std::string_view key,
                                                      std::chrono::nanoseconds low,
                                                      std::chrono::nanoseconds high, ErrorList& errors) {
    using Nanoseconds = std::chrono::nanoseconds;
    const Json* value = fields.find(key);
    if (value == nullptr) return std::nullopt;
    std::optional<Nanoseconds> duration;
    if (const auto* text = value->get_ptr<const std::string*>()) {
        duration = parse_duration(*text);
    } else if (value->is_number_unsigned()) {
        const auto seconds = value->get<std::uint64_t>();
        const auto most = static_cast<std::uint64_t>(high / std::chrono::seconds(1));
        // What is too long stays too long.
        duration = std::chrono::seconds(seconds <= most ? seconds : most + 1);
    } else if (!value->is_number()) {
        fields.wrong_type(key);
        return std::nullopt;
    }
    if (!duration) {
        errors.add(fields.place(key), fmt::format("{} is not a duration", shown(*value)),
                   fmt::format("{}: \"90s\"", kDurationForms));
        return std::nullopt;
    }
    if (*duration >= low && *duration <= high && *duration % std::chrono::milliseconds(1) == Nanoseconds(0)) {
        return duration;
    }
    errors.add(fields.place(key), fmt::format("{} is out of range", shown(*value)),
               fmt::format("whole milliseconds, from {} to {}", duration_json(low), duration_json(high)));
    return std::nullopt;
}

}  // namespace yagura::rules
