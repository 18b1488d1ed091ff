// SPDX-License-Identifier: BSD-3-Clause
#include "control/request_records.h"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

namespace yagura::control {
namespace {

using Kind = RequestRecords::Kind;

constexpr RecordBudget::Limits kLimits{.at_once = 2, .per_second = 0, .said_after = std::chrono::seconds(10)};

struct Rig : AuditSink {
    void record(const AuditEvent& event) override { events.push_back(event); }
    void ask(uid_t uid, Kind kind, bool has_role = true, const char* object = "x") {
        records.record({1, uid, uid, "[test]", "x.y", object, kind != Kind::kRefused, "why"}, kind, has_role,
                       now);
    }
    std::size_t recorded() {
        const std::size_t count = events.size();
        events.clear();
        return count;
    }
    std::vector<AuditEvent> events;
    RequestRecords records{*this, kLimits};
    RequestRecords::Clock::time_point now{};
};

TEST_CASE("each user and each kind has a budget of its own; what was done needs none") {
    Rig rig;
    for (int i = 0; i < 5; ++i) {
        for (const uid_t user : {1u, 2u})
            for (const Kind kind : {Kind::kRefused, Kind::kAnswered, Kind::kDone}) rig.ask(user, kind);
    }
    CHECK(rig.recorded() == 2 * (2 + 2 + 5));
}

TEST_CASE("what was left out is said by time, with who was the last") {
    Rig rig;
    for (int i = 0; i < 5; ++i) rig.ask(7, Kind::kRefused, true, i == 4 ? "last" : "x");
    rig.recorded();
    rig.records.tick(rig.now + std::chrono::seconds(9));
    CHECK(rig.events.empty());
    rig.records.tick(rig.now + std::chrono::seconds(10));
    REQUIRE(rig.events.size() == 1);
    CHECK(rig.events[0].action == "requests");
    CHECK(rig.events[0].object == "of uid 7, the last: x.y last");
    CHECK(rig.events[0].outcome == "3 more were refused or failed; the last: why");
    CHECK(rig.events[0].uid == 7);
    rig.records.tick(rig.now + std::chrono::hours(1));
    rig.records.end();
    CHECK(rig.recorded() == 1);
}

TEST_CASE("users without a role, and those beyond the bound, have one budget together") {
    Rig rig;
    for (uid_t user = 0; user < 1000; ++user) rig.ask(user, Kind::kRefused, false);
    CHECK(rig.recorded() == 2);
    for (uid_t user = 0; user < 1000; ++user) rig.ask(user, Kind::kRefused);
    CHECK(rig.recorded() < RequestRecords::kMostUsers);
    rig.records.end();
    CHECK(rig.recorded() == 1);
    CHECK(rig.events.empty());
}

}  // namespace
}  // namespace yagura::control
