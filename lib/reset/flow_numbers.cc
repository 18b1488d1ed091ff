// SPDX-License-Identifier: BSD-3-Clause
#include "reset/flow_numbers.h"

#include "net/cursor.h"

namespace yagura::reset {

std::optional<SeenSegment> read_segment(base::Bytes frame, std::size_t wire_length,
                                        const net::ParsedPacket& parsed) {
    if (parsed.key.proto != net::ip_proto::kTcp || parsed.transport == net::kNoOffset ||
        parsed.payload == net::kNoOffset || parsed.malformed != net::Malformed::kNone) {
        return {};
    }
    net::Cursor cursor(frame, wire_length);
    if (!cursor.advance(parsed.inner_ip)) return {};
    const auto ip = cursor.header<9>();
    const auto tcp = cursor.header<16>(std::size_t{parsed.transport} - parsed.inner_ip);
    if (!ip || !tcp) return {};
    return SeenSegment{.seq = tcp.be32<4>(),
                       .ack = tcp.be32<8>(),
                       .payload = net::payload_wire_size(frame, wire_length, parsed),
                       .window = tcp.be16<14>(),
                       .flags = tcp.u8<13>(),
                       .ttl = parsed.key.ip_version == 4 ? ip.u8<8>() : ip.u8<7>()};
}

}  // namespace yagura::reset
