// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <bitset>
#include <cstdint>
#include <span>
#include <vector>

#include "reset/block_target.h"

namespace yagura::reset {

/// What is never cut or blocked, whoever asks for it: prefixes, and ports of TCP, UDP and SCTP, of either
/// end. Immutable: any thread. Asked once for each verdict; it looks at every prefix.
class NeverCut {
  public:
    NeverCut() = default;
    NeverCut(std::span<const BlockTarget> prefixes, std::span<const std::uint16_t> ports);

    /// The connection itself must not be cut.
    bool covers(const net::FlowKey& key) const;
    /// Blocking this would block something that must not be: a connection that is covered, or a prefix that
    /// has addresses in common with one of the list.
    bool forbids(const BlockTarget& target) const;

  private:
    std::vector<BlockTarget> prefixes_;
    std::bitset<65536> ports_;
};

}  // namespace yagura::reset
