// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "dataplane/poll_thread.h"
#include "net/flow_key.h"

namespace yagura::dataplane {

class SelectStage;

/// What is told of a packet that was drawn.
struct DrawnPacket {
    net::FlowKey key;          ///< as in its flow's first packet, where that is known; ip_version 0: no flow
    std::uint32_t length = 0;  ///< captured bytes
    std::uint64_t tools = 0;   ///< bit per ToolId that gets its flow
    bool current = false;      ///< `tools` is known
};
static_assert(sizeof(DrawnPacket) == 64);

/// Packets drawn by lot from all that a select stage deals with, to estimate which flows are busiest. At
/// first each one; when there is no room for more, a half of those that it has goes by lot and from then on
/// half as many are drawn. So the memory is bounded, everything is known exactly of up to kMost packets, and
/// of more there are always at least kMost / 2, with the same chance for each packet whatever the bursts and
/// however regular the traffic. Belongs to one thread at a time.
class FlowDraws {
  public:
    static constexpr std::uint32_t kMost = 4096;

    /// Begins anew. `one_in`: a guess of how many packets there will be to each that is kept, a power of two.
    void reset(std::uint64_t seed, std::uint32_t one_in = 1);

    /// So many packets pass; draw(place) tells of the one at this place among them.
    template <class Draw>
    void pass(std::uint32_t packets, const Draw& draw) {
        seen_ += packets;
        for (; wait_ < packets; wait_ += gap()) {
            if (count_ == kMost) halve();
            drawn_[count_++] = draw(static_cast<std::uint32_t>(wait_));
        }
        wait_ -= packets;
    }

    std::uint64_t seen() const { return seen_; }      ///< packets that passed
    std::uint32_t count() const { return count_; }    ///< packets that were drawn and kept
    std::uint32_t one_in() const { return one_in_; }  ///< how many packets there are to each, about
    const DrawnPacket& operator[](std::uint32_t place) const { return drawn_[place]; }

    // As of SelectStage::draw_into.
    std::uint64_t began_ns = 0;  ///< by the steady clock
    std::uint64_t ended_ns = 0;

  private:
    std::uint32_t random() {
        random_ ^= random_ << 13;
        random_ ^= random_ >> 7;
        random_ ^= random_ << 17;
        return static_cast<std::uint32_t>(random_ >> 32);
    }
    /// 1 to 2 * one_in - 1, one_in on average.
    std::uint32_t gap() {
        return 1 +
               static_cast<std::uint32_t>(std::uint64_t{random()} * (2 * std::uint64_t{one_in_} - 1) >> 32);
    }
    void halve();

    std::array<DrawnPacket, kMost> drawn_;
    std::uint64_t random_ = 1;  ///< never 0
    std::uint64_t seen_ = 0;
    std::uint64_t wait_ = 0;  ///< packets that pass before the next is drawn
    std::uint32_t count_ = 0;
    std::uint32_t one_in_ = 1;
};

/// Has a select stage draw into other draws, or none, between two turns.
struct DrawsExchange {
    FlowDraws* draws = nullptr;  ///< asked: to draw into, null: no more; answered: those that it had

    std::atomic<bool> done{true};  ///< false while the exchange is the stage's

    // Pipeline's.
    SelectStage* stage = nullptr;
    Message message{};
};

}  // namespace yagura::dataplane
