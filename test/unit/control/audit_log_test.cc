// SPDX-License-Identifier: BSD-3-Clause
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <catch2/catch.hpp>
#include <cstring>
#include <nlohmann/json.hpp>

#include "audit_rig.h"

namespace yagura::control {
namespace {

using Json = nlohmann::json;

std::vector<Json> records_of(const AuditRig& rig) {
    std::vector<Json> records;
    for (const std::string& path : rig.files()) {
        for (const std::string& line : lines_of(read_text(path))) records.push_back(Json::parse(line));
    }
    return records;
}
unsigned mode_of(const std::string& path) {
    struct stat status;
    REQUIRE(::stat(path.c_str(), &status) == 0);
    return status.st_mode & 07777;
}

TEST_CASE("a record says when, who, what, on what, whether allowed, and what came of it") {
    AuditRig rig;
    {
        const auto log = rig.open();
        log->record({4711, 0, 5, "yaguractl", "rules.load", "rules.jsonc\n", false,
                     "the right \"rules\" is missing"});
    }
    const std::vector<Json> records = records_of(rig);
    REQUIRE(records.size() == 3);
    const Json& start = records[0];
    CHECK(start.at("action") == "audit.start");
    CHECK(start.at("log").get<std::string>().size() == 32);
    CHECK(start.at("oldest") == 1);
    CHECK(start.at("prev") == std::string(64, '0'));
    const Json& record = records[1];
    CHECK(record.at("seq") == 2);
    CHECK_THAT(record.at("time").get<std::string>(), Catch::Matches("2023-11-14T22:13:20\\.\\d{3}Z"));
    CHECK(record.at("uid") == 0);
    CHECK(record.at("user") == "root");
    CHECK(record.at("gid") == 5);
    CHECK(record.at("pid") == 4711);
    CHECK(record.at("program") == "yaguractl");
    CHECK(record.at("action") == "rules.load");
    CHECK(record.at("object") == "rules.jsonc\n");
    CHECK(record.at("allowed") == false);
    CHECK(record.at("outcome") == "the right \"rules\" is missing");
    CHECK(record.at("prev") == start.at("mac"));
    CHECK(records[2].at("action") == "audit.stop");
    CHECK_FALSE(record.contains("log"));
}

TEST_CASE("a user that the machine does not know has a number alone") {
    AuditRig rig;
    {
        const auto log = rig.open();
        log->record({1, 3'999'999'999, 1, "p", "connect", "", false, "refused"});
    }
    CHECK_FALSE(records_of(rig)[1].contains("user"));
}

TEST_CASE("keys, log and head are for their owner alone; folders are made") {
    AuditRig rig;
    rig.settings.file = rig.path("log/yagura/audit.jsonl");
    rig.settings.key = rig.path("lib/yagura/audit.key");
    rig.settings.head.file = rig.path("elsewhere/audit.head");
    rig.run(1);
    for (const std::string& path :
         {rig.settings.file, rig.settings.key, rig.first_key(), rig.settings.head.file}) {
        CAPTURE(path);
        CHECK(mode_of(path) == 0600);
    }
    CHECK(mode_of(rig.path("log/yagura")) == 0750);
    CHECK(rig.verify().sound());
    // The key has gone on, the first one has not.
    CHECK(AuditKey::read(rig.settings.key)->sequence() == 4);
    CHECK(AuditKey::read(rig.first_key())->sequence() == 1);
    CHECK(read_text(rig.settings.file).find(read_text(rig.settings.key).substr(60)) == std::string::npos);
}

TEST_CASE("a key that others may read, or that is none, is refused") {
    AuditRig rig;
    rig.run(1);
    ::chmod(rig.settings.key.c_str(), 0640);
    CHECK_THAT(rig.try_open().error().message,
               Catch::Contains("others may use this key (mode 0640)") && Catch::Contains("chmod 0600"));
    ::chmod(rig.settings.key.c_str(), 0600);
    const std::string text = read_text(rig.settings.key);
    for (const std::string& junk : {std::string(), std::string("key"), text.substr(0, text.size() - 2),
                                    text + "\n", std::string(4096, 'a')}) {
        write_text(rig.settings.key, junk);
        CHECK_THAT(rig.try_open().error().message, Catch::Contains("is no key of an audit log"));
    }
    std::filesystem::remove(rig.settings.key);
    std::filesystem::create_directory(rig.settings.key);
    CHECK_FALSE(rig.try_open());
}

TEST_CASE("a log without its key is not gone on with, and no second one is begun beside it") {
    AuditRig rig;
    rig.run(1);
    std::filesystem::rename(rig.settings.key, rig.path("away"));
    CHECK_THAT(rig.try_open().error().message,
               Catch::Contains("there is a log, but its key") && Catch::Contains("put the key back"));
    std::filesystem::remove(rig.settings.file);
    CHECK_THAT(rig.try_open().error().message,
               Catch::Contains("there is a first key, but not the current one"));
    std::filesystem::rename(rig.path("away"), rig.settings.key);
    CHECK(rig.try_open());
}

TEST_CASE("a second writer is refused") {
    AuditRig rig;
    const auto log = rig.open();
    CHECK_THAT(rig.try_open().error().message, Catch::Contains("another process writes it"));
    log->record(AuditRig::event(1));
    CHECK_FALSE(log->health().failing);
}

TEST_CASE("links are not followed") {
    AuditRig rig;
    write_text(rig.path("target"), "");
    std::filesystem::create_symlink(rig.path("target"), rig.settings.file);
    CHECK_FALSE(rig.try_open());
    CHECK(read_text(rig.path("target")).empty());
}

TEST_CASE("a restart goes on with the chain") {
    AuditRig rig;
    for (int i = 0; i < 5; ++i) rig.run(i);
    const AuditVerdict verdict = rig.verify();
    CAPTURE(faults_of(verdict));
    CHECK(verdict.sound());
    CHECK(verdict.proven == 20);
    for (const Json& record : records_of(rig)) CHECK(record.at("allowed") == true);
}

TEST_CASE("a daemon that was killed loses nothing, and its log goes on") {
    AuditRig rig;
    {
        auto log = rig.open();
        for (int i = 0; i < 3; ++i) log->record(AuditRig::event(i));
        // What a SIGKILL leaves is what stands there now: the key and the head of record 1.
        std::filesystem::copy_file(rig.settings.file, rig.path("log"));
        std::filesystem::copy_file(rig.settings.key, rig.path("key"));
        std::filesystem::copy_file(rig.settings.head.file, rig.path("head"));
    }
    std::filesystem::rename(rig.path("log"), rig.settings.file);
    std::filesystem::rename(rig.path("key"), rig.settings.key);
    std::filesystem::rename(rig.path("head"), rig.settings.head.file);
    const AuditVerdict before = rig.verify();
    CHECK(before.sound());
    CHECK_THAT(
        notes_of(before),
        Catch::Contains("with record 1: whether records that came after it, behind record 4, were cut off"));
    rig.run(1);
    const AuditVerdict verdict = rig.verify();
    CAPTURE(faults_of(verdict));
    CHECK(verdict.sound());
    CHECK(verdict.proven == 7);
}

TEST_CASE("a torn last line is cut off, and what stood in it is said") {
    AuditRig rig;
    rig.run(1);
    const std::string text = read_text(rig.settings.file);
    write_text(rig.settings.file, text + "{\"seq\":4,\"time\":\"20");
    CHECK_THAT(faults_of(rig.verify()), Catch::Contains("4: is torn: 19 bytes"));
    rig.run(1);
    const AuditVerdict verdict = rig.verify();
    CAPTURE(faults_of(verdict));
    CHECK(verdict.sound());
    const Json start = records_of(rig)[3];
    CHECK(start.at("action") == "audit.start");
    CHECK(start.at("allowed") == false);
    CHECK_THAT(notes_of(verdict),
               Catch::Contains("audit.jsonl:4: the log itself says: a torn line of 19 bytes was cut off"));
    CHECK(start.at("outcome") == "a torn line of 19 bytes was cut off: {\"seq\":4,\"time\":\"20");
}

TEST_CASE(
    "what was cut, changed or taken away while nothing ran is said at the next start, and stays found") {
    AuditRig rig;
    rig.run(4);
    std::vector<std::string> lines = lines_of(read_text(rig.settings.file));
    SECTION("cut") {
        write_text(rig.settings.file, joined({lines.begin(), lines.end() - 2}));
        rig.run(0);
        const Json start = records_of(rig).at(4);
        CHECK(start.at("seq") == 7);
        CHECK(start.at("outcome") == "records 5 to 6 are gone: the log ends before its key");
        CHECK_THAT(faults_of(rig.verify()),
                   Catch::Contains("5: records 5 to 6 are missing in front of this line"));
    }
    SECTION("all taken away") {
        std::filesystem::remove(rig.settings.file);
        rig.run(0);
        CHECK_THAT(records_of(rig).at(0).at("outcome").get<std::string>(),
                   Catch::Contains("records 1 to 6 are gone"));
        CHECK_THAT(faults_of(rig.verify()), Catch::Contains("records 1 to 6 are missing"));
    }
    SECTION("put in behind the end") {
        std::string forged = lines.back();
        forged.replace(forged.find("\"seq\":6"), 7, "\"seq\":7");
        write_text(rig.settings.file, joined(lines) + forged);
        rig.run(0);
        CHECK_THAT(records_of(rig).at(7).at("outcome").get<std::string>(),
                   Catch::Contains("1 fault in the file, the first in line 7"));
        CHECK_FALSE(rig.verify().sound());
    }
    SECTION("a number that cannot be") {
        std::string forged = lines.back();
        forged.replace(forged.find("\"seq\":6"), 7, "\"seq\":600000000");
        write_text(rig.settings.file, joined(lines) + forged);
        rig.run(0);
        CHECK_THAT(records_of(rig).at(7).at("outcome").get<std::string>(),
                   Catch::Contains("record 600000000, which cannot be: its key is at 7"));
        CHECK(records_of(rig).at(7).at("seq") == 7);
        CHECK_FALSE(rig.verify().sound());
    }
}

TEST_CASE("files are bounded in size and number, and the chain goes over them") {
    AuditRig rig;
    rig.settings.max_size = 64u << 10;
    rig.settings.files = 4;
    for (int round = 0; round < 5; ++round) rig.run(200);
    const std::vector<std::string> files = rig.files();
    CHECK(files.size() == 4);
    for (const std::string& path : files) {
        CHECK(std::filesystem::file_size(path) <= rig.settings.max_size);
        const Json first = Json::parse(lines_of(read_text(path)).front());
        CHECK((first.at("action") == "audit.rotate" || first.at("action") == "audit.start"));
        CHECK(first.contains("log"));
    }
    const AuditVerdict verdict = rig.verify();
    CAPTURE(faults_of(verdict));
    CHECK(verdict.sound());
}

TEST_CASE("the largest records do not break the bound of a file") {
    AuditRig rig;
    rig.settings.max_size = 64u << 10;
    {
        const auto log = rig.open();
        const std::string large(5000, '\x01');
        for (int i = 0; i < 30; ++i) log->record({1, 0, 0, large, large, large, true, large});
        CHECK(log->health().lost == 0);
    }
    for (const std::string& path : rig.files())
        CHECK(std::filesystem::file_size(path) <= rig.settings.max_size);
    CHECK(rig.verify().sound());
}

TEST_CASE("a crash between two files is got over") {
    AuditRig rig;
    rig.run(2);
    std::filesystem::rename(rig.settings.file, older_file_name(rig.settings.file, 1));
    SECTION("before the new one was made") {}
    SECTION("after it was made") {
        write_text(rig.settings.file, "");
    }
    rig.run(2);
    const AuditVerdict verdict = rig.verify();
    CAPTURE(faults_of(verdict));
    CHECK(verdict.sound());
    CHECK(verdict.proven == 8);
}

TEST_CASE("a file that is moved or removed under the writer is noticed with the next record") {
    AuditRig rig;
    {
        const auto log = rig.open();
        log->record(AuditRig::event(0));
        std::filesystem::rename(rig.settings.file, rig.path("moved"));
        log->record(AuditRig::event(1));
        std::filesystem::remove(rig.settings.file);
        // What lies there now is not ours to write to.
        write_text(rig.settings.file, "x");
        log->record(AuditRig::event(2));
        CHECK(log->health().lost == 1);
        CHECK_FALSE(log->may_act());
        CHECK_THAT(log->health().failure, Catch::Contains("somebody else has begun this file"));
        std::filesystem::remove(rig.settings.file);
        log->record(AuditRig::event(3));
        CHECK(log->health().lost == 1);
    }
    CHECK(read_text(rig.path("moved")).ends_with("}\n"));
    const AuditVerdict verdict = rig.verify({rig.path("moved"), rig.settings.file});
    CHECK(faults_of(verdict) == "1: records 3 to 4 are missing in front of this line\n");
    CHECK_THAT(notes_of(verdict),
               Catch::Contains("audit.jsonl:1: the log itself says: the file was removed or renamed"));
}

TEST_CASE("heads are written at intervals, at the start, and at the end") {
    AuditRig rig;
    const auto number = [&rig] { return read_heads(rig.settings.head.file)->front().sealed.head.number; };
    {
        const auto log = rig.open();
        CHECK(number() == 1);
        log->record(AuditRig::event(0));
        log->tick();
        CHECK(number() == 1);
        rig.now_ns += 60'000'000'000;
        log->tick();
        CHECK(number() == 2);
        const auto head = read_heads(rig.settings.head.file)->front().sealed.head;
        CHECK(head.sequence == 2);
        CHECK(head.oldest == 1);
        CHECK(head.interval_ms == 60'000);
        // Also when nothing happened: its time says until when nothing did.
        rig.now_ns += 60'000'000'000;
        log->tick();
        CHECK(number() == 3);
        // And when the clock was set back.
        rig.now_ns -= 3'600'000'000'000;
        log->tick();
        CHECK(number() == 4);
        CHECK(log->health().heads == 4);
        for (int i = 0; i < 1100; ++i) log->record(AuditRig::event(i));
        CHECK(number() == 5);
    }
    CHECK(number() == 6);
    const AuditVerdict verdict = rig.verify();
    CAPTURE(faults_of(verdict));
    CHECK(verdict.sound());
    CHECK_THAT(notes_of(verdict), Catch::Contains("the clock went back"));
}

TEST_CASE("heads are sent to a datagram socket, and never waited for") {
    AuditRig rig;
    rig.settings.head.socket = rig.path("collector");
    {
        const auto log = rig.open();  // nobody is there
        CHECK(log->health().heads_unsent == 1);
        CHECK(log->health().heads == 1);
        CHECK_THAT(log->health().failure, Catch::Contains("collector: cannot be sent a head"));
    }
    const FileDescriptor collector(::socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strcpy(address.sun_path, rig.settings.head.socket.c_str());
    REQUIRE(::bind(collector.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
    const auto log = rig.open();
    char buffer[4096];
    const ssize_t got = ::recv(collector.get(), buffer, sizeof buffer, 0);
    REQUIRE(got > 0);
    const std::string message(buffer, static_cast<std::size_t>(got));
    CHECK_THAT(message, Catch::StartsWith("<85>yagura["));
    REQUIRE(parse_head(message));
    CHECK(parse_head(message)->head.number == read_heads(rig.settings.head.file)->front().sealed.head.number);
    // A collector that does not read fills up; the log goes on.
    for (int i = 0; i < 1000; ++i) {
        rig.now_ns += 60'000'000'000;
        log->tick();
    }
    CHECK(log->health().heads == 1001);
    CHECK(log->health().heads_unsent > 0);
}

TEST_CASE("health says that the first key is still here") {
    AuditRig rig;
    const auto log = rig.open();
    CHECK(log->health().first_key_here);
    CHECK(log->health().records == 1);
    CHECK(log->health().head_time == read_heads(rig.settings.head.file)->front().sealed.head.time);
    std::filesystem::rename(rig.first_key(), rig.path("away"));
    CHECK_FALSE(log->health().first_key_here);
}

TEST_CASE("the old key is overwritten, not only unlinked") {
    AuditRig rig;
    auto log = rig.open();
    // A second name keeps the bytes of the file that is replaced.
    std::filesystem::create_hard_link(rig.settings.key, rig.path("kept"));
    log->record(AuditRig::event(0));
    log.reset();
    CHECK(read_text(rig.path("kept")) == std::string(256, '\0'));
}

TEST_CASE("an audit log that is not wanted is none") {
    rules::AuditSettings settings;
    settings.enabled = false;
    const auto log = open_audit_log(settings);
    REQUIRE(log);
    CHECK(*log == nullptr);
}

TEST_CASE("of a folder that cannot be made the reason is told") {
    AuditRig rig;
    // A place in which this user may make nothing.
    const std::string closed = rig.path("closed");
    REQUIRE(::mkdir(closed.c_str(), 0555) == 0);
    REQUIRE(::chmod(rig.path("").c_str(), 0755) == 0);
    const bool is_root = ::geteuid() == 0;
    if (is_root) REQUIRE(::seteuid(65534) == 0);
    const auto made = make_folders_of(closed + "/folder/file");
    if (is_root) REQUIRE(::seteuid(0) == 0);
    REQUIRE_FALSE(made);
    CHECK_THAT(made.error().message, Catch::EndsWith("closed/folder: cannot be made: Permission denied"));
}

}  // namespace
}  // namespace yagura::control
