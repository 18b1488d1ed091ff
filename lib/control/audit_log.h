// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/result.h"
#include "control/audit.h"
#include "control/audit_files.h"
#include "control/audit_record.h"
#include "control/audit_recovery.h"
#include "control/audit_tail.h"
#include "rules/audit_settings.h"

namespace yagura::control {

/// For system.health. Counts are of this run.
struct AuditHealth {
    std::uint64_t records = 0;       ///< written, the log's own among them
    std::uint64_t lost = 0;          ///< events that could not be recorded
    bool failing = false;            ///< the last attempt to write a record failed
    std::string failure;             ///< the last one of any kind, in words; empty: none
    std::uint64_t heads = 0;         ///< written
    std::uint64_t heads_failed = 0;  ///< could not be written to their file, or the log or key not be synced
    std::uint64_t heads_unsent = 0;  ///< the socket did not take
    std::string head_time;           ///< of the newest; empty: none
    bool first_key_here = false;     ///< who steals it can make up the whole log: take it away
};

/// The audit log: JSON lines that are chained, signed and bounded (docs/audit.md). It begins and ends a run
/// with records of its own. A record is in the kernel's hands when record() returns, and on the disk with the
/// next head. Control thread only; a record costs a write(2), a head some syncs of the disk.
class AuditLog final : public AuditSink {
  public:
    using Clock = std::function<std::uint64_t()>;  ///< nanoseconds since the epoch

    /// Goes on with the log that is there, or begins one. Refused when the log, its key or its first record
    /// cannot be written.
    static base::Result<std::unique_ptr<AuditLog>> open(const rules::AuditSettings& settings,
                                                        Clock clock = base::realtime_ns);
    AuditLog(const AuditLog&) = delete;
    AuditLog& operator=(const AuditLog&) = delete;
    ~AuditLog() override;

    /// What cannot be written is counted, and said in the log as soon as it can be written again.
    void record(const AuditEvent& event) override;
    /// Always true where the configuration says "go_on".
    bool may_act() override;
    /// Writes a head when one is due; to be called about once a second.
    void tick();

    AuditHealth health() const;
    base::Result<AuditPage> tail(std::size_t count, std::optional<std::uint64_t> before = {}) const;

  private:
    AuditLog(const rules::AuditSettings& settings, AuditState state, AppendFile file, Clock clock);

    bool ready();
    bool open_next();
    bool rotate();
    bool begin();
    bool write(const AuditEvent& event, std::optional<AuditStart> start);
    bool write_own(std::string action, std::string object, bool good, std::string outcome,
                   std::optional<AuditStart> start = {});
    void sign_head();
    bool note(const base::Result<void>& result, std::uint64_t* counter = nullptr);
    const std::string& user_name(uid_t uid);

    rules::AuditSettings settings_;
    Clock clock_;
    AuditState state_;
    AppendFile file_;
    AuditHealth health_;
    std::string begin_action_ = "audit.start";  ///< the record that must come first; empty: none
    std::uint64_t lost_unsaid_ = 0;
    std::uint64_t lost_since_ = 0;    ///< time of the first of these
    std::uint64_t unsigned_ = 0;      ///< records behind the newest head
    std::uint64_t last_attempt_ = 0;  ///< time of the newest head, written or not
    std::map<uid_t, std::string> users_;
};

/// The audit log that a configuration asks for. With `enabled` false: null.
base::Result<std::unique_ptr<AuditLog>> open_audit_log(const rules::AuditSettings& settings);

}  // namespace yagura::control
