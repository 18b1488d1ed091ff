// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <cstdint>

#include "base/bytes.h"
#include "base/hash.h"
#include "reset/block_target.h"

namespace yagura::reset {

/// Hashes of block targets, under a seed. Who does not know it cannot choose targets that collide: as in
/// FlowKey's hash each word that others choose is a factor that is joined with a secret of its own, and each
/// prefix length has secrets of its own. What comes of it is multiplied by a secret once more: with one
/// product alone, addresses in equal steps would crowd under some seeds.
class TargetHash {
  public:
    /// An address as two words, in memory's order.
    struct Address {
        explicit Address(const net::IpAddress& address)
            : first(base::load_u64(address.data())), second(base::load_u64(address.data() + 8)) {}
        std::uint64_t first;
        std::uint64_t second;
    };
    /// The same of IPv4, whose second word is 0.
    struct Ipv4Address {
        explicit Ipv4Address(const net::IpAddress& address) : first(base::load_u32(address.data())) {}
        std::uint64_t first;
        static constexpr std::uint64_t second = 0;
    };
    /// A prefix length: what it leaves of an address, and its secrets.
    struct Cut {
        std::uint64_t first_mask;
        std::uint64_t second_mask;
        std::uint64_t first_secret;
        std::uint64_t second_secret;
    };

    explicit TargetHash(std::uint64_t seed);

    const Cut& cut(std::uint8_t ip_version, std::uint8_t length) const {
        return cuts_[(ip_version == 4 ? 0u : 33u) + length];
    }
    /// Of the prefix of that length that covers the address. `A`: Address, or Ipv4Address.
    template <class A>
    std::uint64_t prefix(const Cut& cut, const A& address) const {
        return base::mix(base::mix((address.first & cut.first_mask) ^ cut.first_secret,
                                   (address.second & cut.second_mask) ^ cut.second_secret),
                         secrets_[4]);
    }
    /// The same from both ends; `key` need not be canonical, and its domain does not count.
    std::uint64_t connection(const net::FlowKey& key) const {
        return connection(end(key.src, key.sport), end(key.dst, key.dport), key.proto, key.ip_version);
    }
    std::uint64_t operator()(const BlockTarget& target) const;

  private:
    std::uint64_t end(const net::IpAddress& address, std::uint16_t port) const {
        const Address words(address);
        return base::mix(base::mix(words.first ^ secrets_[0], words.second ^ secrets_[1]) ^ port,
                         secrets_[2]);
    }
    std::uint64_t connection(std::uint64_t one, std::uint64_t other, std::uint8_t proto,
                             std::uint8_t ip_version) const {
        return base::mix(one + other, secrets_[3] ^ (std::uint64_t{proto} << 8 | ip_version));
    }

    std::array<std::uint64_t, 5> secrets_;
    std::array<Cut, 33 + 129> cuts_;  ///< of IPv4's lengths, then IPv6's
};

}  // namespace yagura::reset
