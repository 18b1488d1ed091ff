// SPDX-License-Identifier: BSD-3-Clause
#include "broker/audit_trail.h"

#include <fmt/format.h>

#include <cstdio>

#include "base/diagnostics.h"

namespace yagura::broker {
namespace {

/// Lines on stderr.
constexpr unsigned kPerSecond = 5;

}  // namespace

base::Result<void> AuditTrail::open(const rules::AuditSettings& settings) {
    auto log = control::open_audit_log(settings);
    if (!log) {
        return base::Error{
            fmt::format("{}\n  fix: name files that can be written (\"audit\": {{\"file\": PATH, \"key\": "
                        "PATH, \"head\": "
                        "{{\"file\": PATH}}}}), or go without: \"audit\": {{\"enabled\": false}}",
                        log.error().message)};
    }
    log_ = std::move(*log);
    return {};
}

void AuditTrail::record(const control::AuditEvent& event) {
    if (log_ != nullptr) log_->record(event);
    if (!event.allowed) tell(event);
}

void AuditTrail::tell(const control::AuditEvent& event) {
    const std::time_t now = std::time(nullptr);
    if (now != second_) {
        if (left_out_ != 0) base::diagnose("yagura run: control: {} more were refused\n", left_out_);
        second_ = now;
        told_ = left_out_ = 0;
    }
    if (told_ == kPerSecond) {
        ++left_out_;
        return;
    }
    ++told_;
    base::diagnose("yagura run: control: uid {}, pid {} ({}): {} {}: {}\n", event.uid, event.pid,
                   event.program, event.action, event.object, event.outcome);
}

}  // namespace yagura::broker
