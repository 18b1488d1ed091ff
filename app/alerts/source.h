// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "app/alerts/alert.h"
#include "app/alerts/input.h"
#include "app/alerts/zeek_reader.h"
#include "base/result.h"

namespace yagura::alerts {

enum class Format : std::uint8_t { kSuricata, kZeek, kSnort };

/// What a user names: a file, "-" for standard input, "unix:PATH" or "unixgram:PATH" for a socket to listen
/// on.
struct SourceOptions {
    bool once = false;        ///< read to the end, do not follow
    bool from_start = false;  ///< of a file: not from its end
    unsigned socket_mode = 0600;
};

/// An input and the reader of its format.
class Source {
  public:
    static base::Result<Source> open(const std::string& name, Format format, const SourceOptions& options);
    /// Of an input that is open.
    Source(std::string name, Format format, std::unique_ptr<Input> input);

    /// Reads the next line; nothing when there is none for now. `complain` is told of the first line of each
    /// kind that is not understood.
    std::optional<Reading> next(const std::function<void(const std::string&)>& complain);
    const Input& input() const { return *input_; }
    std::uint64_t lines() const { return lines_; }
    std::uint64_t not_understood() const;

  private:
    Reading read(std::string_view line);

    std::string name_;
    Format format_;
    std::unique_ptr<Input> input_;
    std::unique_ptr<ZeekReader> zeek_;
    std::uint64_t lines_ = 0;
    std::array<std::uint64_t, kFaults> faults_{};
};

/// One line of a format; `zeek` has what its log said before.
Reading read_line(Format format, std::string_view line, ZeekReader& zeek);

}  // namespace yagura::alerts
