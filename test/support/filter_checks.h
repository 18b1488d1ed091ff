// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <string>

#include "support/filter_generator.h"

namespace yagura::test {

/// What the checks below did, to show that they did something.
struct CheckCounts {
    std::uint64_t cases = 0;     ///< a filter or program asked of one packet
    std::uint64_t accepted = 0;  ///< of these, how often it held
    std::uint64_t per_flow = 0;  ///< filters that were found to depend on the flow alone
    std::uint64_t refused = 0;   ///< expressions that libpcap refused
};

// Each check draws one filter and some packets and compares our answers with libpcap's bpf_filter(). Returns
// what differs, in words; empty when all is well.

/// Native code of an expression, of IP packets or of frames.
std::string check_expression(Choices& choices, CheckCounts& counts);
/// Native code of a random program.
std::string check_program(Choices& choices, CheckCounts& counts);
/// Expressions that depend on the flow alone: exact packets of a flow get the answer of the key.
std::string check_per_flow(Choices& choices, CheckCounts& counts);
/// Plain filters: of keys, of IP packets and of frames, one by one and all together in a tuple space.
/// libpcap's optimiser changes some answers: it is wrong at times, and it drops loads of words that a netmask
/// excludes, so that a packet may end there. Keys must get the answer of the program that is not optimised,
/// packets that of either.
std::string check_plain(Choices& choices, CheckCounts& counts);

/// Whole rule sets, of parsed frames and of their flows: each rule is found exactly when its program accepts
/// the bytes at its layer, or the synthetic packet of the key in one of its directions.
std::string check_rules(Choices& choices, CheckCounts& counts);

}  // namespace yagura::test
