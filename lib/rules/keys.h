// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>

#include "rules/config.h"

/// Every word that a configuration knows, in the order of the canonical form. The JSON schema is tested
/// against these tables.
namespace yagura::rules {

struct KeySpec {
    std::string_view name;
    std::string_view expected;  ///< its type in words
    std::string_view example;   ///< JSON
    bool required = false;
};
using KeyTable = std::span<const KeySpec>;

inline constexpr std::string_view kAuditExample = R"({"file": "/var/log/yagura/audit.jsonl", "files": 8})";
inline constexpr std::string_view kCacheExample = R"({"folder": "/var/cache/yagura", "max_size": "1GiB"})";
inline constexpr std::string_view kResponseExample =
    R"({"enabled": true, "never_cut": {"prefixes": ["10.0.0.0/8"], "ports": [22]}})";
inline constexpr std::string_view kControlExample =
    R"({"socket": "/run/yagura/control.sock", "roles": {"operator": {"groups": ["netops"]}}})";
inline constexpr std::array kDocumentKeys{
    KeySpec{"lcores", "\"auto\" or an object", R"({"rx": [1], "select": [2, 3], "tx": [4]})"},
    KeySpec{"ports", "an object", R"({"tap0": {"role": "network", "device": "net_af_packet0,iface=br0"}})",
            true},
    KeySpec{"tool_groups", "an object", R"({"ids": {"members": ["ids0", "ids1"], "mode": "balance"}})"},
    KeySpec{"rules", "an array of objects", R"([{"id": 10, "filter": "tcp port 80", "forward": ["ids"]}])"},
    KeySpec{"inspect", "an object", R"({"stream_depth": "1MiB", "hold_bytes": "64KiB", "flows": 1048576})"},
    KeySpec{"audit", "an object", kAuditExample},
    KeySpec{"cache", "an object", kCacheExample},
    KeySpec{"response", "an object", kResponseExample},
    KeySpec{"control", "an object", kControlExample},
    KeySpec{"hotplug", "an array of kinds of devices", R"(["net_af_packet", "net_tap"])"},
    KeySpec{"disabled_features", "an array of methods", R"(["rules.load"])"},
};
inline constexpr std::array kLcoreKeys{
    KeySpec{"rx", "an array of lcore numbers", "[1]", true},
    KeySpec{"select", "an array of lcore numbers", "[2, 3]", true},
    KeySpec{"tx", "an array of lcore numbers", "[4]", true},
};
inline constexpr std::array kPortKeys{
    KeySpec{"role", R"("network" or "tool")", R"("tool")", true},
    KeySpec{"device", "a string", R"("0000:3b:00.1")", true},
    KeySpec{"rate", "a string or a number", R"("1Gbps")"},
    KeySpec{"queue", "an object", R"({"packets": 4096, "time": "50ms"})"},
    KeySpec{"queues", "a whole number", "4"},
    KeySpec{"link", "a string", R"("uplink")"},
    KeySpec{"inject", "the name of a network port", R"("tap1")"},
    KeySpec{"route", "an object", R"({"own_mac": "02:00:00:00:00:01", "next_hop": "02:00:00:00:00:02"})"},
};
inline constexpr std::array kQueueKeys{
    KeySpec{"packets", "a whole number", "4096"},
    KeySpec{"time", "a duration", R"("50ms")"},
};
inline constexpr std::array kRouteKeys{
    KeySpec{"own_mac", "an Ethernet address", R"("02:00:00:00:00:01")", true},
    KeySpec{"next_hop", "an Ethernet address", R"("02:00:00:00:00:02")", true},
};
inline constexpr std::array kToolGroupKeys{
    KeySpec{"members", "an array of tool ports", R"(["ids0", "ids1"])", true},
    KeySpec{"mode", R"("balance" or "copy")", R"("balance")"},
    KeySpec{"standby", "an array of tool ports", R"(["ids2"])"},
};
inline constexpr std::array kGroupMemberKeys{
    KeySpec{"tool", "the name of a tool port", R"("ids0b")", true},
    KeySpec{"as", "the name of a tool port, past or present", R"("ids0")"},
};
inline constexpr std::array kRuleKeys{
    KeySpec{"id", "a whole number", "10", true},
    KeySpec{"name", "a string", R"("web")"},
    KeySpec{"filter", "a string", R"("tcp port 80")"},
    KeySpec{"layer", R"("inner", "outer" or "frame")", R"("outer")"},
    KeySpec{"malformed", "true or false", "true"},
    KeySpec{"payload", "an array of patterns", R"(["/union\\s+select/i"])"},
    KeySpec{"payload_all", "an array of patterns", R"(["POST ", "/passwo?rd=/i"])"},
    KeySpec{"payload_none", "an array of patterns", R"(["Authorization: "])"},
    KeySpec{"drop", "true or false", "true"},
    KeySpec{"forward", "an array of tool groups and tool ports", R"(["ids"])"},
    KeySpec{"reset", "true or false", "true"},
    KeySpec{"block", "an object", R"({"ttl": "10m", "what": "source"})"},
    KeySpec{"scope", R"("session", "onward" or "packet")", R"("packet")"},
    KeySpec{"priority", "a whole number", "12"},
    KeySpec{"sample", "a whole number", "10"},
};
inline constexpr std::array kBlockKeys{
    KeySpec{"ttl", "a duration", R"("10m")"},
    KeySpec{"what", R"("connection", "source" or "destination")", R"("source")"},
};
inline constexpr std::array kPatternKeys{
    KeySpec{"pattern", "a string", R"("/union\\s+select/i")", true},
    KeySpec{"direction", R"("both", "to_server" or "to_client")", R"("to_server")"},
    KeySpec{"offset", "a whole number", "4"},
    KeySpec{"depth", "a whole number", "64"},
};
inline constexpr std::array kInspectKeys{
    KeySpec{"stream_depth", "a size", R"("1MiB")"},
    KeySpec{"hold_bytes", "a size or \"unlimited\"", R"("64KiB")"},
    KeySpec{"flows", "a whole number", "1048576"},
    KeySpec{"hold_budget", "a size", R"("256MiB")"},
    KeySpec{"stream_budget", "a size", R"("512MiB")"},
    KeySpec{"reorder_bytes", "a size", R"("256KiB")"},
    KeySpec{"when_short", R"("drop" or "forward")", R"("forward")"},
    KeySpec{"flow_key", R"(an array of "vlan" and "tunnel")", R"(["vlan"])"},
    KeySpec{"timeouts", "an object", R"({"tcp": "30m", "udp": "1m"})"},
};
inline constexpr std::array kTimeoutKeys{
    KeySpec{"tcp_opening", "a duration", R"("60s")"}, KeySpec{"tcp", "a duration", R"("1h")"},
    KeySpec{"tcp_closed", "a duration", R"("10s")"},  KeySpec{"udp", "a duration", R"("5m")"},
    KeySpec{"other", "a duration", R"("1m")"},
};
inline constexpr std::array kAuditKeys{
    KeySpec{"enabled", "true or false", "false"},
    KeySpec{"file", "a string", R"("/var/log/yagura/audit.jsonl")"},
    KeySpec{"key", "a string", R"("/var/lib/yagura/audit.key")"},
    KeySpec{"max_size", "a size", R"("16MiB")"},
    KeySpec{"files", "a whole number", "8"},
    KeySpec{"head", "an object", R"({"socket": "/dev/log", "interval": "60s"})"},
    KeySpec{"on_failure", R"("refuse" or "go_on")", R"("go_on")"},
};
inline constexpr std::array kAuditHeadKeys{
    KeySpec{"file", "a string", R"("/var/lib/yagura/audit.head")"},
    KeySpec{"socket", "a string", R"("/dev/log")"},
    KeySpec{"interval", "a duration", R"("60s")"},
};
inline constexpr std::array kCacheKeys{
    KeySpec{"enabled", "true or false", "false"},
    KeySpec{"folder", "a string", R"("/var/cache/yagura")"},
    KeySpec{"max_size", "a size", R"("1GiB")"},
};
inline constexpr std::array kResponseKeys{
    KeySpec{"enabled", "true or false", "true"},
    KeySpec{"dry_run", "true or false", "true"},
    KeySpec{"never_cut", "an object", R"({"prefixes": ["10.0.0.0/8"], "ports": [22]})"},
    KeySpec{"stop_file", "a string", R"("/var/lib/yagura/no-response")"},
    KeySpec{"blocks", "an object", R"({"file": "/var/lib/yagura/blocks", "capacity": 1000000})"},
    KeySpec{"kills", "a whole number", "4096"},
    KeySpec{"frames_per_second", "a whole number", "20000"},
    KeySpec{"from_tools", "true or false", "false"},
};
inline constexpr std::array kNeverCutKeys{
    KeySpec{"prefixes", "an array of prefixes", R"(["10.0.0.0/8", "2001:db8::1"])"},
    KeySpec{"ports", "an array of port numbers", "[22]"},
};
inline constexpr std::array kBlocksKeys{
    KeySpec{"file", "a string", R"("/var/lib/yagura/blocks")"},
    KeySpec{"capacity", "a whole number", "1000000"},
};

inline constexpr std::array kControlKeys{
    KeySpec{"socket", "a string", R"("/run/yagura/control.sock")"},
    KeySpec{"roles", "an object", R"({"operator": {"users": ["alice"], "groups": ["netops"]}})"},
    KeySpec{"max_connections_per_user", "a whole number", "64"},
};
/// By Role.
inline constexpr std::array kRoleKeys{
    KeySpec{"viewer", "an object", R"({"groups": ["staff"]})"},
    KeySpec{"operator", "an object", R"({"users": ["alice"], "groups": ["netops"]})"},
    KeySpec{"responder", "an object", R"({"groups": ["soc"]})"},
    KeySpec{"admin", "an object", R"({"users": ["alice"]})"},
};
static_assert(kRoleKeys.size() == kRoleCount);
inline constexpr std::array kRoleMemberKeys{
    KeySpec{"users", "an array of users", R"(["alice"])"},
    KeySpec{"groups", "an array of groups", R"(["netops"])"},
};

template <class Value>
using Word = std::pair<std::string_view, Value>;

inline constexpr std::array kRoles{Word<PortRole>{"network", PortRole::kNetwork},
                                   Word<PortRole>{"tool", PortRole::kTool}};
inline constexpr std::array kModes{Word<GroupMode>{"balance", GroupMode::kBalance},
                                   Word<GroupMode>{"copy", GroupMode::kCopy}};
inline constexpr std::array kLayers{Word<Layer>{"inner", Layer::kInner}, Word<Layer>{"outer", Layer::kOuter},
                                    Word<Layer>{"frame", Layer::kFrame}};
inline constexpr std::array kScopes{Word<Scope>{"session", Scope::kSession},
                                    Word<Scope>{"onward", Scope::kOnward},
                                    Word<Scope>{"packet", Scope::kPacket}};
inline constexpr std::array kDirections{Word<Direction>{"both", Direction::kBoth},
                                        Word<Direction>{"to_server", Direction::kToServer},
                                        Word<Direction>{"to_client", Direction::kToClient}};
inline constexpr std::array kBlockWhats{Word<BlockWhat>{"connection", BlockWhat::kConnection},
                                        Word<BlockWhat>{"source", BlockWhat::kSource},
                                        Word<BlockWhat>{"destination", BlockWhat::kDestination}};
inline constexpr std::array kShortages{Word<WhenShort>{"drop", WhenShort::kDrop},
                                       Word<WhenShort>{"forward", WhenShort::kForward}};
inline constexpr std::array kAuditFailures{Word<OnAuditFailure>{"refuse", OnAuditFailure::kRefuse},
                                           Word<OnAuditFailure>{"go_on", OnAuditFailure::kGoOn}};
/// What may tell flows apart besides addresses, protocol and ports: a word, and the value it sets.
inline constexpr std::array kFlowKeyParts{Word<bool Inspect::*>{"vlan", &Inspect::key_has_vlan},
                                          Word<bool Inspect::*>{"tunnel", &Inspect::key_has_tunnel}};
inline constexpr std::string_view kUnlimitedWord = "unlimited";

/// The timeouts in the order of kTimeoutKeys.
inline constexpr std::array<FlowTimeouts::Nanoseconds FlowTimeouts::*, kTimeoutKeys.size()> kTimeouts{
    &FlowTimeouts::tcp_opening, &FlowTimeouts::tcp, &FlowTimeouts::tcp_closed, &FlowTimeouts::udp,
    &FlowTimeouts::other};

/// The word of a value; every value is in its table.
template <class Words>
constexpr std::string_view word_of(const Words& words, typename Words::value_type::second_type value) {
    for (const auto& [word, meaning] : words) {
        if (meaning == value) return word;
    }
    return {};
}

/// Kinds of devices, as their device strings begin; of "pci" they are addresses.
inline constexpr std::array<std::string_view, 10> kHotplugKinds{
    "net_af_packet", "net_af_xdp", "net_memif", "net_null",        "net_pcap",
    "net_ring",      "net_tap",    "net_vhost", "net_virtio_user", "pci"};

inline constexpr std::uint64_t kLcoreLimit =
    127;  ///< one less than RTE_MAX_LCORE of Debian's DPDK: the control thread has the last
inline constexpr std::uint64_t kMaxQueues = 64;  ///< of a port
inline constexpr std::size_t kMaxNameBytes = 64;
inline constexpr std::uint64_t kMaxStreamDepth = std::uint64_t{1} << 40;
inline constexpr std::uint64_t kMaxHoldBytes = std::uint64_t{1} << 30;
inline constexpr std::uint64_t kMaxFlows = std::uint64_t{1} << 28;
inline constexpr std::uint64_t kMinBudget = std::uint64_t{1} << 20;  ///< of hold_budget and stream_budget
inline constexpr std::uint64_t kMaxBudget = std::uint64_t{1} << 40;
inline constexpr std::uint64_t kMaxReorderBytes = std::uint64_t{1} << 30;
inline constexpr std::uint64_t kMaxPatternPlace = kMaxStreamDepth;  ///< of offset and depth
inline constexpr std::uint64_t kMinQueuePackets = 16;
inline constexpr std::uint64_t kMaxQueuePackets = std::uint64_t{1} << 16;
inline constexpr std::chrono::nanoseconds kMinQueueTime = std::chrono::milliseconds(1);
inline constexpr std::chrono::nanoseconds kMaxQueueTime = std::chrono::seconds(10);
inline constexpr std::uint64_t kMaxSample = 1'000'000;
inline constexpr std::size_t kMaxSocketPath = 107;  ///< bytes: what sockaddr_un holds
inline constexpr std::uint64_t kMaxConnections = 1024;
inline constexpr std::chrono::nanoseconds kMinTimeout = std::chrono::milliseconds(1);
inline constexpr std::chrono::nanoseconds kMaxTimeout = std::chrono::hours(24 * 365);
inline constexpr std::uint64_t kMinAuditSize = std::uint64_t{64} << 10;  ///< of audit/max_size
inline constexpr std::uint64_t kMaxAuditSize = std::uint64_t{1} << 30;
inline constexpr std::uint64_t kMinAuditFiles = 2;  ///< the one that is written, and one behind it
inline constexpr std::uint64_t kMaxAuditFiles = 10000;
inline constexpr std::uint64_t kMinCacheSize = std::uint64_t{1} << 20;
inline constexpr std::uint64_t kMaxCacheSize = std::uint64_t{1} << 40;
inline constexpr std::chrono::nanoseconds kMinHeadInterval = std::chrono::seconds(1);
inline constexpr std::chrono::nanoseconds kMaxHeadInterval = std::chrono::hours(24);
inline constexpr std::size_t kMaxNeverCutPrefixes = 4096;  ///< all are looked at for each verdict
inline constexpr std::uint64_t kMaxPortNumber = 65535;     ///< of TCP, UDP and SCTP
inline constexpr std::uint64_t kMaxBlocks = std::uint64_t{1} << 24;
inline constexpr std::uint64_t kMaxKills = std::uint64_t{1} << 16;
inline constexpr std::uint64_t kMaxFrameRate = 10'000'000;  ///< of frames_per_second
inline constexpr std::chrono::nanoseconds kMinBlockTime = std::chrono::seconds(1);
inline constexpr std::chrono::nanoseconds kMaxBlockTime = std::chrono::hours(24 * 3650);
// Budgets are products of these; none may overflow.
static_assert(kMaxHoldBytes <= UINT64_MAX / kMaxFlows);
static_assert(kMaxPatternPlace <= UINT64_MAX / 2);  // offset + depth

}  // namespace yagura::rules
