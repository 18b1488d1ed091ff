// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <regex.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "app/alerts/alert.h"
#include "app/alerts/verdict.h"
#include "base/result.h"
#include "rules/config.h"

namespace yagura::alerts {

/// "/regex/" and "/regex/i": a POSIX extended regular expression, of a text of bounded length.
class TextPattern {
  public:
    /// An error says what is wrong with it.
    static base::Result<TextPattern> compile(std::string_view expression, bool ignores_case);
    bool matches(const std::string& text) const;

  private:
    struct Free {
        void operator()(regex_t* regex) const;
    };
    std::unique_ptr<regex_t, Free> regex_;
};

/// One entry: conditions, of which all that are given must hold, and what is done then.
struct MapEntry {
    using SignatureId = std::pair<std::uint64_t, std::uint64_t>;  ///< generator, number
    std::vector<SignatureId> signatures;                          ///< any of them
    std::optional<TextPattern> pattern;
    std::uint64_t severity_low = 0;  ///< any severity, and none, while these are the whole range
    std::uint64_t severity_high = UINT64_MAX;
    std::string note;  ///< with * and ?; empty: any
    Decision decision;

    bool matches(const Alert& alert) const;
};

/// What alerts are answered with. Constant once read.
class VerdictMap {
  public:
    /// Reads a JSON array of entries, with comments; docs/yagura-alerts.md has the keys. Every fault has its
    /// place; with any, the map is not to be used.
    static VerdictMap read(std::string_view text, std::vector<rules::ConfigError>& errors);

    /// Of the first entry that matches; null when none does.
    const Decision* find(const Alert& alert) const;
    std::size_t size() const { return entries_.size(); }

  private:
    std::vector<MapEntry> entries_;
};

}  // namespace yagura::alerts
