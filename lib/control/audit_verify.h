// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "control/audit_chain.h"
#include "control/audit_head.h"

namespace yagura::control {

/// Something that an honest log does not have.
struct AuditFault {
    std::string file;
    std::uint64_t line = 0;  ///< from 1; 0: of the file as a whole
    std::string what;
};

struct AuditVerdict {
    static constexpr std::size_t kMaxFaults = 1000;

    std::vector<AuditFault> faults;   ///< the first kMaxFaults
    std::uint64_t unkept_faults = 0;  ///< the rest
    std::vector<std::string> notes;   ///< what is right but worth knowing, and what cannot be known
    std::uint64_t records = 0;        ///< read
    std::uint64_t proven = 0;         ///< of these, whose MAC was right
    std::uint64_t first = 0, last = 0;
    std::string first_time, last_time;

    bool sound() const { return faults.empty(); }
};

struct HeadAtPlace {
    std::string file;
    std::uint64_t line;
    SealedHead sealed;
};

struct AuditEvidence {
    std::vector<std::string> files;  ///< of the log, in any order
    std::optional<AuditKey> key;     ///< the first one, or that of a later record
    std::vector<HeadAtPlace> heads;  ///< in any order
    /// How many keys are computed ahead on the word of records and heads, in all: a forged number must not
    /// keep us for years. Eight million take a second.
    std::uint64_t max_ahead = std::uint64_t{1} << 30;
    bool part = false;  ///< the files are a part: that records before or behind are missing is no fault
};

/// All heads in a file: one that yagura wrote, or the lines of a system log. An error if there is none.
base::Result<std::vector<HeadAtPlace>> read_heads(const std::string& path);

/// Finds what was changed, lost, put in, moved or cut off. An error only if a file cannot be read. Memory is
/// bounded whatever the files hold; time is linear in their size, and in the number of records between the
/// key and the last one, of which more than 2^30 are not followed.
base::Result<AuditVerdict> verify_audit(const AuditEvidence& evidence);

}  // namespace yagura::control
