// SPDX-License-Identifier: BSD-3-Clause
#include "drivers/pcap/capture_source.h"

#include <fmt/format.h>
#include <rte_mbuf.h>

#include <array>
#include <catch2/catch.hpp>

#include "capture_bytes.h"
#include "drivers/pcap/packet_copy.h"
#include "port/packet.h"
#include "port/packet_pool.h"

using namespace yagura;
using namespace yagura::pcap;
using namespace yagura::pcap::testing;

namespace {

/// What the tests look at of a received packet.
struct Received {
    std::string data;
    std::uint64_t timestamp_ns;
    std::uint64_t order_time;
    std::uint16_t order_file;
    std::uint64_t order_record;
    std::uint16_t port;
    std::uint32_t wire_length;
};

Received take(rte_mbuf* packet) {
    const port::PacketMeta& meta = port::meta(packet);
    Received r{.data = std::string(rte_pktmbuf_pkt_len(packet), '\0'),
               .timestamp_ns = meta.timestamp_ns,
               .order_time = meta.order_time,
               .order_file = meta.order_file,
               .order_record = meta.order_record,
               .port = meta.port.value(),
               .wire_length = meta.wire_length};
    copy_packet(packet, reinterpret_cast<std::uint8_t*>(r.data.data()));
    CHECK(packet->port == r.port);
    rte_pktmbuf_free(packet);
    return r;
}

std::vector<Received> receive_all(CaptureSource& source, std::size_t burst_size = 32) {
    std::vector<Received> all;
    std::vector<rte_mbuf*> burst(burst_size);
    while (!source.exhausted()) {
        const std::uint16_t n = source.receive(burst);
        // Every packet is freed at once, so the pool is no reason to give none.
        REQUIRE((n > 0 || source.exhausted()));
        for (std::uint16_t i = 0; i < n; ++i) all.push_back(take(burst[i]));
    }
    CHECK(source.receive(burst) == 0);
    return all;
}

std::string joined(const std::vector<Received>& packets) {
    std::string text;
    for (const Received& p : packets) text += p.data + " ";
    return text;
}

std::unique_ptr<port::PacketPool> make_pool(std::uint32_t count) {
    static int serial = 0;
    auto pool = port::PacketPool::create(fmt::format("source{}", serial++), count);
    REQUIRE(pool.ok());
    return std::move(pool).value();
}

std::string classic(const Classic& c, std::initializer_list<std::pair<std::uint32_t, std::string>> packets) {
    std::string bytes = c.header();
    for (const auto& [seconds, data] : packets) bytes += c.record(seconds, 0, data);
    return bytes;
}

CaptureInput input(std::string path, std::uint16_t port = 0) {
    return {std::move(path), base::PortId(port)};
}

}  // namespace

TEST_CASE("a packet brings its place in the file, its port, and its length on the wire") {
    const TemporaryFolder folder;
    const Classic c{.magic = 0xa1b23c4d};
    const std::string bytes = c.header() + c.record(10, 5, "one") + c.record(9, 0, 2, 1500, "go");
    auto pool = make_pool(64);
    {
        auto source = CaptureSource::open({input(folder.write("a.pcap", bytes), 3)}, pool->get());
        REQUIRE(source.ok());
        CHECK((*source)->link_type() == net::LinkType::kEthernet);
        CHECK((*source)->total_bytes() == bytes.size());
        const auto all = receive_all(**source);
        REQUIRE(all.size() == 2);
        CHECK(all[0].timestamp_ns == 10'000'000'005);
        CHECK(all[0].order_time == 10'000'000'005);
        CHECK(all[0].order_record == 0);
        CHECK(all[0].port == 3);
        CHECK(all[0].wire_length == 3);
        CHECK(all[1].data == "go");
        CHECK(all[1].timestamp_ns == 9'000'000'000);
        CHECK(all[1].order_time == 10'000'000'005);
        CHECK(all[1].order_record == 1);
        CHECK(all[1].wire_length == 1500);
        CHECK((*source)->bytes_read() == bytes.size());
        CHECK((*source)->packets() == 2);
        CHECK((*source)->damages().empty());
    }
    CHECK(pool->whole());
}

TEST_CASE("files are merged by time, then by place, and each keeps its own order") {
    const Classic c;
    struct Row {
        const char* what;
        std::vector<std::string> files;
        std::string merged;
    };
    const Row rows[] = {
        {"in turn", {classic(c, {{1, "a1"}, {3, "a3"}}), classic(c, {{2, "b2"}, {4, "b4"}})}, "a1 b2 a3 b4 "},
        {"ties go to the file named first",
         {classic(c, {{1, "a1"}, {1, "a2"}, {2, "a3"}}), classic(c, {{1, "b1"}, {2, "b2"}})},
         "a1 a2 b1 a3 b2 "},
        {"a step back in time stays in its place and counts as the time before it",
         {classic(c, {{5, "a5"}, {1, "a1"}, {6, "a6"}}), classic(c, {{4, "b4"}, {5, "b5"}, {6, "b6"}})},
         "b4 a5 a1 b5 a6 b6 "},
        {"empty files", {c.header(), classic(c, {{1, "b"}}), c.header()}, "b "},
        {"nothing at all", {c.header()}, ""},
        {"one after the other", {classic(c, {{9, "a"}}), classic(c, {{1, "b"}, {2, "c"}})}, "b c a "},
    };
    auto pool = make_pool(64);
    for (const Row& row : rows) {
        const TemporaryFolder folder;
        std::vector<CaptureInput> inputs;
        for (const std::string& bytes : row.files) {
            inputs.push_back(input(folder.write(fmt::format("{}.pcap", inputs.size()), bytes)));
        }
        for (const std::size_t burst : {1u, 2u, 32u}) {
            CAPTURE(row.what, burst);
            auto source = CaptureSource::open(inputs, pool->get());
            REQUIRE(source.ok());
            CHECK(joined(receive_all(**source, burst)) == row.merged);
        }
    }
    CHECK(pool->whole());
}

TEST_CASE("many files are merged like few") {
    const TemporaryFolder folder;
    const Classic c;
    constexpr unsigned kFiles = 300;
    std::vector<CaptureInput> inputs;
    for (unsigned i = 0; i < kFiles; ++i) {
        // Distinct keys over all files: file i has the times i * 7 mod 300, and the same 300 and 600 later.
        const unsigned start = i * 7 % kFiles;
        std::string bytes = c.header();
        for (unsigned k = 0; k < 3; ++k)
            bytes += c.record(start + k * kFiles, 0, fmt::format("{}", start + k * kFiles));
        inputs.push_back(input(folder.write(fmt::format("{}.pcap", i), bytes)));
    }
    auto pool = make_pool(64);
    auto source = CaptureSource::open(inputs, pool->get());
    REQUIRE(source.ok());
    const auto all = receive_all(**source);
    REQUIRE(all.size() == 3 * kFiles);
    for (unsigned i = 0; i < all.size(); ++i) REQUIRE(all[i].data == fmt::format("{}", i));
}

TEST_CASE("an empty pool delays packets and loses none") {
    const TemporaryFolder folder;
    const Classic c;
    std::string bytes = c.header();
    constexpr unsigned kPackets = 1000;
    for (unsigned i = 0; i < kPackets; ++i)
        bytes += c.record(i, 0, fmt::format("{}", i) + std::string(i * 5, '.'));
    auto pool = make_pool(64);
    auto source = CaptureSource::open({input(folder.write("a.pcap", bytes))}, pool->get());
    REQUIRE(source.ok());
    std::vector<rte_mbuf*> held;
    std::array<rte_mbuf*, 32> burst;
    unsigned next = 0;
    unsigned empty_turns = 0;
    while (!(*source)->exhausted()) {
        const std::uint16_t n = (*source)->receive(burst);
        held.insert(held.end(), burst.begin(), burst.begin() + n);
        if (n > 0) continue;
        ++empty_turns;
        REQUIRE_FALSE(held.empty());
        for (rte_mbuf* packet : held) {
            const Received r = take(packet);
            CHECK(r.data == fmt::format("{}", next) + std::string(next * 5, '.'));
            CHECK(r.order_record == next++);
        }
        held.clear();
        CHECK(pool->whole());
    }
    for (rte_mbuf* packet : held) CHECK(take(packet).order_record == next++);
    CHECK(next == kPackets);
    CHECK(empty_turns > 0);
    CHECK(pool->whole());
}

TEST_CASE("a packet larger than the whole pool ends its file with a reason, not the run with a standstill") {
    const TemporaryFolder folder;
    const Classic c;
    const std::string huge(64 * port::kMbufDataSize + 1, 'x');
    const std::string a = folder.write("a.pcap", classic(c, {{1, "a1"}, {2, huge}, {3, "a3"}}));
    const std::string b = folder.write("b.pcap", classic(c, {{4, "b"}}));
    auto pool = make_pool(64);
    auto source = CaptureSource::open({input(a), input(b)}, pool->get());
    REQUIRE(source.ok());
    CHECK(joined(receive_all(**source)) == "a1 b ");
    REQUIRE((*source)->damages().size() == 1);
    CHECK((*source)->damages()[0].text == a + ": offset 42, record 2: the packet of 131073 bytes "
                                              "is larger than the whole pool of 64 buffers");
    CHECK(pool->whole());
}

TEST_CASE("large packets are chained, byte for byte") {
    const TemporaryFolder folder;
    const Classic c;
    std::string bytes = c.header();
    std::vector<std::string> sent;
    for (const unsigned size : {0u, 1u, 2047u, 2048u, 2049u, 4096u, 65535u, 262144u}) {
        std::string data(size, '\0');
        for (unsigned i = 0; i < size; ++i) data[i] = static_cast<char>(i * 31 + i / 251);
        bytes += c.record(1, 0, data);
        sent.push_back(std::move(data));
    }
    auto pool = make_pool(512);
    auto source = CaptureSource::open({input(folder.write("a.pcap", bytes))}, pool->get());
    REQUIRE(source.ok());
    const auto all = receive_all(**source, 1);
    REQUIRE(all.size() == sent.size());
    for (std::size_t i = 0; i < all.size(); ++i) CHECK((all[i].data == sent[i]));
    CHECK(pool->whole());
}

TEST_CASE("the limit of packets ends the run before later damage is met") {
    const TemporaryFolder folder;
    const Classic c;
    const std::string path = folder.write("a.pcap", classic(c, {{1, "1"}, {2, "2"}, {3, "3"}}) + "damage");
    auto pool = make_pool(64);
    for (const unsigned limit : {0u, 1u, 2u, 3u, 4u}) {
        auto source = CaptureSource::open({input(path)}, pool->get());
        REQUIRE(source.ok());
        (*source)->stop_after(limit);
        CHECK(receive_all(**source, 2).size() == std::min(limit, 3u));
        CHECK((*source)->damages().size() == (limit > 3 ? 1 : 0));
    }
    CHECK(pool->whole());
}

TEST_CASE("damage in one file leaves the others to be read") {
    const TemporaryFolder folder;
    const Classic c;
    const std::string a = folder.write("a.pcap", classic(c, {{1, "a1"}}) + c.record(2, 0, 100, 100, "short"));
    const std::string b = folder.write("b.pcap", classic(c, {{1, "b1"}, {2, "b2"}}));
    const std::string d = folder.write("d.pcap", c.header() + "x");
    auto pool = make_pool(64);
    auto source = CaptureSource::open({input(a), input(b), input(d)}, pool->get());
    REQUIRE(source.ok());
    CHECK(joined(receive_all(**source)) == "a1 b1 b2 ");
    REQUIRE((*source)->damages().size() == 2);
    CHECK((*source)->damages()[0].text ==
          d + ": offset 24, record 1: the file ends inside the record header (1 of 16 bytes)");
    CHECK((*source)->damages()[1].text ==
          a + ": offset 42, record 2: the record claims 100 bytes but the file ends after 5");
}

TEST_CASE("link types that would meet in one output are refused before the start") {
    const TemporaryFolder folder;
    const Pcapng p;
    const std::string ethernet = folder.write("ethernet.pcap", classic(Classic{}, {{1, "x"}}));
    const std::string raw = folder.write("raw.pcap", classic(Classic{.link = 101}, {{1, "x"}}));
    const std::string old_raw = folder.write("old_raw.pcap", classic(Classic{.link = 12}, {{1, "x"}}));
    const std::string raw_empty = folder.write("raw_empty.pcap", Classic{.link = 101}.header());
    const std::string wlan0 = p.option(2, "wlan0");
    const std::string mixed =
        folder.write("mixed.pcapng", p.section() + p.interface(1) + p.enhanced(0, 1, "x") +
                                         p.interface(101, 0, wlan0) + p.enhanced(1, 1, "y"));
    const std::string unused = folder.write(
        "unused.pcapng", p.section() + p.interface(127) + p.interface(1) + p.enhanced(1, 1, "x"));
    const std::string radio =
        folder.write("radio.pcapng", p.section() + p.interface(127, 0, wlan0) + p.enhanced(0, 1, "x"));
    const std::string advice =
        ": packets of different link types cannot be written to one capture; replay them in separate runs";
    auto pool = make_pool(64);
    struct Row {
        std::vector<std::string> paths;
        std::string error;
        net::LinkType link_type;
    };
    const Row rows[] = {
        {{ethernet, raw}, ethernet + " is Ethernet (1) but " + raw + " is raw IP (101)" + advice, {}},
        {{mixed},
         mixed + " interface 0 is Ethernet (1) but " + mixed + " interface 1 (wlan0) is raw IP (101)" +
             advice,
         {}},
        {{raw, mixed}, raw + " is raw IP (101) but " + mixed + " interface 0 is Ethernet (1)" + advice, {}},
        {{ethernet, unused, raw_empty}, "", net::LinkType::kEthernet},
        {{raw, old_raw}, "", net::LinkType::kRaw},
        {{raw_empty}, "", net::LinkType::kRaw},
        {{ethernet, folder.path("none")},
         folder.path("none") + ": cannot open: No such file or directory",
         {}},
        {{}, "no capture file is given", {}},
    };
    for (const Row& row : rows) {
        std::vector<CaptureInput> inputs;
        for (const std::string& path : row.paths) inputs.push_back(input(path));
        auto source = CaptureSource::open(inputs, pool->get());
        CHECK((source.ok() ? "" : source.error().message) == row.error);
        if (source.ok()) CHECK((*source)->link_type() == row.link_type);
    }
    auto source = CaptureSource::open({input(radio)}, pool->get());
    REQUIRE_FALSE(source.ok());
    CHECK_THAT(source.error().message,
               Catch::Matchers::StartsWith(
                   radio + " interface 0 (wlan0): IEEE802_11_RADIOTAP (127) is not supported; "));
}
