// SPDX-License-Identifier: BSD-3-Clause
#include "reset/refusal.h"

namespace yagura::reset {

std::string_view refusal_name(Refusal refusal) {
    switch (refusal) {
        case Refusal::kNotEthernet:
            return "not_ethernet";
        case Refusal::kNoFlow:
            return "no_flow";
        case Refusal::kNotTcp:
            return "not_tcp";
        case Refusal::kNotAllowed:
            return "not_allowed";
        case Refusal::kFragment:
            return "fragment";
        case Refusal::kAuthenticated:
            return "authenticated";
        case Refusal::kSequenced:
            return "sequenced";
        case Refusal::kOneWay:
            return "one_way";
        case Refusal::kTooLong:
            return "too_long";
        case Refusal::kUnsupported:
            return "unsupported";
        case Refusal::kNoRoom:
            return "no_room";
        case Refusal::kNone:
        case Refusal::kCount:
            break;
    }
    return "";
}

}  // namespace yagura::reset
