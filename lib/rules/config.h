// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "rules/audit_settings.h"
#include "rules/response.h"
#include "rules/role.h"
#include "rules/rule.h"

namespace yagura::rules {

/// Which stages run on which lcores. Empty lists: "auto".
struct LcoreSpec {
    std::vector<unsigned> rx;
    std::vector<unsigned> select;
    std::vector<unsigned> tx;
    bool is_auto() const { return rx.empty() && select.empty() && tx.empty(); }
    bool operator==(const LcoreSpec&) const = default;
};

enum class PortRole : std::uint8_t { kNetwork, kTool };

/// How much may wait for a tool.
struct QueueBound {
    std::uint32_t packets = 4096;
    std::optional<std::chrono::nanoseconds> time;  ///< of its rate; only with one
    bool operator==(const QueueBound&) const = default;
};

struct Port {
    std::string name;
    PortRole role = PortRole::kNetwork;
    std::string device;
    std::optional<std::uint64_t> rate_bits_per_second;  ///< tool ports only: "1Gbps"
    std::optional<QueueBound> queue;                    ///< tool ports only
    unsigned queues = 1;                                ///< to receive by; network ports only
    std::string link;  ///< network ports only: the link of which this is a direction; empty: none
    /// Network ports only: the network port by which frames of ours reach an end behind this one whose own
    /// port is unknown, or, if that one has a route, both ends. Empty: there is none.
    std::string inject;
    std::optional<Route> route;  ///< network ports only; none: frames of ours get the addresses seen there
    /// Its PortId or ToolId. The reader numbers the ports of each role in their order; in a run where ports
    /// have come and gone there may be gaps.
    std::uint16_t place = 0;
    bool operator==(const Port&) const = default;
};

/// Of a tool port.
inline base::ToolId tool_id(const Port& port) {
    return base::ToolId{static_cast<std::uint8_t>(port.place)};
}

enum class GroupMode : std::uint8_t {
    kBalance,  ///< one member per flow, the same for the whole flow
    kCopy,     ///< a copy to every member
};

/// A tool port's place in a group.
struct GroupMember {
    base::ToolId tool;
    /// The name by whose weight flows choose it, where that is not its port's own: the tool whose flows it
    /// has taken over. In balance groups alone.
    std::string as;
    bool operator==(const GroupMember&) const = default;
};

/// Where a rule's `forward` may point. A tool port that is named directly is a group of one, made by the
/// reader.
struct ToolGroup {
    std::string name;
    GroupMode mode = GroupMode::kCopy;
    std::vector<GroupMember> members;
    std::vector<GroupMember> standby;  ///< get what members get that are down; none is a member
    bool implicit = false;             ///< a tool port's own name; not part of the canonical form
    bool operator==(const ToolGroup&) const = default;
};

/// How long a flow may be idle before it ends.
struct FlowTimeouts {
    using Nanoseconds = std::chrono::nanoseconds;
    Nanoseconds tcp_opening = std::chrono::seconds(60);  ///< no answer seen yet
    Nanoseconds tcp = std::chrono::hours(1);
    Nanoseconds tcp_closed = std::chrono::seconds(10);  ///< after a reset, or a FIN from both sides
    Nanoseconds udp = std::chrono::minutes(5);
    Nanoseconds other = std::chrono::minutes(1);
    bool operator==(const FlowTimeouts&) const = default;
};

/// What becomes of the oldest undecided flow when a budget is short.
enum class WhenShort : std::uint8_t {
    kDrop,     ///< its open rules count as not matched
    kForward,  ///< they count as matched
};

struct Inspect {
    static constexpr std::uint64_t kUnlimited = ~std::uint64_t{0};

    std::uint64_t stream_depth = 1u << 20;     ///< bytes per direction
    std::uint64_t hold_bytes = 64u << 10;      ///< bytes of frames per flow; kUnlimited: spooled to disk
    std::uint64_t flows = 1u << 20;            ///< flows per appliance
    std::uint64_t hold_budget = 256u << 20;    ///< bytes: what all flows hold, and segments that wait
    std::uint64_t stream_budget = 512u << 20;  ///< bytes: the states of all streams
    std::uint64_t reorder_bytes = 256u << 10;  ///< bytes of a direction that wait for those before them
    WhenShort when_short = WhenShort::kDrop;
    bool key_has_vlan = false;    ///< flows that differ in their VLANs alone are told apart
    bool key_has_tunnel = false;  ///< ... in their tunnel alone
    FlowTimeouts timeouts;
    bool operator==(const Inspect&) const = default;
};

/// Who has a role: names, or numbers as text.
struct RoleMembers {
    std::vector<std::string> users;
    std::vector<std::string> groups;
    bool operator==(const RoleMembers&) const = default;
};

/// The control socket of a live run.
struct Control {
    std::string socket = "/run/yagura/control.sock";
    std::array<RoleMembers, kRoleCount> roles;  ///< by Role
    unsigned max_connections_per_user = 64;
    bool operator==(const Control&) const = default;
};

/// Where compiled pattern databases are kept on disk.
struct CacheSettings {
    static constexpr const char* kUsualFolder = "/var/cache/yagura";
    bool enabled = true;
    std::string folder = kUsualFolder;  ///< the usual one is used only if it is there
    std::uint64_t max_size = 1u << 30;  ///< bytes of all files
    bool operator==(const CacheSettings&) const = default;
};

/// A configuration that is right as far as its own words go: names resolve, types and ranges hold. Whether
/// filters and patterns compile is for lib/match to say.
struct Config {
    LcoreSpec lcores;
    std::vector<Port> ports;  ///< in the order of the file
    std::vector<ToolGroup>
        tool_groups;          ///< in the order of the file, then the implicit ones in the order of ports
    std::vector<Rule> rules;  ///< in the order of the file: index = precedence
    Inspect inspect;
    AuditSettings audit;
    CacheSettings cache;
    Response response;
    std::optional<Control> control;              ///< none: there is no socket
    std::vector<std::string> disabled_features;  ///< methods of the socket, or families of them
    std::vector<std::string> hotplug;            ///< kinds of devices that may be added to a run

    // In the order of the file.
    std::vector<const Port*> network_ports() const;
    std::vector<const Port*> tool_ports() const;
    const Port* port(std::string_view name) const;  ///< null: there is none
    const Port* tool(base::ToolId id) const;        ///< likewise
    const Port* other_end(const Port& port) const;  ///< the other direction of its link; null: it has none
    bool operator==(const Config&) const = default;
};

/// One thing that is wrong with a configuration.
struct ConfigError {
    std::string pointer;  ///< RFC 6901 JSON pointer, "" for the document
    std::string reason;
    std::string fix;  ///< what to write instead; may be empty

    /// "/rules/3/filter: unknown key \"fliter\" (did you mean \"filter\"?)" and the like, one line.
    std::string to_string() const;
};

/// What came of reading. With errors, `config` holds what could be understood, so that the caller can go on
/// and report the faults of filters and patterns in the same run; it must not be started.
/// Every element of `rules` has its Rule and every pattern its Pattern, faulty or not: an index is a place in
/// the file.
struct ConfigOutcome {
    Config config;
    std::vector<ConfigError> errors;
    bool ok() const { return errors.empty(); }
};

/// Reads a configuration (JSON with // comments). All errors at once. Never throws.
ConfigOutcome parse_config(std::string_view text);

/// The canonical form: every key that differs from its default or is required, fixed key order, two-space
/// indent, a newline at the end. parse_config(canonical_json(c)) gives c again. Indices must be in range, as
/// they are in whatever parse_config gives, with errors or without.
std::string canonical_json(const Config& config);

/// "64KiB", "1MiB", "10MB", 4096 -> bytes. Binary units KiB MiB GiB, decimal units kB MB GB, a bare number is
/// bytes.
std::optional<std::uint64_t> parse_size(std::string_view text);
/// "1Gbps", "250Mbps", "10kbps" -> bits per second, decimal units; a bare number is bits per second.
std::optional<std::uint64_t> parse_rate(std::string_view text);
/// "500ms", "2.5s", "5m", "1h", "7d": above zero, at most 100 years. What is finer than a nanosecond is cut
/// off.
std::optional<std::chrono::nanoseconds> parse_duration(std::string_view text);

}  // namespace yagura::rules
