// SPDX-License-Identifier: BSD-3-Clause
#include <catch2/catch.hpp>
#include <random>
#include <string>

#include "config_samples.h"
#include "rules/keys.h"

namespace yagura::rules {
namespace {

void check_round_trip(const Config& config) {
    const std::string text = canonical_json(config);
    CAPTURE(text);
    const ConfigOutcome again = parse_config(text);
    CAPTURE(all_errors(again));
    REQUIRE(again.ok());
    CHECK(again.config == config);
    CHECK(canonical_json(again.config) == text);
}

TEST_CASE("the canonical form is written so") {
    const std::string given = with(R"(
        "rules": [{"scope": "session", "forward": ["rec0", "ids"], "payload": "/a\\/b/i", "filter": "tcp", "id": 7},
                  {"drop": true, "id": 3, "layer": "inner", "filter": "udp", "name": "q\"", "malformed": false},
                  {"id": 4, "payload_none": ["x", {"depth": 9, "pattern": "/y/", "direction": "both"}], "drop": true,
                   "payload_all": {"offset": 1, "direction": "to_server", "pattern": "z", "depth": 2}}],
        "inspect": {"timeouts": {"other": "60s", "tcp_closed": 90, "tcp": "24h", "udp": "1.5s"}, "flows": 1048576,
                    "flow_key": ["tunnel", "vlan"], "when_short": "forward", "reorder_bytes": 0,
                    "stream_budget": "1024MiB", "hold_budget": 1048576, "hold_bytes": "unlimited",
                    "stream_depth": 2097152},
        "audit": {"on_failure": "go_on", "head": {"interval": 5, "socket": "/dev/log", "file": "h"}, "files": 3,
                  "max_size": 65536, "key": "k\\", "file": "a", "enabled": false},
        "lcores": {"tx": [3], "select": [1, 2], "rx": [0]})");
    const std::string expected = R"({
  "lcores": {
    "rx": [0],
    "select": [1, 2],
    "tx": [3]
  },
  "ports": {
    "tap0": {
      "role": "network",
      "device": "net_null0"
    },
    "ids0": {
      "role": "tool",
      "device": "net_null1"
    },
    "ids1": {
      "role": "tool",
      "device": "net_null2"
    },
    "rec0": {
      "role": "tool",
      "device": "pcap:rec0.pcap"
    }
  },
  "tool_groups": {
    "ids": {
      "members": ["ids0", "ids1"],
      "mode": "balance"
    },
    "rec": {
      "members": ["rec0"]
    }
  },
  "rules": [
    {
      "id": 7,
      "filter": "tcp",
      "payload": ["/a\\/b/i"],
      "forward": ["rec0", "ids"]
    },
    {
      "id": 3,
      "name": "q\"",
      "filter": "udp",
      "layer": "inner",
      "malformed": false,
      "drop": true
    },
    {
      "id": 4,
      "payload_all": [{"pattern": "z", "direction": "to_server", "offset": 1, "depth": 2}],
      "payload_none": ["x", {"pattern": "/y/", "depth": 9}],
      "drop": true
    }
  ],
  "inspect": {
    "stream_depth": "2MiB",
    "hold_bytes": "unlimited",
    "hold_budget": "1MiB",
    "stream_budget": "1GiB",
    "reorder_bytes": 0,
    "when_short": "forward",
    "flow_key": ["vlan", "tunnel"],
    "timeouts": {
      "tcp": "1d",
      "tcp_closed": "90s",
      "udp": "1500ms"
    }
  },
  "audit": {
    "enabled": false,
    "file": "a",
    "key": "k\\",
    "max_size": "64KiB",
    "files": 3,
    "head": {
      "file": "h",
      "socket": "/dev/log",
      "interval": "5s"
    },
    "on_failure": "go_on"
  }
}
)";
    CHECK(canonical_json(must_parse(given)) == expected);
}

TEST_CASE("what is as by default is left out") {
    const std::string text = canonical_json(must_parse(
        R"({"lcores": "auto", "ports": {"n": {"role": "network", "device": "x"}}, "tool_groups": {}, "rules": [],
            "inspect": {"stream_depth": "1024KiB", "hold_bytes": 65536, "flows": 1048576, "hold_budget": "256MiB",
                        "stream_budget": "512MiB", "reorder_bytes": "256KiB", "when_short": "drop", "flow_key": [],
                        "timeouts": {"tcp_opening": "1m", "tcp": 3600, "tcp_closed": "10000ms", "udp": "5m",
                                     "other": "60s"}},
            "audit": {"enabled": true, "file": "/var/log/yagura/audit.jsonl", "key": "/var/lib/yagura/audit.key",
                      "max_size": 16777216, "files": 8, "on_failure": "refuse",
                      "head": {"file": "/var/lib/yagura/audit.head", "interval": "1m"}}})"));
    CHECK(text == R"({
  "ports": {
    "n": {
      "role": "network",
      "device": "x"
    }
  }
}
)");
}

TEST_CASE("the examples parse, and come back from their canonical form") {
    for (const char* path : {"conf/example.jsonc", "conf/demo.jsonc"}) {
        CAPTURE(path);
        const Config config = must_parse(read_source(path));
        CHECK_FALSE(config.rules.empty());
        check_round_trip(config);
    }
}

TEST_CASE("random configurations come back from their canonical form") {
    std::mt19937_64 random(20240601);
    const auto below = [&random](std::uint64_t n) { return random() % n; };
    const auto text = [&below](std::string_view alphabet, std::uint64_t longest) {
        std::string out;
        for (std::uint64_t n = 1 + below(longest); n > 0; --n) out += alphabet[below(alphabet.size())];
        return out;
    };
    const auto number = [&](std::uint64_t most) {
        const std::uint64_t units[] = {1, 1000, 1024, 1'000'000, 1u << 20};
        return std::max<std::uint64_t>(1, std::min(most, (1 + below(5000)) * units[below(5)]));
    };
    // "x" keeps a literal from beginning with a slash.
    const auto patterns = [&](std::vector<Pattern>& out) {
        for (std::uint64_t n = below(3); n > 0; --n) {
            if (below(2) == 0) {
                const std::string bytes = "x" + text("a/\\\"\n\x01 ", 6);
                out.push_back({.text = bytes, .bytes = bytes});
            } else {
                const std::string bytes = text("ab/\\.+", 6);
                out.push_back({.text = "/" + bytes + "/si",
                               .regex = true,
                               .bytes = bytes,
                               .caseless = true,
                               .dotall = true});
            }
            Pattern& pattern = out.back();
            if (below(2) == 0) continue;
            pattern.direction = kDirections[below(3)].second;
            if (below(2) == 0) pattern.offset = number(kMaxPatternPlace);
            if (below(2) == 0) pattern.depth = 7 + number(kMaxPatternPlace - 7);
        }
    };
    for (int round = 0; round < 500; ++round) {
        Config config;
        const auto tools = static_cast<std::size_t>(1 + below(5));
        config.ports.push_back({"n0", PortRole::kNetwork, text("ab,= \"\\", 9), {}, {}});
        std::uint16_t networks = 1;
        for (std::size_t i = 0; i < tools; ++i) {
            if (below(3) == 0) {
                config.ports.push_back({.name = "n1-" + std::to_string(i),
                                        .role = PortRole::kNetwork,
                                        .device = "x",
                                        .queues = static_cast<unsigned>(1 + below(kMaxQueues)),
                                        .link = below(2) == 0 ? "l" + std::to_string(i / 2) : "",
                                        .place = networks++});
            }
            std::optional<std::uint64_t> rate;
            if (below(2) == 0) rate = number(UINT64_MAX);
            std::optional<QueueBound> queue;
            if (below(2) == 0) queue = {static_cast<std::uint32_t>(16 + below(1000)), std::nullopt};
            if (queue && rate && below(2) == 0) queue->time = std::chrono::milliseconds(number(10'000));
            config.ports.push_back({.name = "t" + std::to_string(i),
                                    .role = PortRole::kTool,
                                    .device = text("abc", 9),
                                    .rate_bits_per_second = rate,
                                    .queue = queue,
                                    .place = static_cast<std::uint16_t>(i)});
        }
        for (std::uint64_t i = below(4); i > 0; --i) {
            ToolGroup group{.name = "g" + std::to_string(i),
                            .mode = below(2) == 0 ? GroupMode::kCopy : GroupMode::kBalance,
                            .members = {},
                            .standby = {}};
            for (std::size_t tool = tools; tool-- > 0;) {
                GroupMember member{.tool = base::ToolId(static_cast<std::uint8_t>(tool)), .as = {}};
                if (group.mode == GroupMode::kBalance && below(3) == 0)
                    member.as = "was" + std::to_string(tool);
                if (tool == 0 || below(2) == 0) {
                    group.members.push_back(member);
                } else if (below(2) == 0) {
                    group.standby.push_back(member);
                }
            }
            config.tool_groups.push_back(group);
        }
        for (std::size_t i = 0; i < tools; ++i) {
            config.tool_groups.push_back({"t" + std::to_string(i),
                                          GroupMode::kCopy,
                                          {{base::ToolId(static_cast<std::uint8_t>(i)), {}}},
                                          {},
                                          true});
        }
        for (std::uint64_t i = below(5); i > 0; --i) {
            Rule rule;
            rule.id = i * 1000 + below(1000);
            if (below(2) == 0) rule.name = text("ab \"\\/", 9);
            if (below(2) == 0) {
                rule.filter = "x" + text("tcp \n\"", 9);
                if (below(2) == 0) rule.layer = kLayers[below(3)].second;
            }
            if (below(3) == 0) rule.malformed = below(2) == 0;
            patterns(rule.payload);
            patterns(rule.payload_all);
            if (below(2) == 0) {
                // Of letters that the others do not have: nothing is both asked for and forbidden.
                const std::string bytes = "y" + text("yz", 6);
                rule.payload_none.push_back({.text = bytes, .bytes = bytes});
            }
            rule.drop = below(3) == 0;
            for (std::size_t g = 0; !rule.drop && g < config.tool_groups.size(); ++g) {
                if (g == 0 || below(2) == 0) rule.forward.insert(rule.forward.begin(), g);
            }
            rule.scope = kScopes[below(3)].second;
            if (!rule.drop && below(3) == 0) rule.priority = static_cast<unsigned>(below(kPriorities));
            if (!rule.drop && below(3) == 0) rule.sample = static_cast<std::uint32_t>(number(kMaxSample));
            config.rules.push_back(rule);
        }
        if (below(2) == 0) config.lcores = {{0, 5}, {1}, {126, 0}};
        if (below(2) == 0) {
            Inspect& inspect = config.inspect;
            inspect = {number(kMaxStreamDepth), number(kMaxHoldBytes), number(kMaxFlows)};
            inspect.hold_budget = std::max(inspect.hold_bytes, kMinBudget) + number(kMaxHoldBytes);
            inspect.stream_budget = kMinBudget + number(kMaxHoldBytes);
            inspect.reorder_bytes = number(kMaxReorderBytes);
            if (below(3) == 0) inspect.hold_bytes = Inspect::kUnlimited;
            inspect.when_short = kShortages[below(2)].second;
            for (const auto& [word, part] : kFlowKeyParts) inspect.*part = below(2) == 0;
            for (const auto timeout : kTimeouts) {
                if (below(2) == 0)
                    inspect.timeouts.*timeout = std::chrono::milliseconds(number(31'536'000'000));
            }
        }
        if (below(2) == 0) {
            config.cache.enabled = below(2) == 0;
            config.cache.folder = "c" + text("ab/\" \\", 9);
            config.cache.max_size = std::min(kMinCacheSize + number(kMaxCacheSize), kMaxCacheSize);
            AuditSettings& audit = config.audit;
            audit.enabled = below(2) == 0;
            audit.file = "f" + text("ab/\" \\", 9);
            audit.key = "k" + text("ab/\" \\", 9);
            audit.max_size = std::min(kMinAuditSize + number(kMaxAuditSize), kMaxAuditSize);
            audit.files = kMinAuditFiles + below(9);
            audit.head.file = "h" + text("ab/", 9);
            if (below(2) == 0) audit.head.socket = text("ab/", 9);
            if (below(2) == 0) audit.head.interval = std::chrono::milliseconds(1000 + below(86'399'001));
            audit.on_failure = kAuditFailures[below(2)].second;
        }
        check_round_trip(config);
    }
}

}  // namespace
}  // namespace yagura::rules
