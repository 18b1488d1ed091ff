// SPDX-License-Identifier: BSD-3-Clause
#include "broker/policy_loader.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <optional>

#include "base/diagnostics.h"
#include "broker/database_maker.h"

namespace yagura::broker {
namespace {

/// Nothing: errno says why.
std::optional<std::string> read_file(std::FILE* file) {
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

rules::ConfigOutcome failed(std::string reason, std::string fix) {
    rules::ConfigOutcome outcome;
    outcome.errors.push_back({.pointer = "", .reason = std::move(reason), .fix = std::move(fix)});
    return outcome;
}

/// Takes the file.
rules::ConfigOutcome parse_file(std::FILE* file) {
    const std::optional<std::string> text = read_file(file);
    if (text) return rules::parse_config(*text);
    return failed(fmt::format("cannot be read: {}", std::strerror(errno)), {});
}

}  // namespace

rules::ConfigOutcome read_config(const std::string& path) {
    return parse_file(std::fopen(path.c_str(), "rb"));
}

rules::ConfigOutcome read_trusted_config(const std::string& path) {
    std::FILE* file = std::fopen(path.c_str(), "rb");
    struct stat status {};
    // Of the file that is open: its name may mean another one by now.
    if (file != nullptr && fstat(fileno(file), &status) == 0 && (status.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
        std::fclose(file);
        return failed("its group or everybody can write this file, and so could say what yagura does",
                      fmt::format("chmod go-w {}", path));
    }
    return parse_file(file);
}

LoadedConfig compile_config(rules::ConfigOutcome outcome, net::LinkType link_type,
                            match::DatabaseSource* source) {
    LoadedConfig loaded;
    auto compiled = match::CompiledRules::compile(outcome.config.rules, link_type, source);
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

LoadedConfig compile_config_cached(rules::ConfigOutcome outcome, net::LinkType link_type) {
    // Nobody is in the way of who compiles here.
    rules::CacheSettings cache = outcome.config.cache;
    const bool asked_for = cache != rules::CacheSettings{};
    DatabaseMaker maker(cache, {}, [asked_for](const std::string& line) {
        if (asked_for) base::diagnose("note: {}\n", line);
    });
    const Cancellation never;
    DatabaseSession session(maker, never);
    return compile_config(std::move(outcome), link_type, &session);
}

std::string error_report(const std::string& path, const std::vector<rules::ConfigError>& errors) {
    std::string text = fmt::format("{}: {} error{}\n", path, errors.size(), errors.size() == 1 ? "" : "s");
    for (const rules::ConfigError& error : errors) text += fmt::format("  {}\n", error.to_string());
    return text;
}

}  // namespace yagura::broker
