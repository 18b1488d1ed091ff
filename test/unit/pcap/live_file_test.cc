// SPDX-License-Identifier: BSD-3-Clause
#include "drivers/pcap/live_file.h"

#include <catch2/catch.hpp>
#include <chrono>
#include <thread>

#include "capture_bytes.h"
#include "output_fixture.h"
#include "read_all.h"

using namespace yagura;
using namespace yagura::pcap;
using namespace yagura::pcap::testing;

namespace {

std::unique_ptr<LiveFile> make_file(const std::string& path, std::uint32_t capacity) {
    auto file = LiveFile::create(path, net::LinkType::kEthernet, {.capacity = capacity});
    REQUIRE(file.ok());
    return std::move(file).value();
}

/// Sends the packet as often as it takes; false if the file has failed or that takes more than ten seconds.
bool send_patiently(LiveFile& file, rte_mbuf* packet) {
    for (unsigned i = 0; i < 10'000 && !file.failed(); ++i) {
        if (file.send({&packet, 1}) == 1) return true;
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return false;
}

}  // namespace

TEST_CASE("a live file has its packets in order of arrival") {
    const TemporaryFolder folder;
    auto pool = make_pool(256);
    auto file = make_file(folder.path("rec.pcap"), 50);
    constexpr std::uint64_t kPackets = 2000;
    for (std::uint64_t i = 0; i < kPackets; ++i) {
        REQUIRE(send_patiently(*file, make_packet(*pool, std::string(i % 5000, 'x'), kPackets - i, 0)));
    }
    CHECK(file->close().ok());
    CHECK(pool->whole());
    CHECK(file->written().packets == kPackets);
    CHECK(file->lost().packets == 0);
    const Reading r = read_all(folder.path("rec.pcap"));
    CHECK(r.damage == "");
    REQUIRE(r.packets.size() == kPackets);
    for (std::uint64_t i = 0; i < kPackets; ++i) {
        REQUIRE(r.packets[i].timestamp_ns == kPackets - i);
        REQUIRE(r.packets[i].wire_length == i % 5000 + 4);
        REQUIRE((r.packets[i].data == std::string(i % 5000, 'x')));
    }
}

TEST_CASE("a burst beyond the capacity is taken in part, and the rest stays the caller's") {
    const TemporaryFolder folder;
    auto pool = make_pool(256);
    auto file = make_file(folder.path("rec.pcap"), 64);
    std::vector<rte_mbuf*> burst;
    for (std::uint64_t i = 0; i < 100; ++i) burst.push_back(make_packet(*pool, "data", i, 0));
    CHECK(file->send(burst) == 64);
    CHECK(file->refusal() == port::ShedReason::kToolFull);
    rte_pktmbuf_free_bulk(burst.data() + 64, 36);
    CHECK(file->close().ok());
    CHECK(read_all(folder.path("rec.pcap")).packets.size() == 64);
    CHECK(pool->whole());
}

TEST_CASE("an idle live file is on disk, and its packets are back in the pool, without an end") {
    const TemporaryFolder folder;
    auto pool = make_pool(64);
    auto file = make_file(folder.path("rec.pcap"), 32);
    rte_mbuf* packet = make_packet(*pool, "data", 1, 0);
    REQUIRE(file->send({&packet, 1}) == 1);
    Reading r;
    for (unsigned i = 0; i < 10'000 && (r.packets.empty() || !pool->whole()); ++i) {
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
        file->flush();
        r = read_all(folder.path("rec.pcap"));
    }
    CHECK(r.packets.size() == 1);
    CHECK(pool->whole());
}

TEST_CASE("a full disk stops a live file with whole records and every packet accounted for") {
    const TemporaryFolder folder;
    const std::string path = folder.path("rec.pcap");
    auto pool = make_pool(256);
    auto file = make_file(path, 64);
    std::uint64_t taken = 0;
    base::Result<void> closed;
    {
        const FullDisk disk(2'000'001);
        while (!file->failed()) {
            rte_mbuf* packet = make_packet(*pool, std::string(1000, 'x'), taken, 0);
            if (send_patiently(*file, packet)) {
                ++taken;
            } else {
                CHECK(file->failed());
                rte_pktmbuf_free(packet);
            }
        }
        rte_mbuf* packet = make_packet(*pool, "late", 0, 0);
        CHECK(file->send({&packet, 1}) == 0);
        CHECK(file->refusal() == port::ShedReason::kWriteError);
        rte_pktmbuf_free(packet);
        closed = file->close();
    }
    REQUIRE_FALSE(closed.ok());
    const std::uint64_t kept = (2'000'001 - 24) / 1016;
    CHECK(closed.error().message ==
          fmt::format("{}: cannot write: File too large; the file has the {} packets that were "
                      "written before, {} that had been taken are lost",
                      path, kept, taken - kept));
    CHECK(file->written().packets == kept);
    CHECK(file->written().packets + file->lost().packets == taken);
    CHECK(file->written().bytes + file->lost().bytes == taken * 1000);
    const Reading r = read_all(path);
    CHECK(r.damage == "");
    CHECK(r.packets.size() == kept);
    CHECK(pool->whole());
}

TEST_CASE("a live file that is not closed ends all the same") {
    const TemporaryFolder folder;
    auto pool = make_pool(64);
    {
        auto file = make_file(folder.path("rec.pcap"), 32);
        rte_mbuf* packet = make_packet(*pool, "data", 1, 0);
        REQUIRE(file->send({&packet, 1}) == 1);
    }
    CHECK(read_all(folder.path("rec.pcap")).packets.size() == 1);
    CHECK(pool->whole());
    const auto none = LiveFile::create(folder.path("missing/rec.pcap"), net::LinkType::kEthernet);
    REQUIRE_FALSE(none.ok());
    CHECK(none.error().message ==
          folder.path("missing/rec.pcap") + ": cannot create: No such file or directory");
}
