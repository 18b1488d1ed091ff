// SPDX-License-Identifier: BSD-3-Clause
#include "app/client/outcome.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>

#include "app/client/session.h"

namespace yagura::client {
namespace {

void add(std::string& list, const std::string& part) {
    if (part.empty()) return;
    list += list.empty() ? "" : ", ";
    list += part;
}

/// A number in a sentence; empty when there is none.
std::string number_in(const Json& object, const char* name, const char* sentence) {
    const auto found = object.find(name);
    if (found == object.end() || !found->is_number_unsigned()) return {};
    return fmt::format(fmt::runtime(sentence), found->get<std::uint64_t>());
}

}  // namespace

bool is_done(std::string_view outcome) {
    constexpr std::array<std::string_view, 9> kDone{"verified", "blocked", "shunted", "released", "added",
                                                    "changed",  "kept",    "removed", "dry_run"};
    return std::ranges::find(kDone, outcome) != kDone.end();
}

std::string text_in(const Json& object, const char* name) {
    if (!object.is_object()) return {};
    const auto found = object.find(name);
    return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

std::string details_of(const Json& result) {
    if (!result.is_object()) return {};
    std::string details = text_in(result, "seen");
    add(details, number_in(result, "frames", "{} frames"));
    add(details, number_in(result, "first_reset_us", "RST after {} us"));
    add(details, number_in(result, "death_us", "dead after {} us"));
    add(details, text_in(result, "message"));
    return details;
}

}  // namespace yagura::client
