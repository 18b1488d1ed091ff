// SPDX-License-Identifier: BSD-3-Clause
#include "drivers/pcap/record_sorter.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <random>

#include "capture_bytes.h"

using namespace yagura::pcap;
using namespace yagura::pcap::testing;

namespace {

/// Keys with many ties in each of their parts; offsets as a spool would have them.
std::vector<RecordIndex> random_entries(std::size_t count, std::mt19937& random) {
    std::vector<RecordIndex> entries;
    for (std::size_t i = 0; i < count; ++i) {
        entries.push_back({.order_time = random() % 50,
                           .order_record = random() % 5,
                           .offset = 100 * i,
                           .size = 100,
                           .order_file = static_cast<std::uint16_t>(random() % 3)});
    }
    return entries;
}

}  // namespace

TEST_CASE("any number of runs is merged into the order of the keys") {
    const TemporaryFolder folder;
    std::mt19937 random(20240501);
    for (const std::size_t run : {1u, 2u, 7u, 64u, 1000u}) {
        for (const std::size_t count : {0u, 1u, 2u, 63u, 64u, 65u, 128u, 1000u, 1001u}) {
            CAPTURE(run, count);
            auto entries = random_entries(count, random);
            RecordSorter sorter(folder.path("index"), run);
            for (const RecordIndex& entry : entries) REQUIRE(sorter.add(entry));
            CHECK(sorter.in_order() == std::is_sorted(entries.begin(), entries.end()));
            CHECK(folder.names().empty());
            REQUIRE(sorter.begin_merge().ok());
            std::vector<RecordIndex> merged;
            for (RecordIndex entry; sorter.next(entry);) merged.push_back(entry);
            CHECK(sorter.error() == "");
            std::sort(entries.begin(), entries.end());
            CHECK((merged == entries));
        }
    }
}

TEST_CASE("the order is time, then file, then record, then arrival") {
    const RecordIndex base{.order_time = 5, .order_record = 5, .offset = 5, .size = 1, .order_file = 5};
    RecordIndex later = base;
    later.offset = 6;
    CHECK(base < later);
    later.offset = 0;
    later.order_record = 6;
    CHECK(base < later);
    later.order_record = 0;
    later.order_file = 6;
    CHECK(base < later);
    later.order_file = 0;
    later.order_time = 6;
    CHECK(base < later);
}

TEST_CASE("an index that cannot be written is an error that keeps what there is") {
    RecordSorter sorter("/nonexistent/folder/index", 2);
    CHECK(sorter.add({.order_time = 2}));
    CHECK_FALSE(sorter.add({.order_time = 1}));
    CHECK(sorter.error() ==
          "/nonexistent/folder/index: cannot create a temporary file: No such file or directory");
    REQUIRE(sorter.begin_merge().ok());
    RecordIndex entry;
    REQUIRE(sorter.next(entry));
    CHECK(entry.order_time == 1);
    REQUIRE(sorter.next(entry));
    CHECK(entry.order_time == 2);
    CHECK_FALSE(sorter.next(entry));
}
