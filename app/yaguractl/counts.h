// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <string>

#include "app/yaguractl/session.h"
#include "app/yaguractl/table.h"

/// Counts of an answer, as a person reads them.
namespace yagura::ctl {

inline std::uint64_t number(const Json& json) {
    return json.is_number() ? json.get<std::uint64_t>() : 0;
}

inline std::string packets(const Json& count) {
    return grouped(number(count.value("packets", Json())));
}

inline std::string bytes(const Json& count) {
    return grouped(number(count.value("bytes", Json())));
}

/// "ring_full 12, no_buffer 3", or "-".
inline std::string reasons(const Json& counts) {
    std::string text;
    for (const auto& [reason, count] : counts.items()) {
        text += fmt::format("{}{} {}", text.empty() ? "" : ", ", reason, packets(count));
    }
    return text.empty() ? "-" : text;
}

/// The same of a tool, and of which flows.
inline std::string sheds(const Json& tool) {
    const std::uint64_t shed = number(tool.value("flows_shed", Json()));
    const std::uint64_t cut = number(tool.value("flows_cut", Json()));
    const std::string text = reasons(tool["shed"]);
    if (shed + cut == 0) return text;
    return fmt::format("{} (flows: {} shed, {} cut)", text, grouped(shed), grouped(cut));
}

}  // namespace yagura::ctl
