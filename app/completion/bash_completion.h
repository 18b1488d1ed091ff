// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <map>
#include <string>

namespace CLI {
class App;
}

namespace yagura::app {

/// What a value of such a type (CLI::Option::type_name) can be, by the argument of `completion` that has
/// the program print all of them: {"TOOL", "tools"}.
using NamesByType = std::map<std::string, std::string>;

/// A script that completes the command line of `app` in bash: its subcommands, their options, values that
/// are one of a set (CLI::IsMember), files (FILE, PATH, LOG, CAPTURES), folders (DIR) and `names`. All that
/// it knows it knows from the definition of the command line.
std::string bash_completion(const CLI::App& app, const NamesByType& names = {});

}  // namespace yagura::app
