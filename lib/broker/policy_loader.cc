// SPDX-License-Identifier: BSD-3-Clause
#include "broker/policy_loader.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <optional>

namespace yagura::broker {
namespace {

std::optional<std::string> read_file(const std::string& path) {
    std::FILE* file = std::fopen(path.c_str(), "rb");
    if (file == nullptr) return std::nullopt;
    std::string text;
    char buffer[65536];
    while (const std::size_t n = std::fread(buffer, 1, sizeof buffer, file)) text.append(buffer, n);
    const bool failed = std::ferror(file) != 0;
    const int error = errno;
    std::fclose(file);
    errno = error;
    if (failed) return std::nullopt;
    return text;
}

}  // namespace

rules::ConfigOutcome read_config(const std::string& path) {
    const std::optional<std::string> text = read_file(path);
    if (text) return rules::parse_config(*text);
    rules::ConfigOutcome outcome;
    outcome.errors.push_back(
        {.pointer = "", .reason = fmt::format("cannot be read: {}", std::strerror(errno)), .fix = ""});
    return outcome;
}

LoadedConfig compile_config(rules::ConfigOutcome outcome, net::LinkType link_type) {
    LoadedConfig loaded;
    auto compiled = match::CompiledRules::compile(outcome.config.rules, link_type);
    loaded.errors = std::move(outcome.errors);
    for (match::CompileError& error : compiled.errors) {
        loaded.errors.push_back({.pointer = fmt::format("/rules/{}{}", error.rule, error.place),
                                 .reason = std::move(error.reason),
                                 .fix = std::move(error.fix)});
    }
    loaded.config = std::move(outcome.config);
    loaded.summaries = std::move(compiled.summaries);
    if (loaded.errors.empty()) loaded.compiled = std::move(compiled.rules);
    return loaded;
}

std::string error_report(const std::string& path, const std::vector<rules::ConfigError>& errors) {
    std::string text = fmt::format("{}: {} error{}\n", path, errors.size(), errors.size() == 1 ? "" : "s");
    for (const rules::ConfigError& error : errors) text += fmt::format("  {}\n", error.to_string());
    return text;
}

}  // namespace yagura::broker
