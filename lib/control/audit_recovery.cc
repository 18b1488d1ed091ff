// SPDX-License-Identifier: BSD-3-Clause
#include "control/audit_recovery.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <optional>

#include "control/audit_files.h"
#include "control/audit_head.h"
#include "control/audit_record.h"
#include "control/audit_verify.h"

namespace yagura::control {
namespace {

/// How far a log may be ahead of the key on the disk: many times what is written between two heads.
constexpr std::uint64_t kMaxAhead = 1u << 20;
/// Heads beyond this are not ours to count on.
constexpr std::uint64_t kMaxHeads = std::uint64_t{1} << 53;

bool exists(const std::string& path) {
    struct stat status;
    return ::lstat(path.c_str(), &status) == 0;
}

std::uint64_t size_of(const std::string& path) {
    struct stat status;
    return ::stat(path.c_str(), &status) == 0 ? static_cast<std::uint64_t>(status.st_size) : 0;
}

base::Result<AuditKey> first_start(const rules::AuditSettings& settings) {
    const std::string first = settings.key + rules::kFirstKeyEnding;
    if (size_of(settings.file) != 0 || !older_files(settings.file).empty()) {
        return base::Error{
            fmt::format("{}: there is a log, but its key {} is not there: put the key back, or move the "
                        "log and {} away to begin a new one",
                        settings.file, settings.key, first)};
    }
    if (exists(first)) {
        return base::Error{
            fmt::format("{}: there is a first key, but not the current one, {}: put it back, or move "
                        "the first key away to begin a new log",
                        first, settings.key)};
    }
    auto key = AuditKey::make();
    if (!key) return key;
    if (auto written = key->write_new(first); !written) return written.error();
    if (auto written = key->write_new(settings.key); !written) {
        ::unlink(first.c_str());
        return written.error();
    }
    return key;
}

/// What the lines of a file say, taken at their word.
struct FileEnd {
    std::uint64_t first = 0;  ///< number of the first record; 0: no record
    std::uint64_t last = 0;
    Mac mac{};
    std::uint64_t heads = 0;
    std::optional<AuditStart> start;  ///< of the last record that has one
    std::uint64_t whole = 0;          ///< bytes up to the end of the last line that has one
    std::string torn;                 ///< what stands behind
};

base::Result<FileEnd> read_end(const std::string& path) {
    FileEnd end;
    auto reader = LineReader::open(path);
    if (!reader) return reader.error();
    for (;;) {
        const auto line = reader->next();
        if (!line) return line.error();
        if (!line.value()) return end;
        if (!line.value()->complete) {
            end.torn = line.value()->text;
            continue;
        }
        end.whole = line.value()->offset + line.value()->bytes;
        const auto seal = unsealed(line.value()->text);
        const auto record = seal ? parse_record(seal->body) : std::nullopt;
        if (!record) continue;
        if (end.first == 0) end.first = record->sequence;
        end.last = record->sequence;
        end.mac = seal->mac;
        end.heads = record->heads;
        if (record->start) end.start = record->start;
    }
}

void add(std::string& findings, std::string_view finding) {
    if (!findings.empty()) findings += "; ";
    findings += finding;
}

/// What was written behind the last head of the run before is checked while its keys can still be computed.
void check_unsigned(const std::string& path, bool torn, const AuditKey& key, std::string& findings) {
    AuditEvidence evidence;
    evidence.files = {path};
    evidence.key = key;
    evidence.part = true;
    evidence.max_ahead = kMaxAhead;
    auto verdict = verify_audit(evidence);
    // The torn line comes last, and is said elsewhere.
    if (verdict && torn && !verdict->sound() && verdict->unkept_faults == 0) verdict->faults.pop_back();
    if (!verdict || verdict->sound()) return;
    const AuditFault& fault = verdict->faults.front();
    const std::uint64_t count = verdict->faults.size() + verdict->unkept_faults;
    add(findings, fmt::format("{} fault{} in the file, the first in line {}: {}", count,
                              count == 1 ? "" : "s", fault.line, fault.what));
}

/// The end of the log: in the file that is written, or, if the run before ended between two files, in the one
/// before. `state` gets what is said of the first alone.
base::Result<FileEnd> find_end(const rules::AuditSettings& settings, const AuditKey& key, AuditState& state) {
    FileEnd end;
    if (exists(settings.file)) {
        auto read = read_end(settings.file);
        if (!read) return read;
        end = std::move(*read);
    }
    state.first = end.first;
    state.size = end.whole;
    const std::string torn = end.torn;
    std::string path = settings.file;
    const std::vector<OlderFile> older = older_files(settings.file);
    if (end.last == 0 && !older.empty()) {
        path = older.back().path;
        auto read = read_end(path);
        if (!read) return read;
        end = std::move(*read);
    }
    if (end.last != 0) check_unsigned(path, path == settings.file && !torn.empty(), key, state.findings);
    if (!torn.empty()) {
        add(state.findings,
            fmt::format("a torn line of {} bytes was cut off: {}", torn.size(), torn.substr(0, 256)));
    }
    return end;
}

/// Moves the key to behind the last record, and says where the two do not fit.
void place_key(std::uint64_t last, AuditState& state) {
    const std::uint64_t next = state.key.sequence();
    if (last >= next && last - next >= kMaxAhead) {
        add(state.findings,
            fmt::format("the log ends with record {}, which cannot be: its key is at {}", last, next));
        return;
    }
    if (last + 1 < next) {
        add(state.findings,
            fmt::format("records {} to {} are gone: the log ends before its key", last + 1, next - 1));
    }
    while (state.key.sequence() <= last) state.key.advance();
}

/// The number of the newest head in the head's file; 0 if there is none of this log.
std::uint64_t newest_head(const std::string& path, const std::string& log) {
    std::uint64_t newest = 0;
    if (!exists(path)) return newest;
    const auto heads = read_heads(path);
    if (!heads) return newest;
    for (const HeadAtPlace& place : *heads) {
        const AuditHead& head = place.sealed.head;
        if (head.log == log && head.number < kMaxHeads) newest = std::max(newest, head.number);
    }
    return newest;
}

}  // namespace

base::Result<AuditState> recover_audit(const rules::AuditSettings& settings) {
    for (const std::string& path : {settings.file, settings.key, settings.head.file}) {
        if (auto made = make_folders_of(path); !made) return made.error();
    }
    const auto key = exists(settings.key) ? AuditKey::read(settings.key) : first_start(settings);
    if (!key) return key.error();
    AuditState state{.key = *key};
    const auto end = find_end(settings, *key, state);
    if (!end) return end.error();
    state.last = end->mac;
    if (end->start) state.oldest = end->start->oldest;
    place_key(end->last, state);
    state.heads = std::max(std::min(end->heads, kMaxHeads), newest_head(settings.head.file, key->log()));
    return state;
}

}  // namespace yagura::control
