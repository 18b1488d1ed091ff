// SPDX-License-Identifier: BSD-3-Clause
#include "net/checksum.h"

#include <array>

namespace yagura::net {

std::uint32_t add_to_sum(std::uint32_t sum, base::Bytes bytes) {
    std::size_t at = 0;
    for (; at + 1 < bytes.size(); at += 2) sum += base::load_be16(&bytes[at]);
    if (at < bytes.size()) sum += std::uint32_t{bytes[at]} << 8;
    return sum;
}

std::uint32_t pseudo_header_sum(const IpAddress& src, const IpAddress& dst, std::uint8_t ip_version,
                                std::uint8_t proto, std::uint32_t length) {
    const std::size_t size = ip_version == 4 ? 4 : 16;
    std::uint32_t sum = add_to_sum(0, base::Bytes(src).first(size));
    sum = add_to_sum(sum, base::Bytes(dst).first(size));
    return sum + proto + (length >> 16) + (length & 0xffff);
}

std::uint16_t finish_sum(std::uint32_t sum) {
    sum = (sum & 0xffff) + (sum >> 16);
    sum += sum >> 16;
    return static_cast<std::uint16_t>(~sum);
}

void Crc32c::add(base::Bytes bytes) {
    static constexpr auto kTable = [] {
        constexpr std::uint32_t kReversedPolynomial = 0x82f63b78;
        std::array<std::uint32_t, 256> table{};
        for (std::uint32_t i = 0; i < table.size(); ++i) {
            std::uint32_t crc = i;
            for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? kReversedPolynomial : 0);
            table[i] = crc;
        }
        return table;
    }();
    std::uint32_t crc = crc_;
    for (const std::uint8_t byte : bytes) crc = kTable[(crc ^ byte) & 0xff] ^ (crc >> 8);
    crc_ = crc;
}

}  // namespace yagura::net
