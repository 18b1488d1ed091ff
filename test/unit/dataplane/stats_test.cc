// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/stats.h"

#include <catch2/catch.hpp>
#include <set>

using namespace yagura;
using dataplane::Stats;
using select::DropReason;

namespace {

Stats balanced_stats() {
    Stats stats;
    stats.ports.resize(1);
    stats.ports[0].received = {10, 1000};
    stats.ports[0].forwarded = {4, 400};
    stats.ports[0].dropped[static_cast<std::size_t>(DropReason::kNoRule)] = {3, 300};
    stats.ports[0].held = {2, 200};
    stats.ports[0].in_flight = {1, 100};
    stats.on_select_rings = 1;
    stats.tools.resize(1);
    stats.tools[0].offered = {4, 400};
    stats.tools[0].sent = {2, 200};
    stats.tools[0].shed[static_cast<std::size_t>(port::ShedReason::kToolFull)] = {1, 100};
    stats.on_tool_rings = 1;
    return stats;
}

}  // namespace

TEST_CASE("a ledger balances when every sum holds, bytes and rings included") {
    CHECK(balanced_stats().balanced());
    const auto broken = GENERATE(
        +[](Stats& s) { ++s.ports[0].received.packets; }, +[](Stats& s) { ++s.ports[0].received.bytes; },
        +[](Stats& s) { --s.ports[0].forwarded.packets; }, +[](Stats& s) { ++s.ports[0].held.bytes; },
        +[](Stats& s) { ++s.on_select_rings; }, +[](Stats& s) { ++s.tools[0].offered.packets; },
        +[](Stats& s) { --s.tools[0].sent.packets; }, +[](Stats& s) { s.on_tool_rings = 0; });
    Stats stats = balanced_stats();
    broken(stats);
    CHECK_FALSE(stats.balanced());
}

TEST_CASE("lost are packets dropped for a reason of class loss, copies shed, and what devices missed") {
    Stats stats = balanced_stats();
    CHECK(stats.lost() == 1);
    stats.ports[0].dropped[static_cast<std::size_t>(DropReason::kSelectRingFull)] = {5, 500};
    CHECK(stats.lost() == 6);
    stats.ports[0].dropped[static_cast<std::size_t>(DropReason::kTruncated)] = {2, 200};
    CHECK(stats.lost() == 8);
    stats.ports[0].missed = 3;
    CHECK(stats.lost() == 11);
}

TEST_CASE("every drop reason has a name of its own and a class") {
    std::set<std::string_view> names;
    for (std::size_t r = 0; r < select::kDropReasons; ++r) {
        const auto reason = static_cast<DropReason>(r);
        CHECK_FALSE(select::drop_reason_name(reason).empty());
        CHECK_FALSE(select::drop_class_name(select::drop_class(reason)).empty());
        names.insert(select::drop_reason_name(reason));
    }
    CHECK(names.size() == select::kDropReasons);
    CHECK(select::drop_reason_name(select::malformed_drop(net::Malformed::kTruncatedIp)) == "truncated_ip");
    CHECK(select::drop_class(select::malformed_drop(net::Malformed::kTooDeep)) ==
          select::DropClass::kMalformed);
}
