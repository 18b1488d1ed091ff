// SPDX-License-Identifier: BSD-3-Clause
#include "broker/port_changes.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <rte_mempool.h>

#include <algorithm>
#include <exception>
#include <new>
#include <utility>

#include "broker/capabilities.h"
#include "broker/doctor/doctor.h"
#include "broker/live.h"
#include "broker/report.h"
#include "drivers/ethdev/device_string.h"
#include "rules/keys.h"
#include "rules/port_changes.h"

namespace yagura::broker {
namespace {

using control::RpcCode;
using control::RpcError;
using ethdev::DeviceKind;

/// Names in one answer.
constexpr std::size_t kToldUsers = 100;

RpcError conflict(std::string message) {
    return {.code = RpcCode::kConflict, .message = std::move(message)};
}

RpcError no_such_port(const rules::Config& config, const std::string& name) {
    std::string known;
    for (const rules::Port& port : config.ports) known += (known.empty() ? "" : ", ") + port.name;
    return {.code = RpcCode::kInvalidParams,
            .message = fmt::format("there is no port \"{}\"; there are {}", name, known),
            .field = "params/name"};
}

/// "net_tap" of "net_tap0".
std::string kind_of(const ethdev::DeviceString& device) {
    if (device.kind() == DeviceKind::kPci) return "pci";
    const std::size_t end = device.name().find_last_not_of("0123456789");
    return device.name().substr(0, end + 1);
}

RpcError needs_hotplug(const std::string& kind, const std::string& why) {
    return conflict(
        fmt::format("{}: write \"hotplug\": [\"{}\"] in the configuration and start yagura anew", why, kind));
}

/// The first fault of the new configuration, which is one of the port that is added.
RpcError wrong(const std::string& name, const rules::ConfigError& error) {
    RpcError wrong{.code = RpcCode::kInvalidParams, .message = error.reason, .field = "params/name"};
    if (!error.fix.empty()) wrong.message += "; " + error.fix;
    const std::string place = "/ports/" + name + "/";
    if (error.pointer.starts_with(place)) {
        // Members of an object are parameters of their own: queue_time.
        std::string parameter = error.pointer.substr(place.size());
        std::ranges::replace(parameter, '/', '_');
        wrong.field = "params/" + parameter;
    }
    return wrong;
}

bool is_tool(const control::Json& entry) {
    return entry.value("role", "") == rules::word_of(rules::kRoles, rules::PortRole::kTool);
}

/// The groups and rules that a tool is named by.
std::optional<RpcError> users_of(const rules::Config& config, const rules::Port& tool) {
    std::vector<std::string> groups;
    std::vector<std::uint64_t> rules;
    for (std::size_t g = 0; g < config.tool_groups.size(); ++g) {
        const rules::ToolGroup& group = config.tool_groups[g];
        bool named = false;
        for (const auto* members : {&group.members, &group.standby}) {
            named =
                named || std::ranges::count(*members, rules::tool_id(tool), &rules::GroupMember::tool) != 0;
        }
        if (!group.implicit && named) groups.push_back(group.name);
        if (!group.implicit || group.name != tool.name) continue;
        for (const rules::Rule& rule : config.rules) {
            if (std::ranges::count(rule.forward, g) != 0 && rules.size() < kToldUsers)
                rules.push_back(rule.id);
        }
    }
    if (groups.empty() && rules.empty()) return std::nullopt;
    std::string named;
    if (!groups.empty()) named = fmt::format("the groups {}", fmt::join(groups, ", "));
    if (!rules.empty())
        named += fmt::format("{}the rules {}", named.empty() ? "" : " and ", fmt::join(rules, ", "));
    RpcError error = conflict(
        fmt::format("{} name the tool \"{}\": load a configuration in which they do not, then remove it",
                    named, tool.name));
    error.field = "params/name";
    error.details = {{"groups", groups}, {"rules", rules}};
    return error;
}

}  // namespace

/// A port on its way into the run; between the threads.
struct PortChanges::Prepared {
    // What the worker needs to know.
    std::string name;
    control::Json entry;
    std::string running;   ///< the configuration, in its canonical form
    rules::Config config;  ///< the same; then with the port
    std::uint64_t version;
    std::uint16_t place;
    dataplane::LcorePlan plan;
    Capabilities given_away;
    bool hugepages;
    rte_mempool* pool;

    ConfigOrigin origin;
    std::optional<OpenPort> port;
    std::optional<RpcError> error;
};

/// On the worker: makes the new configuration and opens the port, or says why not.
void PortChanges::prepare(Prepared& p) {
    control::Json document = control::Json::parse(p.running);
    document["ports"][p.name] = p.entry;
    rules::ConfigOutcome outcome = rules::parse_config(document.dump());
    if (!outcome.ok()) {
        p.error = wrong(p.name, outcome.errors.front());
        return;
    }
    for (rules::Port& port : outcome.config.ports) {
        if (port.name == p.name) p.config.ports.push_back(port);
    }
    p.config.ports.back().place = p.place;
    rules::adopt_places(p.config, outcome.config);
    p.config = std::move(outcome.config);
    const rules::Port& port = *p.config.port(p.name);

    const ethdev::DeviceString device(port.device);
    const std::string driver = doctor::pci_driver(doctor::Host(), device.name());
    const std::string kind = kind_of(device);
    const Capabilities lacking = to_open(device.kind(), driver) & ~own_capabilities();
    if ((lacking & p.given_away) != 0) {
        p.error = needs_hotplug(kind, fmt::format("{} was given away at start, and a {} device needs it",
                                                  capability_names(lacking & p.given_away), kind));
        return;
    }
    if (device.kind() == DeviceKind::kPci && std::ranges::count(p.config.hotplug, kind) == 0) {
        p.error = needs_hotplug(kind, "PCI devices were left alone at start");
        return;
    }
    if (device.kind() == DeviceKind::kVirtioUser && !p.hugepages) {
        p.error = conflict(
            "net_virtio_user shares its memory with the other end, which takes hugepages, and this "
            "run has none: yagura doctor says how to reserve them; then start yagura anew");
        return;
    }
    if (!pool_suffices(p.pool->size, p.config, p.plan.lcores.size())) {
        p.error = conflict(
            "the buffers of this run were made for fewer ports: put the port into the configuration "
            "and start yagura anew");
        return;
    }
    doctor::Findings findings = doctor::obstacles(doctor::Host(), live_task(p.config, p.plan, ""));
    std::erase_if(findings, [&](const doctor::Finding& finding) {
        return finding.subject != "port \"" + p.name + "\"";
    });
    if (!findings.empty()) {
        const doctor::Finding& first = findings.front();
        p.error = conflict(
            fmt::format("port \"{}\": {}; {}; to mend it: {}", p.name, first.found, first.means, first.fix));
        p.error->field = "params/device";
        return;
    }
    auto opened = open_port(port, p.pool);
    if (!opened) {
        p.error = conflict(opened.error().message);
        p.error->field = "params/device";
        return;
    }
    p.port = std::move(opened).value();
}

std::optional<RpcError> PortChanges::cannot_change() const {
    if (busy()) {
        return RpcError{.code = RpcCode::kBusy,
                        .message = "another port is being added or removed: try again when that is done"};
    }
    if (run_.draining) return conflict("yagura is ending");
    return std::nullopt;
}

std::optional<RpcError> PortChanges::cannot_add(const std::string& name, const control::Json& entry) {
    if (auto error = cannot_change()) return error;
    if (run_.config.port(name) != nullptr) {
        return RpcError{.code = RpcCode::kInvalidParams,
                        .message = fmt::format("there is a port \"{}\" already", name),
                        .field = "params/name"};
    }
    rules::Port port;
    port.device = entry.value("device", "");
    if (const auto owner = run_.ports->owner_of_file(port)) {
        return RpcError{.code = RpcCode::kInvalidParams,
                        .message = fmt::format("{} is the file of port \"{}\" already", port.device, *owner),
                        .field = "params/device"};
    }
    if (place_for(entry)) return std::nullopt;
    return conflict(
        is_tool(entry)
            ? fmt::format("there are {} tool ports already, with those that were removed just now and that "
                          "flows still name",
                          base::kMaxTools)
            : fmt::format("there are {} network ports already, with those that were removed and of "
                          "which packets are held, or that flows still name",
                          dataplane::Pipeline::kMaxPorts));
}

std::optional<std::uint16_t> PortChanges::place_for(const control::Json& entry) {
    if (is_tool(entry)) {
        const auto tool = run_.pipeline->free_tool();
        return tool ? std::optional<std::uint16_t>(tool->value()) : std::nullopt;
    }
    const auto port = run_.pipeline->free_port();
    return port ? std::optional(port->value()) : std::nullopt;
}

void PortChanges::add(const std::string& name, const control::Json& entry, ConfigOrigin origin, Done done) {
    auto prepared = std::make_shared<Prepared>(Prepared{.name = name,
                                                        .entry = entry,
                                                        .running = run_.canonical(),
                                                        .config = run_.config,
                                                        .version = run_.version,
                                                        .place = place_for(entry).value(),
                                                        .plan = run_.plan,
                                                        .given_away = run_.given_away,
                                                        .hugepages = run_.hugepages,
                                                        .pool = run_.pool,
                                                        .origin = std::move(origin),
                                                        .port = {},
                                                        .error = {}});
    state_ = State::kOpening;
    done_ = std::move(done);
    worker_.submit([this, prepared] {
        try {
            prepare(*prepared);
        } catch (const std::exception& error) {
            prepared->error = RpcError{.code = RpcCode::kInternal,
                                       .message = fmt::format("the port cannot be opened: {}", error.what())};
        }
        return [this, prepared] { end(bring_in(*prepared)); };
    });
}

/// Hands the port that is open to the pipeline.
control::Outcome PortChanges::bring_in(Prepared& prepared) {
    if (prepared.error) return *prepared.error;
    if (prepared.version != run_.version) {
        return conflict("the configuration has changed meanwhile; nothing was added: try again");
    }
    OpenPort& open = *prepared.port;
    const rules::Port& port = open.port;
    base::Result<void> added;
    try {
        if (port.role == rules::PortRole::kTool) {
            added = run_.pipeline->add_tool(base::ToolId{static_cast<std::uint8_t>(port.place)}, open.tool,
                                            limit_of(port),
                                            prepared.config.response.from_tools ? open.feedback : nullptr);
        } else {
            const rules::Port* other = prepared.config.other_end(port);
            added = run_.pipeline->add_port(
                base::PortId{port.place}, open.queues,
                other == nullptr ? std::nullopt : std::optional(base::PortId{other->place}),
                inject_of(open, prepared.config));
        }
    } catch (const std::bad_alloc&) {
        added = base::Error{"no memory for the stages of the port"};
    }
    if (!added) return conflict(added.error().message);
    run_.ports->add(std::move(open));
    run_.take_effect(std::move(prepared.config), std::move(prepared.origin));
    return control::Json{{"port", prepared.name}, {"config_version", run_.version}};
}

std::optional<RpcError> PortChanges::cannot_remove(const std::string& name) const {
    if (auto error = cannot_change()) return error;
    const rules::Port* const port = run_.config.port(name);
    if (port == nullptr) return no_such_port(run_.config, name);
    if (port->role == rules::PortRole::kTool && run_.mirrored == rules::tool_id(*port)) {
        return conflict(
            fmt::format("the tool \"{}\" was switched and gets the same until its mirror ends: "
                        "switch it again without \"mirror\", then remove it",
                        name));
    }
    if (port->role == rules::PortRole::kTool) return users_of(run_.config, *port);
    for (const rules::Port& other : run_.config.ports) {
        if (other.inject != name || other.name == name) continue;
        RpcError error = conflict(fmt::format(
            "\"{}\" is the \"inject\" of the port \"{}\", which cannot change in a run: remove that "
            "port first, or start yagura anew without the key",
            name, other.name));
        error.field = "params/name";
        return error;
    }
    if (run_.config.network_ports().size() > 1) return std::nullopt;
    return conflict(fmt::format("\"{}\" is the last network port: add another one first", name));
}

void PortChanges::remove(const std::string& name, ConfigOrigin origin, Done done) {
    leaving_ = *run_.config.port(name);
    done_ = std::move(done);
    state_ = State::kStopping;
    // At once: no rules that come meanwhile can name it.
    rules::Config config = run_.config;
    rules::remove_port(config, name);
    run_.take_effect(std::move(config), std::move(origin));
    if (leaving_.role == rules::PortRole::kNetwork) run_.pipeline->stop_port(base::PortId{leaving_.place});
}

void PortChanges::go_on() {
    if (state_ != State::kStopping) return;
    const bool tool = leaving_.role == rules::PortRole::kTool;
    const base::PortId port{leaving_.place};
    const base::ToolId tool_id{static_cast<std::uint8_t>(leaving_.place)};
    if (tool ? !run_.pipeline->stop_tool(tool_id) : !run_.pipeline->port_stopped(port)) return;
    // What was missed last.
    if (!tool) (void)run_.ports->look();
    const dataplane::Stats stats = run_.pipeline->stats();
    const control::Json ledger =
        tool ? tool_json(stats.tools[tool_id.index()]) : port_json(stats.ports[port.index()]);
    if (tool) {
        run_.pipeline->remove_tool(tool_id);
    } else {
        run_.pipeline->remove_port(port);
    }
    close(ledger);
}

/// Has the worker close the port, whose queues nobody uses any more.
void PortChanges::close(const control::Json& ledger) {
    state_ = State::kClosing;
    auto open = std::make_shared<OpenPort>(run_.ports->take(leaving_.name));
    worker_.submit([this, open, ledger] {
        std::string failed;
        if (open->tool != nullptr) {
            if (auto closed = open->tool->close(); !closed) failed = closed.error().message;
        } else {
            *open = OpenPort();
        }
        return [this, open, ledger, failed] {
            if (open->tool != nullptr)
                run_.pipeline->forget_tool(base::ToolId{static_cast<std::uint8_t>(leaving_.place)});
            *open = OpenPort();
            control::Json answer{
                {"port", leaving_.name}, {"config_version", run_.version}, {"ledger", ledger}};
            if (!failed.empty()) answer["close_error"] = failed;
            end(answer);
        };
    });
}

void PortChanges::end(const control::Outcome& outcome) {
    state_ = State::kNone;
    std::exchange(done_, nullptr)(outcome);
}

}  // namespace yagura::broker
