// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "control/audit_chain.h"

namespace yagura::control {

/// How far a log goes, said outside of it: which log, up to which record, and what that record's MAC is,
/// which stands for all before it.
struct AuditHead {
    std::uint64_t number = 0;  ///< of this head, from 1
    std::string log;
    std::string time;          ///< when it was made
    std::uint64_t oldest = 1;  ///< rotation has kept the records from this one on
    std::uint64_t sequence = 0;
    Mac last{};              ///< of the record with that number
    std::uint64_t lost = 0;  ///< events that could not be recorded, in this run of the daemon
    std::uint64_t interval_ms = 0;
};

/// The head as a line, with its newline. `key`: the one of the record after the last.
std::string sealed_head(const AuditHead& head, const AuditKey& key);

struct SealedHead {
    AuditHead head;
    std::string body;
    Mac mac;
};
/// Finds the head in a line, behind whatever a system log has put before it. Nothing if there is none.
std::optional<SealedHead> parse_head(std::string_view line);

/// Sends the head as a syslog message (facility authpriv, severity notice) to a Unix datagram socket; never
/// waits: a receiver that is not there, or full, misses it.
base::Result<void> send_head(const std::string& socket_path, std::string_view sealed_head);

}  // namespace yagura::control
