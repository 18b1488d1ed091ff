// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "match/compiled_rules.h"
#include "rules/config.h"

namespace yagura::broker {

/// A configuration and what its rules compile to.
struct LoadedConfig {
    rules::Config config;
    std::shared_ptr<const match::CompiledRules> compiled;  ///< null when there are errors
    std::vector<match::RuleSummary> summaries;             ///< by rule
    std::vector<rules::ConfigError> errors;  ///< of the text and of filters and patterns, all of them

    bool ok() const { return errors.empty(); }
};

/// Reads and checks the file. What cannot be read at all is an error at "".
rules::ConfigOutcome read_config(const std::string& path);

/// The same of a file that its owner alone can write: who can write it can do whatever it says. Any other is
/// an error at "".
rules::ConfigOutcome read_trusted_config(const std::string& path);

/// Compiles the rules for frames of this link type; their errors join those of reading. `source` as for
/// match::CompiledRules::compile().
LoadedConfig compile_config(rules::ConfigOutcome outcome, net::LinkType link_type,
                            match::DatabaseSource* source = nullptr);
/// The same with the cache that the configuration names. What is to say of it goes to stderr.
LoadedConfig compile_config_cached(rules::ConfigOutcome outcome, net::LinkType link_type);

/// "FILE: 2 errors" and a line each, for a person.
std::string error_report(const std::string& path, const std::vector<rules::ConfigError>& errors);

}  // namespace yagura::broker
