// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace yagura::rules {

/// What happens to commands that change something while the audit log cannot be written.
enum class OnAuditFailure : std::uint8_t {
    kRefuse,  ///< they are refused
    kGoOn,    ///< they are carried out; what is not recorded is counted
};

/// Signed heads: how far the log goes, said outside of it.
struct AuditHeadSettings {
    std::string file = "/var/lib/yagura/audit.head";
    std::string socket;  ///< a Unix datagram socket that is sent every head; empty: none
    std::chrono::nanoseconds interval = std::chrono::seconds(60);
    bool operator==(const AuditHeadSettings&) const = default;
};

struct AuditSettings {
    bool enabled = true;
    std::string file = "/var/log/yagura/audit.jsonl";
    std::string key = "/var/lib/yagura/audit.key";
    std::uint64_t max_size = 16u << 20;  ///< bytes of a file
    std::uint64_t files = 8;             ///< kept, with the one that is written
    AuditHeadSettings head;
    OnAuditFailure on_failure = OnAuditFailure::kRefuse;
    bool operator==(const AuditSettings&) const = default;
};

/// Beside the current key, its first one, with which the whole log can be verified.
inline constexpr const char* kFirstKeyEnding = ".first";

}  // namespace yagura::rules
