// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <pcap/pcap.h>

#include <cstdint>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "net/flow_key.h"
#include "net/parser.h"

namespace yagura::test {

using Frame = std::vector<std::uint8_t>;

/// Where the generator's decisions come from: a seeded generator of random numbers, or a fuzzer's bytes (then
/// zeros).
class Choices {
  public:
    explicit Choices(std::uint32_t seed) : random_(seed) {}
    explicit Choices(std::span<const std::uint8_t> bytes) : bytes_(bytes), from_bytes_(true) {}

    /// From 0 to n - 1.
    std::uint32_t below(std::uint32_t n) { return n < 2 ? 0 : number(n > 256 ? 4 : 1) % n; }
    bool one_in(std::uint32_t n) { return below(n) == n - 1; }
    std::uint32_t word() { return number(4); }
    template <class T, std::size_t N>
    T any_of(const T (&list)[N]) {
        return list[below(N)];
    }

  private:
    std::uint32_t number(unsigned bytes) {
        if (!from_bytes_) return static_cast<std::uint32_t>(random_());
        std::uint32_t value = 0;
        for (; bytes > 0; --bytes) {
            value = value << 8 | (bytes_.empty() ? 0u : bytes_[0]);
            if (!bytes_.empty()) bytes_ = bytes_.subspan(1);
        }
        return value;
    }

    std::mt19937 random_;
    std::span<const std::uint8_t> bytes_;
    bool from_bytes_ = false;
};

/// One IP packet, field by field.
struct IpSpec {
    net::FlowKey key;
    unsigned option_words = 0;          ///< IPv4
    std::uint16_t fragment_offset = 0;  ///< in units of 8 bytes
    bool more_fragments = false;
    bool fragment_header = false;  ///< IPv6
    std::uint16_t id = 0;
    std::uint8_t ttl = 64;
    std::uint8_t tcp_flags = 0x10;
    std::uint8_t icmp_type = 8;
    Frame payload;
};
Frame ip_packet(const IpSpec& spec);
Frame ethernet(const Frame& payload, std::uint16_t ethertype, std::span<const std::uint16_t> vlans = {});
Frame arp_packet(const net::IpAddress& sender, const net::IpAddress& target);
/// A link header of any type that yagura knows, with the right (or, by choice, some) protocol in it.
Frame link_frame(net::LinkType link_type, const Frame& payload, std::uint16_t ethertype);

/// Addresses, ports and protocols come from small sets, so that filters and packets meet.
net::FlowKey random_key(Choices& choices);
/// A packet whose key is exact: no fragment, no extension header; all that is not in the key differs.
Frame packet_of_flow(const net::FlowKey& key, Choices& choices);
/// Any IP packet: fragments, options, cut anywhere, with wrong bytes.
Frame random_ip_packet(Choices& choices);
/// Any frame of the link type, IP or not.
Frame random_frame(net::LinkType link_type, Choices& choices);

/// A conjunction of plain terms.
std::string plain_expression(Choices& choices);
/// Plain terms with "and", "or" and parentheses.
std::string plain_expression_with_or(Choices& choices);
/// Any expression over IP packets.
std::string ip_expression(Choices& choices);
/// Any expression over Ethernet frames.
std::string frame_expression(Choices& choices);
/// A program that bpf_validate() accepts: forward jumps only, no scratch memory read before it is written, no
/// constant shift by 32 or more (undefined in bpf_filter's C).
std::vector<bpf_insn> random_program(Choices& choices);

/// Bytes that end where a page ends that may not be touched: a read beyond them is a fault.
class GuardedBytes {
  public:
    explicit GuardedBytes(std::size_t capacity = 4096);
    ~GuardedBytes();
    GuardedBytes(const GuardedBytes&) = delete;
    GuardedBytes& operator=(const GuardedBytes&) = delete;
    std::span<const std::uint8_t> hold(std::span<const std::uint8_t> bytes);

  private:
    std::uint8_t* start_;
    std::size_t capacity_;
    std::size_t page_;
};

}  // namespace yagura::test
