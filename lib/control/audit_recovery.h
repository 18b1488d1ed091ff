// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"
#include "control/audit_chain.h"
#include "rules/audit_settings.h"

namespace yagura::control {

/// Where a run of the daemon goes on.
struct AuditState {
    AuditKey key;              ///< of the record to be written next
    Mac last{};                ///< of the record before it; zeros if there is none
    std::uint64_t first = 0;   ///< record of the file that is written; 0: it holds none
    std::uint64_t oldest = 1;  ///< rotation has kept the records from this one on
    std::uint64_t heads = 0;   ///< number of the newest one
    std::uint64_t size = 0;    ///< of the file that is written, without a torn line at its end
    /// What was found that an orderly end does not leave: torn lines, missing or changed records. For the
    /// first record of this run. Empty: nothing.
    std::string findings;
};

/// Reads what the runs before have left; makes the key at the first start. Changes nothing else.
base::Result<AuditState> recover_audit(const rules::AuditSettings& settings);

}  // namespace yagura::control
