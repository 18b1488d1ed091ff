// SPDX-License-Identifier: BSD-3-Clause
#include "drivers/ethdev/rss.h"

#include <rte_ethdev.h>

namespace yagura::ethdev {
namespace {

/// A hash of one end alone is not that of the other direction, whatever the key.
constexpr std::uint64_t kOneEnd = RTE_ETH_RSS_L3_SRC_ONLY | RTE_ETH_RSS_L3_DST_ONLY |
                                  RTE_ETH_RSS_L4_SRC_ONLY | RTE_ETH_RSS_L4_DST_ONLY |
                                  RTE_ETH_RSS_L2_SRC_ONLY | RTE_ETH_RSS_L2_DST_ONLY;

}  // namespace

const char* rss_text(Rss rss) {
    switch (rss) {
        case Rss::kNone:
            return "no RSS";
        case Rss::kAsymmetric:
            return "RSS not symmetric: steered in software";
        case Rss::kSymmetric:
            break;
    }
    return "symmetric RSS";
}

std::uint64_t rss_types(std::uint64_t capable) {
    return (RTE_ETH_RSS_IP | RTE_ETH_RSS_TCP | RTE_ETH_RSS_UDP | RTE_ETH_RSS_SCTP) & capable;
}

std::vector<std::uint8_t> symmetric_rss_key(std::size_t size) {
    // S. Woo and K. Park, Scalable TCP Session Monitoring with Symmetric Receive-side Scaling, 2012.
    std::vector<std::uint8_t> key(size);
    for (std::size_t i = 0; i < size; ++i) key[i] = i % 2 == 0 ? 0x6d : 0x5a;
    return key;
}

Rss rss_of(std::uint64_t types, std::span<const std::uint8_t> key) {
    if (types == 0 || (types & kOneEnd) != 0 || key.size() < 2) return Rss::kAsymmetric;
    bool zero = true;
    for (std::size_t i = 0; i < key.size(); ++i) {
        if (key[i] != key[i % 2]) return Rss::kAsymmetric;
        zero = zero && key[i] == 0;
    }
    // All zeros: it told nothing.
    return zero ? Rss::kAsymmetric : Rss::kSymmetric;
}

}  // namespace yagura::ethdev
