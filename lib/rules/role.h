// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>

namespace yagura::rules {

/// What a user of the control socket may do. An operator and a responder are viewers too; an admin is
/// everything.
enum class Role : std::uint8_t {
    kViewer,     ///< look
    kOperator,   ///< tools and rules
    kResponder,  ///< verdicts on flows
    kAdmin,      ///< anything
};
inline constexpr unsigned kRoleCount = 4;

}  // namespace yagura::rules
