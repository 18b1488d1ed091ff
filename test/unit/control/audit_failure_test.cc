// SPDX-License-Identifier: BSD-3-Clause
// A log that cannot be written: RLIMIT_FSIZE stands in for a full disk.
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>

#include <catch2/catch.hpp>
#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>

#include "audit_rig.h"
#include "support/skip.h"

namespace yagura::control {
namespace {

/// No file of this process grows beyond this while it lives.
class FullDisk {
  public:
    explicit FullDisk(std::uint64_t bytes) {
        ::signal(SIGXFSZ, SIG_IGN);
        REQUIRE(::getrlimit(RLIMIT_FSIZE, &before_) == 0);
        const rlimit limit{bytes, before_.rlim_max};
        REQUIRE(::setrlimit(RLIMIT_FSIZE, &limit) == 0);
    }
    FullDisk(const FullDisk&) = delete;
    FullDisk& operator=(const FullDisk&) = delete;
    ~FullDisk() { ::setrlimit(RLIMIT_FSIZE, &before_); }

  private:
    rlimit before_{};
};

TEST_CASE("what cannot be written is counted, and said when it can be again") {
    AuditRig rig;
    {
        const auto log = rig.open();
        for (int i = 0; i < 5; ++i) log->record(AuditRig::event(i));
        {
            // Room for a part of a line.
            const FullDisk full(std::filesystem::file_size(rig.settings.file) + 100);
            for (int i = 0; i < 3; ++i) log->record(AuditRig::event(i));
            const AuditHealth health = log->health();
            CHECK(health.failing);
            CHECK(health.lost == 3);
            CHECK_THAT(health.failure, Catch::Contains("audit.jsonl: cannot be written: File too large"));
            // No half of a line stays behind.
            const AuditVerdict verdict = rig.verify(AuditRig::With::kKey);
            CAPTURE(faults_of(verdict));
            CHECK(verdict.sound());
        }
        log->record(AuditRig::event(9));
        CHECK_FALSE(log->health().failing);
        CHECK(log->health().lost == 3);
    }
    const AuditVerdict verdict = rig.verify();
    CAPTURE(faults_of(verdict));
    CHECK(verdict.sound());
    const std::vector<std::string> lines = lines_of(read_text(rig.settings.file));
    REQUIRE(lines.size() == 9);
    const auto lost = nlohmann::json::parse(lines[6]);
    CHECK(lost.at("action") == "audit.lost");
    CHECK_THAT(
        lost.at("outcome").get<std::string>(),
        Catch::StartsWith("3 events since 2023-11-14T22:13:20.") && Catch::Contains("could not be recorded"));
    CHECK(nlohmann::json::parse(lines[7]).at("object") == "rules 9");
    CHECK(read_heads(rig.settings.head.file)->front().sealed.head.lost == 3);
}

TEST_CASE("\"refuse\" forbids what could not be recorded before it is done; \"go_on\" does not") {
    AuditRig rig;
    // Other file systems reserve room beyond the limit, which they would not on a disk that is full.
    if (!rig.in_memory())
        SKIP_TEST("there is no /dev/shm, whose files heed RLIMIT_FSIZE when room is reserved");
    for (const auto policy : {rules::OnAuditFailure::kRefuse, rules::OnAuditFailure::kGoOn}) {
        rig.settings.on_failure = policy;
        const auto log = rig.open();
        const bool goes_on = policy == rules::OnAuditFailure::kGoOn;
        {
            // The log is whole, the last record was written, and there is room for a few: not enough to be
            // sure.
            const FullDisk full(std::filesystem::file_size(rig.settings.file) + 1000);
            for (int i = 0; i < 100 && log->may_act(); ++i) log->record(AuditRig::event(i));
            CHECK(log->may_act() == goes_on);
            CHECK(log->health().failing);
            CHECK((log->health().lost > 0) == goes_on);
        }
        CHECK(log->may_act());
        log->record(AuditRig::event(0));
        CHECK_FALSE(log->health().failing);
    }
}

TEST_CASE("on a disk that is full, what was promised is kept and nothing else is") {
    AuditRig rig;
    // The mount is this process's own, and goes with it.
    const std::string folder = rig.path("disk");
    std::filesystem::create_directory(folder);
    if (::unshare(CLONE_NEWNS) != 0 || ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        ::mount("none", folder.c_str(), "tmpfs", 0, "size=512k") != 0) {
        SKIP_TEST("a small disk cannot be mounted: " << std::strerror(errno));
    }
    rig.settings.file = folder + "/audit.jsonl";
    const std::string ballast = folder + "/ballast";
    {
        const auto log = rig.open();
        CHECK(log->may_act());
        {
            std::ofstream out(ballast);
            out << std::string(1u << 20, 'x');
        }
        int recorded = 0;
        for (; recorded < 10'000 && log->may_act(); ++recorded) log->record(AuditRig::event(recorded));
        CHECK(recorded > 10);
        CHECK(recorded < 10'000);
        CHECK(log->health().lost == 0);
        CHECK_THAT(log->health().failure,
                   Catch::Contains("audit.jsonl: has no room: No space left on device"));
        // Who acts all the same fills what is left.
        for (int i = 0; i < 1000; ++i) log->record(AuditRig::event(i));
        CHECK(log->health().lost > 0);
        CHECK_THAT(log->health().failure, Catch::Contains("cannot be written: No space left on device"));
        log->tick();
        std::filesystem::remove(ballast);
        CHECK(log->may_act());
    }
    const AuditVerdict verdict = rig.verify();
    CAPTURE(faults_of(verdict));
    CHECK(verdict.sound());
    CHECK_THAT(notes_of(verdict),
               Catch::Contains("the log itself says: ") && Catch::Contains("could not be recorded"));
    ::umount(folder.c_str());
}

TEST_CASE("a start with a full disk is refused, and leaves the log as it was") {
    AuditRig rig;
    rig.run(2);
    const std::string before = read_text(rig.settings.file);
    {
        const FullDisk full(before.size());
        const auto log = rig.try_open();
        REQUIRE_FALSE(log);
        CHECK_THAT(log.error().message,
                   Catch::Contains("the audit log cannot be begun") && Catch::Contains("File too large"));
    }
    CHECK(read_text(rig.settings.file) == before);
    CHECK(rig.verify().sound());
}

TEST_CASE("a head that cannot be written is counted, and the log goes on") {
    AuditRig rig;
    const auto log = rig.open();
    std::filesystem::remove(rig.settings.head.file);
    std::filesystem::create_directories(rig.settings.head.file + "/in the way");
    rig.now_ns += 60'000'000'000;
    log->tick();
    CHECK(log->health().heads_failed == 1);
    CHECK_THAT(log->health().failure, Catch::Contains("audit.head: cannot be replaced"));
    log->record(AuditRig::event(0));
    CHECK(log->health().lost == 0);
    std::filesystem::remove_all(rig.settings.head.file);
    rig.now_ns += 60'000'000'000;
    log->tick();
    CHECK(log->health().heads == 2);
    CHECK(rig.verify().sound());
}

TEST_CASE("a file that cannot be renamed keeps its bound") {
    AuditRig rig;
    rig.settings.max_size = 64u << 10;
    const auto log = rig.open();
    const std::string in_the_way = older_file_name(rig.settings.file, 1);
    std::filesystem::create_directories(in_the_way + "/in the way");
    for (int i = 0; i < 300; ++i) log->record(AuditRig::event(i));
    CHECK(log->health().lost > 0);
    CHECK(log->health().failing);
    CHECK(std::filesystem::file_size(rig.settings.file) <= rig.settings.max_size);
    CHECK_FALSE(log->may_act());
    std::filesystem::remove_all(in_the_way);
    CHECK(log->may_act());
    const AuditVerdict verdict = rig.verify();
    CAPTURE(faults_of(verdict));
    CHECK(verdict.sound());
}

}  // namespace
}  // namespace yagura::control
