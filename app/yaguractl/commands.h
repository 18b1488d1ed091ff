// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "app/yaguractl/session.h"

namespace CLI {
class App;
}

namespace yagura::ctl {

/// What all commands have in common.
struct Options {
    std::string socket;
    bool json = false;                   ///< print what yagura answers, not what a person reads
    std::optional<double> timeout = {};  ///< seconds; 0: none

    /// How long to wait for an answer that is there at once, if yagura is well.
    std::optional<std::chrono::milliseconds> patience() const { return patience(kPatience); }
    /// The same where yagura may have much to do before it answers.
    std::optional<std::chrono::milliseconds> long_patience() const { return patience({}); }
    static constexpr std::chrono::milliseconds kPatience{10'000};

  private:
    std::optional<std::chrono::milliseconds> patience(std::optional<std::chrono::milliseconds> usual) const {
        if (!timeout) return usual;
        if (*timeout == 0) return std::nullopt;
        return std::chrono::milliseconds(static_cast<std::int64_t>(*timeout * 1000));
    }
};

/// Each adds subcommands that run when they are parsed, and throw Failure; `options` outlives `app`.
void add_queries(CLI::App& app, const Options& options);
void add_ports(CLI::App& app, const Options& options);
void add_flows(CLI::App& app, const Options& options);
/// Below `flows`: what is done to flows.
void add_flow_verdicts(CLI::App& flows, const Options& options);
void add_blocks(CLI::App& app, const Options& options);
void add_response(CLI::App& app, const Options& options);
void add_rules(CLI::App& app, const Options& options);
void add_tools(CLI::App& app, const Options& options);
void add_config(CLI::App& app, const Options& options);
void add_top(CLI::App& app, const Options& options);
void add_call(CLI::App& app, const Options& options);
/// `completion`: of all that `app` has when it runs. By type_name() it knows what the values are: METHOD,
/// TOOL, NETWORK-PORT (names of the running yagura), FILE, PATH, LOG, DIR.
void add_completion(CLI::App& app, const Options& options);

/// Prints JSON for a program.
void print_json(const Json& json);

}  // namespace yagura::ctl
