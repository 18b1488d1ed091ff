// SPDX-License-Identifier: BSD-3-Clause
// The reader against libpcap, over real captures.
#include <pcap/pcap.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <map>
#include <memory>

#include "capture_bytes.h"
#include "read_all.h"

using namespace yagura::pcap;
using namespace yagura::pcap::testing;

namespace {

/// What libpcap makes of a file: its packets up to the end or an error.
struct Reference {
    std::string error;
    std::vector<Packet> packets;
};

Reference read_by_libpcap(const std::string& path) {
    Reference reference;
    char error[PCAP_ERRBUF_SIZE];
    const std::unique_ptr<pcap_t, void (*)(pcap_t*)> handle(
        pcap_open_offline_with_tstamp_precision(path.c_str(), PCAP_TSTAMP_PRECISION_NANO, error), pcap_close);
    if (!handle) {
        reference.error = error;
        return reference;
    }
    pcap_pkthdr* header;
    const u_char* data;
    int status;
    while ((status = pcap_next_ex(handle.get(), &header, &data)) == 1) {
        // libpcap reads the seconds of a classic file as signed: a stamp after 2038 (by the format, which
        // says unsigned) comes out before 1970. One capture here has such stamps.
        const auto ns = std::uint64_t{static_cast<std::uint32_t>(header->ts.tv_sec)} * 1'000'000'000 +
                        static_cast<std::uint64_t>(header->ts.tv_usec);
        reference.packets.push_back({ns, std::max(header->len, header->caplen), 0,
                                     std::string(reinterpret_cast<const char*>(data), header->caplen)});
    }
    if (status == PCAP_ERROR) reference.error = pcap_geterr(handle.get());
    return reference;
}

/// Captures that libpcap refuses, with its reason. It reads only what has one link type and one snap length;
/// a copy in which all interfaces say the same shows that the packets are read alike.
const std::map<std::string, std::string> kRefused = {
    {"pcpp-ipv4-malformed.pcapng", "snapshot length 65536 different"},
    {"pcpp-grepackets.pcapng", "snapshot length 65535 different"},
    {"pcpp-many_interfaces-1.pcapng", "a type 0 different"},
    {"pcpp-packetexamples-gtp.pcapng", "snapshot length 65536 different"},
};

/// The bytes of a little-endian pcapng file with link type 1 and no snap length at every interface.
std::string with_equal_interfaces(std::string bytes) {
    const auto word = [&](std::size_t at) {
        std::uint32_t v = 0;
        std::memcpy(&v, bytes.data() + at, sizeof v);
        return v;
    };
    for (std::size_t at = 0; at + 20 <= bytes.size() && word(at + 4) >= 12; at += word(at + 4)) {
        if (word(at) != 1) continue;
        bytes.replace(at + 8, 2, std::string("\1\0", 2));
        bytes.replace(at + 12, 4, 4, '\0');
    }
    return bytes;
}

}  // namespace

TEST_CASE("every capture reads as libpcap reads it") {
    const char* folder = std::getenv("YAGURA_CAPTURES");
    if (folder == nullptr) {
        WARN("SKIPPED: YAGURA_CAPTURES does not name a folder of captures");
        return;
    }
    const TemporaryFolder copies;
    std::size_t files = 0;
    std::size_t packets = 0;
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
        const std::string extension = entry.path().extension();
        if (extension != ".pcap" && extension != ".pcapng") continue;
        CAPTURE(entry.path().string());
        ++files;
        Reading ours = read_all(entry.path());
        for (Packet& packet : ours.packets) packet.interface = 0;  // libpcap does not tell
        Reference reference = read_by_libpcap(entry.path());
        CHECK(ours.open_error == "");
        CHECK(ours.damage == "");
        packets += ours.packets.size();
        if (const auto refused = kRefused.find(entry.path().filename()); refused != kRefused.end()) {
            CHECK_THAT(reference.error, Catch::Matchers::Contains(refused->second));
            reference = read_by_libpcap(copies.write("copy", with_equal_interfaces(read_file(entry.path()))));
        }
        CHECK(reference.error == "");
        CHECK(ours.packets.size() == reference.packets.size());
        if (ours.packets.size() != reference.packets.size()) continue;
        // Not one CHECK per packet, nor one for all: the first that differs is the one to look at.
        for (std::size_t i = 0; i < ours.packets.size(); ++i) {
            CAPTURE(i);
            if (ours.packets[i] == reference.packets[i]) continue;
            FAIL_CHECK(ours.packets[i] << " where libpcap has " << reference.packets[i]);
            break;
        }
    }
    CHECK(files > 0);
    INFO(files << " files, " << packets << " packets");
}
