// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <fmt/format.h>
#include <stdlib.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "control/audit_log.h"
#include "control/audit_verify.h"

namespace yagura::control {

/// A log in a folder of its own, and a clock that moves by hand.
class AuditRig {
  public:
    AuditRig() {
        // Where there is one in memory, syncs cost nothing.
        const std::filesystem::path memory = "/dev/shm";
        std::string name =
            ((std::filesystem::exists(memory) ? memory : std::filesystem::temp_directory_path()) /
             "yagura-audit-XXXXXX")
                .string();
        REQUIRE(::mkdtemp(name.data()) != nullptr);
        folder_ = name;
        settings.file = path("audit.jsonl");
        settings.key = path("audit.key");
        settings.head.file = path("audit.head");
    }
    AuditRig(const AuditRig&) = delete;
    AuditRig& operator=(const AuditRig&) = delete;
    ~AuditRig() { std::filesystem::remove_all(folder_); }

    bool in_memory() const { return folder_.starts_with("/dev/shm/"); }
    std::string path(std::string_view name) const { return folder_ + "/" + std::string(name); }
    std::string first_key() const { return settings.key + rules::kFirstKeyEnding; }

    std::unique_ptr<AuditLog> open() {
        auto log = try_open();
        CAPTURE(log ? "" : log.error().message);
        REQUIRE(log);
        return std::move(*log);
    }
    base::Result<std::unique_ptr<AuditLog>> try_open() {
        return AuditLog::open(settings, [this] { return now_ns += 1'000'000; });
    }
    /// A whole run of the daemon with so many events.
    void run(int events) {
        const auto log = open();
        for (int i = 0; i < events; ++i) log->record(event(i));
    }
    static AuditEvent event(int number) {
        return {4711, ::geteuid(), ::getegid(), "yaguractl", "rules.load", fmt::format("rules {}", number),
                true, "ok"};
    }

    /// The files of the log, oldest first.
    std::vector<std::string> files() const {
        std::vector<std::string> paths;
        for (const OlderFile& file : older_files(settings.file)) paths.push_back(file.path);
        paths.push_back(settings.file);
        return paths;
    }
    enum class With { kKeyAndHead, kKey, kHead, kNothing };
    AuditVerdict verify(With with = With::kKeyAndHead) const { return verify(files(), with); }
    AuditVerdict verify(std::vector<std::string> paths, With with = With::kKeyAndHead,
                        bool part = false) const {
        AuditEvidence evidence;
        evidence.files = std::move(paths);
        evidence.part = part;
        evidence.max_ahead = 1u << 20;
        if (with == With::kKeyAndHead || with == With::kKey) {
            auto key = AuditKey::read(first_key());
            REQUIRE(key);
            evidence.key = *key;
        }
        if (with == With::kKeyAndHead || with == With::kHead) {
            auto heads = read_heads(settings.head.file);
            if (!heads) {
                AuditVerdict broken;
                broken.faults.push_back({settings.head.file, 0, heads.error().message});
                return broken;
            }
            evidence.heads = *heads;
        }
        auto verdict = verify_audit(evidence);
        REQUIRE(verdict);
        return std::move(*verdict);
    }

    rules::AuditSettings settings;
    std::uint64_t now_ns = 1'700'000'000'000'000'000;

  private:
    std::string folder_;
};

inline std::string read_text(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    CAPTURE(path);
    REQUIRE(in.good());
    return {std::istreambuf_iterator<char>(in), {}};
}
inline void write_text(const std::string& path, std::string_view text) {
    std::ofstream out(path, std::ios::binary | std::ios::trunc);
    out << text;
    out.close();
    REQUIRE(out.good());
}

inline std::vector<std::string> lines_of(const std::string& text) {
    std::vector<std::string> lines;
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t end = text.find('\n', at);
        const std::size_t stop = end == std::string::npos ? text.size() : end + 1;
        lines.push_back(text.substr(at, stop - at));
        at = stop;
    }
    return lines;
}
inline std::string joined(const std::vector<std::string>& lines) {
    std::string text;
    for (const std::string& line : lines) text += line;
    return text;
}

/// One fault a line, "LINE: WHAT".
inline std::string faults_of(const AuditVerdict& verdict) {
    std::string text;
    for (const AuditFault& fault : verdict.faults) text += fmt::format("{}: {}\n", fault.line, fault.what);
    return text;
}
inline std::string notes_of(const AuditVerdict& verdict) {
    std::string text;
    for (const std::string& note : verdict.notes) text += note + '\n';
    return text;
}

}  // namespace yagura::control
