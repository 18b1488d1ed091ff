// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <sys/types.h>

#include <string>

namespace yagura::control {

/// Who did what, on which object, with what outcome. No secrets: name what was asked for, never the values of
/// keys, passwords or payloads.
struct AuditEvent {
    pid_t pid;
    uid_t uid;
    gid_t gid;
    std::string program;  ///< what the peer runs, as far as known
    std::string action;   ///< the method, or "connect" and the like
    std::string object;   ///< what it was done to
    bool allowed;
    std::string outcome;
};

/// Where events are recorded. Control thread only.
class AuditSink {
  public:
    virtual ~AuditSink() = default;
    virtual void record(const AuditEvent& event) = 0;
};

}  // namespace yagura::control
