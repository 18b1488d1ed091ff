// SPDX-License-Identifier: BSD-3-Clause
#include "control/audit_log.h"

#include <fmt/format.h>
#include <pwd.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <utility>

#include "control/audit_head.h"

namespace yagura::control {
namespace {

/// A head is due after so many records, however soon: what a thief of the key could rewrite is bounded.
constexpr std::uint64_t kMaxUnsigned = 1024;
/// Room for what may be written before the file is next asked whether it is full.
constexpr std::uint64_t kRoom = 2 * kMaxAuditLine;
constexpr std::size_t kMaxUsers = 1024;

/// Of the local users alone: a name service could keep the control thread waiting.
std::string local_user(uid_t uid) {
    std::string name;
    std::FILE* const file = std::fopen("/etc/passwd", "re");
    if (file == nullptr) return name;
    passwd entry;
    passwd* found = nullptr;
    std::array<char, 4096> buffer;
    while (::fgetpwent_r(file, &entry, buffer.data(), buffer.size(), &found) == 0) {
        if (entry.pw_uid != uid) continue;
        name = entry.pw_name;
        break;
    }
    std::fclose(file);
    return name;
}

}  // namespace

AuditLog::AuditLog(const rules::AuditSettings& settings, AuditState state, AppendFile file, Clock clock)
    : settings_(settings), clock_(std::move(clock)), state_(std::move(state)), file_(std::move(file)) {}

base::Result<std::unique_ptr<AuditLog>> AuditLog::open(const rules::AuditSettings& settings, Clock clock) {
    auto state = recover_audit(settings);
    if (!state) return state.error();
    auto file = AppendFile::open(settings.file);
    if (!file) return file.error();
    if (file->size() > state->size) {
        if (auto cut = file->cut_to(state->size); !cut) return cut.error();
    }
    std::unique_ptr<AuditLog> log(
        new AuditLog(settings, std::move(*state), std::move(*file), std::move(clock)));
    if (!log->ready()) {
        // There is nothing to end.
        log->file_ = {};
        return base::Error{fmt::format("the audit log cannot be begun: {}", log->health_.failure)};
    }
    log->sign_head();
    return log;
}

AuditLog::~AuditLog() {
    if (!file_.is_open() || !ready()) return;
    write_own("audit.stop", settings_.file, true, "ok");
    sign_head();
}

void AuditLog::record(const AuditEvent& event) {
    if (ready() && write(event, {})) {
        if (unsigned_ % kMaxUnsigned == 0) sign_head();
        return;
    }
    ++health_.lost;
    if (lost_unsaid_++ == 0) lost_since_ = clock_();
}

bool AuditLog::may_act() {
    if (settings_.on_failure == rules::OnAuditFailure::kGoOn) return true;
    if (!ready()) return false;
    const bool room = note(file_.reserve(kRoom));
    health_.failing = !room;
    return room;
}

void AuditLog::tick() {
    const std::uint64_t now = clock_();
    const auto interval = static_cast<std::uint64_t>(settings_.head.interval.count());
    // A clock that was set back must not keep heads from being written.
    if (now < last_attempt_ || now - last_attempt_ >= interval) sign_head();
}

AuditHealth AuditLog::health() const {
    AuditHealth health = health_;
    health.first_key_here = ::access((settings_.key + rules::kFirstKeyEnding).c_str(), F_OK) == 0;
    return health;
}

base::Result<AuditPage> AuditLog::tail(std::size_t count, std::optional<std::uint64_t> before) const {
    return read_audit_page(settings_.file, count, before);
}

/// Whether a record can be written now: there is a file, it is not full, and what must come first is written.
bool AuditLog::ready() {
    if (file_.is_open() && !file_.in_place()) {
        file_ = {};
        state_.first = 0;
        begin_action_ = "audit.start";
        state_.findings = "the file was removed or renamed while it was written";
    }
    if (file_.is_open() && state_.first != 0 && file_.size() + kRoom > settings_.max_size && !rotate()) {
        return false;
    }
    if (!file_.is_open() && !open_next()) return false;
    if (!begin_action_.empty() && !begin()) return false;
    if (lost_unsaid_ == 0) return true;
    if (!write_own("audit.lost", settings_.file, false,
                   fmt::format("{} events since {} could not be recorded: {}", lost_unsaid_,
                               utc_milliseconds(lost_since_), health_.failure))) {
        return false;
    }
    lost_unsaid_ = 0;
    return true;
}

bool AuditLog::open_next() {
    auto file = AppendFile::open(settings_.file);
    if (file && file->size() != 0) {
        file =
            base::Error{fmt::format("{}: somebody else has begun this file: move it away", settings_.file)};
    }
    health_.failing = !file;
    if (!file) {
        health_.failure = file.error().message;
        return false;
    }
    file_ = std::move(*file);
    return true;
}

/// Ends the file and names it by its first record. The next one begins with ready().
bool AuditLog::rotate() {
    // Not with every attempt to rename it.
    if (unsigned_ != 0) sign_head();
    const std::string older = older_file_name(settings_.file, state_.first);
    if (std::rename(settings_.file.c_str(), older.c_str()) != 0) {
        health_.failing = true;
        health_.failure = file_error(settings_.file, "cannot be renamed", errno).message;
        return false;
    }
    file_ = {};
    state_.first = 0;
    if (begin_action_.empty()) begin_action_ = "audit.rotate";
    return true;
}

/// Writes the record with which a file or a run begins, and removes the files that it says are gone.
bool AuditLog::begin() {
    std::vector<OlderFile> files = older_files(settings_.file);
    std::size_t surplus = 0;
    if (files.size() >= settings_.files) {
        surplus = files.size() - (settings_.files - 1);
        state_.oldest = surplus < files.size() ? files[surplus].first : state_.key.sequence();
    }
    std::string outcome = state_.findings.empty() ? "ok" : state_.findings;
    if (!write_own(begin_action_, settings_.file, state_.findings.empty(), std::move(outcome),
                   AuditStart{state_.key.log(), state_.oldest})) {
        return false;
    }
    begin_action_.clear();
    state_.findings.clear();
    for (std::size_t i = 0; i < surplus; ++i) std::remove(files[i].path.c_str());
    return true;
}

bool AuditLog::write_own(std::string action, std::string object, bool good, std::string outcome,
                         std::optional<AuditStart> start) {
    return write({::getpid(), ::geteuid(), ::getegid(), "yagura", std::move(action), std::move(object), good,
                  std::move(outcome)},
                 std::move(start));
}

bool AuditLog::write(const AuditEvent& event, std::optional<AuditStart> start) {
    const AuditFrame frame{state_.key.sequence(), clock_(), state_.last, state_.heads, std::move(start)};
    std::string body = record_body(frame, event, user_name(event.uid));
    const Mac mac = state_.key.record_mac(body);
    const bool written = note(file_.append(sealed(std::move(body), mac) + "\n"));
    health_.failing = !written;
    if (!written) return false;
    if (state_.first == 0) state_.first = frame.sequence;
    state_.last = mac;
    state_.key.advance();
    ++health_.records;
    ++unsigned_;
    return true;
}

/// Log, head, key, in this order: what a later one says is on the disk already.
void AuditLog::sign_head() {
    last_attempt_ = clock_();
    if (!file_.is_open() || !note(file_.sync(), &health_.heads_failed)) return;
    const AuditHead head{
        .number = state_.heads + 1,
        .log = state_.key.log(),
        .time = utc_milliseconds(last_attempt_),
        .oldest = state_.oldest,
        .sequence = state_.key.sequence() - 1,
        .last = state_.last,
        .lost = health_.lost,
        .interval_ms = static_cast<std::uint64_t>(settings_.head.interval.count()) / 1'000'000};
    const std::string line = sealed_head(head, state_.key);
    if (!settings_.head.socket.empty()) note(send_head(settings_.head.socket, line), &health_.heads_unsent);
    const bool written = note(replace_file(settings_.head.file, line), &health_.heads_failed);
    if (written) {
        ++state_.heads;
        ++health_.heads;
        health_.head_time = head.time;
    }
    if (unsigned_ == 0) return;
    if (note(state_.key.replace(settings_.key), written ? &health_.heads_failed : nullptr)) unsigned_ = 0;
}

bool AuditLog::note(const base::Result<void>& result, std::uint64_t* counter) {
    if (result) return true;
    health_.failure = result.error().message;
    if (counter != nullptr) ++*counter;
    return false;
}

const std::string& AuditLog::user_name(uid_t uid) {
    const auto found = users_.find(uid);
    if (found != users_.end()) return found->second;
    if (users_.size() >= kMaxUsers) users_.clear();
    return users_.emplace(uid, local_user(uid)).first->second;
}

base::Result<std::unique_ptr<AuditLog>> open_audit_log(const rules::AuditSettings& settings) {
    if (!settings.enabled) return std::unique_ptr<AuditLog>();
    return AuditLog::open(settings);
}

}  // namespace yagura::control
