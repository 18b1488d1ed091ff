// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace yagura::control {

/// HMAC-SHA-256.
using Mac = std::array<std::uint8_t, 32>;

/// 64 digits, lower case.
std::string to_hex(const Mac& mac);
/// Nothing but exactly that.
std::optional<Mac> mac_from_hex(std::string_view hex);

/// What names a log: 32 hexadecimal digits.
bool is_log_name(std::string_view text);

/// The key of one record. The next record's is its one-way image, so whoever gets hold of this one cannot
/// compute those of the records before (docs/decisions/0020). The bytes are wiped when it goes.
class AuditKey {
  public:
    /// Random, for record 1 of a log that is named at random, too.
    static base::Result<AuditKey> make();
    /// Refuses a file that others may read or write, and what is no regular file.
    static base::Result<AuditKey> read(const std::string& path);

    AuditKey(const AuditKey&) = default;
    AuditKey& operator=(const AuditKey&) = default;
    ~AuditKey();

    /// Makes the file, mode 0600, and syncs it; an error when there is one.
    base::Result<void> write_new(const std::string& path) const;
    /// Puts this key in the place of the one in the file, at once or not at all, and overwrites what that one
    /// was written in.
    base::Result<void> replace(const std::string& path) const;

    /// What names the log.
    const std::string& log() const { return log_; }
    /// Of the record that this key is for.
    std::uint64_t sequence() const { return sequence_; }

    Mac record_mac(std::string_view body) const;
    /// Of a head behind which this key's record will be the first.
    Mac head_mac(std::string_view body) const;
    /// To the next record's key.
    void advance();

  private:
    AuditKey() = default;
    Mac mac(std::string_view label, std::string_view body) const;

    std::string log_;
    std::uint64_t sequence_ = 1;
    std::array<std::uint8_t, 32> bytes_{};
};

/// A record or a head as it stands on its line: an object whose last member, `"mac":"64 digits"`, covers
/// every byte before the comma in front of it.
struct SealedLine {
    std::string_view body;
    Mac mac;
};
/// Adds the last member.
std::string sealed(std::string body, const Mac& mac);
/// Nothing if the line does not end exactly so. The line without its newline.
std::optional<SealedLine> unsealed(std::string_view line);

}  // namespace yagura::control
