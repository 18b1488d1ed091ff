// SPDX-License-Identifier: BSD-3-Clause
#include "reset/target_hash.h"

namespace yagura::reset {

TargetHash::TargetHash(std::uint64_t seed) {
    // None of them says anything of another to who does not know the seed. Odd: no product loses a bit.
    auto secret = [seed, n = std::uint64_t{0}]() mutable {
        n += base::kHashC;
        return base::mix(base::mix(seed ^ base::kHashA, n ^ base::kHashB), n ^ seed ^ base::kHashD) | 1;
    };
    for (std::uint64_t& each : secrets_) each = secret();
    net::IpAddress full;
    full.fill(0xff);
    for (const std::uint8_t version : {std::uint8_t{4}, std::uint8_t{6}}) {
        const unsigned longest = version == 4 ? 32 : 128;
        for (unsigned length = 0; length <= longest; ++length) {
            const auto size = static_cast<std::uint8_t>(length);
            const Address mask(BlockTarget::prefix(full, version, size).a);
            cuts_[(version == 4 ? 0u : 33u) + length] = {.first_mask = mask.first,
                                                         .second_mask = mask.second,
                                                         .first_secret = secret(),
                                                         .second_secret = secret()};
        }
    }
}

std::uint64_t TargetHash::operator()(const BlockTarget& target) const {
    if (target.kind == BlockTarget::Kind::kPrefix) {
        return prefix(cut(target.ip_version, target.length), Address(target.a));
    }
    return connection(end(target.a, target.a_port), end(target.b, target.b_port), target.proto,
                      target.ip_version);
}

}  // namespace yagura::reset
