// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/ledger.h"

#include <catch2/catch.hpp>

using namespace yagura;
using base::PortId;
using base::ToolId;
using dataplane::Ledger;
using dataplane::PortSums;
using dataplane::ToolSums;

namespace {

PortSums sums_of(std::uint64_t packets) {
    PortSums sums;
    sums.received = sums.handed = sums.taken = sums.forwarded = {packets, 10 * packets};
    sums.missed = packets / 2;
    return sums;
}

}  // namespace

TEST_CASE("an id is free until a port has it, and again when that has settled") {
    Ledger ledger(3, 2, 1);
    CHECK(ledger.free_port() == PortId{2});
    CHECK(ledger.free_tool() == ToolId{1});
    ledger.set(PortId{2}, Ledger::Place::kOpen);
    CHECK_FALSE(ledger.free_port());
    ledger.set(PortId{1}, Ledger::Place::kLeft);
    CHECK_FALSE(ledger.free_port());
    ledger.settle(PortId{1}, {});
    CHECK(ledger.free_port() == PortId{1});
    for (std::uint8_t tool = 0; tool < base::kMaxTools; ++tool)
        ledger.set(ToolId{tool}, Ledger::Place::kOpen);
    CHECK_FALSE(ledger.free_tool());
}

TEST_CASE("a port begins at nothing, whatever was counted under its id before") {
    Ledger ledger(1, 1, 1);
    ledger.close(PortId{0}, sums_of(40));
    CHECK(ledger.closed(PortId{0}).received.packets == 40);
    ledger.settle(PortId{0}, sums_of(100));
    ledger.set(PortId{0}, Ledger::Place::kOpen);
    const auto port = ledger.since(PortId{0}, sums_of(107)).to_stats({2, 20});
    CHECK(port.received == base::Count{7, 70});
    CHECK(port.forwarded == base::Count{7, 70});
    CHECK(port.held == base::Count{2, 20});
    CHECK(port.in_flight == base::Count{});
    CHECK(ledger.removed_ports().received == base::Count{100, 1000});
    CHECK(ledger.removed_ports().missed == 50);
    ledger.settle(PortId{0}, sums_of(107));
    CHECK(ledger.removed_ports().received.packets == 107);
    CHECK(ledger.since(PortId{0}, sums_of(107)).received == base::Count{});

    ToolSums tool;
    tool.offered = {10, 100};
    tool.sent = {8, 80};
    tool.shed[0] = {2, 20};
    tool.flows = 3;
    ledger.settle(ToolId{0}, tool);
    CHECK(ledger.since(ToolId{0}, tool).offered == base::Count{});
    CHECK(ledger.removed_tools().shed_total() == base::Count{2, 20});
    CHECK(ledger.removed_tools().flows == 3);
}
