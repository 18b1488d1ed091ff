// SPDX-License-Identifier: BSD-3-Clause
#include <fmt/format.h>
#include <sys/stat.h>

#include <catch2/catch.hpp>

#include "capture_bytes.h"
#include "read_all.h"

using namespace yagura::pcap;
using namespace yagura::pcap::testing;
using Catch::Matchers::StartsWith;

TEST_CASE("what is no capture is refused with what it is instead") {
    struct Row {
        std::string bytes;
        std::string message;
    };
    const std::string rest(60, '\x90');
    const Row rows[] = {
        {"", "the file is empty; a capture without packets has a header at least"},
        {"\x1f\x8b\x08" + rest, "not a capture file: it looks like gzip; decompress it first (gunzip)"},
        {"\x28\xb5\x2f\xfd" + rest,
         "not a capture file: it looks like Zstandard; decompress it first (unzstd)"},
        {std::string("\xfd\x37\x7a\x58\x5a\x00", 6) + rest,
         "not a capture file: it looks like xz; decompress it first (unxz)"},
        {"BZh9" + rest, "not a capture file: it looks like bzip2; decompress it first (bunzip2)"},
        {"{\"rules\": []}\n", "not a capture file: it looks like text"},
        {"\x01\x02\x03", "not a capture file: it has only 3 bytes"},
        {"\xde\xad\xbe\xef" + rest,
         "not a capture file: it begins with deadbeef, which is no magic of pcap or pcapng"},
        {Classic{}.header().substr(0, 4), "the file ends inside its header (4 of 24 bytes)"},
        {Classic{}.header().substr(0, 23), "the file ends inside its header (23 of 24 bytes)"},
        {Classic{.major = 2, .minor = 2}.header(), "pcap version 2.2 is not supported, only 2.4 is"},
        {Pcapng{}.section().substr(0, 11), "the file ends inside a section header (11 bytes)"},
        {Pcapng{}.section().substr(0, 27), "the block claims 28 bytes but the file ends after 27"},
        {Pcapng{}.section(2, 0), "pcapng version 2.0 is not supported, only 1.0 is"},
        {Pcapng{}.block(0x0a0d0d0a, FileBytes().u32(0x11223344).u32(1).u64(0).str()),
         "the section header's byte-order magic is 44332211, not 1a2b3c4d"},
        {Pcapng{}.block(0x0a0d0d0a, FileBytes().u32(0x1a2b3c4d).u32(1).str()),
         "the section header is too short (20 bytes)"},
    };
    const TemporaryFolder folder;
    for (const Row& row : rows) {
        const std::string path = folder.write("a.pcap", row.bytes);
        CHECK(read_all(path).open_error == path + ": " + row.message);
        const auto surveyed = survey(path);
        REQUIRE_FALSE(surveyed.ok());
        CHECK(surveyed.error().message == path + ": " + row.message);
    }
}

TEST_CASE("an unsupported link type is named, with those that are supported") {
    const TemporaryFolder folder;
    const std::string path = folder.write("radio.pcap", Classic{.link = 127}.header());
    CHECK_THAT(read_all(path).open_error,
               StartsWith(path + ": IEEE802_11_RADIOTAP (127) is not supported; supported "
                                 "are BSD null (0), Ethernet (1), "));
    const std::string unknown = folder.write("unknown.pcap", Classic{.link = 4711}.header());
    CHECK_THAT(read_all(unknown).open_error, StartsWith(unknown + ": link type 4711 is not supported"));
}

TEST_CASE("a path that cannot be read is named with the reason") {
    const TemporaryFolder folder;
    const std::string missing = folder.path("missing.pcap");
    CHECK(read_all(missing).open_error == missing + ": cannot open: No such file or directory");
    const std::string directory = folder.path("");
    CHECK(read_all(directory).open_error == directory + ": cannot read a capture from it: it is a directory");
    const std::string fifo = folder.path("fifo");
    REQUIRE(mkfifo(fifo.c_str(), 0600) == 0);
    CHECK(read_all(fifo).open_error == fifo + ": cannot read a capture from it: it is not a regular file");
}

TEST_CASE("damage in a classic file ends it at the record, with offset and reason") {
    struct Row {
        std::string tail;
        std::string message;
    };
    for (const bool big : {false, true}) {
        const Classic c{.big = big};
        const std::string good = c.header() + c.record(1, 0, "good one") + c.record(2, 0, "good two");
        const Row rows[] = {
            {std::string(1, '\0'), "the file ends inside the record header (1 of 16 bytes)"},
            {std::string(15, '\0'), "the file ends inside the record header (15 of 16 bytes)"},
            {c.record(3, 0, 70000, 70000, "twelve bytes"),
             "the record claims 70000 bytes but the file ends after 12"},
            {c.record(3, 0, 1, 1, ""), "the record claims 1 bytes but the file ends after 0"},
            {c.record(3, 0, 262145, 1, "x"), "the record claims 262145 bytes; more than 262144 is no packet"},
            {c.record(3, 0, 0xffffffff, 1, "x"),
             "the record claims 4294967295 bytes; more than 262144 is no packet"},
        };
        const TemporaryFolder folder;
        for (const Row& row : rows) {
            const std::string path = folder.write("a.pcap", good + row.tail);
            const Reading r = read_all(path);
            CHECK(r.packets.size() == 2);
            CHECK(r.damage == path + ": offset 72, record 3: " + row.message);
        }
    }
}

TEST_CASE("a longer record header is cut like any other") {
    const Classic c{.magic = 0xa1b2cd34};
    const TemporaryFolder folder;
    const std::string path = folder.write("a.pcap", c.header() + c.record(1, 0, "x").substr(0, 20));
    CHECK(read_all(path).damage ==
          path + ": offset 24, record 1: the file ends inside the record header (20 of 24 bytes)");
}

TEST_CASE("damage in a pcapng file ends it at the block, with offset and reason") {
    struct Row {
        std::string tail;
        std::string message;
    };
    for (const bool big : {false, true}) {
        const Pcapng p{big};
        const std::string good = p.section() + p.interface(1) + p.enhanced(0, 1, "good");  // 28 + 20 + 36
        const std::string packet = p.enhanced(0, 2, "data");
        const std::string large(PcapngFormat::kMaxBlock, 'x');
        const Row rows[] = {
            {"\x06", "the file ends inside a block header (1 of 8 bytes)"},
            {packet.substr(0, 7), "the file ends inside a block header (7 of 8 bytes)"},
            {packet.substr(0, 8), "the block claims 36 bytes but the file ends after 8"},
            {packet.substr(0, 35), "the block claims 36 bytes but the file ends after 35"},
            {p.block(6, "", -1), "the block claims 11 bytes, which is less than its own frame"},
            {p.block(6, std::string(40, 'x'), 1), "the block claims 53 bytes, which is not a multiple of 4"},
            {p.block(5, std::string(40, 'x'), 2), "the block claims 54 bytes, which is not a multiple of 4"},
            {p.block(5, large, 2), "the block claims 327694 bytes, which is not a multiple of 4"},
            {p.block(6, std::string(40, 'x'), 0, 4),
             "the block's length is 52 at its head but 56 at its tail"},
            {p.block(5, std::string(40, 'x'), 0, 4),
             "the block's length is 52 at its head but 56 at its tail"},
            {p.block(5, large, 0, 4), "the block's length is 327692 at its head but 327696 at its tail"},
            {p.block(5, large).substr(0, 327691),
             "the block claims 327692 bytes but the file ends after 327691"},
            {p.block(5, large).substr(0, 100000),
             "the block claims 327692 bytes but the file ends after 100000"},
            {p.block(6, large),
             "the block claims 327692 bytes; more than 327680 is no sane block of its type"},
            {p.block(6, std::string(16, 'x')), "the packet block is too short (28 bytes)"},
            {p.block(2, std::string(16, 'x')), "the packet block is too short (28 bytes)"},
            {p.block(3, ""), "the packet block is too short (12 bytes)"},
            {p.enhanced(1, 2, "data"), "the packet is of interface 1 but its section has described only 1"},
            {p.obsolete(0xffff, 2, "data"),
             "the packet is of interface 65535 but its section has described only 1"},
            {p.block(6, p.enhanced_fields(0, 2, 5, 5, "data")),
             "the packet claims 5 bytes but its block has room for 4"},
            {p.block(6, p.enhanced_fields(0, 2, 0xffffffff, 5, "data")),
             "the packet claims 4294967295 bytes; more than 262144 is no packet"},
            {p.simple(9, "data"), "the packet claims 9 bytes but its block has room for 4"},
            {p.section() + p.simple(4, "data"), ""},
            {p.section(1, 1), "pcapng version 1.1 is not supported, only 1.0 is"},
            {p.block(1, std::string(4, '\0')), "the interface description is too short (16 bytes)"},
            {p.interface(1, 0, FileBytes(big).u16(2).u16(100).u32(0).str()),
             "option 2 of the interface description is 100 bytes long but 4 are left"},
            {p.interface(1, 0, p.option(9, "xy")),
             "option 9 of the interface description is 2 bytes long, not 1"},
            {p.interface(1, 0, p.option(14, "xy")),
             "option 14 of the interface description is 2 bytes long, not 8"},
        };
        const TemporaryFolder folder;
        for (const Row& row : rows) {
            CAPTURE(big, row.message);
            const std::string path = folder.write("a.pcapng", good + row.tail);
            const Reading r = read_all(path);
            CHECK(r.packets.size() == 1);
            if (row.message.empty()) {
                CHECK(r.damage ==
                      path +
                          ": offset 112, record 2: the packet is of interface 0 but its section has "
                          "described only 0");
            } else {
                CHECK(r.damage == path + ": offset 84, record 2: " + row.message);
            }
            CHECK(survey(path).ok());
        }
    }
}

TEST_CASE("the interfaces of a file are bounded") {
    const Pcapng p;
    std::string bytes = p.section();
    const std::string interface = p.interface(1);
    for (std::size_t i = 0; i <= PcapngFormat::kMaxInterfaces; ++i) bytes += interface;
    const TemporaryFolder folder;
    const std::string path = folder.write("a.pcapng", bytes);
    CHECK(read_all(path).damage ==
          fmt::format("{}: offset {}, record 1: the file has more than 65536 interfaces", path,
                      28 + 65536 * 20));
}

TEST_CASE("every cut of a file gives its whole records and then damage, or the end at a record's border") {
    const Pcapng p;
    const Classic c;
    const std::string ng =
        p.section() + p.interface(1) + p.enhanced(0, 1, "first") + p.enhanced(0, 2, "second");
    const std::string classic = c.header() + c.record(1, 0, "first") + c.record(2, 0, "second");
    const TemporaryFolder folder;
    for (const auto& [bytes, borders] :
         {std::pair{ng, std::vector<std::size_t>{28, 48, 88, 128}}, {classic, {24, 45, 67}}}) {
        REQUIRE(bytes.size() == borders.back());
        for (std::size_t size = borders[0]; size <= bytes.size(); ++size) {
            CAPTURE(size);
            const Reading r = read_all(folder.write("a", bytes.substr(0, size)));
            CHECK(r.open_error == "");
            const bool at_border = std::count(borders.begin(), borders.end(), size) > 0;
            CHECK((r.damage == "") == at_border);
            std::size_t whole = 0;
            if (size >= borders[borders.size() - 2]) ++whole;
            if (size >= borders.back()) ++whole;
            CHECK(r.packets.size() == whole);
        }
    }
}
