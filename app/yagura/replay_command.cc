// SPDX-License-Identifier: BSD-3-Clause
#include <CLI/CLI.hpp>
#include <memory>

#include "app/yagura/commands.h"
#include "broker/replay.h"
#include "dataplane/stage.h"

namespace yagura::app {

void add_replay(CLI::App& app, broker::ExitStatus& status) {
    auto options = std::make_shared<broker::ReplayOptions>();
    CLI::App* command =
        app.add_subcommand("replay", "Run captures through the pipeline; write what each tool gets");
    command->add_option("--config", options->config, "Configuration file")->required()->type_name("FILE");
    command
        ->add_option("--in", options->inputs,
                     "Captures that stand in for the network ports: A.pcap[,B.pcap...] in the order of the "
                     "ports, or PORT=A.pcap")
        ->required()
        ->type_name("CAPTURES");
    command->add_option("--out", options->out, "Folder for TOOL.pcap, flows.jsonl and stats.json")
        ->required()
        ->type_name("DIR");
    command
        ->add_option("--lcores", options->lcores,
                     "auto, or which stage runs on which lcores: 'rx=0;select=1,2;tx=0'")
        ->type_name("PLAN");
    command->add_option("--burst", options->burst, "Packets handled at a time")
        ->check(CLI::Range(1u, dataplane::kMaxBurst))
        ->capture_default_str();
    command->add_option("--stop-after", options->stop_after, "Replay so many packets and no more")
        ->type_name("N")
        ->check([](const std::string& text) {
            // CLI11 would take -1 for 2^64 - 1.
            const bool number = !text.empty() && text.find_first_not_of("0123456789") == std::string::npos;
            return number ? std::string() : "\"" + text + "\" is not a number of packets";
        });
    command->add_flag("--clock-stages", options->clock_stages,
                      "Count the cycles of each stage, in stats.json under run.threads");
    command->add_flag("--force", options->force, "Overwrite what stands in DIR");
    command->footer(
        "Exit status: 0 all went well; 1 something was lost or the ledger does not balance;\n"
        "2 wrong usage or configuration; 3 damaged input (what could be read was written).");
    command->callback([options, &status] { status = broker::replay(*options); });
}

}  // namespace yagura::app
