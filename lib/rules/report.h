// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "rules/config.h"

namespace yagura::rules {

/// A place in the document: a chain up to the root that lives on the reader's stack, so that a pointer is
/// only spelled out where there is something to report. Parents and keys must outlive it.
class Place {
  public:
    Place() = default;  ///< the document
    Place(const Place& parent, std::string_view key) : parent_(&parent), key_(key) {}
    Place(const Place& parent, std::size_t index) : parent_(&parent), index_(index), is_index_(true) {}

    /// RFC 6901, with ~ and / of a key escaped.
    std::string pointer() const;

  private:
    const Place* parent_ = nullptr;
    std::string_view key_;
    std::size_t index_ = 0;
    bool is_index_ = false;
};

/// Appends one RFC 6901 reference token, with its slash.
void append_pointer_token(std::string& pointer, std::string_view key);

/// What is wrong so far. Keeps the first kMaxErrors and counts the rest: a file of a million mistakes must
/// not cost a million explanations.
class ErrorList {
  public:
    static constexpr std::size_t kMaxErrors = 1000;

    void add(const Place& place, std::string reason, std::string fix = {});
    void add_at(std::string pointer, std::string reason, std::string fix = {});
    /// How many there are so far, kept or not.
    std::size_t count() const { return errors_.size() + unkept_; }
    /// True when nothing more is kept: an expensive explanation need not be made.
    bool full() const { return errors_.size() >= kMaxErrors; }
    /// Everything kept, and a last line that counts what was not.
    std::vector<ConfigError> take();

  private:
    std::vector<ConfigError> errors_;
    std::size_t unkept_ = 0;
};

/// The text in double quotes, escaped as in JSON and cut after a few words: for use in a reason.
std::string in_quotes(std::string_view text);

/// What to write instead of an unknown word: `did you mean "x"?` when one is near, and the words there are
/// (the first few, where there are many). `title` names them: "known keys".
std::string suggestion(std::string_view word, std::span<const std::string_view> known,
                       std::string_view title);

}  // namespace yagura::rules
