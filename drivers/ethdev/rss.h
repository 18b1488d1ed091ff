// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace yagura::ethdev {

/// How a device spreads packets over its receive queues.
enum class Rss : std::uint8_t {
    kNone,        ///< it has no receive-side scaling, or does it in a way of its own
    kAsymmetric,  ///< the two directions of a flow may come by different queues, or nobody knows
    kSymmetric,   ///< they come by the same one
};
const char* rss_text(Rss rss);  ///< as in the start-up log

/// Fields to ask for, of those that the device can hash: addresses and ports, and of fragments addresses.
std::uint64_t rss_types(std::uint64_t capable);
/// A key of Toeplitz' hash under which source and destination can be exchanged: it repeats after 16 bits.
std::vector<std::uint8_t> symmetric_rss_key(std::size_t size);
/// What the device says that it does. `key`: empty when it does not tell.
Rss rss_of(std::uint64_t types, std::span<const std::uint8_t> key);

}  // namespace yagura::ethdev
