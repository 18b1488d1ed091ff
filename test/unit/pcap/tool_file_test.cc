// SPDX-License-Identifier: BSD-3-Clause
#include "drivers/pcap/tool_file.h"

#include <fmt/format.h>

#include <catch2/catch.hpp>
#include <functional>
#include <numeric>
#include <random>

#include "capture_bytes.h"
#include "output_fixture.h"
#include "port/packet_pool.h"
#include "read_all.h"

using namespace yagura;
using namespace yagura::pcap;
using namespace yagura::pcap::testing;
using Names = std::vector<std::string>;

namespace {

std::unique_ptr<ToolFile> make_file(const std::string& path, const ToolFileOptions& options = {}) {
    auto file = ToolFile::create(path, net::LinkType::kEthernet, options);
    REQUIRE(file.ok());
    return std::move(file).value();
}

}  // namespace

TEST_CASE("a tool's capture has the header, the stamps, the lengths and the bytes of its packets") {
    const TemporaryFolder folder;
    auto pool = make_pool(512);
    auto file = ToolFile::create(folder.path("ids.pcap"), net::LinkType::kLinuxSll2);
    REQUIRE(file.ok());
    CHECK(folder.names() == Names{"ids.pcap.part"});
    std::string large(200'000, '\0');
    for (std::size_t i = 0; i < large.size(); ++i) large[i] = static_cast<char>(i * 7 + i / 255);
    rte_mbuf* burst[] = {make_packet(*pool, "one", 1'700'000'000'123'456'789, 0),
                         make_packet(*pool, "", 1'700'000'000'123'456'789, 1),
                         make_packet(*pool, large, ~std::uint64_t{0}, 2)};
    CHECK((*file)->send(burst) == 3);
    CHECK(pool->whole());
    CHECK((*file)->close().ok());
    CHECK((*file)->written().packets == 3);
    CHECK((*file)->written().bytes == 200'003);
    CHECK(folder.names() == Names{"ids.pcap"});

    const Classic c{.magic = 0xa1b23c4d, .link = 276};
    const std::string expected = c.header() + c.record(1'700'000'000, 123'456'789, 3, 7, "one") +
                                 c.record(1'700'000'000, 123'456'789, 0, 4, "") +
                                 c.record(0xffffffff, 999'999'999, 200'000, 200'004, large);
    CHECK((read_file(folder.path("ids.pcap")) == expected));
}

TEST_CASE("a tool without packets gets a capture without packets, and an older one is replaced") {
    const TemporaryFolder folder;
    const std::string path = folder.write("ids.pcap", "something older and longer than a header");
    auto file = make_file(path);
    CHECK(file->close().ok());
    CHECK(folder.names() == Names{"ids.pcap"});
    CHECK(read_file(path) == Classic{.magic = 0xa1b23c4d}.header());
}

TEST_CASE("a shared packet is let go of, not freed") {
    const TemporaryFolder folder;
    auto pool = make_pool(64);
    auto file = make_file(folder.path("ids.pcap"));
    rte_mbuf* packet = make_packet(*pool, "shared", 1, 0);
    rte_mbuf_refcnt_update(packet, 1);
    REQUIRE(file->send({&packet, 1}) == 1);
    CHECK(rte_mbuf_refcnt_read(packet) == 1);
    CHECK(rte_pktmbuf_pkt_len(packet) == 6);
    rte_pktmbuf_free(packet);
    CHECK(pool->whole());
}

TEST_CASE("packets arrive in any order and are stored in capture order") {
    struct Place {
        std::uint64_t time;
        std::uint16_t file;
        std::uint64_t record;
    };
    std::vector<Place> capture;
    for (std::uint64_t time = 0; time < 40; ++time) {
        for (std::uint16_t file = 0; file < 3; ++file) {
            for (std::uint64_t record = 0; record < 5; ++record)
                capture.push_back({time, file, time * 5 + record});
        }
    }
    const auto data_of = [](std::size_t i) {
        return fmt::format("{}:", i) + std::string(i * 13 % 3000, 'x');
    };
    const Classic c{.magic = 0xa1b23c4d};
    std::string expected = c.header();
    for (std::size_t i = 0; i < capture.size(); ++i) {
        const auto size = static_cast<std::uint32_t>(data_of(i).size());
        expected += c.record(0, static_cast<std::uint32_t>(capture[i].time), size, size + 4, data_of(i));
    }

    const TemporaryFolder folder;
    auto pool = make_pool(256);
    std::mt19937 random(7);
    std::vector<std::size_t> arrival(capture.size());
    std::iota(arrival.begin(), arrival.end(), 0);
    const std::size_t n = arrival.size();
    struct Row {
        const char* what;
        std::function<void()> arrange;
    };
    const Row rows[] = {
        {"in order", [] {}},
        {"last two swapped", [&] { std::swap(arrival[n - 1], arrival[n - 2]); }},
        {"first held to the end", [&] { std::rotate(arrival.begin(), arrival.begin() + 1, arrival.end()); }},
        {"three lcores that take turns",
         [&] {
             std::stable_sort(arrival.begin(), arrival.end(), [](auto a, auto b) {
                 return a / 48 * 3 + (a % 3 + 1) % 3 < b / 48 * 3 + (b % 3 + 1) % 3;
             });
         }},
        {"backwards", [&] { std::sort(arrival.rbegin(), arrival.rend()); }},
        {"at random", [&] { std::shuffle(arrival.begin(), arrival.end(), random); }},
        {"at random again", [&] { std::shuffle(arrival.begin(), arrival.end(), random); }},
    };
    for (const Row& row : rows) {
        std::sort(arrival.begin(), arrival.end());
        row.arrange();
        for (const std::size_t run : {1u, 10u, 600u, 10'000u}) {
            CAPTURE(row.what, run);
            auto file = make_file(folder.path("ids.pcap"), {.run_entries = run});
            for (const std::size_t i : arrival) {
                rte_mbuf* packet =
                    make_packet(*pool, data_of(i), capture[i].time, capture[i].record, capture[i].file);
                REQUIRE(file->send({&packet, 1}) == 1);
            }
            CHECK(file->close().ok());
            CHECK(folder.names() == Names{"ids.pcap"});
            CHECK((read_file(folder.path("ids.pcap")) == expected));
        }
    }
    CHECK(pool->whole());
}

TEST_CASE("a full disk keeps whole records, refuses later packets and says what happened") {
    constexpr std::size_t kLimit = 3'000'001;  // not at a record's border
    auto pool = make_pool(64);
    for (const bool in_order : {true, false}) {
        CAPTURE(in_order);
        const TemporaryFolder folder;
        const std::string path = folder.path("ids.pcap");
        auto file = make_file(path);
        const std::string data(1000, 'x');
        std::uint64_t sent = 0;
        base::Result<void> closed;
        {
            const FullDisk disk(kLimit);
            for (;; ++sent) {
                const std::uint64_t key = in_order ? sent : 1'000'000 - sent;
                rte_mbuf* packet = make_packet(*pool, data, key, 0);
                const std::uint16_t taken = file->send({&packet, 1});
                if (taken == 1) continue;
                CHECK(file->failed());
                CHECK(file->send({&packet, 1}) == 0);
                rte_pktmbuf_free(packet);
                break;
            }
            closed = file->close();
        }
        REQUIRE_FALSE(closed.ok());
        const std::uint64_t kept = (kLimit - 24) / 1016;
        CHECK(file->written().packets == kept);
        CHECK(file->written().bytes == kept * 1000);
        CHECK(file->lost().packets == sent - kept);
        CHECK(file->lost().bytes == (sent - kept) * 1000);
        CHECK(closed.error().message ==
              fmt::format(
                  "{0}.part: cannot write: File too large; {0} has the {1} packets that were written before; "
                  "{2} that had been taken are lost",
                  path, kept, sent - kept));
        CHECK(folder.names() == Names{"ids.pcap"});
        const Reading r = read_all(path);
        CHECK(r.open_error == "");
        CHECK(r.damage == "");
        REQUIRE(r.packets.size() == kept);
        // What was kept is still put in order: there is room for as much again.
        CHECK(std::is_sorted(r.packets.begin(), r.packets.end(), [](const Packet& a, const Packet& b) {
            return a.timestamp_ns < b.timestamp_ns;
        }));
    }
    CHECK(pool->whole());
}

TEST_CASE("a copy in order that cannot be made leaves the packets in order of arrival") {
    const TemporaryFolder folder;
    const std::string path = folder.path("ids.pcap");
    auto pool = make_pool(64);
    auto file = make_file(path);
    for (std::uint64_t i = 0; i < 3000; ++i) {
        rte_mbuf* packet = make_packet(*pool, std::string(1000, 'x'), 5000 - i, 0);
        REQUIRE(file->send({&packet, 1}) == 1);
    }
    std::filesystem::create_directory(path + ".sorted");
    const auto closed = file->close();
    REQUIRE_FALSE(closed.ok());
    CHECK(closed.error().message == path + ".sorted: cannot create: Is a directory; the packets in " + path +
                                        " are in order of arrival, not of capture");
    const Reading r = read_all(path);
    CHECK(r.damage == "");
    REQUIRE(r.packets.size() == 3000);
    CHECK(r.packets.front().timestamp_ns == 5000);
    CHECK(r.packets.back().timestamp_ns == 2001);
}

TEST_CASE("a copy in order that breaks off leaves the packets in order of arrival and nothing behind") {
    const TemporaryFolder folder;
    const std::string path = folder.path("ids.pcap");
    auto pool = make_pool(64);
    auto file = make_file(path);
    std::uint64_t sent = 0;
    {
        const FullDisk disk(3'000'001);
        for (;; ++sent) {
            rte_mbuf* packet = make_packet(*pool, std::string(1000, 'x'), 5000 - sent, 0);
            if (file->send({&packet, 1}) == 1) continue;
            rte_pktmbuf_free(packet);
            break;
        }
    }
    base::Result<void> closed;
    {
        const FullDisk fuller_disk(1'500'000);
        closed = file->close();
    }
    REQUIRE_FALSE(closed.ok());
    const std::uint64_t kept = (3'000'001 - 24) / 1016;
    CHECK(
        closed.error().message ==
        fmt::format(
            "{0}.part: cannot write: File too large; {0} has the {1} packets that were written before; {2} "
            "that had been taken are lost; {0}.sorted: cannot write: File too large; the packets in {0} are "
            "in order of arrival, not of capture",
            path, kept, sent - kept));
    CHECK(folder.names() == Names{"ids.pcap"});
    const Reading r = read_all(path);
    CHECK(r.damage == "");
    REQUIRE(r.packets.size() == kept);
    for (std::uint64_t i = 0; i < kept; ++i) REQUIRE(r.packets[i].timestamp_ns == 5000 - i);
}

TEST_CASE("an index that cannot be written stops the intake, not the order") {
    const TemporaryFolder folder;
    const std::string there = folder.path("there");
    const std::string elsewhere = folder.path("elsewhere");
    std::filesystem::create_directory(there);
    const std::string path = there + "/ids.pcap";
    auto pool = make_pool(64);
    auto file = make_file(path, {.run_entries = 10});
    std::vector<rte_mbuf*> burst;
    for (std::uint64_t i = 0; i < 20; ++i) burst.push_back(make_packet(*pool, "data", 100 - i, 0));
    std::filesystem::rename(there, elsewhere);
    CHECK(file->send(burst) == 10);
    std::filesystem::rename(elsewhere, there);
    CHECK(file->failed());
    rte_pktmbuf_free_bulk(burst.data() + 10, 10);
    const auto closed = file->close();
    REQUIRE_FALSE(closed.ok());
    CHECK(closed.error().message ==
          fmt::format("{0}.index: cannot create a temporary file: No such file or directory; "
                      "{0} has the 10 packets that were written before",
                      path));
    const Reading r = read_all(path);
    REQUIRE(r.packets.size() == 10);
    CHECK(r.packets.front().timestamp_ns == 91);
    CHECK(r.packets.back().timestamp_ns == 100);
    CHECK(pool->whole());
}

TEST_CASE("a file that cannot be made is an error at once") {
    const TemporaryFolder folder;
    const std::string path = folder.path("missing/ids.pcap");
    const auto file = ToolFile::create(path, net::LinkType::kEthernet);
    REQUIRE_FALSE(file.ok());
    CHECK(file.error().message == path + ".part: cannot create: No such file or directory");

    const FullDisk disk(10);
    const auto full = ToolFile::create(folder.path("ids.pcap"), net::LinkType::kEthernet);
    REQUIRE_FALSE(full.ok());
    CHECK(full.error().message == folder.path("ids.pcap.part") + ": cannot write: File too large");
    CHECK(folder.names().empty());
}

TEST_CASE("an abandoned file goes away if it is empty and stays readable if not") {
    const TemporaryFolder folder;
    auto pool = make_pool(64);
    make_file(folder.path("empty.pcap"));
    {
        auto file = make_file(folder.path("ids.pcap"));
        rte_mbuf* packet = make_packet(*pool, "data", 1, 0);
        REQUIRE(file->send({&packet, 1}) == 1);
    }
    CHECK(folder.names() == Names{"ids.pcap.part"});
    CHECK(read_all(folder.path("ids.pcap.part")).packets.size() == 1);
}
