// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "net/parser.h"

namespace yagura::select {

/// Why a network port's packet went to no tool. docs/counters.md says what each means.
enum class DropReason : std::uint8_t {
    kNone,            ///< it was not dropped
    kNoRule,          ///< policy: no rule matched
    kDropRule,        ///< policy: a rule with "drop" matched first
    kLateDrop,        ///< policy: a "drop" matched after packets of the flow had been sent
    kNotSelected,     ///< policy: it was held until no rule could select it
    kHoldFull,        ///< policy: its flow is undecided, and has as much held as it may
    kOwnFrame,        ///< policy: yagura itself sent it, to cut a connection, and the tap shows it
    kShunted,         ///< policy: its tools want no more of its flow (flows.shunt)
    kHoldBudget,      ///< loss: it was held, and its flow had to let go for want of room
    kSelectRingFull,  ///< loss: the select lcore did not keep up (live only)
    kTruncated,       ///< loss: the device cut it, and nobody could have told (live only)
    kMalformed,       ///< malformed: first of net::Malformed's reasons; no rule selected the packet
    kCount = kMalformed + static_cast<int>(net::Malformed::kCount) - 1,
};
inline constexpr std::size_t kDropReasons = static_cast<std::size_t>(DropReason::kCount);

/// The reason for a malformed packet (not kNone) that no rule selected.
constexpr DropReason malformed_drop(net::Malformed reason) {
    return static_cast<DropReason>(static_cast<int>(DropReason::kMalformed) + static_cast<int>(reason) - 1);
}

enum class DropClass : std::uint8_t { kPolicy, kMalformed, kLoss };
DropClass drop_class(DropReason reason);

/// As in statistics: "no_rule", "late_drop", "truncated_ip", ...
std::string_view drop_reason_name(DropReason reason);
std::string_view drop_class_name(DropClass drop_class);

}  // namespace yagura::select
