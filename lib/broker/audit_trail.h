// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <ctime>
#include <memory>

#include "base/result.h"
#include "control/audit.h"
#include "control/audit_log.h"

namespace yagura::broker {

/// Where a live run's audit events go: the audit log, if there is one, and, of what was refused, stderr, some
/// lines a second: not more than a person reads, or a journal should bear. The control thread's.
class AuditTrail final : public control::AuditSink {
  public:
    /// Begins the audit log that the configuration asks for, or goes on with it.
    base::Result<void> open(const rules::AuditSettings& settings);
    void record(const control::AuditEvent& event) override;
    bool may_act() override { return log_ == nullptr || log_->may_act(); }
    /// About once a second.
    void tick() {
        if (log_ != nullptr) log_->tick();
    }
    const control::AuditLog* log() const { return log_.get(); }  ///< null when there is none

  private:
    void tell(const control::AuditEvent& event);

    std::unique_ptr<control::AuditLog> log_;
    std::time_t second_ = 0;
    unsigned told_ = 0;
    unsigned left_out_ = 0;
};

}  // namespace yagura::broker
