// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "rules/audit_settings.h"
#include "rules/json_document.h"
#include "rules/report.h"

namespace yagura::rules {

/// Reads `audit`. What is faulty keeps its default.
AuditSettings read_audit(const Json& value, const Place& place, ErrorList& errors);

}  // namespace yagura::rules
