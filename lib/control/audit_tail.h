// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"

namespace yagura::control {

struct AuditPage {
    std::vector<std::string>
        records;  ///< lines without their newline, newest first, as they stand in the file
    std::optional<std::uint64_t> before;  ///< the cursor of the page of older ones; none: there are none
};

/// The newest `count` records of the log at `path` and the older files beside it; with a cursor, the newest
/// of those before that record. Nothing is verified. Takes time for what it returns, not for the log's size.
base::Result<AuditPage> read_audit_page(const std::string& path, std::size_t count,
                                        std::optional<std::uint64_t> before = {});

}  // namespace yagura::control
