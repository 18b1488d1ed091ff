// SPDX-License-Identifier: BSD-3-Clause
// The ports there are; adding and removing them.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <string>

#include "app/yaguractl/commands.h"
#include "app/yaguractl/counts.h"
#include "app/yaguractl/table.h"

namespace yagura::ctl {
namespace {

void list_ports(const Options& options) {
    Session session(options.socket, options.patience());
    const Json ports = all_pages(session, "ports.list", "ports");
    if (options.json) return print_json(ports);
    Table table({{"port"}, {"role"}, {"device"}, {"link"}, {"received", Table::Align::kRight}, {"dropped"}});
    for (const Json& port : ports) {
        const bool network = port.contains("received");
        std::string link = port.value("link", "");
        if (port.contains("other_end")) link += " (with " + port.value("other_end", "") + ")";
        table.add({port.value("name", ""), port.value("role", ""), port.value("device", ""),
                   network && !link.empty() ? link : "-", network ? packets(port["received"]) : "",
                   network ? reasons(port["dropped"]) : ""});
    }
    fmt::print("{}", table.text());
}

struct NewPort {
    std::string name;
    std::string role;
    std::string device;
    std::string rate;
    std::string link;
    unsigned queues = 0;         ///< 0: not given
    unsigned queue_packets = 0;  ///< likewise
    std::string queue_time;
    std::string inject;
    std::string own_mac;
    std::string next_hop;
};

void add_port(const Options& options, const NewPort& port) {
    Json params{{"name", port.name}, {"role", port.role}, {"device", port.device}};
    if (!port.rate.empty()) params["rate"] = port.rate;
    if (!port.link.empty()) params["link"] = port.link;
    if (port.queues != 0) params["queues"] = port.queues;
    if (port.queue_packets != 0) params["queue_packets"] = port.queue_packets;
    if (!port.queue_time.empty()) params["queue_time"] = port.queue_time;
    if (!port.inject.empty()) params["inject"] = port.inject;
    if (!port.own_mac.empty()) params["route_own_mac"] = port.own_mac;
    if (!port.next_hop.empty()) params["route_next_hop"] = port.next_hop;
    Session session(options.socket, options.long_patience());
    const Json answer = session.call("ports.add", params);
    if (options.json) return print_json(answer);
    fmt::print(
        "port {} is open; version {} of the configuration is in effect (yaguractl config save keeps it)\n",
        port.name, answer.value("config_version", std::uint64_t{0}));
}

void remove_port(const Options& options, const std::string& name) {
    Session session(options.socket, options.long_patience());
    const Json answer = session.call("ports.remove", {{"name", name}});
    if (options.json) return print_json(answer);
    const Json ledger = answer.value("ledger", Json::object());
    const bool network = ledger.contains("received");
    fmt::print("port {} is closed: {} packets {}; version {} of the configuration is in effect\n", name,
               packets(network ? ledger["received"] : ledger["sent"]),
               network ? "were received" : "were sent", answer.value("config_version", std::uint64_t{0}));
    if (answer.contains("close_error")) {
        fmt::print("  warning: {}\n", printable(answer.value("close_error", "")));
    }
}

}  // namespace

void add_ports(CLI::App& app, const Options& options) {
    CLI::App* ports = app.add_subcommand("ports", "Network and tool ports; or add and remove them");
    ports->fallthrough()->require_subcommand(0, 1);
    auto port = std::make_shared<NewPort>();
    CLI::App* add = ports->add_subcommand("add", "Open a port while traffic flows");
    add->add_option("name", port->name, "Its name")->required()->type_name("NAME");
    add->add_option("--role", port->role, "network or tool")->required()->type_name("ROLE");
    add->add_option("--device", port->device, "As in a configuration: net_af_packet0,iface=br0")
        ->required()
        ->type_name("DEVICE");
    add->add_option("--rate", port->rate, "Of a tool: the most that it is sent, 1Gbps")->type_name("RATE");
    add->add_option("--queue-packets", port->queue_packets, "Of a tool: packets that may wait for it")
        ->type_name("N");
    add->add_option("--queue-time", port->queue_time, "Of a tool with a rate: what may wait, 50ms")
        ->type_name("TIME");
    add->add_option("--queues", port->queues, "Of a network port: receive queues")->type_name("N");
    add->add_option("--link", port->link, "Of a network port: the link of which it is a direction")
        ->type_name("NAME");
    add->add_option(
           "--inject", port->inject,
           "Of a network port: the one by which an end is reached whose own port is not known; a routed one: "
           "by which both are")
        ->type_name("NAME");
    add->add_option("--route-own-mac", port->own_mac, "Of a routed network port: its own address")
        ->type_name("MAC");
    add->add_option("--route-next-hop", port->next_hop, "Of a routed network port: the router's address")
        ->type_name("MAC");
    add->fallthrough()->callback([&options, port] { add_port(options, *port); });
    CLI::App* remove =
        ports->add_subcommand("remove", "Close a port when nothing of it is on its way any more");
    remove->add_option("name", port->name, "Its name")->required()->type_name("NAME");
    remove->fallthrough()->callback([&options, port] { remove_port(options, port->name); });
    ports->callback([&options, ports] {
        if (ports->get_subcommands().empty()) list_ports(options);
    });
}

}  // namespace yagura::ctl
