// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "control/audit.h"
#include "control/audit_chain.h"

namespace yagura::control {

/// A line of the log is never longer, its newline included, whatever an event holds: texts are cut, and say
/// so.
inline constexpr std::size_t kMaxAuditLine = 16384;

/// In a record with which a file or a run of the daemon begins.
struct AuditStart {
    std::string log;
    std::uint64_t oldest = 1;  ///< rotation has kept the records from this one on
};

/// What stands in a record besides the event.
struct AuditFrame {
    std::uint64_t sequence = 0;
    std::uint64_t time_ns = 0;  ///< since the epoch
    Mac previous{};             ///< of the record before; zeros before the first
    std::uint64_t heads = 0;    ///< that were written before this record
    std::optional<AuditStart> start;
};

/// The record without its seal. `user`: the name of the event's uid, empty if it is not known.
std::string record_body(const AuditFrame& frame, const AuditEvent& event, std::string_view user);

/// Printable ASCII inside a JSON string, without the quotes, whatever the text: everything else of UTF-8 as
/// \uXXXX, a byte that is no UTF-8 as \\xNN. Of a longer text than `most` bytes the beginning, and how much
/// is missing.
std::string escaped(std::string_view text, std::size_t most);

/// "2026-11-22T13:55:52.123Z".
std::string utc_milliseconds(std::uint64_t time_ns);
/// Whether a text has that form: it may be printed, and compared as text.
bool is_utc_milliseconds(std::string_view text);

/// What a chain is made of.
struct AuditRecord {
    std::uint64_t sequence = 0;
    std::string time;
    Mac previous{};
    std::uint64_t heads = 0;
    std::optional<AuditStart> start;
    /// What the log says of trouble of its own: the outcome of an audit.* record that is not "allowed".
    std::string trouble;
};
/// Nothing if this is no body of a record.
std::optional<AuditRecord> parse_record(std::string_view body);

/// The sequence number at the front of a line, without looking at the rest.
std::optional<std::uint64_t> sequence_of(std::string_view line);

}  // namespace yagura::control
