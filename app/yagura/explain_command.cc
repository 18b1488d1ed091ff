// SPDX-License-Identifier: BSD-3-Clause
#include <CLI/CLI.hpp>
#include <memory>

#include "app/yagura/commands.h"
#include "broker/explain.h"

namespace yagura::app {

void add_explain(CLI::App& app, broker::ExitStatus& status) {
    auto options = std::make_shared<broker::ExplainOptions>();
    CLI::App* command = app.add_subcommand(
        "explain", "Tell the life of a flow in captures: what was matched, held and sent where, and why");
    command->add_option("--config", options->captures.config, "Configuration file")
        ->required()
        ->type_name("FILE");
    command
        ->add_option("--in", options->captures.inputs,
                     "Captures that stand in for the network ports: A.pcap[,B.pcap...] in the order of the "
                     "ports, or PORT=A.pcap")
        ->required()
        ->type_name("CAPTURES");
    command
        ->add_option("--flow", options->flow,
                     "The flow: 'tcp 10.0.0.1:1234 > 10.0.0.2:80', '[2001:db8::1]:1234 > [2001:db8::2]:80', "
                     "'icmp 10.0.0.1 > 10.0.0.2'; either direction")
        ->required()
        ->type_name("FLOW");
    command->add_flag("--json", options->json, "A line of JSON for each event");
    command
        ->add_option("--lcores", options->captures.lcores,
                     "auto, or which stage runs on which lcores: 'rx=0;select=1,2;tx=0'")
        ->type_name("PLAN");
    command->footer(
        "Exit status: 0 the flow is there and was told of; 1 the ledger does not balance;\n"
        "2 wrong usage or configuration, or no such flow; 3 damaged input (what could be read was looked "
        "at).");
    command->callback([options, &status] { status = broker::explain(*options); });
}

}  // namespace yagura::app
