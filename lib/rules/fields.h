// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "rules/json_document.h"
#include "rules/keys.h"
#include "rules/report.h"

namespace yagura::rules {

/// "a string", "an array", ...: what a value is, in words.
std::string_view type_of(const Json& value);

/// Says what was expected and found, with an example.
void report_type(const Json& value, const Place& place, std::string_view expected, std::string_view example,
                 ErrorList& errors);

/// A string in quotes, or the JSON of anything else, for a reason.
std::string shown(const Json& value);

/// A whole number in [low, high]; otherwise reports and gives nothing. `meaning`: "an lcore number".
std::optional<std::uint64_t> read_whole_number(const Json& value, const Place& place,
                                               std::string_view meaning, std::uint64_t low,
                                               std::uint64_t high, ErrorList& errors);

/// Names become file names and words of the command line: 1 to 64 of A-Z a-z 0-9 _ . - and no leading . or -.
bool check_name(std::string_view name, const Place& place, ErrorList& errors);

/// Reports what would end or garble the text when it is handed on or printed.
bool check_no_control(std::string_view text, const Place& place, ErrorList& errors);

class Fields;

/// Reads a path into `out`, which stays as it is when the key is absent or, with a report, what stands there
/// is none.
void read_path(const Fields& fields, std::string_view key, std::string& out, ErrorList& errors);

/// An object whose keys are those of a table. Each getter gives nothing when the key is absent, and when its
/// value is of a wrong type, which it reports. The value, the place and the list must outlive it.
class Fields {
  public:
    /// Reports keys that are not in the table and required ones that are missing. Nothing, and a report, when
    /// the value is not an object. `expected` and `example` as in KeySpec.
    static std::optional<Fields> open(const Json& value, const Place& place, KeyTable table,
                                      std::string_view expected, std::string_view example, ErrorList& errors);

    bool has(std::string_view key) const { return find(key) != nullptr; }
    const Json* find(std::string_view key) const;
    Place place(std::string_view key) const { return {*place_, key}; }

    std::optional<std::string> string(std::string_view key) const;
    std::optional<bool> boolean(std::string_view key) const;
    const Json::array_t* array(std::string_view key) const;
    const Json::object_t* object(std::string_view key) const;

    template <class Value, std::size_t N>
    std::optional<Value> choice(std::string_view key, const std::array<Word<Value>, N>& words) const {
        const std::optional<std::string> text = string(key);
        if (!text) return std::nullopt;
        std::array<std::string_view, N> known;
        for (std::size_t i = 0; i < N; ++i) {
            if (words[i].first == *text) return words[i].second;
            known[i] = words[i].first;
        }
        errors_->add(place(key), "unknown " + std::string(key) + " " + in_quotes(*text),
                     suggestion(*text, known, "known words"));
        return std::nullopt;
    }

    /// Says that the value of a key of the table has the wrong type.
    void wrong_type(std::string_view key) const;

  private:
    Fields(const Json::object_t& object, const Place& place, KeyTable table, ErrorList& errors)
        : object_(&object), place_(&place), table_(table), errors_(&errors) {}

    const Json::object_t* object_;
    const Place* place_;
    KeyTable table_;
    ErrorList* errors_;
};

}  // namespace yagura::rules
