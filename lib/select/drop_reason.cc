// SPDX-License-Identifier: BSD-3-Clause
#include "select/drop_reason.h"

namespace yagura::select {

DropClass drop_class(DropReason reason) {
    if (reason >= DropReason::kMalformed) return DropClass::kMalformed;
    switch (reason) {
        case DropReason::kHoldBudget:
        case DropReason::kSelectRingFull:
        case DropReason::kTruncated:
            return DropClass::kLoss;
        default:
            return DropClass::kPolicy;
    }
}

std::string_view drop_reason_name(DropReason reason) {
    switch (reason) {
        case DropReason::kNone:
            return "none";
        case DropReason::kNoRule:
            return "no_rule";
        case DropReason::kDropRule:
            return "drop_rule";
        case DropReason::kLateDrop:
            return "late_drop";
        case DropReason::kNotSelected:
            return "not_selected";
        case DropReason::kHoldFull:
            return "hold_full";
        case DropReason::kOwnFrame:
            return "own_frame";
        case DropReason::kShunted:
            return "shunted";
        case DropReason::kHoldBudget:
            return "hold_budget";
        case DropReason::kSelectRingFull:
            return "select_ring_full";
        case DropReason::kTruncated:
            return "truncated";
        default:
            return net::malformed_name(static_cast<net::Malformed>(
                static_cast<int>(reason) - static_cast<int>(DropReason::kMalformed) + 1));
    }
}

std::string_view drop_class_name(DropClass drop_class) {
    switch (drop_class) {
        case DropClass::kPolicy:
            return "policy";
        case DropClass::kMalformed:
            return "malformed";
        case DropClass::kLoss:
            return "loss";
    }
    return "";
}

}  // namespace yagura::select
