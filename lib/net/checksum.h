// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/bytes.h"
#include "net/flow_key.h"

namespace yagura::net {

/// Adds bytes to a one's complement sum (RFC 1071). Every piece but the last must have an even size, and all
/// of them together less than 128 KiB.
std::uint32_t add_to_sum(std::uint32_t sum, base::Bytes bytes);

/// The sum of the pseudo header that TCP, UDP and ICMPv6 checksums cover (RFC 9293, RFC 8200): `length` is
/// the transport header's and payload's.
std::uint32_t pseudo_header_sum(const IpAddress& src, const IpAddress& dst, std::uint8_t ip_version,
                                std::uint8_t proto, std::uint32_t length);

/// What goes into a checksum field, in host order. Over bytes whose checksum field is right already: 0.
std::uint16_t finish_sum(std::uint32_t sum);

inline std::uint16_t internet_checksum(base::Bytes bytes) {
    return finish_sum(add_to_sum(0, bytes));
}

/// CRC-32C as SCTP uses it (RFC 9260, appendix A), over bytes whose checksum field is zero. The value goes
/// into the field in little-endian order.
class Crc32c {
  public:
    void add(base::Bytes bytes);  ///< piece by piece
    std::uint32_t value() const { return ~crc_; }

  private:
    std::uint32_t crc_ = 0xffffffff;
};
inline std::uint32_t crc32c(base::Bytes bytes) {
    Crc32c crc;
    crc.add(bytes);
    return crc.value();
}

}  // namespace yagura::net
