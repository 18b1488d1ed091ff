// SPDX-License-Identifier: BSD-3-Clause
#include "reset/mark.h"

#include <bit>
#include <cstring>

namespace yagura::reset {
namespace {

struct SipState {
    std::uint64_t v0, v1, v2, v3;

    void round() {
        v0 += v1;
        v1 = std::rotl(v1, 13) ^ v0;
        v0 = std::rotl(v0, 32);
        v2 += v3;
        v3 = std::rotl(v3, 16) ^ v2;
        v0 += v3;
        v3 = std::rotl(v3, 21) ^ v0;
        v2 += v1;
        v1 = std::rotl(v1, 17) ^ v2;
        v2 = std::rotl(v2, 32);
    }
    void compress(std::uint64_t word) {
        v3 ^= word;
        round();
        round();
        v0 ^= word;
    }
};

}  // namespace

std::uint64_t sip_hash(const MarkKey& key, base::Bytes bytes) {
    SipState s{key[0] ^ 0x736f6d6570736575, key[1] ^ 0x646f72616e646f6d, key[0] ^ 0x6c7967656e657261,
               key[1] ^ 0x7465646279746573};
    std::size_t at = 0;
    for (; at + 8 <= bytes.size(); at += 8) s.compress(base::load_u64(&bytes[at]));
    std::uint64_t last = std::uint64_t{bytes.size()} << 56;
    for (unsigned i = 0; at + i < bytes.size(); ++i) last |= std::uint64_t{bytes[at + i]} << (8 * i);
    s.compress(last);
    s.v2 ^= 0xff;
    for (int i = 0; i < 4; ++i) s.round();
    return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

Mark::Mark(const MarkKey& secret, const net::FlowKey& key, std::uint32_t sequence,
           std::uint32_t acknowledgement, std::uint8_t flags) {
    std::array<std::uint8_t, 47> told;
    std::memcpy(&told[0], key.src.data(), 16);
    std::memcpy(&told[16], key.dst.data(), 16);
    base::store_be16(&told[32], key.sport);
    base::store_be16(&told[34], key.dport);
    base::store_be32(&told[36], sequence);
    base::store_be32(&told[40], acknowledgement);
    told[44] = key.proto;
    told[45] = key.ip_version;
    told[46] = flags;
    hash_ = sip_hash(secret, told);
}

}  // namespace yagura::reset
