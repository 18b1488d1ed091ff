// SPDX-License-Identifier: BSD-3-Clause
#include "flow/datagram_assembler.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <map>
#include <random>
#include <string>
#include <vector>

using namespace yagura;
using flow::AssemblyCounters;
using flow::BlockStore;
using flow::DatagramAssembler;
using net::FragmentPart;

namespace {

struct Assembly {
    explicit Assembly(std::uint64_t memory = 1 << 20) : store(memory) {}
    ~Assembly() {
        assembler.clear(store, counters);
        CHECK(assembler.empty());
        CHECK(store.blocks_used() == 0);
    }
    /// The datagram that this fragment completes, or "".
    std::string offer(std::uint32_t id, std::uint32_t offset, const std::string& data, bool more,
                      unsigned direction = 0, std::uint8_t proto = 17, std::uint32_t cut_off = 0) {
        const base::Bytes bytes{reinterpret_cast<const std::uint8_t*>(data.data()), data.size()};
        const auto datagram = assembler.offer({.id = id,
                                               .offset = offset,
                                               .size = static_cast<std::uint32_t>(data.size()) + cut_off,
                                               .more = more,
                                               .proto = proto,
                                               .data = bytes},
                                              direction, store, buffer, counters);
        if (!datagram) return "";
        last_proto = datagram->proto;
        return {datagram->bytes.begin(), datagram->bytes.end()};
    }

    BlockStore store;
    AssemblyCounters counters;
    std::vector<std::uint8_t> buffer = std::vector<std::uint8_t>(DatagramAssembler::kMostBytes);
    DatagramAssembler assembler;
    std::uint8_t last_proto = 0;
};

const std::string kA(8, 'a'), kB(8, 'b'), kC(8, 'c');

}  // namespace

TEST_CASE("a datagram is given with the fragment that completes it") {
    struct Step {
        std::uint32_t offset;
        std::string data;
        bool more;
        std::uint32_t cut_off = 0;
    };
    struct Row {
        const char* what;
        std::vector<Step> steps;
        std::string given;  ///< by the last step; the others give nothing
    };
    const Row row = GENERATE(values<Row>({
        {"in order", {{0, kA, true}, {8, kB, true}, {16, "end", false}}, kA + kB + "end"},
        {"the last first", {{16, "end", false}, {8, kB, true}, {0, kA, true}}, kA + kB + "end"},
        {"one twice", {{0, kA, true}, {0, kA, true}, {8, "end", false}}, kA + "end"},
        {"the last twice", {{8, "end", false}, {8, "end", false}, {0, kA, true}}, kA + "end"},
        {"one is missing", {{0, kA, true}, {16, "end", false}}, ""},
        {"the first is missing", {{8, kB, true}, {16, "end", false}}, ""},
        {"the last is missing", {{0, kA, true}, {8, kB, true}}, ""},
        {"an overlap: the first wins",
         {{0, kA, true}, {0, kB + kC, true}, {16, "end", false}},
         kA + kC + "end"},
        {"a later one that lies within",
         {{0, kA + kA, true}, {8, kB, true}, {16, "e", false}},
         kA + kA + "e"},
        {"data beyond the last", {{8, "end", false}, {8, kB + kC, true}, {0, kA, true}}, kA + "end"},
        {"a second last beyond", {{8, "end", false}, {16, "END", false}, {0, kA, true}}, kA + "end"},
        {"a second last before", {{8, "end", false}, {0, kA, false}}, kA + "end"},
        {"a last one before what was seen", {{8, kB, true}, {0, "x", false}}, ""},
        {"not a multiple of eight", {{0, "abc", true}, {8, "end", false}}, ""},
        {"beyond the largest size", {{65528, kA, false}, {0, kA, true}}, ""},
        {"without data", {{0, "", true}, {8, "", false}}, ""},
        {"cut by a snap length", {{0, kA, true, 8}, {16, "end", false}}, ""},
        {"cut, and once more", {{0, kA, true, 8}, {16, "end", false}, {8, kB, true}}, kA + kB + "end"},
    }));
    INFO(row.what);
    Assembly a;
    for (std::size_t i = 0; i < row.steps.size(); ++i) {
        const Step& step = row.steps[i];
        const std::string expected = i + 1 < row.steps.size() ? "" : row.given;
        CHECK(a.offer(7, step.offset, step.data, step.more, 0, 17, step.cut_off) == expected);
    }
}

TEST_CASE("datagrams are told apart by number and direction") {
    Assembly a;
    CHECK(a.offer(1, 0, kA, true, 0).empty());
    CHECK(a.offer(2, 0, kB, true, 0).empty());
    CHECK(a.offer(1, 0, kC, true, 1).empty());
    CHECK(a.offer(1, 8, "x", false, 1) == kC + "x");
    CHECK(a.offer(2, 8, "y", false, 0) == kB + "y");
    CHECK(a.offer(1, 8, "z", false, 0) == kA + "z");
    CHECK(a.assembler.empty());
    CHECK(a.counters.datagrams.get() == 3);
    CHECK(a.counters.incomplete.get() == 0);
}

TEST_CASE("the first fragment says what the datagram begins with") {
    Assembly a;
    CHECK(a.offer(1, 8, "x", false, 0, 99).empty());
    CHECK(a.offer(1, 0, kA, true, 0, 60) == kA + "x");
    CHECK(a.last_proto == 60);
}

TEST_CASE("the datagram that began first gives way") {
    Assembly a;
    for (std::uint32_t id = 0; id < DatagramAssembler::kMostDatagrams; ++id) a.offer(id, 0, kA, true);
    CHECK(a.counters.incomplete.get() == 0);
    a.offer(100, 0, kA, true);
    CHECK(a.counters.incomplete.get() == 1);
    CHECK(a.offer(0, 8, "x", false).empty());  // begins anew, and 1 gives way
    CHECK(a.counters.incomplete.get() == 2);
    CHECK(a.offer(2, 8, "x", false) == kA + "x");
}

TEST_CASE("a number that comes round does not find an old datagram") {
    Assembly a;
    CHECK(a.offer(1, 0, kA, true).empty());
    for (std::uint32_t id = 2; id < 2 + DatagramAssembler::kMostAge; ++id) {
        CHECK(a.offer(id, 0, kB, true).empty());
        CHECK(a.offer(id, 8, "x", false) == kB + "x");
    }
    CHECK(a.counters.incomplete.get() == 1);
    CHECK(a.offer(1, 8, "y", false).empty());
    CHECK(a.offer(1, 0, kC, true) == kC + "y");
}

TEST_CASE("a datagram without room is let go") {
    SECTION("of the store") {
        Assembly a(4 * BlockStore::kBlockSize);
        CHECK(a.offer(1, 8, kB, true).empty());
        CHECK(a.offer(1, 512, kB, true).empty());
        CHECK(a.counters.no_room.get() == 1);
        CHECK(a.assembler.empty());
        CHECK(a.store.blocks_used() == 0);
    }
    SECTION("of a store that is full") {
        Assembly a(0);
        CHECK(a.offer(1, 8, kB, true).empty());
        CHECK(a.counters.no_room.get() == 1);
    }
    SECTION("of runs") {
        Assembly a;
        for (std::uint32_t i = 0; i < flow::RunList::kMostRuns; ++i) a.offer(1, 16 * i, kA, true);
        CHECK(a.counters.no_room.get() == 0);
        a.offer(1, 16 * flow::RunList::kMostRuns, kA, true);
        CHECK(a.counters.no_room.get() == 1);
        CHECK(a.store.blocks_used() == 0);
    }
}

TEST_CASE("what was skipped of fragments is counted") {
    Assembly a;
    a.offer(1, 0, kA + kB, true);
    a.offer(1, 8, kB + kC, true);
    CHECK(a.counters.overlaps.get() == 1);
    CHECK(a.counters.overlap_bytes.get() == 8);
    a.offer(1, 32, "end", false);
    CHECK(a.counters.contradictions.get() == 0);
    a.offer(1, 40, kA, true);
    a.offer(1, 24, "end", false);
    CHECK(a.counters.contradictions.get() == 2);
    a.offer(1, 24, "123456789", true);
    a.offer(1, 65528, kA, false);
    a.offer(1, 8, "", true);
    CHECK(a.counters.damaged.get() == 3);
}

TEST_CASE("fragments in any order, with copies that differ, give the first bytes") {
    constexpr unsigned kPerBlock = 200;
    const auto block = GENERATE(range(0U, 20U));
    Assembly a(4 << 20);
    bool ok = true;
    for (unsigned seed = block * kPerBlock; ok && seed < (block + 1) * kPerBlock; ++seed) {
        std::mt19937 random(seed);
        struct Cut {
            std::uint32_t id;
            std::uint32_t offset;
            std::string data;
            bool more;
        };
        std::vector<Cut> cuts;
        std::map<std::uint32_t, std::size_t> sizes;
        for (std::uint32_t id = 0; id < 1 + random() % DatagramAssembler::kMostDatagrams; ++id) {
            const std::size_t size = random() % 16 == 0 ? 1 + random() % 65535 : 9 + random() % 2000;
            const std::size_t unit = std::max<std::size_t>(8, size / 400 * 8);
            sizes[id] = size;
            const auto add = [&](std::size_t offset, std::size_t length) {
                length = std::min(length, size - offset);
                std::string data(length, ' ');
                for (char& c : data) c = static_cast<char>('a' + random() % 26);
                cuts.push_back(
                    {id, static_cast<std::uint32_t>(offset), std::move(data), offset + length < size});
            };
            for (std::size_t at = 0; at < size;) {
                const std::size_t length = (1 + random() % 20) * unit;
                add(at, length);
                at += length;
            }
            for (std::size_t n = random() % 5; n > 0; --n) {
                add(random() % (size / 8 + (size % 8 != 0 ? 1 : 0)) * 8, (1 + random() % 20) * unit);
            }
        }
        std::shuffle(cuts.begin(), cuts.end(), random);

        // The definition: the first byte at each place, given when all places have one, and then afresh.
        std::map<std::uint32_t, std::map<std::size_t, char>> first;
        for (const Cut& cut : cuts) {
            auto& bytes = first[cut.id];
            for (std::size_t i = 0; i < cut.data.size(); ++i) bytes.emplace(cut.offset + i, cut.data[i]);
            std::string expected;
            if (bytes.size() == sizes[cut.id]) {
                for (const auto& [place, c] : bytes) expected += c;
                bytes.clear();
            }
            ok = ok && a.offer(cut.id, cut.offset, cut.data, cut.more) == expected;
        }
        a.assembler.clear(a.store, a.counters);
        ok = ok && a.store.blocks_used() == 0 && a.counters.no_room.get() == 0;
        if (!ok) FAIL("seed " << seed);
    }
}
