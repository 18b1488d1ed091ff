// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <rte_mempool.h>

#include <array>
#include <bit>
#include <optional>
#include <span>
#include <vector>

#include "base/counter.h"
#include "base/ids.h"
#include "dataplane/stage.h"
#include "dataplane/tool_queue.h"
#include "flow/block_store.h"
#include "flow/hold_queue.h"
#include "select/drop_reason.h"

namespace yagura::dataplane {

/// What a select stage counts of a network port.
struct SelectPortCounters {
    base::PacketCounter taken;
    base::PacketCounter forwarded;
    base::PacketCounter parked;    ///< held, and offered to no tool when it was
    base::PacketCounter unparked;  ///< of these: went to a tool, or was dropped
    std::array<base::PacketCounter, select::kDropReasons> dropped;
};

/// The select stage's way to the tools' rings: bursts by tool, and the release of held packets. What finds no
/// room is shed when live; in replay it waits here, in order, and the stage takes no input meanwhile. Owned
/// by the stage's thread.
class ToolOutlet {
  public:
    struct Options {
        std::vector<PacketRing*> tools;  ///< by ToolId; null: there is no such tool, or not yet
        std::vector<ToolQueue*> limits;  ///< by ToolId, null: none; may be shorter
        std::size_t lane;                ///< the stage's in these
        Pressure pressure;
        unsigned burst;
        rte_mempool* release_pool;  ///< for packets that were held; null when none ever is
    };
    /// The store and the counters (by PortId) are the stage's.
    ToolOutlet(Options options, flow::BlockStore& store, std::span<SelectPortCounters> ports);
    ~ToolOutlet();  ///< frees what waits
    ToolOutlet(const ToolOutlet&) = delete;
    ToolOutlet& operator=(const ToolOutlet&) = delete;

    /// In replay, before a burst is taken: its worst case would find room in every ring, and nothing waits.
    bool has_room();
    /// Takes the packets (a burst at most), `bytes` in all, and offers them to the tools (at least one).
    void offer(std::span<rte_mbuf* const> packets, std::uint64_t bytes, std::uint64_t tools) {
        if (options_.pressure == Pressure::kPushBack && (count_ != 0 || released_)) [[unlikely]] {
            for (rte_mbuf* packet : packets) offer_in_turn(packet, tools);
        } else {
            put(packets, bytes, tools);
        }
    }
    /// Offers the packets of a hold queue that are pending. `last`: takes the chain and frees it at the end;
    /// else it stays with the caller, and must live until waits() is false.
    void release(flow::BlockStore::Chain chain, bool last);
    /// Puts the bursts on the rings.
    void flush();
    /// Goes on with what waits. Returns the packets offered.
    unsigned drain();
    /// Something waits for room.
    bool waits() const { return done_.get() != waits_.get(); }  ///< any thread

    /// From now on this is the tool's ring. Not while anything is on its way to the one before.
    void set_tool(base::ToolId tool, PacketRing* ring, ToolQueue* limit) noexcept {
        options_.tools[tool.index()] = ring;
        options_.limits[tool.index()] = limit;
    }

    struct ToolCounters {
        base::PacketCounter offered;
        base::PacketCounter shed;        ///< ring_full
        base::PacketCounter unreleased;  ///< no_buffer: held, and there was no mbuf to release it in
    };
    const ToolCounters& counters(base::ToolId tool) const { return counters_[tool.index()]; }

  private:
    struct Waiting {
        rte_mbuf* packet;     ///< null: a chain
        std::uint64_t tools;  ///< of the packet
        flow::BlockStore::Chain chain;
        bool last;
    };
    bool rings_take(std::uint64_t tools) const;
    void offer_in_turn(rte_mbuf* packet, std::uint64_t tools);
    void put(std::span<rte_mbuf* const> packets, std::uint64_t bytes, std::uint64_t tools);
    void put(rte_mbuf* packet, std::uint64_t tools) { put({&packet, 1}, rte_pktmbuf_pkt_len(packet), tools); }
    void flush(std::size_t tool);
    bool advance(unsigned& offered);
    bool release_some(unsigned& offered);
    rte_mbuf* revive(const flow::HeldPacket& held, flow::BlockStore::Cursor& frame);
    void push(const Waiting& waiting);

    Options options_;
    flow::BlockStore& store_;
    std::span<SelectPortCounters> ports_;
    std::vector<ToolCounters> counters_;
    struct Outgoing {
        std::array<rte_mbuf*, kMaxBurst> packets;
        unsigned count = 0;
        std::uint64_t bytes = 0;
    };
    std::vector<Outgoing> outgoing_;  ///< by tool
    std::uint64_t to_flush_ = 0;      ///< bit per tool: it has something in outgoing_
    bool released_ = false;           ///< since has_room(): the room of the burst may be used up
    /// A circle. Live it is empty between calls.
    std::vector<Waiting> queue_;
    std::size_t first_ = 0;
    std::size_t count_ = 0;
    base::Counter waits_;                             ///< ever put into it, and
    base::Counter done_;                              ///< taken out
    std::optional<flow::BlockStore::Cursor> cursor_;  ///< in the first of the queue, when it is a chain
};

}  // namespace yagura::dataplane
