// SPDX-License-Identifier: BSD-3-Clause
#include "app/yaguractl/audit_command.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "control/audit_record.h"
#include "control/audit_tail.h"
#include "control/audit_verify.h"

namespace yagura::ctl {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kFaults = 1;
constexpr int kUnusable = 2;

struct VerifyOptions {
    std::vector<std::string> logs;
    std::string key;
    std::vector<std::string> heads;
    bool part = false;
};

struct ShowOptions {
    std::string log;
    std::size_t last = 20;
    std::uint64_t before = 0;
};

int unusable(const base::Error& error) {
    fmt::print(stderr, "yaguractl audit: {}\n", error.message);
    return kUnusable;
}

std::string counted(std::uint64_t number, std::string_view noun) {
    return fmt::format("{} {}{}", number, noun, number == 1 ? "" : "s");
}

void print_verdict(const control::AuditVerdict& verdict) {
    for (const control::AuditFault& fault : verdict.faults) {
        if (fault.line == 0) {
            fmt::print("{}: {}\n", fault.file, fault.what);
        } else {
            fmt::print("{}:{}: {}\n", fault.file, fault.line, fault.what);
        }
    }
    if (verdict.unkept_faults > 0) fmt::print("... and {} more\n", verdict.unkept_faults);
    for (const std::string& note : verdict.notes) fmt::print("note: {}\n", note);
    const std::string what =
        verdict.records == 0
            ? "no records"
            : fmt::format("{}, of {} to {}; {} proven with the key", counted(verdict.records, "record"),
                          verdict.first_time, verdict.last_time, verdict.proven);
    if (verdict.sound()) {
        fmt::print("sound: {}\n", what);
    } else {
        fmt::print("NOT SOUND: {}; {}\n", counted(verdict.faults.size() + verdict.unkept_faults, "fault"),
                   what);
    }
}

void print_verdict_json(const control::AuditVerdict& verdict) {
    Json faults = Json::array();
    for (const control::AuditFault& fault : verdict.faults) {
        faults.push_back({{"file", fault.file}, {"line", fault.line}, {"what", fault.what}});
    }
    const Json json{
        {"sound", verdict.sound()},      {"faults", faults},           {"more_faults", verdict.unkept_faults},
        {"notes", verdict.notes},        {"records", verdict.records}, {"proven", verdict.proven},
        {"first", verdict.first},        {"last", verdict.last},       {"first_time", verdict.first_time},
        {"last_time", verdict.last_time}};
    fmt::print("{}\n", json.dump(2, ' ', false, Json::error_handler_t::replace));
}

using Heads = std::vector<control::HeadAtPlace>;

base::Result<Heads> read_all_heads(const std::vector<std::string>& paths) {
    Heads all;
    for (const std::string& path : paths) {
        const auto heads = control::read_heads(path);
        if (!heads) return heads;
        all.insert(all.end(), heads->begin(), heads->end());
    }
    return all;
}

bool same_heads(const Heads& a, const Heads& b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const auto& one, const auto& other) {
        return one.sealed.mac == other.sealed.mac && one.sealed.body == other.sealed.body;
    });
}

/// Of a log that is being written a head may be older than the records that were read after it. What is found
/// counts only if the heads were the same before and after; a few times are tried.
base::Result<control::AuditVerdict> verify_still(control::AuditEvidence evidence,
                                                 const std::vector<std::string>& paths) {
    constexpr int kMostTries = 5;
    for (int tries = 1;; ++tries) {
        auto heads = read_all_heads(paths);
        if (!heads) return heads.error();
        const bool same = tries > 1 && same_heads(*heads, evidence.heads);
        evidence.heads = std::move(*heads);
        auto verdict = control::verify_audit(evidence);
        if (!verdict || verdict->sound() || paths.empty() || same || tries == kMostTries) return verdict;
    }
}

int verify(const VerifyOptions& options, bool json) {
    control::AuditEvidence evidence;
    evidence.files = options.logs;
    evidence.part = options.part;
    if (!options.key.empty()) {
        auto key = control::AuditKey::read(options.key);
        if (!key) return unusable(key.error());
        evidence.key = *key;
    }
    const auto verdict = verify_still(std::move(evidence), options.heads);
    if (!verdict) return unusable(verdict.error());
    json ? print_verdict_json(*verdict) : print_verdict(*verdict);
    return verdict->sound() ? 0 : kFaults;
}

/// A record for people; the whole line, made harmless, where it is not one. Texts are escaped anew: what the
/// file holds may not come from yagura.
std::string shown(const std::string& line) {
    const Json record = Json::parse(line, nullptr, false);
    const auto text = [&record](const char* key) {
        const auto found = record.find(key);
        if (found == record.end()) return std::string();
        return found->is_string() ? control::escaped(found->get<std::string>(), 1024) : found->dump();
    };
    if (!record.is_object()) return control::escaped(line, 1024);
    const std::string user = text("user").empty() ? "uid " + text("uid") : text("user");
    const std::string object = text("object").empty() ? "" : " \"" + text("object") + "\"";
    return fmt::format("{} #{} {}, pid {}, {}: {}{}: {}{}", text("time"), text("seq"), user, text("pid"),
                       text("program"), text("action"), object,
                       text("allowed") == "true" ? "" : "NOT ALLOWED: ", text("outcome"));
}

int show(const ShowOptions& options, bool json) {
    const auto before = options.before == 0 ? std::nullopt : std::optional(options.before);
    const auto page = control::read_audit_page(options.log, options.last, before);
    if (!page) return unusable(page.error());
    for (auto line = page->records.rbegin(); line != page->records.rend(); ++line) {
        fmt::print("{}\n", json ? *line : shown(*line));
    }
    return 0;
}

void add_verify(CLI::App& audit, const bool& json, int& status) {
    auto options = std::make_shared<VerifyOptions>();
    CLI::App* command =
        audit.add_subcommand("verify", "Find what was changed, lost, put in, moved or cut off");
    command->fallthrough();
    command->add_option("--key", options->key, "The first key of the log, or a later one")->type_name("FILE");
    command->add_option("--head", options->heads, "A file of heads: yagura's own, or lines of a system log")
        ->type_name("FILE")
        ->allow_extra_args(false);
    command->add_flag("--part", options->part,
                      "The files are a part of the log: others may be missing around them");
    command->add_option("log", options->logs, "All files of the log, in any order")
        ->required()
        ->type_name("LOG");
    command->footer("Exit status: 0 sound; 1 faults were found; 2 wrong usage, or a file cannot be used.");
    command->callback([options, &json, &status] { status = verify(*options, json); });
}

void add_show(CLI::App& audit, const bool& json, int& status) {
    auto options = std::make_shared<ShowOptions>();
    CLI::App* command =
        audit.add_subcommand("show", "Print the newest records of a log, without verifying them");
    command->fallthrough();
    command->add_option("--last", options->last, "How many")->type_name("N")->capture_default_str();
    command->add_option("--before", options->before, "Only records before this one")->type_name("NUMBER");
    command->add_option("log", options->log, "The file that is written; older ones are found beside it")
        ->required()
        ->type_name("LOG");
    command->callback([options, &json, &status] { status = show(*options, json); });
}

}  // namespace

void add_audit(CLI::App& app, const bool& json, int& status) {
    CLI::App* audit = app.add_subcommand("audit", "Verify and print the files of an audit log");
    audit->fallthrough()->require_subcommand(1);
    add_verify(*audit, json, status);
    add_show(*audit, json, status);
}

}  // namespace yagura::ctl
