// SPDX-License-Identifier: BSD-3-Clause
#include "flow/run_list.h"

#include <catch2/catch.hpp>
#include <map>
#include <random>
#include <string>
#include <vector>

using namespace yagura;
using flow::BlockStore;
using flow::RunList;

namespace {

constexpr std::uint32_t kMuch = 1 << 20;

base::Bytes bytes_of(const std::string& text) {
    return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

/// Empties the list: "4:abc 9:d".
std::string drain(RunList& list, BlockStore& store) {
    std::string text;
    while (!list.empty()) {
        RunList::Run run = list.pop_front(store);
        std::string bytes(run.size(), '?');
        BlockStore::Cursor cursor(store, run.bytes);
        REQUIRE(cursor.read(bytes.data(), bytes.size()));
        REQUIRE(cursor.at_end());
        store.free(run.bytes);
        text += (text.empty() ? "" : " ") + std::to_string(run.begin) + ":" + bytes;
    }
    return text;
}

}  // namespace

TEST_CASE("runs are sorted, merged, and the first byte at a place stays") {
    struct Row {
        const char* what;
        std::vector<std::pair<std::uint64_t, std::string>> added;
        std::string runs;
        std::uint32_t overlap;
    };
    const Row row = GENERATE(values<Row>({
        {"one", {{5, "abc"}}, "5:abc", 0},
        {"apart, the later first", {{9, "xy"}, {5, "abc"}}, "5:abc 9:xy", 0},
        {"one goes on", {{5, "abc"}, {8, "de"}}, "5:abcde", 0},
        {"one goes before", {{5, "abc"}, {3, "12"}}, "3:12abc", 0},
        {"a hole is filled", {{5, "abc"}, {9, "xy"}, {8, "-"}}, "5:abc-xy", 0},
        {"the same again", {{5, "abc"}, {5, "ABC"}}, "5:abc", 3},
        {"within", {{5, "abc"}, {6, "B"}}, "5:abc", 1},
        {"over the end", {{5, "abc"}, {7, "CDE"}}, "5:abcDE", 1},
        {"over the begin", {{5, "abc"}, {3, "123"}}, "3:12abc", 1},
        {"around", {{5, "abc"}, {4, "1BCD2"}}, "4:1abc2", 3},
        {"over several", {{5, "a"}, {7, "b"}, {9, "c"}, {4, "0123456"}}, "4:0a2b4c6", 3},
        {"from one into another", {{5, "abc"}, {10, "xyz"}, {7, "12345"}}, "5:abc23xyz", 3},
        {"nothing", {{5, ""}}, "", 0},
    }));
    INFO(row.what);
    BlockStore store(1 << 20);
    RunList list;
    std::uint32_t overlap = 0;
    for (const auto& [begin, text] : row.added) {
        const auto added = list.add(store, begin, bytes_of(text), kMuch);
        CHECK(added.taken == text.size());
        overlap += added.overlap;
    }
    CHECK(overlap == row.overlap);
    CHECK(drain(list, store) == row.runs);
    CHECK(list.bytes() == 0);
    CHECK(store.blocks_used() == 0);
}

TEST_CASE("a list takes what it has room for, and says how much") {
    BlockStore store(1 << 20);
    RunList list;
    SECTION("bytes") {
        CHECK(list.add(store, 10, bytes_of("abcd"), 6).taken == 4);
        // Two bytes before the run fit, the overlap takes no room, the rest has none.
        const auto added = list.add(store, 8, bytes_of("12345678"), 6);
        CHECK(added.taken == 6);
        CHECK(added.overlap == 4);
        CHECK(list.bytes() == 6);
        CHECK(drain(list, store) == "8:12abcd");
    }
    SECTION("runs") {
        for (std::uint64_t i = 0; i < RunList::kMostRuns; ++i) {
            REQUIRE(list.add(store, 10 + 2 * i, bytes_of("x"), kMuch).taken == 1);
        }
        CHECK(list.add(store, 1000, bytes_of("x"), kMuch).taken == 0);
        CHECK(list.add(store, 0, bytes_of("x"), kMuch).taken == 0);
        CHECK(list.add(store, 11, bytes_of("x"), kMuch).taken == 1);  // merges two
        CHECK(list.add(store, 0, bytes_of("x"), kMuch).taken == 1);
        CHECK(list.runs() == RunList::kMostRuns);
    }
    list.clear(store);
    CHECK(list.empty());
    CHECK(store.blocks_used() == 0);
}

TEST_CASE("a full store leaves a list as it was") {
    BlockStore store(3 * BlockStore::kBlockSize);
    RunList list;
    const std::string block(BlockStore::kDataSize, 'x');
    REQUIRE(list.add(store, 1000, bytes_of(block), kMuch).taken == block.size());  // and its record's block
    REQUIRE(list.add(store, 2000, bytes_of("y"), kMuch).taken == 1);
    CHECK(list.add(store, 3000, bytes_of("z"), kMuch).taken == 0);
    CHECK(list.add(store, 999, bytes_of("z"), kMuch).taken == 0);
    CHECK(list.add(store, 2001, bytes_of("z"), kMuch).taken == 1);  // in a block that it has
    CHECK(drain(list, store) == "1000:" + block + " 2000:yz");
    CHECK(store.blocks_used() == 0);
}

TEST_CASE("a list behaves as a map of bytes does") {
    const auto seed = GENERATE(range(1U, 201U));
    CAPTURE(seed);
    std::mt19937 random(seed);
    BlockStore store(1 << 20);
    RunList list;
    std::map<std::uint64_t, char> reference;
    std::uint64_t overlap = 0, expected_overlap = 0;
    for (int step = 0; step < 60; ++step) {
        const std::uint64_t begin = (std::uint64_t{1} << 33) + random() % 3000;
        std::string text(random() % (random() % 4 == 0 ? 900 : 20), ' ');
        for (char& c : text) c = static_cast<char>(random());
        const auto added = list.add(store, begin, bytes_of(text), kMuch);
        REQUIRE(added.taken == text.size());
        overlap += added.overlap;
        for (std::size_t i = 0; i < text.size(); ++i) {
            if (!reference.emplace(begin + i, text[i]).second) ++expected_overlap;
        }
        REQUIRE(list.bytes() == reference.size());
    }
    CHECK(overlap == expected_overlap);
    std::string expected;
    std::uint64_t next = 0;
    for (const auto& [place, c] : reference) {
        if (place != next) expected += (expected.empty() ? "" : " ") + std::to_string(place) + ":";
        expected += c;
        next = place + 1;
    }
    CHECK(drain(list, store) == expected);
    CHECK(store.blocks_used() == 0);
}
