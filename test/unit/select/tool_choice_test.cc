// SPDX-License-Identifier: BSD-3-Clause
// Who gets a flow while tools are down: what had to move has moved, and nothing else.
#include <bit>
#include <catch2/catch.hpp>
#include <map>
#include <set>

#include "base/hash.h"
#include "support/random.h"
#include "support/rules_from_json.h"

using namespace yagura;

namespace {

constexpr std::uint64_t kA = 1, kB = 2, kC = 4, kD = 8;

std::uint64_t hash_of(std::uint64_t flow) {
    return base::mix(flow ^ base::kHashA, base::kHashB);
}

std::shared_ptr<const select::PolicySnapshot> policy_with(const std::string& groups,
                                                          const std::string& forward) {
    const auto outcome = rules::parse_config(R"({"ports": {"lan": {"role": "network", "device": "loop:"},
        "a": {"role": "tool", "device": "loop:"}, "b": {"role": "tool", "device": "loop:"},
        "c": {"role": "tool", "device": "loop:"}, "d": {"role": "tool", "device": "loop:"}},
        "tool_groups": {)" + groups + R"(}, "rules": [{"id": 1, "forward": )" +
                                             forward + "}]}");
    if (!outcome.ok()) throw std::runtime_error(outcome.errors.front().to_string());
    return test::policy_of(outcome.config);
}

/// Who gets a flow of all that the rule forwards to.
std::uint64_t tools_of(const select::PolicySnapshot& policy, std::uint64_t hash, std::uint64_t down) {
    const match::RuleIndex rule = 0;
    const std::uint64_t own = policy.balanced_tools({&rule, 1}, hash) | policy.actions[0].copy_tools;
    const auto found = policy.redirect({&rule, 1}, own, hash, down);
    REQUIRE(found.rest == 0);
    return found.tools;
}

}  // namespace

TEST_CASE("flows of a balance group move when their member is down, and come back") {
    const auto policy = policy_with(R"("g": {"members": ["a", "b", "c"], "mode": "balance"})", R"(["g"])");
    std::map<std::uint64_t, int> moved_to;
    for (std::uint64_t flow = 0; flow < 9000; ++flow) {
        const std::uint64_t hash = hash_of(flow);
        const std::uint64_t own = tools_of(*policy, hash, 0);
        REQUIRE(std::popcount(own) == 1);
        const std::uint64_t now = tools_of(*policy, hash, kB);
        if (own == kB) {
            ++moved_to[now];
        } else {
            REQUIRE(now == own);
        }
        // A second that is down moves those alone that were its own or had come to it.
        const std::uint64_t then = tools_of(*policy, hash, kB | kC);
        REQUIRE(then == (now == kC ? kA : now));
        REQUIRE(tools_of(*policy, hash, kA | kB | kC) == own);
    }
    REQUIRE(moved_to.size() == 2);
    CHECK(moved_to[kA] > 1200);
    CHECK(moved_to[kC] > 1200);
}

TEST_CASE("the standby of a balance group gets the flows of a member that is down, and no others") {
    const auto policy =
        policy_with(R"("g": {"members": ["a", "b"], "standby": ["c", "d"], "mode": "balance"})", R"(["g"])");
    std::map<std::uint64_t, int> share;
    for (std::uint64_t flow = 0; flow < 4000; ++flow) {
        const std::uint64_t hash = hash_of(flow);
        const std::uint64_t own = tools_of(*policy, hash, 0);
        REQUIRE((own & (kC | kD)) == 0);
        const std::uint64_t now = tools_of(*policy, hash, kA);
        REQUIRE((own == kA ? (now & (kC | kD)) != 0 : now == own));
        if (own == kA) ++share[now];
        // The other member too: who had a standby keeps it.
        if (own == kA) REQUIRE(tools_of(*policy, hash, kA | kB) == now);
        // Without the standby the other member has to take it.
        REQUIRE(tools_of(*policy, hash, kA | kC | kD) == kB);
        REQUIRE(tools_of(*policy, hash, kA | kB | kC | kD) == own);
    }
    CHECK(share[kC] > 800);
    CHECK(share[kD] > 800);
}

TEST_CASE("a balance group of one has its standby") {
    const auto policy =
        policy_with(R"("g": {"members": ["a"], "standby": ["d"], "mode": "balance"})", R"(["g"])");
    CHECK(tools_of(*policy, 7, 0) == kA);
    CHECK(tools_of(*policy, 7, kA) == kD);
    CHECK(tools_of(*policy, 7, kA | kD) == kA);
}

TEST_CASE("the standby of a copy group gets the copy of a member that is down") {
    const auto policy = policy_with(R"("g": {"members": ["a", "b"], "standby": ["c", "d"]})", R"(["g"])");
    const struct {
        std::uint64_t down, get;
    } rows[] = {{0, kA | kB},
                {kA, kB | kC},
                {kB, kA | kC},
                {kA | kB, kC | kD},
                {kA | kC, kB | kD},
                {kC, kA | kB},
                {kA | kB | kC, kB | kD},
                {kA | kC | kD, kA | kB},
                {kD, kA | kB},
                {kA | kB | kC | kD, kA | kB}};
    for (const auto& row : rows) {
        CAPTURE(row.down);
        CHECK(tools_of(*policy, 1, row.down) == row.get);
    }
}

TEST_CASE("a tool that a rule names itself has nobody to stand in, whatever groups it is in") {
    const auto policy = policy_with(
        R"("g": {"members": ["a", "b"], "standby": ["c"]}, "h": {"members": ["a", "b"], "mode": "balance"})",
        R"(["a"])");
    CHECK(tools_of(*policy, 3, kA) == kA);
    const auto both = policy_with(R"("g": {"members": ["a", "b"], "standby": ["c"]})", R"(["a", "g"])");
    CHECK(tools_of(*both, 3, kA) == (kA | kB | kC));
}

TEST_CASE("a part of a packet's tools is dealt with alone") {
    const auto policy = policy_with(R"("g": {"members": ["a", "b"], "standby": ["c", "d"]})", R"(["g"])");
    const match::RuleIndex rule = 0;
    CHECK(policy->redirect({&rule, 1}, kB, 1, kA | kB).tools == kD);
    CHECK(policy->redirect({&rule, 1}, kA, 1, kA | kB).tools == kC);
    const auto unknown = policy->redirect({&rule, 1}, kA | kD, 1, kA);
    CHECK(unknown.tools == kC);
    CHECK(unknown.rest == kD);
}

TEST_CASE("a tool that has taken over another's name has its flows") {
    const auto before = policy_with(R"("g": {"members": ["a", "b", "c"], "mode": "balance"})", R"(["g"])");
    const auto after = policy_with(
        R"("g": {"members": ["a", {"tool": "d", "as": "b"}, "c"], "mode": "balance"})", R"(["g"])");
    std::set<std::uint64_t> seen;
    for (std::uint64_t flow = 0; flow < 3000; ++flow) {
        const std::uint64_t was = tools_of(*before, hash_of(flow), 0);
        REQUIRE(tools_of(*after, hash_of(flow), 0) == (was == kB ? kD : was));
        seen.insert(was);
    }
    CHECK(seen.size() == 3);
}

TEST_CASE("a mirror gets what its tool gets, and nothing else") {
    const std::string groups =
        R"("g": {"members": ["a", "b"], "mode": "balance"}, "all": {"members": ["a", "c"], "standby": ["b"]})";
    const auto outcome =
        rules::parse_config(R"({"ports": {"lan": {"role": "network", "device": "loop:"},
        "a": {"role": "tool", "device": "loop:"}, "b": {"role": "tool", "device": "loop:"},
        "c": {"role": "tool", "device": "loop:"}, "d": {"role": "tool", "device": "loop:"}},
        "tool_groups": {)" + groups +
                            R"(}, "rules": [{"id": 1, "forward": ["g"]}, {"id": 2, "forward": ["all"]},
        {"id": 3, "forward": ["a"]}, {"id": 4, "forward": ["b"]}]})");
    REQUIRE(outcome.ok());
    auto compiled = match::CompiledRules::compile(outcome.config.rules, net::LinkType::kEthernet);
    const auto plain = select::make_policy(outcome.config, compiled.rules);
    const auto mirrored = select::make_policy(
        outcome.config, compiled.rules, select::ToolPair{.from = base::ToolId(0), .to = base::ToolId(3)});
    for (std::uint64_t flow = 0; flow < 300; ++flow) {
        for (match::RuleIndex rule = 0; rule < 4; ++rule) {
            for (std::uint64_t down = 0; down < 8; ++down) {
                CAPTURE(flow, rule, down);
                const auto get = [&](const select::PolicySnapshot& policy, std::uint64_t what) {
                    const std::uint64_t own =
                        policy.balanced_tools({&rule, 1}, hash_of(flow)) | policy.actions[rule].copy_tools;
                    return policy.redirect({&rule, 1}, own, hash_of(flow), what).tools;
                };
                // While both are down or up the one is where the other is.
                const std::uint64_t both = down | ((down & kA) != 0 ? kD : 0);
                const std::uint64_t tools = get(*plain, down);
                REQUIRE(get(*mirrored, both) == (tools | ((tools & kA) != 0 ? kD : 0)));
                // Who is up goes on alone, where the other's copy would be another's (a rule that names it is
                // not asked).
                if ((down & kA) != 0 && (get(*plain, down & ~kA) & kA) != 0 && rule != 2)
                    REQUIRE(get(*mirrored, down) == ((get(*plain, down & ~kA) & ~kA) | kD));
            }
        }
    }
}

TEST_CASE("whatever goes up and down, the choice is that of the reference") {
    test::Random random(7);
    const std::string names[] = {"a", "b", "c", "d"};
    for (int round = 0; round < 300; ++round) {
        // Each tool is a member, a standby, or neither.
        std::string members;
        std::string standby;
        std::vector<std::size_t> member_list;
        std::vector<std::size_t> standby_list;
        for (std::size_t tool = 0; tool < 4; ++tool) {
            const auto kind = random.below(3);
            if (kind == 2) continue;
            std::string& list = kind == 0 ? members : standby;
            (kind == 0 ? member_list : standby_list).push_back(tool);
            list += (list.empty() ? "\"" : ", \"") + names[tool] + "\"";
        }
        if (member_list.empty()) continue;
        const std::string group = R"("g": {"mode": "balance", "members": [)" + members + "]" +
                                  (standby.empty() ? "" : R"(, "standby": [)" + standby + "]") + "}";
        CAPTURE(group);
        const auto policy = policy_with(group, R"(["g"])");
        std::uint64_t down = 0;
        for (int step = 0; step < 20; ++step) {
            down ^= std::uint64_t{1} << random.below(4);
            const std::uint64_t hash = random.word();
            // Of a list that is ordered by weight, the first that will do.
            const auto first_up = [&](std::vector<std::size_t> tools,
                                      std::uint64_t without) -> std::uint64_t {
                std::ranges::sort(tools, std::greater<>(), [&](std::size_t tool) {
                    return base::mix(hash ^ select::weight_seed(names[tool]), base::kHashD);
                });
                for (const std::size_t tool : tools)
                    if ((without >> tool & 1) == 0) return std::uint64_t{1} << tool;
                return 0;
            };
            const std::uint64_t own = first_up(member_list, 0);
            std::uint64_t expected = own;
            if ((own & down) != 0) {
                expected = first_up(standby_list, down);
                if (expected == 0) expected = first_up(member_list, down);
                if (expected == 0) expected = own;
            }
            CAPTURE(down, hash);
            REQUIRE(tools_of(*policy, hash, down) == expected);
        }
    }
}
