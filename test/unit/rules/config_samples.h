// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <catch2/catch.hpp>
#include <fstream>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "rules/config.h"

namespace yagura::rules {

/// A row of the tables of faults: what is read, and the single error that must come of it.
struct FaultRow {
    const char* what;
    std::string text;
    std::string pointer;
    std::vector<std::string> in_reason;
    std::vector<std::string> in_fix;
};

inline std::string all_errors(const ConfigOutcome& outcome) {
    std::string out;
    for (const ConfigError& error : outcome.errors) out += error.to_string() + '\n';
    return out;
}

inline void check_fault(const FaultRow& row) {
    CAPTURE(row.what, row.text);
    const ConfigOutcome outcome = parse_config(row.text);
    CAPTURE(all_errors(outcome));
    REQUIRE(outcome.errors.size() == 1);  // no fault brings others with it
    const ConfigError& error = outcome.errors.front();
    CHECK(error.pointer == row.pointer);
    for (const std::string& word : row.in_reason) CHECK_THAT(error.reason, Catch::Contains(word));
    for (const std::string& word : row.in_fix) CHECK_THAT(error.fix, Catch::Contains(word));
    CHECK(error.to_string().find('\n') == std::string::npos);
}

inline Config must_parse(std::string_view text) {
    ConfigOutcome outcome = parse_config(text);
    CAPTURE(text, all_errors(outcome));
    REQUIRE(outcome.ok());
    return std::move(outcome.config);
}

inline constexpr std::string_view kPorts = R"("ports": {
    "tap0": {"role": "network", "device": "net_null0"},
    "ids0": {"role": "tool", "device": "net_null1"},
    "ids1": {"role": "tool", "device": "net_null2"},
    "rec0": {"role": "tool", "device": "pcap:rec0.pcap"}})";
inline constexpr std::string_view kGroups = R"("tool_groups": {
    "ids": {"members": ["ids0", "ids1"], "mode": "balance"}, "rec": {"members": ["rec0"]}})";

/// A document with the sample's ports and groups, and what `more` adds: `"rules": [...]`.
inline std::string with(std::string_view more) {
    return "{" + std::string(kPorts) + ", " + std::string(kGroups) + ", " + std::string(more) + "}";
}
/// The same with one rule: id 1, forwarding to ids, and these keys besides.
inline std::string with_rule_keys(std::string_view keys) {
    return with(R"("rules": [{"id": 1, "forward": ["ids"], )" + std::string(keys) + "}]");
}
/// The sample's ports, and these groups.
inline std::string with_groups(std::string_view groups) {
    return "{" + std::string(kPorts) + R"(, "tool_groups": {)" + std::string(groups) + "}}";
}
/// One network port, and these ports besides.
inline std::string with_ports(std::string_view ports) {
    return R"({"ports": {"tap0": {"role": "network", "device": "net_null0"}, )" + std::string(ports) + "}}";
}

/// A file of the source tree.
inline std::string read_source(const std::string& path) {
    std::ifstream in(std::string(YAGURA_SOURCE_ROOT) + "/" + path, std::ios::binary);
    CAPTURE(path);
    REQUIRE(in.good());
    std::ostringstream text;
    text << in.rdbuf();
    return text.str();
}

}  // namespace yagura::rules
