// SPDX-License-Identifier: BSD-3-Clause
// Everything that can be done to a log is found, and said where.
#include <catch2/catch.hpp>
#include <set>

#include "audit_rig.h"
#include "control/audit_record.h"
#include "control/audit_tail.h"
#include "support/random.h"

namespace yagura::control {
namespace {

using With = AuditRig::With;

TEST_CASE("an untouched log is sound") {
    AuditRig rig;
    rig.run(3);
    const AuditVerdict verdict = rig.verify();
    CAPTURE(faults_of(verdict), notes_of(verdict));
    CHECK(verdict.sound());
    CHECK(verdict.records == 5);  // with start and stop
    CHECK(verdict.proven == 5);
    CHECK(verdict.first == 1);
    CHECK(verdict.last == 5);
    CHECK_THAT(notes_of(verdict), Catch::Contains("the newest head is of 2023-11-14") &&
                                      Catch::Contains("with record 5") && Catch::Contains("cannot be known"));
}

TEST_CASE("a flip of any bit of any byte is found") {
    AuditRig rig;
    rig.run(2);
    const std::string text = read_text(rig.settings.file);
    for (std::size_t at = 0; at < text.size(); ++at) {
        for (int bit = 0; bit < 8; ++bit) {
            std::string changed = text;
            changed[at] = static_cast<char>(changed[at] ^ 1 << bit);
            write_text(rig.settings.file, changed);
            const AuditVerdict verdict = rig.verify(With::kKey);
            if (verdict.sound()) FAIL("byte " << at << ", bit " << bit);
            // The place is right, too.
            const auto line =
                static_cast<std::uint64_t>(std::count(text.begin(), text.begin() + long(at), '\n')) + 1;
            CAPTURE(at, bit, faults_of(verdict));
            REQUIRE(verdict.faults.front().line == line);
        }
    }
}

TEST_CASE("a changed byte is one fault, in its line, and the records after it are proven") {
    AuditRig rig;
    rig.run(4);
    const std::vector<std::string> lines = lines_of(read_text(rig.settings.file));
    for (std::size_t i = 0; i < lines.size(); ++i) {
        for (const std::string_view place : {"\"outcome\":\"", "\"mac\":\"", "\"prev\":\""}) {
            auto changed = lines;
            char& byte = changed[i][changed[i].find(place) + place.size()];
            byte = byte == '1' ? '2' : '1';
            write_text(rig.settings.file, joined(changed));
            const AuditVerdict verdict = rig.verify(With::kKey);
            CAPTURE(i, place, faults_of(verdict));
            REQUIRE(verdict.faults.size() == 1);
            CHECK(verdict.faults.front().line == i + 1);
            CHECK(verdict.faults.front().file == rig.settings.file);
            CHECK_THAT(verdict.faults.front().what,
                       Catch::Contains(fmt::format("record {} was changed", i + 1)));
            CHECK(verdict.proven == lines.size() - 1);
        }
    }
}

TEST_CASE("a record that is gone is missed") {
    AuditRig rig;
    rig.run(4);
    const std::vector<std::string> lines = lines_of(read_text(rig.settings.file));
    for (const With with : {With::kKeyAndHead, With::kHead}) {
        for (std::size_t i = 0; i < lines.size(); ++i) {
            auto changed = lines;
            changed.erase(changed.begin() + long(i));
            write_text(rig.settings.file, joined(changed));
            const AuditVerdict verdict = rig.verify(with);
            CAPTURE(i, faults_of(verdict));
            REQUIRE_FALSE(verdict.sound());
            CHECK_THAT(faults_of(verdict), Catch::Contains(fmt::format("record {} is", i + 1)));
        }
    }
}

TEST_CASE("records that change places, and records that stand twice, are found") {
    AuditRig rig;
    rig.run(4);
    const std::vector<std::string> lines = lines_of(read_text(rig.settings.file));
    for (const With with : {With::kKey, With::kNothing}) {
        for (std::size_t i = 0; i < lines.size(); ++i) {
            for (std::size_t j = 0; j < lines.size(); ++j) {
                CAPTURE(i, j);
                if (i < j) {
                    auto changed = lines;
                    std::swap(changed[i], changed[j]);
                    write_text(rig.settings.file, joined(changed));
                    CHECK_FALSE(rig.verify(with).sound());
                }
                auto doubled = lines;
                doubled.insert(doubled.begin() + long(j), lines[i]);
                write_text(rig.settings.file, joined(doubled));
                const AuditVerdict verdict = rig.verify(with);
                REQUIRE_FALSE(verdict.sound());
                if (j > i)
                    CHECK_THAT(faults_of(verdict),
                               Catch::Contains(fmt::format("{}: record {} stands behind", j + 1, i + 1)));
            }
        }
    }
}

TEST_CASE("a line that was put in is found") {
    AuditRig rig;
    rig.run(4);
    const std::vector<std::string> lines = lines_of(read_text(rig.settings.file));
    auto thief = AuditKey::make();
    REQUIRE(thief);
    for (std::size_t i = 0; i <= lines.size(); ++i) {
        // The best that can be done without the key: the right number, the right record before.
        const auto before =
            i == 0 ? Mac{} : unsealed(std::string_view(lines[i - 1]).substr(0, lines[i - 1].size() - 1))->mac;
        const std::string body = record_body({.sequence = i + 1, .time_ns = rig.now_ns, .previous = before},
                                             AuditRig::event(0), "root");
        const std::string forged = sealed(body, thief->record_mac(body)) + "\n";
        for (const std::string& put_in : {forged, std::string("\n"), std::string("junk\n"),
                                          std::string("{\"seq\":1}\n"), std::string(100'000, 'x') + "\n"}) {
            auto changed = lines;
            changed.insert(changed.begin() + long(i), put_in);
            write_text(rig.settings.file, joined(changed));
            const AuditVerdict verdict = rig.verify(With::kKey);
            CAPTURE(i, put_in.substr(0, 100), faults_of(verdict));
            REQUIRE_FALSE(verdict.sound());
            CHECK(verdict.faults.front().line == i + 1);
        }
    }
}

TEST_CASE("a forged number does not keep the verifier for years") {
    AuditRig rig;
    rig.run(1);
    const std::vector<std::string> lines = lines_of(read_text(rig.settings.file));
    std::string text = lines.front();
    for (int i = 0; i < 100; ++i) {
        const std::string body =
            record_body({.sequence = UINT64_MAX - 1, .time_ns = 1}, AuditRig::event(0), "");
        text += sealed(body, Mac{}) + "\n";
    }
    for (std::size_t i = 1; i < lines.size(); ++i) text += lines[i];
    write_text(rig.settings.file, text);
    const AuditVerdict verdict = rig.verify();
    CHECK(verdict.faults.size() == 100);
    CHECK_THAT(verdict.faults.front().what, Catch::Contains("too far ahead"));
    CHECK(verdict.proven == lines.size());
}

TEST_CASE("whatever is done to a log, it is sound only if nothing was") {
    AuditRig rig;
    rig.run(6);
    const std::string text = read_text(rig.settings.file);
    test::Random random(7);
    for (int round = 0; round < 3000; ++round) {
        std::string changed = text;
        std::string done;
        for (std::uint32_t edits = random.between(1, 3); edits > 0 && !changed.empty(); --edits) {
            const std::size_t at = random.below(changed.size());
            const std::size_t bytes = random.between(1, random.one_in(2) ? 3 : 800);
            const auto line = changed.find('\n', at) + 1;
            switch (random.below(7)) {
                case 0:
                    changed[at] = static_cast<char>(random.word());
                    break;
                case 1:
                    changed.erase(at, bytes);
                    break;
                case 2:
                    changed.insert(at, text, random.below(text.size()), bytes);
                    break;
                case 3:
                    changed.resize(at);
                    break;
                case 4:
                    changed.resize(line);
                    break;
                case 5:
                    changed.erase(0, line);
                    break;
                case 6:
                    changed += changed.substr(line);
                    break;
            }
        }
        write_text(rig.settings.file, changed);
        const AuditVerdict verdict = rig.verify();
        if (verdict.sound() != (changed == text)) FAIL("round " << round << ":\n" << changed);
        // Without key and head anything may come of it, but no crash.
        rig.verify(With::kNothing);
        read_audit_page(rig.settings.file, 100).ok();
    }
}

TEST_CASE("a cut tail is found against the head, and only so") {
    AuditRig rig;
    rig.run(4);
    const std::string text = read_text(rig.settings.file);
    const std::vector<std::string> lines = lines_of(text);
    for (std::size_t keep = 1; keep < lines.size(); ++keep) {
        write_text(rig.settings.file, joined({lines.begin(), lines.begin() + long(keep)}));
        const AuditVerdict verdict = rig.verify();
        CAPTURE(keep, faults_of(verdict));
        REQUIRE(verdict.faults.size() == 1);
        CHECK(verdict.faults.front().file == rig.settings.head.file);
        CHECK_THAT(verdict.faults.front().what,
                   Catch::Contains(
                       fmt::format("counts {} records, the log ends with record {}", lines.size(), keep)) &&
                       Catch::Contains("cut off"));
        CHECK_FALSE(rig.verify(With::kHead).sound());
        const AuditVerdict without = rig.verify(With::kKey);
        CHECK(without.sound());
        CHECK_THAT(notes_of(without),
                   Catch::Contains(
                       fmt::format("whether records behind record {} were cut off cannot be known", keep)));
    }
    for (std::size_t bytes = 1; bytes < lines.back().size(); ++bytes) {
        write_text(rig.settings.file, text.substr(0, text.size() - bytes));
        const AuditVerdict verdict = rig.verify(With::kKey);
        REQUIRE(verdict.faults.size() == 1);
        CHECK_THAT(verdict.faults.front().what, Catch::Contains("is torn"));
        CHECK(verdict.faults.front().line == lines.size());
    }
    write_text(rig.settings.file, "");
    CHECK_FALSE(rig.verify().sound());
    CHECK_FALSE(rig.verify(With::kKey).sound());
}

TEST_CASE("a flip of any bit of the head is found") {
    AuditRig rig;
    rig.run(1);
    const std::string text = read_text(rig.settings.head.file);
    for (std::size_t at = 0; at + 1 < text.size(); ++at) {
        for (int bit = 0; bit < 8; ++bit) {
            std::string changed = text;
            changed[at] = static_cast<char>(changed[at] ^ 1 << bit);
            write_text(rig.settings.head.file, changed);
            if (rig.verify().sound()) FAIL("byte " << at << ", bit " << bit);
        }
    }
}

TEST_CASE("a head that was replaced by an older one is found") {
    AuditRig rig;
    rig.run(2);
    const std::string older = read_text(rig.settings.head.file);
    rig.run(2);
    CHECK(rig.verify().sound());
    write_text(rig.settings.head.file, older);
    for (const With with : {With::kKeyAndHead, With::kHead}) {
        const AuditVerdict verdict = rig.verify(with);
        CAPTURE(faults_of(verdict));
        REQUIRE(verdict.faults.size() == 1);
        CHECK(verdict.faults.front().file == rig.settings.head.file);
        CHECK_THAT(verdict.faults.front().what, Catch::Contains("replaced by an older one"));
    }
}

TEST_CASE("the head of another log, and another log's records, are found") {
    AuditRig rig;
    AuditRig other;
    rig.run(2);
    other.run(2);
    std::filesystem::copy_file(rig.settings.head.file, rig.path("kept"));
    std::filesystem::copy_file(other.settings.head.file, rig.settings.head.file,
                               std::filesystem::copy_options::overwrite_existing);
    CHECK_THAT(faults_of(rig.verify()), Catch::Contains("the head is of another log"));
    CHECK_THAT(faults_of(rig.verify(With::kHead)), Catch::Contains("the head is of another log"));
    std::filesystem::rename(rig.path("kept"), rig.settings.head.file);
    CHECK_FALSE(rig.verify({other.settings.file}, With::kKey).sound());
    CHECK_FALSE(rig.verify({rig.settings.file, other.settings.file}, With::kNothing).sound());
}

TEST_CASE("every head that was sent away is held against the log") {
    AuditRig rig;
    std::string sent;
    {
        const auto log = rig.open();
        for (int i = 0; i < 5; ++i) {
            log->record(AuditRig::event(i));
            rig.now_ns += 60'000'000'000;
            log->tick();
            sent += "Nov 22 14:00:00 box yagura[12]: audit head " + read_text(rig.settings.head.file);
            sent += "Nov 22 14:00:01 box sshd[7]: something else\n";
        }
    }
    sent += read_text(rig.settings.head.file);
    write_text(rig.settings.head.file, sent);
    const AuditVerdict verdict = rig.verify();
    CAPTURE(faults_of(verdict));
    CHECK(verdict.sound());
    // Somebody with the current key cuts the log and goes on from there: an old head contradicts.
    std::vector<std::string> lines = lines_of(read_text(rig.settings.file));
    lines.erase(lines.begin() + 3, lines.end());
    write_text(rig.settings.file, joined(lines));
    CHECK(rig.verify().faults.size() >= 3);
}

TEST_CASE("a file that is missing between two is found, and so is the oldest one") {
    AuditRig rig;
    rig.settings.max_size = 64u << 10;
    rig.run(400);
    const std::vector<std::string> files = rig.files();
    REQUIRE(files.size() >= 4);
    {
        const AuditVerdict verdict = rig.verify();
        CAPTURE(faults_of(verdict));
        REQUIRE(verdict.sound());
        CHECK(verdict.records == verdict.last);
        // The order in which they are named does not matter.
        CHECK(rig.verify({files.rbegin(), files.rend()}).sound());
    }
    for (std::size_t i = 0; i < files.size(); ++i) {
        auto some = files;
        some.erase(some.begin() + long(i));
        const AuditVerdict verdict = rig.verify(some);
        CAPTURE(i, faults_of(verdict));
        REQUIRE_FALSE(verdict.sound());
        CHECK_THAT(faults_of(verdict),
                   Catch::Contains("missing in front of this line") || Catch::Contains("cut off"));
        // Given as a part, a file is sound by itself.
        CHECK(rig.verify({files[i]}, With::kKeyAndHead, true).sound());
        CHECK(rig.verify({files[i]}, With::kNothing, true).sound());
    }
    auto twice = files;
    twice.push_back(files[1]);
    CHECK_FALSE(rig.verify(twice).sound());
}

TEST_CASE("what rotation has removed is told from what somebody else has") {
    AuditRig rig;
    rig.settings.max_size = 64u << 10;
    rig.settings.files = 3;
    rig.run(800);
    const std::vector<std::string> files = rig.files();
    REQUIRE(files.size() == 3);
    const AuditVerdict verdict = rig.verify();
    CAPTURE(faults_of(verdict));
    REQUIRE(verdict.sound());
    CHECK(verdict.first > 1);
    CHECK(verdict.proven == verdict.records);
    CHECK_THAT(notes_of(verdict), Catch::Contains("removed by rotation, as the log itself says"));
    const AuditVerdict cut = rig.verify({files[1], files[2]});
    CHECK_THAT(faults_of(cut), Catch::Contains(fmt::format(
                                   "the log says that it has been kept from record {} on", verdict.first)));
}

TEST_CASE("whoever has the current key can go on, but cannot make up the past") {
    AuditRig rig;
    rig.run(3);
    auto stolen = AuditKey::read(rig.settings.key);
    REQUIRE(stolen);
    CHECK(stolen->sequence() == 6);
    std::vector<std::string> lines = lines_of(read_text(rig.settings.file));
    // He changes record 3 and chains everything after it anew, all with the key that he has.
    Mac previous = unsealed(std::string_view(lines[1]).substr(0, lines[1].size() - 1))->mac;
    for (std::uint64_t number = 3; number <= 5; ++number) {
        const std::string body =
            record_body({.sequence = number, .time_ns = rig.now_ns, .previous = previous, .heads = 1},
                        AuditRig::event(99), "root");
        previous = stolen->record_mac(body);
        lines[number - 1] = sealed(body, previous) + "\n";
    }
    write_text(rig.settings.file, joined(lines));
    CHECK(rig.verify(With::kNothing)
              .sound());  // the chain holds, and without the key that is all that is known
    CHECK_THAT(notes_of(rig.verify(With::kNothing)), Catch::Contains("without the key"));
    const AuditVerdict verdict = rig.verify(With::kKey);
    CAPTURE(faults_of(verdict));
    CHECK(verdict.faults.size() == 3);
}

TEST_CASE("with a later key it is said which records cannot be proven") {
    AuditRig rig;
    rig.run(3);
    std::filesystem::copy_file(rig.settings.key, rig.path("later"));
    rig.run(3);
    AuditEvidence evidence;
    evidence.files = rig.files();
    evidence.key = *AuditKey::read(rig.path("later"));
    const auto verdict = verify_audit(evidence);
    REQUIRE(verdict);
    CHECK(verdict->sound());
    CHECK(verdict->records == 10);
    CHECK(verdict->proven == 5);
    CHECK_THAT(notes_of(*verdict), Catch::Contains("records up to 5"));
}

TEST_CASE("files that cannot be read are an error, not a verdict") {
    AuditEvidence evidence;
    evidence.files = {"/nowhere/audit.jsonl"};
    const auto verdict = verify_audit(evidence);
    REQUIRE_FALSE(verdict);
    CHECK_THAT(verdict.error().message, Catch::Contains("/nowhere/audit.jsonl: cannot be read"));
    CHECK_FALSE(read_heads("/nowhere/audit.head"));
}

}  // namespace
}  // namespace yagura::control
