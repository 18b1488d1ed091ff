// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstddef>
#include <iosfwd>
#include <string>
#include <vector>

namespace yagura::ctl {

/// What a command is to be done to: the words of a command line, of which "-" stands for the lines of
/// standard input. Lines that are empty or begin with # are passed over, blanks around the others too. Holds
/// a batch at a time.
class Items {
  public:
    /// As many as yagura takes at once.
    static constexpr std::size_t kBatch = 1000;

    /// `lines` outlives it, and is read as far as the batches that were asked for.
    Items(std::vector<std::string> words, std::istream& lines) : words_(std::move(words)), lines_(lines) {}

    /// The next ones, up to kBatch; none at the end.
    std::vector<std::string> next_batch();

  private:
    std::vector<std::string> words_;
    std::istream& lines_;
    std::size_t next_ = 0;
};

}  // namespace yagura::ctl
