// SPDX-License-Identifier: BSD-3-Clause
#include "rules/config.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <exception>
#include <limits>
#include <map>
#include <utility>

#include "rules/audit_reader.h"
#include "rules/cache_reader.h"
#include "rules/control_reader.h"
#include "rules/fields.h"
#include "rules/inspect_reader.h"
#include "rules/json_document.h"
#include "rules/keys.h"
#include "rules/queue_reader.h"
#include "rules/report.h"
#include "rules/response_reader.h"
#include "rules/rule_reader.h"
#include "rules/units.h"

namespace yagura::rules {
namespace {

class ConfigReader {
  public:
    explicit ConfigReader(ErrorList& errors) : errors_(errors) {}

    Config read(const Json& document) {
        const Place root;
        const auto fields = Fields::open(document, root, kDocumentKeys, "a configuration (an object)",
                                         R"({"ports": {...}, "rules": [...]})", errors_);
        if (!fields) return {};
        if (const Json* lcores = fields->find("lcores")) read_lcores(*lcores, *fields);
        if (const auto* ports = fields->object("ports")) read_ports(*ports, fields->place("ports"));
        names_.groups_known = !fields->has("tool_groups");
        if (const auto* groups = fields->object("tool_groups")) {
            names_.groups_known = true;
            read_groups(*groups, fields->place("tool_groups"));
        }
        add_implicit_groups();
        if (const Json* response = fields->find("response")) {
            config_.response = read_response(*response, fields->place("response"), errors_);
        }
        if (fields->array("rules") != nullptr) {
            config_.rules = read_rules(*fields->find("rules"), fields->place("rules"), names_,
                                       config_.response.enabled, errors_);
        }
        if (const Json* inspect = fields->find("inspect")) {
            config_.inspect = read_inspect(*inspect, fields->place("inspect"), errors_);
        }
        if (const Json* audit = fields->find("audit")) {
            config_.audit = read_audit(*audit, fields->place("audit"), errors_);
        }
        if (const Json* cache = fields->find("cache")) {
            config_.cache = read_cache(*cache, fields->place("cache"), errors_);
        }
        if (const Json* control = fields->find("control")) {
            config_.control = read_control(*control, fields->place("control"), errors_);
        }
        if (const auto* kinds = fields->array("hotplug")) read_hotplug(*kinds, fields->place("hotplug"));
        if (const auto* features = fields->array("disabled_features")) {
            config_.disabled_features = read_names(*features, fields->place("disabled_features"), "a method",
                                                   R"("rules.load")", errors_);
        }
        return std::move(config_);
    }

  private:
    void read_lcores(const Json& value, const Fields& document) {
        const Place place = document.place("lcores");
        if (const auto* word = value.get_ptr<const std::string*>()) {
            if (*word != "auto") {
                errors_.add(place, fmt::format("{} is not a plan of lcores", in_quotes(*word)),
                            fmt::format("write \"auto\" or {}", kDocumentKeys[0].example));
            }
            return;
        }
        if (!value.is_object()) {
            document.wrong_type("lcores");
            return;
        }
        const auto fields = Fields::open(value, place, kLcoreKeys, {}, {}, errors_);
        config_.lcores.rx = read_stage(*fields, "rx");
        config_.lcores.select = read_stage(*fields, "select");
        config_.lcores.tx = read_stage(*fields, "tx");
    }

    std::vector<unsigned> read_stage(const Fields& fields, std::string_view key) {
        std::vector<unsigned> lcores;
        const auto* items = fields.array(key);
        if (items == nullptr) return lcores;
        const Place place = fields.place(key);
        if (items->empty()) {
            errors_.add(place, "is empty", R"(every stage needs an lcore, or write "lcores": "auto")");
        }
        std::array<bool, kLcoreLimit> seen{};
        for (std::size_t i = 0; i < items->size(); ++i) {
            const Place entry(place, i);
            const auto lcore =
                read_whole_number((*items)[i], entry, "an lcore number", 0, kLcoreLimit - 1, errors_);
            if (!lcore) continue;
            if (std::exchange(seen[*lcore], true)) {
                errors_.add(entry, fmt::format("the lcore {} stands twice in one stage", *lcore),
                            "name it once");
                continue;
            }
            lcores.push_back(static_cast<unsigned>(*lcore));
        }
        return lcores;
    }

    void read_ports(const Json::object_t& ports, const Place& place) {
        names_.ports_known = true;
        std::size_t network_ports = 0;
        bool any_broken = false;
        for (const auto& [name, value] : ports) {
            const Named named = read_port(name, value, {place, name});
            if (named.kind == Named::Kind::kNetworkPort) ++network_ports;
            if (named.kind == Named::Kind::kToolPort) names_.tool_ports.push_back(name);
            any_broken = any_broken || named.kind == Named::Kind::kBroken;
            names_.all.emplace(name, named);
        }
        resolve_injects(config_, names_, place, errors_);
        if (network_ports == 0 && !any_broken) {
            errors_.add(place, "there is no network port to receive from",
                        R"(add one: "tap0": {"role": "network", "device": "net_af_packet0,iface=br0"})");
        }
        // A PortId has 16 bits.
        constexpr std::size_t kMaxNetworkPorts = std::numeric_limits<std::uint16_t>::max();
        if (network_ports > kMaxNetworkPorts) {
            errors_.add(place, fmt::format("there are {} network ports", network_ports),
                        fmt::format("at most {}", kMaxNetworkPorts));
        }
    }

    Named read_port(const std::string& name, const Json& value, const Place& place) {
        check_name(name, place, errors_);
        const auto fields = Fields::open(value, place, kPortKeys, "a port (an object)",
                                         R"({"role": "tool", "device": "0000:3b:00.1"})", errors_);
        if (!fields) return {};
        Port port;
        port.name = name;
        const auto role = fields->choice("role", kRoles);
        if (auto device = fields->string("device")) {
            if (device->empty()) {
                errors_.add(fields->place("device"), "the device is empty",
                            fmt::format("for example {}", kPortKeys[1].example));
            } else if (check_no_control(*device, fields->place("device"), errors_)) {
                port.device = *std::move(device);
            }
        }
        if (role == PortRole::kNetwork && fields->has("rate")) {
            errors_.add(fields->place("rate"), "a network port has no rate", "rates belong to tool ports");
        } else {
            port.rate_bits_per_second = read_rate(*fields);
        }
        for (const char* key : {"queues", "link", "inject", "route"}) {
            if (role != PortRole::kTool || !fields->has(key)) continue;
            errors_.add(fields->place(key), fmt::format("a tool port has no {}", key),
                        "receive queues, links and ways for frames of ours belong to network ports");
        }
        if (const Json* queues = fields->find("queues")) {
            port.queues =
                static_cast<unsigned>(read_whole_number(*queues, fields->place("queues"),
                                                        "a number of queues", 1, kMaxQueues, errors_)
                                          .value_or(1));
        }
        if (auto link = fields->string("link")) {
            check_name(*link, fields->place("link"), errors_);
            join_link(*link, name, fields->place("link"));
            port.link = *std::move(link);
        }
        if (auto inject = fields->string("inject");
            inject && check_name(*inject, fields->place("inject"), errors_) && role != PortRole::kTool) {
            port.inject = *std::move(inject);
        }
        port.route = read_route(*fields, errors_);
        if (role == PortRole::kNetwork && fields->has("queue")) {
            errors_.add(fields->place("queue"), "a network port has no queue", "queues belong to tool ports");
        } else {
            port.queue = read_queue(*fields, errors_);
        }
        if (!role) return {};
        port.role = *role;
        if (port.role == PortRole::kNetwork) {
            port.place = network_count_++;
            config_.ports.push_back(std::move(port));
            return {Named::Kind::kNetworkPort, 0};
        }
        port.place = static_cast<std::uint16_t>(tool_count_);
        if (tool_count_ == base::kMaxTools) {
            errors_.add(place, "one tool port too many",
                        fmt::format("at most {} tool ports", base::kMaxTools));
            return {};
        }
        config_.ports.push_back(std::move(port));
        return {Named::Kind::kToolPort, tool_count_++};
    }

    /// A link has two directions.
    void join_link(const std::string& link, const std::string& port, const Place& place) {
        std::vector<std::string>& members = links_[link];
        members.push_back(port);
        if (members.size() <= 2) return;
        errors_.add(place,
                    fmt::format("the link {} has two directions already, {} and {}", in_quotes(link),
                                in_quotes(members[0]), in_quotes(members[1])),
                    "a link is two network ports, one for each direction; name another link");
    }

    void read_hotplug(const Json::array_t& kinds, const Place& place) {
        config_.hotplug = read_names(kinds, place, "a kind of device", R"("net_tap")", errors_);
        for (std::size_t i = 0; i < config_.hotplug.size(); ++i) {
            const std::string& kind = config_.hotplug[i];
            if (std::ranges::find(kHotplugKinds, kind) != kHotplugKinds.end()) continue;
            errors_.add({place, i}, fmt::format("unknown kind of device {}", in_quotes(kind)),
                        suggestion(kind, kHotplugKinds, "kinds"));
        }
    }

    std::optional<std::uint64_t> read_rate(const Fields& fields) {
        const Json* value = fields.find("rate");
        if (value == nullptr) return std::nullopt;
        std::optional<std::uint64_t> rate;
        if (const auto* text = value->get_ptr<const std::string*>()) {
            rate = parse_rate(*text);
        } else if (value->is_number_unsigned()) {
            rate = value->get<std::uint64_t>();
        } else if (!value->is_number()) {
            fields.wrong_type("rate");
            return std::nullopt;
        }
        if (rate && *rate > 0) return rate;
        errors_.add(fields.place("rate"), fmt::format("{} is not a rate", shown(*value)),
                    fmt::format("{}, above zero: \"1Gbps\"; without the key there is no limit", kRateForms));
        return std::nullopt;
    }

    void read_groups(const Json::object_t& groups, const Place& place) {
        for (const auto& [name, value] : groups) {
            const Place entry(place, name);
            check_name(name, entry, errors_);
            if (names_.all.contains(name)) {
                errors_.add(entry, fmt::format("a port is named {} too", in_quotes(name)),
                            "rename the group; a tool port's own name already is a group of one");
            } else {
                names_.all.emplace(name, Named{Named::Kind::kToolGroup, config_.tool_groups.size()});
            }
            names_.tool_groups.push_back(name);
            config_.tool_groups.push_back(read_group(name, value, entry));
        }
    }

    ToolGroup read_group(const std::string& name, const Json& value, const Place& place) {
        ToolGroup group;
        group.name = name;
        const auto fields = Fields::open(value, place, kToolGroupKeys, "a tool group (an object)",
                                         R"({"members": ["ids0", "ids1"], "mode": "balance"})", errors_);
        if (!fields) return group;
        group.mode = fields->choice("mode", kModes).value_or(group.mode);
        std::array<std::string, base::kMaxTools> seen{};  ///< by tool: where it stands
        if (const auto* members = fields->array("members")) {
            if (members->empty()) {
                errors_.add(fields->place("members"), "the group has no members",
                            "name a tool port, or remove the group");
            }
            group.members = read_members(*members, fields->place("members"), group.mode, "member", seen);
        }
        if (const auto* standby = fields->array("standby")) {
            if (standby->empty()) {
                errors_.add(fields->place("standby"), "the list is empty",
                            "name a tool port, or remove the key");
            }
            group.standby = read_members(*standby, fields->place("standby"), group.mode, "standby", seen);
        }
        return group;
    }

    /// `kind`: what they are of the group, in words.
    std::vector<GroupMember> read_members(const Json::array_t& list, const Place& place, GroupMode mode,
                                          std::string_view kind,
                                          std::array<std::string, base::kMaxTools>& seen) {
        std::vector<GroupMember> members;
        std::map<std::string, std::size_t> weights;
        for (std::size_t i = 0; i < list.size(); ++i) {
            const Place entry(place, i);
            const std::optional<GroupMember> member = read_member(list[i], entry, mode);
            if (!member) continue;
            std::string& stands = seen[member->tool.index()];
            if (!stands.empty()) {
                errors_.add(entry, fmt::format("{} is already {} of the group", shown(list[i]), stands),
                            "name it once");
                continue;
            }
            stands = fmt::format("{} {}", kind, i);
            const std::string weight(member->as.empty() ? names_.tool_ports[member->tool.index()]
                                                        : std::string_view(member->as));
            if (const auto [first, is_new] = weights.emplace(weight, i); !is_new) {
                errors_.add(entry,
                            fmt::format("flows choose it as {}, and {} {} too", in_quotes(weight), kind,
                                        first->second),
                            "let each have another name in \"as\"");
                continue;
            }
            members.push_back(*member);
        }
        return members;
    }

    /// "ids0", or {"tool": "ids0b", "as": "ids0"}.
    std::optional<GroupMember> read_member(const Json& value, const Place& place, GroupMode mode) {
        if (!value.is_object()) {
            const auto tool = read_tool(value, place);
            if (!tool) return std::nullopt;
            return GroupMember{.tool = *tool, .as = {}};
        }
        const auto fields =
            Fields::open(value, place, kGroupMemberKeys, "the name of a tool port, or an object",
                         R"({"tool": "ids0b", "as": "ids0"})", errors_);
        std::string as = fields->string("as").value_or("");
        if (fields->has("as")) {
            check_name(as, fields->place("as"), errors_);
            if (mode == GroupMode::kCopy) {
                errors_.add(fields->place("as"), "in a copy group no flow chooses a member",
                            "remove the key; it is for groups of mode \"balance\"");
            }
        }
        const Json* name = fields->find("tool");
        if (name == nullptr) return std::nullopt;
        const auto tool = read_tool(*name, fields->place("tool"));
        if (!tool) return std::nullopt;
        if (as == names_.tool_ports[tool->index()]) as.clear();
        return GroupMember{.tool = *tool, .as = std::move(as)};
    }

    std::optional<base::ToolId> read_tool(const Json& value, const Place& place) {
        const auto* name = value.get_ptr<const std::string*>();
        if (name == nullptr) {
            report_type(value, place, "the name of a tool port", R"("ids0")", errors_);
            return std::nullopt;
        }
        const auto found = names_.all.find(*name);
        if (found == names_.all.end()) {
            if (names_.ports_known) {
                std::string fix;
                if (!errors_.full()) fix = suggestion(*name, names_.tool_ports, "known tool ports");
                errors_.add(place, fmt::format("unknown tool port {}", in_quotes(*name)), std::move(fix));
            }
            return std::nullopt;
        }
        switch (found->second.kind) {
            case Named::Kind::kToolPort:
                return base::ToolId(static_cast<std::uint8_t>(found->second.index));
            case Named::Kind::kNetworkPort:
                errors_.add(place,
                            fmt::format("{} is a network port; members are tool ports", in_quotes(*name)),
                            R"(name a port whose role is "tool")");
                return std::nullopt;
            case Named::Kind::kToolGroup:
                errors_.add(place,
                            fmt::format("{} is a tool group; members are tool ports", in_quotes(*name)),
                            "name its members");
                return std::nullopt;
            case Named::Kind::kBroken:
                break;
        }
        return std::nullopt;
    }

    void add_implicit_groups() {
        std::uint8_t tool = 0;
        for (const Port& port : config_.ports) {
            if (port.role != PortRole::kTool) continue;
            config_.tool_groups.push_back({.name = port.name,
                                           .mode = GroupMode::kCopy,
                                           .members = {{.tool = base::ToolId(tool++), .as = {}}},
                                           .standby = {},
                                           .implicit = true});
        }
    }

    ErrorList& errors_;
    Config config_;
    Names names_;
    std::uint16_t network_count_ = 0;
    std::size_t tool_count_ = 0;
    std::map<std::string, std::vector<std::string>> links_;  ///< their ports
};

std::vector<const Port*> ports_of(const Config& config, PortRole role) {
    std::vector<const Port*> ports;
    for (const Port& port : config.ports) {
        if (port.role == role) ports.push_back(&port);
    }
    return ports;
}

}  // namespace

std::vector<const Port*> Config::network_ports() const {
    return ports_of(*this, PortRole::kNetwork);
}
std::vector<const Port*> Config::tool_ports() const {
    return ports_of(*this, PortRole::kTool);
}

const Port* Config::port(std::string_view name) const {
    const auto found = std::ranges::find(ports, name, &Port::name);
    return found == ports.end() ? nullptr : &*found;
}
const Port* Config::tool(base::ToolId id) const {
    const auto found = std::ranges::find_if(
        ports, [id](const Port& port) { return port.role == PortRole::kTool && port.place == id.value(); });
    return found == ports.end() ? nullptr : &*found;
}
const Port* Config::other_end(const Port& port) const {
    if (port.link.empty()) return nullptr;
    const auto found = std::ranges::find_if(
        ports, [&](const Port& other) { return other.link == port.link && other.name != port.name; });
    return found == ports.end() ? nullptr : &*found;
}

ConfigOutcome parse_config(std::string_view text) {
    ConfigOutcome outcome;
    try {
        ErrorList errors;
        if (const auto document = read_json(text, errors))
            outcome.config = ConfigReader(errors).read(*document);
        outcome.errors = errors.take();
    } catch (const std::exception& e) {
        // Out of memory, or a fault of ours; never "no errors".
        outcome.errors = {{"", fmt::format("could not be read: {}", e.what()), ""}};
    }
    return outcome;
}

}  // namespace yagura::rules
