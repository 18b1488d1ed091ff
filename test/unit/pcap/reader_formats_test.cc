// SPDX-License-Identifier: BSD-3-Clause
#include <catch2/catch.hpp>
#include <limits>

#include "capture_bytes.h"
#include "drivers/pcap/link_type.h"
#include "read_all.h"

using namespace yagura::pcap;
using namespace yagura::pcap::testing;
using yagura::net::LinkType;

namespace {
constexpr std::uint64_t kSecond = 1'000'000'000;
constexpr auto kMax64 = std::numeric_limits<std::uint64_t>::max();
using Packets = std::vector<Packet>;
}  // namespace

TEST_CASE("classic pcap is read in both byte orders and all resolutions") {
    struct Row {
        std::uint32_t magic;
        std::uint64_t unit;
    };
    for (const Row row : {Row{0xa1b2c3d4, 1000}, Row{0xa1b23c4d, 1}, Row{0xa1b2cd34, 1000}}) {
        for (const bool big : {false, true}) {
            CAPTURE(row.magic, big);
            const Classic c{.magic = row.magic, .big = big};
            const TemporaryFolder folder;
            const std::string bytes =
                c.header() + c.record(1'700'000'000, 123'456, "first") + c.record(1, 2, 0, 60, "") +
                c.record(0xffffffff, 999'999, 3, 1500, "cut") + c.record(5, 0, 4, 2, "long");
            const Reading r = read_all(folder.write("a.pcap", bytes));
            CHECK(r.damage == "");
            CHECK(r.packets == Packets{{1'700'000'000 * kSecond + 123'456 * row.unit, 5, 0, "first"},
                                       {1 * kSecond + 2 * row.unit, 60, 0, ""},
                                       {0xffffffff * kSecond + 999'999 * row.unit, 1500, 0, "cut"},
                                       {5 * kSecond, 4, 0, "long"}});
            CHECK(r.bytes_read == bytes.size());
        }
    }
}

TEST_CASE("a classic file without packets is a capture") {
    const TemporaryFolder folder;
    const Reading r = read_all(folder.write("a.pcap", Classic{}.header()));
    CHECK(r.open_error == "");
    CHECK(r.damage == "");
    CHECK(r.packets.empty());
}

TEST_CASE("link types are read by number, without the flags above them") {
    struct Row {
        std::uint32_t in_file;
        LinkType type;
    };
    const TemporaryFolder folder;
    for (const Row row : {Row{0, LinkType::kNull}, Row{1, LinkType::kEthernet}, Row{12, LinkType::kRaw},
                          Row{14, LinkType::kRaw}, Row{101, LinkType::kRaw}, Row{108, LinkType::kLoop},
                          Row{113, LinkType::kLinuxSll}, Row{228, LinkType::kIpv4}, Row{229, LinkType::kIpv6},
                          Row{276, LinkType::kLinuxSll2}, Row{0x30000001, LinkType::kEthernet}}) {
        CAPTURE(row.in_file);
        const auto reader =
            CaptureReader::open(folder.write("a.pcap", Classic{.link = row.in_file}.header()));
        REQUIRE(reader.ok());
        CHECK(reader.value().interfaces()[0].link_type == row.type);
    }
}

TEST_CASE("pcapng is read in both byte orders with every kind of packet block") {
    for (const bool big : {false, true}) {
        CAPTURE(big);
        const Pcapng p{big};
        const std::string nanoseconds = p.option(9, "\x09");
        const std::string name = p.option(2, "eth\x01") + p.option(0, "");
        const std::string bytes =
            p.section() + p.interface(1, 0, nanoseconds + name) + p.block(0x0bad, "a custom block") +
            p.enhanced(0, 1'700'000'000'123'456'789, "first", p.option(1, "a comment")) +
            p.interface(101, 8) + p.enhanced(1, 7, "") + p.obsolete(1, 1'000'000, "obsolete") +
            p.simple(6, "simple");
        const TemporaryFolder folder;
        const std::string path = folder.write("a.pcapng", bytes);
        const Reading r = read_all(path);
        CHECK(r.damage == "");
        CHECK(r.packets == Packets{{1'700'000'000'123'456'789, 5, 0, "first"},
                                   {7000, 0, 1, ""},
                                   {kSecond, 8, 1, "obsolete"},
                                   {0, 6, 0, "simple"}});
        const auto interfaces = survey(path);
        REQUIRE(interfaces.ok());
        REQUIRE(interfaces.value().size() == 2);
        CHECK(interfaces.value()[0].name == "eth?");
        CHECK(interfaces.value()[0].records == 2);
        CHECK(interfaces.value()[1].link_type == LinkType::kRaw);
        CHECK(interfaces.value()[1].records == 2);
    }
}

TEST_CASE("a simple packet is cut by its interface's snap length") {
    const Pcapng p;
    const TemporaryFolder folder;
    const Reading r =
        read_all(folder.write("a.pcapng", p.section() + p.interface(1, 4) + p.simple(100, "snap")));
    CHECK(r.packets == Packets{{0, 100, 0, "snap"}});
}

TEST_CASE("each section has its own byte order and interfaces") {
    const Pcapng little{false};
    const Pcapng big{true};
    const TemporaryFolder folder;
    const Reading r = read_all(folder.write(
        "a.pcapng",
        little.section() + little.interface(1) + little.interface(1) + little.enhanced(1, 1, "a") +
            big.section(1, 2) + big.interface(101) + big.enhanced(0, 2, "b") + little.section() +
            little.interface(1, 0, little.option(9, std::string(1, '\0'))) + little.enhanced(0, 3, "c")));
    CHECK(r.damage == "");
    CHECK(r.packets == Packets{{1000, 1, 1, "a"}, {2000, 1, 2, "b"}, {3 * kSecond, 1, 3, "c"}});
}

TEST_CASE("a block that is not looked into may be of any length") {
    const Pcapng p;
    const TemporaryFolder folder;
    const std::string large(3 * CaptureReader::kBufferSize + 5, 'x');
    const Reading r = read_all(folder.write(
        "a.pcapng", p.section() + p.interface(1) + p.block(10, large) + p.enhanced(0, 1, "after")));
    CHECK(r.damage == "");
    CHECK(r.packets == Packets{{1000, 5, 0, "after"}});
}

TEST_CASE("time units of pcapng give nanoseconds") {
    struct Row {
        const char* what;
        TimeUnit unit;
        std::uint64_t ticks;
        std::uint64_t ns;
    };
    const Row rows[] = {
        {"seconds", {false, 0, 0}, 5, 5 * kSecond},
        {"milliseconds", {false, 3, 0}, 5, 5'000'000},
        {"nanoseconds", {false, 9, 0}, kMax64, kMax64},
        {"picoseconds are rounded down", {false, 12, 0}, 1'999, 1},
        {"10^-28 s", {false, 28, 0}, kMax64, 1},
        {"10^-29 s is too fine to leave anything", {false, 29, 0}, kMax64, 0},
        {"10^-127 s", {false, 127, 0}, kMax64, 0},
        {"2^0 s", {true, 0, 0}, 3, 3 * kSecond},
        {"2^-1 s", {true, 1, 0}, 3, 1'500'000'000},
        {"2^-32 s", {true, 32, 0}, (std::uint64_t{7} << 32) + (1u << 30), 7 * kSecond + kSecond / 4},
        {"2^-127 s", {true, 127, 0}, kMax64, 0},
        {"offset", {false, 6, 100}, 1, 100 * kSecond + 1000},
        {"offset back", {false, 6, -1}, 3'000'000, 2 * kSecond},
        {"before the epoch: held at 0", {false, 6, -10}, 3'000'000, 0},
        {"beyond the range: held at its end", {false, 0, 0}, kMax64, kMax64},
        {"offset beyond the range", {false, 9, std::numeric_limits<std::int64_t>::max()}, 0, kMax64},
        {"offset below the range", {false, 0, std::numeric_limits<std::int64_t>::min()}, kMax64, kMax64},
        {"offset below the range, few ticks", {false, 9, std::numeric_limits<std::int64_t>::min()}, 1, 0},
    };
    for (const Row& row : rows) {
        CAPTURE(row.what);
        CHECK(row.unit.to_ns(row.ticks) == row.ns);
    }
}

TEST_CASE("options set an interface's time unit in the byte order of the section") {
    for (const bool big : {false, true}) {
        const Pcapng p{big};
        const std::string options =
            p.option(9, "\x8a") + p.option(14, FileBytes(big).u64(static_cast<std::uint64_t>(-100)).str());
        const TemporaryFolder folder;
        const Reading r = read_all(folder.write(
            "a.pcapng", p.section() + p.interface(1, 0, options) + p.enhanced(0, 101 * 1024 + 512, "x")));
        CHECK(r.packets == Packets{{1'500'000'000, 1, 0, "x"}});
    }
}

TEST_CASE("packets up to the largest are read whole across the buffer's end") {
    const Classic c;
    std::string bytes = c.header();
    Packets expected;
    for (unsigned i = 0; i < 40; ++i) {
        const std::string data(i % 3 == 0 ? kMaxCaptured : 1000 * i + 7, static_cast<char>('a' + i % 26));
        bytes += c.record(i, 0, data);
        expected.push_back({i * kSecond, static_cast<std::uint32_t>(data.size()), 0, data});
    }
    const TemporaryFolder folder;
    const Reading r = read_all(folder.write("a.pcap", bytes));
    CHECK(r.damage == "");
    CHECK(r.packets == expected);
}
