// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "flow/flow_entry.h"
#include "net/flow_key.h"
#include "select/flow_event.h"

namespace yagura::select {

class Selector;
struct Verdict;

/// What becomes of the flows between two ends, as the stage, the selector and the inspector tell it. One per
/// select lcore, written by its thread; others may read when that has stopped.
///
/// A flow that is wanted is known by FlowEntry::traced, which is set when it begins: the rest of the traffic
/// pays for the test of that bit, and a comparison of keys with each new flow. Bounded: of more events than
/// there is room for, those in the middle are forgotten and counted; of more flows than kMostFlows at once
/// (told apart by VLAN or tunnel), the later are not traced and counted. No call allocates.
class FlowTrace {
  public:
    struct Wanted {
        net::FlowKey key;  ///< either direction; the domain means nothing
        bool any_protocol = false;
    };
    static constexpr std::size_t kEvents = std::size_t{1} << 18;
    static constexpr std::size_t kMostFlows = 64;
    static constexpr std::size_t kMostNearMisses = 5;

    explicit FlowTrace(const Wanted& wanted, std::size_t events = kEvents);

    // ---- for the select stage, about flows by the index of their entries

    /// The flow is new: sets `traced`, if it is wanted.
    void begin(std::uint32_t index, flow::FlowEntry& flow, std::uint64_t now_ns);
    /// A packet of a flow for which there is no entry.
    void untracked(const net::FlowKey& key) { untracked_ += matches(key) ? 1 : 0; }

    // The others, of traced flows alone.
    struct Packet {
        const match::PacketView& view;  ///< with its bytes
        std::uint64_t timestamp_ns;
        std::uint64_t record;
        std::uint16_t file;
    };
    /// Before select(): what is noted next happens by this packet.
    void packet(std::uint32_t index, const flow::FlowEntry& flow, const Selector& selector,
                const Packet& packet);
    /// After select(), and before anything that it asks for.
    void selected(std::uint32_t index, const flow::FlowEntry& flow, const Selector& selector,
                  const Verdict& verdict);
    /// When the packet has been dealt with.
    void outcome(std::uint32_t index, const Verdict& verdict, bool held);
    /// What is noted next concerns this flow.
    void turn_to(std::uint32_t index, std::uint64_t now_ns);
    /// One held packet's: it goes to `tools`, or, without any, is dropped.
    void unheld(std::uint64_t tools, DropReason drop, std::uint32_t packets, std::uint64_t bytes);
    /// The flow is over.
    void end(std::uint32_t index, FlowEnd why, std::uint64_t now_ns);

    // ---- for everybody, about the flow that was turned to

    /// Fills in flow, place and time, and turns the direction from that of the flow's key.
    void note(FlowEvent event);

    // ---- for readers

    /// All events that are kept, in the order in which they happened.
    std::vector<FlowEvent> events() const;
    /// Behind how many of events() there were others that are forgotten, and how many.
    std::size_t kept_before_gap() const { return head_.size(); }
    std::uint64_t forgotten() const { return noted_ - head_.size() - tail_.size(); }
    std::uint32_t flows() const { return begun_; }
    std::uint64_t untraced_flows() const { return untraced_; }
    std::uint64_t untracked_packets() const { return untracked_; }
    /// Other flows of the same two hosts: some of them, and how many began.
    const std::vector<net::FlowKey>& near_misses() const { return near_; }
    std::uint64_t near_miss_count() const { return near_count_; }

  private:
    /// One direction's place in its stream.
    struct Place {
        std::uint32_t seq = 0;
        std::int64_t at = 0;  ///< of seq, in the stream
        bool known = false;
        bool data = false;  ///< payload was seen
    };
    struct Flow {
        std::uint32_t index = 0;
        std::uint32_t number = 0;
        std::uint8_t flip = 0;  ///< 1: its key goes against the wanted one
        bool decided = false;
        std::array<Place, 2> places;  ///< by direction of its key
    };
    struct Before {
        bool decided = false;
        bool inspected = false;
        std::array<bool, 2> ended{};
        std::uint32_t waiting = 0;
        std::uint64_t position = 0;
        unsigned direction = 0;
        bool payload = false;
    };

    bool matches(const net::FlowKey& key) const;
    bool same_hosts(const net::FlowKey& key) const;
    void note_near_miss(const net::FlowKey& key);
    Flow* find(std::uint32_t index);
    static std::int64_t place_of(Place& place, std::uint32_t seq, bool syn, bool data);
    void append(const FlowEvent& event);

    Wanted wanted_;
    net::FlowKey reversed_;
    std::size_t room_;             ///< of head_, and of tail_
    std::vector<FlowEvent> head_;  ///< the first
    std::vector<FlowEvent> tail_;  ///< the last: a circle
    std::size_t tail_at_ = 0;      ///< its oldest
    std::uint64_t noted_ = 0;
    std::vector<Flow> flows_;
    Flow* now_ = nullptr;
    Before before_;
    std::uint64_t clock_ = 0;
    FlowEvent place_{};  ///< file, record, time_ns and flow of the packet that is dealt with, if of_packet
    std::uint32_t begun_ = 0;
    std::uint64_t untraced_ = 0;
    std::uint64_t untracked_ = 0;
    std::vector<net::FlowKey> near_;
    std::uint64_t near_count_ = 0;
};

}  // namespace yagura::select
