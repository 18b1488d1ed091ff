// SPDX-License-Identifier: BSD-3-Clause
#include <fmt/format.h>

#include <span>
#include <string>

#include "rules/addresses.h"
#include "rules/config.h"
#include "rules/json_document.h"
#include "rules/keys.h"
#include "rules/units.h"

namespace yagura::rules {
namespace {

std::string string_json(std::string_view text) {
    constexpr bool kAsciiOnly = false;
    return Json(text).dump(-1, ' ', kAsciiOnly, Json::error_handler_t::replace);
}

/// "[a, b]" of values that are JSON already.
template <class Range, class ToJson>
std::string list_json(const Range& range, ToJson to_json) {
    std::string out = "[";
    for (const auto& item : range) {
        if (out.size() > 1) out += ", ";
        out += to_json(item);
    }
    return out + "]";
}

/// Objects over several lines, two spaces a level; lists of plain values on one.
class Writer {
  public:
    void open(char bracket) {
        out_ += bracket;
        ++depth_;
        empty_ = true;
    }
    void close(char bracket) {
        --depth_;
        if (!empty_) new_line();
        out_ += bracket;
        empty_ = false;
    }
    /// Begins the next item of an array.
    void item() {
        if (!empty_) out_ += ',';
        new_line();
        empty_ = false;
    }
    /// Begins the next member of an object; its value follows.
    void key(std::string_view name) {
        item();
        out_ += string_json(name);
        out_ += ": ";
    }
    void member(std::string_view name, std::string_view json) {
        key(name);
        out_ += json;
    }
    std::string take() {
        out_ += '\n';
        return std::move(out_);
    }

  private:
    void new_line() {
        out_ += '\n';
        out_.append(2 * depth_, ' ');
    }

    std::string out_;
    std::size_t depth_ = 0;
    bool empty_ = true;  ///< the innermost bracket holds nothing yet
};

std::string numbers_json(std::span<const unsigned> numbers) {
    return list_json(numbers, [](unsigned number) { return std::to_string(number); });
}

std::string pattern_json(const Pattern& pattern) {
    const Pattern usual;
    std::string place;
    if (pattern.direction != usual.direction) {
        place += ", \"direction\": " + string_json(word_of(kDirections, pattern.direction));
    }
    if (pattern.offset != usual.offset) place += ", \"offset\": " + std::to_string(pattern.offset);
    if (pattern.depth) place += ", \"depth\": " + std::to_string(*pattern.depth);
    const std::string text = string_json(pattern.text);
    return place.empty() ? text : "{\"pattern\": " + text + place + "}";
}

std::string patterns_json(std::span<const Pattern> patterns) {
    return list_json(patterns, pattern_json);
}

void write_lcores(Writer& out, const LcoreSpec& lcores) {
    out.key("lcores");
    out.open('{');
    out.member("rx", numbers_json(lcores.rx));
    out.member("select", numbers_json(lcores.select));
    out.member("tx", numbers_json(lcores.tx));
    out.close('}');
}

void write_queue(Writer& out, const QueueBound& queue) {
    out.key("queue");
    out.open('{');
    if (queue.packets != QueueBound{}.packets) out.member("packets", std::to_string(queue.packets));
    if (queue.time) out.member("time", duration_json(*queue.time));
    out.close('}');
}

void write_route(Writer& out, const Route& route) {
    out.key("route");
    out.open('{');
    out.member("own_mac", string_json(mac_text(route.own_mac)));
    out.member("next_hop", string_json(mac_text(route.next_hop)));
    out.close('}');
}

void write_ports(Writer& out, const Config& config) {
    out.key("ports");
    out.open('{');
    for (const Port& port : config.ports) {
        out.key(port.name);
        out.open('{');
        out.member("role", string_json(word_of(kRoles, port.role)));
        out.member("device", string_json(port.device));
        if (port.rate_bits_per_second) out.member("rate", rate_json(*port.rate_bits_per_second));
        if (port.queue) write_queue(out, *port.queue);
        if (port.queues != Port{}.queues) out.member("queues", std::to_string(port.queues));
        if (!port.link.empty()) out.member("link", string_json(port.link));
        if (!port.inject.empty()) out.member("inject", string_json(port.inject));
        if (port.route) write_route(out, *port.route);
        out.close('}');
    }
    out.close('}');
}

std::string members_json(const std::vector<GroupMember>& members, const Config& config) {
    return list_json(members, [&config](const GroupMember& member) {
        const std::string tool = string_json(config.tool(member.tool)->name);
        return member.as.empty() ? tool : "{\"tool\": " + tool + ", \"as\": " + string_json(member.as) + "}";
    });
}

void write_groups(Writer& out, const Config& config) {
    bool opened = false;
    for (const ToolGroup& group : config.tool_groups) {
        if (group.implicit) continue;
        if (!opened) {
            out.key("tool_groups");
            out.open('{');
            opened = true;
        }
        out.key(group.name);
        out.open('{');
        out.member("members", members_json(group.members, config));
        if (group.mode != ToolGroup{}.mode) out.member("mode", string_json(word_of(kModes, group.mode)));
        if (!group.standby.empty()) out.member("standby", members_json(group.standby, config));
        out.close('}');
    }
    if (opened) out.close('}');
}

void write_block(Writer& out, const BlockAction& block) {
    out.key("block");
    out.open('{');
    if (block.ttl) out.member("ttl", duration_json(*block.ttl));
    if (block.what != BlockAction{}.what) out.member("what", string_json(word_of(kBlockWhats, block.what)));
    out.close('}');
}

void write_rule(Writer& out, const Rule& rule, const Config& config) {
    out.open('{');
    out.member("id", std::to_string(rule.id));
    if (!rule.name.empty()) out.member("name", string_json(rule.name));
    if (!rule.filter.empty()) out.member("filter", string_json(rule.filter));
    if (rule.layer) out.member("layer", string_json(word_of(kLayers, *rule.layer)));
    if (rule.malformed) out.member("malformed", *rule.malformed ? "true" : "false");
    if (!rule.payload.empty()) out.member("payload", patterns_json(rule.payload));
    if (!rule.payload_all.empty()) out.member("payload_all", patterns_json(rule.payload_all));
    if (!rule.payload_none.empty()) out.member("payload_none", patterns_json(rule.payload_none));
    if (rule.drop) out.member("drop", "true");
    if (!rule.forward.empty()) {
        out.member("forward", list_json(rule.forward, [&config](std::size_t group) {
                       return string_json(config.tool_groups.at(group).name);
                   }));
    }
    if (rule.reset) out.member("reset", "true");
    if (rule.block) write_block(out, *rule.block);
    if (rule.scope != Rule{}.scope) out.member("scope", string_json(word_of(kScopes, rule.scope)));
    if (rule.priority != Rule{}.priority) out.member("priority", std::to_string(rule.priority));
    if (rule.sample != Rule{}.sample) out.member("sample", std::to_string(rule.sample));
    out.close('}');
}

void write_rules(Writer& out, const Config& config) {
    out.key("rules");
    out.open('[');
    for (const Rule& rule : config.rules) {
        out.item();
        write_rule(out, rule, config);
    }
    out.close(']');
}

void write_timeouts(Writer& out, const FlowTimeouts& timeouts) {
    const FlowTimeouts usual;
    out.key("timeouts");
    out.open('{');
    for (std::size_t i = 0; i < kTimeouts.size(); ++i) {
        const auto timeout = kTimeouts[i];
        if (timeouts.*timeout != usual.*timeout) {
            out.member(kTimeoutKeys[i].name, duration_json(timeouts.*timeout));
        }
    }
    out.close('}');
}

void write_inspect(Writer& out, const Inspect& inspect) {
    const Inspect usual;
    out.key("inspect");
    out.open('{');
    if (inspect.stream_depth != usual.stream_depth)
        out.member("stream_depth", size_json(inspect.stream_depth));
    if (inspect.hold_bytes == Inspect::kUnlimited) {
        out.member("hold_bytes", string_json(kUnlimitedWord));
    } else if (inspect.hold_bytes != usual.hold_bytes) {
        out.member("hold_bytes", size_json(inspect.hold_bytes));
    }
    if (inspect.flows != usual.flows) out.member("flows", std::to_string(inspect.flows));
    if (inspect.hold_budget != usual.hold_budget) out.member("hold_budget", size_json(inspect.hold_budget));
    if (inspect.stream_budget != usual.stream_budget) {
        out.member("stream_budget", size_json(inspect.stream_budget));
    }
    if (inspect.reorder_bytes != usual.reorder_bytes) {
        out.member("reorder_bytes", size_json(inspect.reorder_bytes));
    }
    if (inspect.when_short != usual.when_short) {
        out.member("when_short", string_json(word_of(kShortages, inspect.when_short)));
    }
    std::vector<std::string_view> key_parts;
    for (const auto& [word, part] : kFlowKeyParts) {
        if (inspect.*part) key_parts.push_back(word);
    }
    if (!key_parts.empty()) out.member("flow_key", list_json(key_parts, string_json));
    if (inspect.timeouts != usual.timeouts) write_timeouts(out, inspect.timeouts);
    out.close('}');
}

void write_audit_head(Writer& out, const AuditHeadSettings& head) {
    const AuditHeadSettings usual;
    out.key("head");
    out.open('{');
    if (head.file != usual.file) out.member("file", string_json(head.file));
    if (!head.socket.empty()) out.member("socket", string_json(head.socket));
    if (head.interval != usual.interval) out.member("interval", duration_json(head.interval));
    out.close('}');
}

void write_audit(Writer& out, const AuditSettings& audit) {
    const AuditSettings usual;
    out.key("audit");
    out.open('{');
    if (!audit.enabled) out.member("enabled", "false");
    if (audit.file != usual.file) out.member("file", string_json(audit.file));
    if (audit.key != usual.key) out.member("key", string_json(audit.key));
    if (audit.max_size != usual.max_size) out.member("max_size", size_json(audit.max_size));
    if (audit.files != usual.files) out.member("files", std::to_string(audit.files));
    if (audit.head != usual.head) write_audit_head(out, audit.head);
    if (audit.on_failure != usual.on_failure) {
        out.member("on_failure", string_json(word_of(kAuditFailures, audit.on_failure)));
    }
    out.close('}');
}

void write_cache(Writer& out, const CacheSettings& cache) {
    const CacheSettings usual;
    out.key("cache");
    out.open('{');
    if (!cache.enabled) out.member("enabled", "false");
    if (cache.folder != usual.folder) out.member("folder", string_json(cache.folder));
    if (cache.max_size != usual.max_size) out.member("max_size", size_json(cache.max_size));
    out.close('}');
}

void write_never_cut(Writer& out, const Response& response) {
    out.key("never_cut");
    out.open('{');
    if (!response.never_prefixes.empty()) {
        out.member("prefixes", list_json(response.never_prefixes, [](const IpPrefix& prefix) {
                       return string_json(prefix_text(prefix));
                   }));
    }
    if (!response.never_ports.empty()) {
        out.member("ports",
                   list_json(response.never_ports, [](std::uint16_t port) { return std::to_string(port); }));
    }
    out.close('}');
}

void write_blocks(Writer& out, const Response& response) {
    out.key("blocks");
    out.open('{');
    if (!response.blocks_file.empty()) out.member("file", string_json(response.blocks_file));
    if (response.blocks_capacity != Response{}.blocks_capacity)
        out.member("capacity", std::to_string(response.blocks_capacity));
    out.close('}');
}

void write_response(Writer& out, const Response& response) {
    const Response usual;
    out.key("response");
    out.open('{');
    if (response.enabled) out.member("enabled", "true");
    if (response.dry_run) out.member("dry_run", "true");
    if (!response.never_prefixes.empty() || !response.never_ports.empty()) write_never_cut(out, response);
    if (!response.stop_file.empty()) out.member("stop_file", string_json(response.stop_file));
    if (!response.blocks_file.empty() || response.blocks_capacity != usual.blocks_capacity)
        write_blocks(out, response);
    if (response.kills != usual.kills) out.member("kills", std::to_string(response.kills));
    if (response.frames_per_second != usual.frames_per_second)
        out.member("frames_per_second", std::to_string(response.frames_per_second));
    if (!response.from_tools) out.member("from_tools", "false");
    out.close('}');
}

void write_roles(Writer& out, const Control& control) {
    out.key("roles");
    out.open('{');
    for (std::size_t i = 0; i < kRoleKeys.size(); ++i) {
        const RoleMembers& members = control.roles[i];
        if (members == RoleMembers{}) continue;
        out.key(kRoleKeys[i].name);
        out.open('{');
        if (!members.users.empty()) out.member("users", list_json(members.users, string_json));
        if (!members.groups.empty()) out.member("groups", list_json(members.groups, string_json));
        out.close('}');
    }
    out.close('}');
}

void write_control(Writer& out, const Control& control) {
    const Control usual;
    out.key("control");
    out.open('{');
    if (control.socket != usual.socket) out.member("socket", string_json(control.socket));
    if (control.roles != usual.roles) write_roles(out, control);
    if (control.max_connections_per_user != usual.max_connections_per_user) {
        out.member("max_connections_per_user", std::to_string(control.max_connections_per_user));
    }
    out.close('}');
}

}  // namespace

std::string canonical_json(const Config& config) {
    Writer out;
    out.open('{');
    if (!config.lcores.is_auto()) write_lcores(out, config.lcores);
    write_ports(out, config);
    write_groups(out, config);
    if (!config.rules.empty()) write_rules(out, config);
    if (config.inspect != Inspect{}) write_inspect(out, config.inspect);
    if (config.audit != AuditSettings{}) write_audit(out, config.audit);
    if (config.cache != CacheSettings{}) write_cache(out, config.cache);
    if (config.response != Response{}) write_response(out, config.response);
    if (config.control) write_control(out, *config.control);
    if (!config.hotplug.empty()) out.member("hotplug", list_json(config.hotplug, string_json));
    if (!config.disabled_features.empty()) {
        out.member("disabled_features", list_json(config.disabled_features, string_json));
    }
    out.close('}');
    return out.take();
}

}  // namespace yagura::rules
