// SPDX-License-Identifier: BSD-3-Clause
#include <catch2/catch.hpp>

#include "audit_rig.h"
#include "control/audit_record.h"

namespace yagura::control {
namespace {

std::vector<std::uint64_t> numbers_of(const AuditPage& page) {
    std::vector<std::uint64_t> numbers;
    for (const std::string& line : page.records) numbers.push_back(sequence_of(line).value_or(0));
    return numbers;
}
std::vector<std::uint64_t> down(std::uint64_t from, std::uint64_t to) {
    std::vector<std::uint64_t> numbers;
    for (; from >= to; --from) numbers.push_back(from);
    return numbers;
}

TEST_CASE("pages of the newest records, over all files") {
    AuditRig rig;
    rig.settings.max_size = 64u << 10;
    const auto log = rig.open();
    while (older_files(rig.settings.file).size() < 3) log->record(AuditRig::event(7));
    const std::uint64_t last = log->health().records;
    REQUIRE(last > 100);
    for (const std::size_t size :
         {std::size_t{1}, std::size_t{2}, std::size_t{7}, std::size_t{64}, std::size_t{1000}}) {
        std::vector<std::uint64_t> seen;
        std::optional<std::uint64_t> before;
        do {
            const auto page = log->tail(size, before);
            REQUIRE(page);
            const auto numbers = numbers_of(*page);
            REQUIRE(numbers.size() <= size);
            if (page->before) REQUIRE(numbers.size() == size);
            seen.insert(seen.end(), numbers.begin(), numbers.end());
            before = page->before;
        } while (before);
        CAPTURE(size);
        CHECK(seen == down(last, 1));
    }
    for (std::uint64_t before = 1; before <= last + 2; ++before) {
        const auto page = log->tail(3, before);
        REQUIRE(page);
        const std::uint64_t newest = std::min(before - 1, last);
        CAPTURE(before);
        REQUIRE(numbers_of(*page) ==
                (newest == 0 ? std::vector<std::uint64_t>{} : down(newest, newest > 3 ? newest - 2 : 1)));
    }
    CHECK(log->tail(0)->records.empty());
}

TEST_CASE("lines come as they stand in the file") {
    AuditRig rig;
    rig.run(2);
    const auto page = read_audit_page(rig.settings.file, 10);
    REQUIRE(page);
    auto lines = lines_of(read_text(rig.settings.file));
    REQUIRE(page->records.size() == lines.size());
    for (const std::string& record : page->records) {
        CHECK(record + "\n" == lines.back());
        lines.pop_back();
    }
}

TEST_CASE("what is no record is left out, however long it is") {
    AuditRig rig;
    rig.run(3);
    auto lines = lines_of(read_text(rig.settings.file));
    lines.insert(lines.begin() + 2, std::string(300'000, 'x') + "\n");
    lines.insert(lines.begin() + 1, "\n");
    write_text(rig.settings.file, joined(lines) + "{\"seq\":6,\"ti");
    CHECK(numbers_of(*read_audit_page(rig.settings.file, 10)) == down(5, 1));
    CHECK(numbers_of(*read_audit_page(rig.settings.file, 2)) == down(5, 4));
    write_text(rig.settings.file, "");
    CHECK(read_audit_page(rig.settings.file, 10)->records.empty());
    CHECK_FALSE(read_audit_page(rig.path("nothing"), 10));
}

}  // namespace
}  // namespace yagura::control
