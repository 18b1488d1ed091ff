// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <cstdint>

#include "base/bytes.h"
#include "net/flow_key.h"

namespace yagura::reset {

/// Secret of a run, from the system's random source: what frames of our own are known by.
using MarkKey = std::array<std::uint64_t, 2>;

/// SipHash-2-4 (Aumasson and Bernstein, 2012): without the key nobody can tell what it gives, however many
/// results he has seen.
std::uint64_t sip_hash(const MarkKey& key, base::Bytes bytes);

/// What a RST of our own says of itself, a hash of all that it means to its receiver. Receivers ignore the
/// fields in which it stands: the IPv4 id of a packet that must not be fragmented (RFC 6864) or IPv6's flow
/// label, and a RST's window.
///
/// A sender who does not know the key hits it once in 2^32 tries. What he can do is send again, byte for
/// byte, what we sent: a RST that was ours already is then taken for ours once more.
class Mark {
  public:
    /// `sequence`, `acknowledgement`, `flags`: of the TCP header.
    Mark(const MarkKey& secret, const net::FlowKey& key, std::uint32_t sequence,
         std::uint32_t acknowledgement, std::uint8_t flags);

    std::uint16_t ip_id() const { return static_cast<std::uint16_t>(hash_); }
    std::uint32_t flow_label() const { return static_cast<std::uint32_t>(hash_) & 0xfffff; }
    std::uint16_t window() const { return static_cast<std::uint16_t>(hash_ >> 48); }

  private:
    std::uint64_t hash_;
};

}  // namespace yagura::reset
