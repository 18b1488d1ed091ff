// SPDX-License-Identifier: BSD-3-Clause
#include "app/completion/bash_completion.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <string_view>
#include <vector>

namespace yagura::app {
namespace {

/// In single quotes.
std::string in_quotes(std::string_view text) {
    std::string out = "'";
    for (const char c : text) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
    return out + "'";
}

std::string joined(const std::vector<std::string>& words) {
    return fmt::format("{}", fmt::join(words, " "));
}

/// What a value is, for the script: "files", "folders", "words a b", "names tools", or nothing.
std::string kind_of(const CLI::Option& option, const NamesByType& names) {
    // The type that was given it, then what its checks say of themselves.
    const std::string all = option.get_type_name();
    const std::string type = all.substr(0, all.find(':'));
    const std::size_t begin = all.find('{');
    const std::size_t end = all.find('}');
    if (begin != std::string::npos && end != std::string::npos && begin < end) {
        std::string set = all.substr(begin + 1, end - begin - 1);
        std::ranges::replace(set, ',', ' ');
        return "words " + set;
    }
    constexpr std::array<std::string_view, 4> kFiles{"FILE", "PATH", "LOG", "CAPTURES"};
    if (std::ranges::find(kFiles, type) != kFiles.end()) return "files";
    if (type == "DIR") return "folders";
    const auto found = names.find(type);
    return found == names.end() ? "" : "names " + found->second;
}

/// The rows of the script's two tables for a command and those below it. `path`: " rules load".
void add_rows(const CLI::App& app, const std::string& path, const NamesByType& names, std::string& commands,
              std::string& values) {
    std::vector<std::string> subcommands;
    const auto shown = [](const CLI::App* command) { return !command->get_group().empty(); };
    for (const CLI::App* command : app.get_subcommands(shown)) subcommands.push_back(command->get_name());
    std::vector<std::string> options;
    std::vector<std::string> arguments;
    bool goes_on = false;
    for (const CLI::Option* option : app.get_options()) {
        if (option->get_positional()) {
            arguments.push_back(in_quotes(kind_of(*option, names)));
            goes_on = option->get_items_expected_max() > 1;
            continue;
        }
        for (const std::string& name : option->get_lnames()) {
            options.push_back("--" + name);
            if (option->get_items_expected_max() == 0) continue;
            values += fmt::format("    {}) kind={} ;;\n", in_quotes(path + " --" + name),
                                  in_quotes(kind_of(*option, names)));
        }
    }
    commands += fmt::format("    {}) commands={}; options={}; arguments=({}); last={} ;;\n", in_quotes(path),
                            in_quotes(joined(subcommands)), in_quotes(joined(options)), joined(arguments),
                            goes_on ? "goes_on" : "once");
    for (const CLI::App* command : app.get_subcommands(shown))
        add_rows(*command, path + " " + command->get_name(), names, commands, values);
}

/// NAME, COMMANDS and VALUES stand for what is put in.
constexpr std::string_view kScript = R"bash(# bash completion of NAME: what `NAME completion bash` prints.

# What a command ("" or " command subcommand") takes.
_NAME_command() {
    case $1 in
COMMANDS    *) return 1 ;;
    esac
}

# What kind of value an option of a command takes. Status 1: it takes none, or is not the command's.
_NAME_value() {
    case $1 in
VALUES    *) return 1 ;;
    esac
}

# The same of an option of a command, or of one that the command is part of.
_NAME_value_here() {
    local at=$1
    while ! _NAME_value "$at $2"; do
        [[ -n $at ]] || return 1
        at=${at% *}
    done
}

_NAME() {
    local cur=${COMP_WORDS[COMP_CWORD]} path= kind= commands options arguments last
    local word i place=0 expects= option= plain= names
    local -a socket=()
    COMPREPLY=()
    [[ $cur != '=' ]] || cur=
    _NAME_command ''
    for ((i = 1; i < COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        if [[ -n $expects ]]; then
            [[ $word != '=' ]] || continue
            [[ $option != --socket ]] || socket=(--socket "$word")
            expects=
        elif [[ -z $plain && $word == -- ]]; then
            plain=yes
        elif [[ -z $plain && $word == -?* ]]; then
            option=$word
            if _NAME_value_here "$path" "$word"; then expects=yes; fi
        elif ((place == 0)) && [[ " $commands " == *" $word "* ]]; then
            path+=" $word"
            _NAME_command "$path"
        else
            place=$((place + 1))
        fi
    done
    if [[ -n $expects ]]; then
        _NAME_value_here "$path" "$option"
    elif [[ -z $plain && $cur == -* ]]; then
        local all=$options at=$path
        while [[ -n $at ]]; do
            at=${at% *}
            _NAME_command "$at"
            all+=" $options"
        done
        mapfile -t COMPREPLY < <(compgen -W "$all" -- "$cur" | sort -u)
        return
    else
        kind=
        if ((place < ${#arguments[@]})); then
            kind=${arguments[place]}
        elif [[ $last == goes_on ]]; then
            kind=${arguments[${#arguments[@]} - 1]}
        fi
        ((place > 0)) || mapfile -t COMPREPLY < <(compgen -W "$commands" -- "$cur")
    fi
    case $kind in
    files | folders)
        compopt -o filenames 2>/dev/null
        [[ $kind == files ]] && word=-f || word=-d
        mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen "$word" -- "$cur")
        ;;
    words\ *)
        mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -W "${kind#words }" -- "$cur")
        ;;
    names\ *)
        # Of a program that runs; they are its user's, and nothing in them is looked at by the shell.
        mapfile -t names < <("${COMP_WORDS[0]}" "${socket[@]}" completion "${kind#names }" 2>/dev/null)
        for word in "${names[@]}"; do
            [[ $word != "$cur"* ]] || COMPREPLY+=("$(printf %q "$word")")
        done
        ;;
    esac
}
complete -F _NAME NAME
)bash";

}  // namespace

std::string bash_completion(const CLI::App& app, const NamesByType& names) {
    std::string commands;
    std::string values;
    add_rows(app, "", names, commands, values);
    std::string script(kScript);
    const auto put = [&script](std::string_view word, const std::string& text) {
        for (std::size_t at = 0; (at = script.find(word, at)) != std::string::npos; at += text.size())
            script.replace(at, word.size(), text);
    };
    put("NAME", app.get_name());
    put("COMMANDS", commands);
    put("VALUES", values);
    return script;
}

}  // namespace yagura::app
