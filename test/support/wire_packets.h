// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "support/wire_form.h"

namespace yagura::test {

/// Lays the packets of one conversation on the wire: headers, what stands outside of them, IP fragments. Adds
/// to WireCase::packets and handed_on. `form` must outlive it.
class WirePackets {
  public:
    WirePackets(const Conversation& conversation, const WireForm& form, const Endpoints& ends, Random& random,
                WireCase& result);

    struct Header {
        std::uint8_t flags = net::tcp_flag::kAck;
        net::PacketBuilder::TcpFields tcp{};
    };
    /// One segment or datagram; nothing when the form hides its side.
    void send(Way way, const Header& header, const std::string& payload, bool may_fragment);
    bool hidden(Way way) const;

  private:
    net::PacketBuilder outside(Way way);
    void add_ip(net::PacketBuilder& packet, Way way) const;
    void add_transport(net::PacketBuilder& packet, Way way, const Header& header);
    std::vector<std::uint8_t> transport(Way way, const Header& header, const std::string& payload);
    void send_fragments(Way way, const std::vector<std::uint8_t>& datagram);

    bool v6_;
    std::uint8_t proto_;
    const WireForm& form_;
    Endpoints ends_;
    Random& random_;
    WireCase& result_;
    std::array<std::uint32_t, 2> tunnel_ids_{};
    std::array<std::uint16_t, 2> vlans_{};
    std::uint16_t next_id_;
};

/// A piece of a direction's stream, or a datagram.
struct WirePiece {
    std::size_t begin = 0;  ///< of a datagram its number
    std::string bytes;
    bool fin = false;
};
/// Pieces come late, at most `form.window` places, and some again; `pinned`: the first one stays first.
void disorder(std::vector<WirePiece>& pieces, const WireForm& form, bool pinned, Random& random);

/// A whole TCP connection; gives what a host reads that keeps the byte that came first.
Payload send_connection(const Conversation& conversation, const WireForm& form, WirePackets& wire,
                        Random& random);

}  // namespace yagura::test
