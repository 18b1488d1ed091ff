// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <rte_mbuf.h>

#include <array>
#include <cstdint>
#include <string_view>

#include "dataplane/ring.h"

namespace yagura::dataplane {

using PacketRing = Ring<rte_mbuf>;

/// Bursts are never larger.
inline constexpr unsigned kMaxBurst = 64;

/// What happens when an output is full.
enum class Pressure : std::uint8_t {
    kDrop,      ///< live: what does not fit is lost, and counted (but see port::RxQueue::can_wait)
    kPushBack,  ///< replay: a stage does not poll its input while its outputs lack room for a burst's worst
                ///< case
};

/// The select stage, of so many, that a flow with this hash belongs to. By the middle bits: the flow table
/// uses the low ones for its buckets and the high ones for its tags.
constexpr std::size_t select_of(std::uint64_t flow_hash, std::size_t stages) {
    return std::uint64_t{static_cast<std::uint32_t>(flow_hash >> 16)} * stages >> 32;
}

/// What a stage is.
enum class StageKind : std::uint8_t { kRx, kSelect, kTx };
inline constexpr std::size_t kStageKinds = 3;
inline constexpr std::array<std::string_view, kStageKinds> kStageNames{"rx", "select", "tx"};

/// A piece of work that a poll thread does in turn with others.
class Stage {
  public:
    virtual ~Stage() = default;
    /// Before the first turn, on the thread that runs it: takes memory for which packets would wait.
    virtual void take_memory() noexcept {}
    /// One turn: at most one burst from each input. Returns the packets handled; 0 tells the thread that it
    /// may rest.
    virtual unsigned turn() = 0;
};

}  // namespace yagura::dataplane
