// SPDX-License-Identifier: BSD-3-Clause
// Methods of the control socket: ports that come and go.
#include "broker/control_plane.h"
#include "rules/keys.h"

namespace yagura::broker {
namespace {

using control::Answer;
using control::Arguments;
using control::Call;
using control::Effect;
using control::Json;
using control::ParameterType;
using control::Role;

/// The port as it would stand in a configuration.
Json entry_of(const Arguments& arguments) {
    Json entry = Json::object();
    for (const char* key : {"role", "device", "rate", "link", "inject"}) {
        if (const std::string* text = arguments.text(key); text != nullptr) entry[key] = *text;
    }
    if (const auto queues = arguments.number("queues")) entry["queues"] = *queues;
    if (const auto packets = arguments.number("queue_packets")) entry["queue"]["packets"] = *packets;
    if (const std::string* time = arguments.text("queue_time")) entry["queue"]["time"] = *time;
    for (const char* key : {"own_mac", "next_hop"}) {
        if (const std::string* text = arguments.text(std::string("route_") + key))
            entry["route"][key] = *text;
    }
    return entry;
}

control::Parameter text_parameter(const char* name, const char* help, bool required, std::uint64_t most) {
    return {.name = name,
            .type = ParameterType::kText,
            .help = help,
            .required = required,
            .low = 1,
            .high = most};
}

}  // namespace

void add_ports_commands(control::CommandTable& table, ControlPlane& plane) {
    table.add({.name = "ports.add",
               .help = "Opens a port and takes it into the configuration in effect, while traffic flows",
               .right = Role::kAdmin,
               .effect = Effect::kChanges,
               .parameters =
                   {text_parameter("name", "of the port", true, rules::kMaxNameBytes),
                    text_parameter("role", "network or tool", true, 16),
                    text_parameter("device", "its device, as in a configuration", true, 4096),
                    text_parameter("rate", "of a tool: 1Gbps", false, 32),
                    {.name = "queue_packets",
                     .type = ParameterType::kNumber,
                     .help = "of a tool: packets that may wait for it",
                     .low = rules::kMinQueuePackets,
                     .high = rules::kMaxQueuePackets},
                    text_parameter("queue_time", "of a tool with a rate: what may wait: 50ms", false, 32),
                    {.name = "queues",
                     .type = ParameterType::kNumber,
                     .help = "of a network port: its receive queues",
                     .low = 1,
                     .high = rules::kMaxQueues},
                    text_parameter("link", "of a network port: the link of which it is a direction", false,
                                   rules::kMaxNameBytes),
                    text_parameter("inject",
                                   "of a network port: the one by which an end is reached whose own port "
                                   "is not known; a routed one: by which both are",
                                   false, rules::kMaxNameBytes),
                    text_parameter("route_own_mac", "of a routed network port: its own address", false, 32),
                    text_parameter("route_next_hop", "of a routed network port: the router's", false, 32)},
               .handler = [&plane](const Arguments& arguments, Call& call) -> Answer {
                   const std::string& name = *arguments.text("name");
                   const Json entry = entry_of(arguments);
                   if (auto error = plane.ports().cannot_add(name, entry)) return *error;
                   return plane.later(call, [&](const Reloader::Done& done) {
                       plane.ports().add(name, entry, origin_of("ports.add", call), done);
                   });
               }});
    table.add(
        {.name = "ports.remove",
         .help =
             "Closes a port when what it has received, or what waits for it, is through, and takes it out "
             "of the configuration in effect",
         .right = Role::kAdmin,
         .effect = Effect::kChanges,
         .parameters = {text_parameter("name", "of the port", true, rules::kMaxNameBytes)},
         .handler = [&plane](const Arguments& arguments, Call& call) -> Answer {
             const std::string& name = *arguments.text("name");
             if (auto error = plane.ports().cannot_remove(name)) return *error;
             return plane.later(call, [&](const Reloader::Done& done) {
                 plane.ports().remove(name, origin_of("ports.remove", call), done);
             });
         }});
}

}  // namespace yagura::broker
