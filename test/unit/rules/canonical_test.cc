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
                  {"id": 5, "block": {"what": "source", "ttl": 600}, "filter": "tcp", "reset": true},
                  {"id": 6, "block": {"what": "connection"}, "drop": true, "reset": false},
                  {"id": 4, "payload_none": ["x", {"depth": 9, "pattern": "/y/", "direction": "both"}], "drop": true,
                   "payload_all": {"offset": 1, "direction": "to_server", "pattern": "z", "depth": 2}}],
        "inspect": {"timeouts": {"other": "60s", "tcp_closed": 90, "tcp": "24h", "udp": "1.5s"}, "flows": 1048576,
                    "flow_key": ["tunnel", "vlan"], "when_short": "forward", "reorder_bytes": 0,
                    "stream_budget": "1024MiB", "hold_budget": 1048576, "hold_bytes": "unlimited",
                    "stream_depth": 2097152},
        "audit": {"on_failure": "go_on", "head": {"interval": 5, "socket": "/dev/log", "file": "h"}, "files": 3,
                  "max_size": 65536, "key": "k\\", "file": "a", "enabled": false},
        "response": {"from_tools": false, "kills": 1, "frames_per_second": 5, "dry_run": true, "enabled": true,
                     "never_cut": {"ports": [53, 22], "prefixes": ["2001:DB8:0::/32", "10.0.0.0/8", "192.0.2.1/32"]},
                     "blocks": {"capacity": 7, "file": "/b"}, "stop_file": "/s"},
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
      "id": 5,
      "filter": "tcp",
      "reset": true,
      "block": {
        "ttl": "10m",
        "what": "source"
      }
    },
    {
      "id": 6,
      "drop": true,
      "block": {}
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
  },
  "response": {
    "enabled": true,
    "dry_run": true,
    "never_cut": {
      "prefixes": ["2001:db8::/32", "10.0.0.0/8", "192.0.2.1"],
      "ports": [53, 22]
    },
    "stop_file": "/s",
    "blocks": {
      "file": "/b",
      "capacity": 7
    },
    "kills": 1,
    "frames_per_second": 5,
    "from_tools": false
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
                      "head": {"file": "/var/lib/yagura/audit.head", "interval": "1m"}},
            "response": {"enabled": false, "dry_run": false, "never_cut": {"prefixes": [], "ports": []},
                         "blocks": {"capacity": 1000000}, "kills": 4096, "frames_per_second": 20000,
                         "from_tools": true}})"));
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
                                        .inject = below(2) == 0 ? "n0" : "",
                                        .place = networks++});
                if (below(2) == 0) {
                    const auto byte = [&below] { return static_cast<std::uint8_t>(below(256)); };
                    config.ports.back().route =
                        Route{{2, 0, byte(), byte(), byte(), byte()}, {6, byte(), byte(), byte(), byte(), 9}};
                }
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
        if (below(2) == 0) {
            Response& response = config.response;
            response.enabled = below(3) != 0;
            response.dry_run = below(2) == 0;
            // No two the same, and no bits behind the length.
            for (std::uint8_t n = 0; n < below(3); ++n)
                response.never_prefixes.push_back({{10, n}, 4, static_cast<std::uint8_t>(16 + below(17))});
            for (std::uint8_t n = 0; n < below(3); ++n)
                response.never_prefixes.push_back({{0x20, n}, 6, static_cast<std::uint8_t>(16 + below(113))});
            for (std::uint16_t n = 1; n < 1 + below(3); ++n)
                response.never_ports.push_back(static_cast<std::uint16_t>(65536 - n));
            if (below(2) == 0) response.stop_file = "/s" + text("ab/\" \\", 9);
            if (below(2) == 0) response.blocks_file = "/b" + text("ab/\" \\", 9);
            response.blocks_capacity = static_cast<std::uint32_t>(number(kMaxBlocks));
            response.kills = static_cast<std::uint32_t>(number(kMaxKills));
            response.frames_per_second = static_cast<std::uint32_t>(number(kMaxFrameRate));
            response.from_tools = below(2) == 0;
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
            if (config.response.enabled) {
                rule.reset = below(3) == 0;
                if (below(3) == 0) rule.block = BlockAction{.what = kBlockWhats[below(3)].second, .ttl = {}};
                if (rule.block && below(2) == 0)
                    rule.block->ttl = kMinBlockTime + std::chrono::milliseconds(number(31'536'000'000));
            }
            const bool selects = !rule.drop && (!rule.responds() || below(2) == 0);
            for (std::size_t g = 0; selects && g < config.tool_groups.size(); ++g) {
                if (g == 0 || below(2) == 0) rule.forward.insert(rule.forward.begin(), g);
            }
            rule.scope = kScopes[below(3)].second;
            if (selects && below(3) == 0) rule.priority = static_cast<unsigned>(below(kPriorities));
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
