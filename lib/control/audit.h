// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <sys/types.h>

#include <string>

namespace yagura::control {

/// Something that somebody did, or wanted to do, through the control socket.
struct AuditEvent {
    pid_t pid;
    uid_t uid;
    gid_t gid;
    std::string program;
    std::string action;  ///< "connect", or a method
    std::string object;  ///< what it was done to; may be empty
    bool allowed;
    std::string outcome;  ///< "ok", or why not
};

/// Where audit events go. The control thread's.
class AuditSink {
  public:
    virtual ~AuditSink() = default;
    virtual void record(const AuditEvent& event) = 0;
    /// To be asked before anything is changed: false when that could not be recorded, and must be refused.
    virtual bool may_act() { return true; }
};

}  // namespace yagura::control
