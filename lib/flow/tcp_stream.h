// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <span>

#include "base/bytes.h"
#include "base/counter.h"
#include "flow/block_store.h"
#include "flow/run_list.h"

namespace yagura::flow {

/// What one TCP segment says, as parsed.
struct Segment {
    std::uint32_t seq = 0;
    std::uint8_t flags = 0;       ///< as in the header's byte 13
    base::Bytes payload;          ///< that was captured
    std::uint32_t wire_size = 0;  ///< payload bytes on the wire; more than captured if a snap length cut it
};

/// Each of a direction.
struct StreamLimits {
    std::uint32_t reorder_bytes = 256 << 10;  ///< that wait for those before them
};

/// Of all streams of one thread, which writes; any may read. Bytes are payload bytes.
struct StreamCounters {
    base::Counter out_of_order;     ///< segments of which bytes had to wait
    base::Counter retransmissions;  ///< segments all of whose bytes had been seen, keep-alives too
    base::Counter retransmitted_bytes;
    base::Counter overlaps;       ///< segments with new bytes and some that had been seen
    base::Counter overlap_bytes;  ///< that had been seen: the first ones stay
    base::Counter gaps;           ///< holes that were given up
    base::Counter gap_bytes;
    base::Counter before_start;  ///< segments with bytes older than the stream's first
    base::Counter before_start_bytes;
    base::Counter after_end;  ///< segments with bytes beyond the FIN
    base::Counter after_end_bytes;
    base::Counter out_of_window;  ///< segments farther from the stream than any window reaches
    base::Counter ignored_syn;    ///< segments with a SYN that contradicts the stream
    base::Counter ignored_fin;    ///< FINs before bytes that were seen, or elsewhere than the first
};

/// What all streams of one thread work with.
struct StreamContext {
    BlockStore& store;
    StreamLimits limits;
    StreamCounters& counters;
    /// What waited is put together here before the sink gets it; the longer, the fewer scans. Not empty.
    std::span<std::uint8_t> scratch;
};

/// One direction of a TCP connection: bytes in the order of the stream, each exactly once, whatever the order
/// and the cuts in which segments come. 48 bytes; what waits is in the BlockStore.
///
/// It begins at the SYN's first byte; of several SYNs the latest counts that no data has followed. Without a
/// SYN it begins with the first payload byte seen, and older ones that come later are skipped. It ends at the
/// FIN: the first one that is not before bytes already seen. A RST ends nothing here (who sent it and whether
/// it was believed is not known), and its payload is no data.
///
/// First wins: bytes that were delivered or wait are not replaced by others that claim their place. Receivers
/// differ in this (RFC 9293, 3.10.7.4 leaves it open); a sender whose copies differ is counted.
///
/// A hole (bytes that have not come, or of which a snap length kept nothing) is given up when
///   - more bytes wait than StreamLimits says, or more runs than RunList::kMostRuns, or the store is full:
///   the
///     first hole, and more if that is not enough;
///   - the receiver has acknowledged all of it, so that it was sent and will not be again, and then kPatience
///     more segments with payload have come, which the frame may have been behind;
///   - flush().
/// Bytes of a hole that come later are retransmissions. The sender of hostile segments uses up the limits of
/// its own direction only.
class TcpStream {
  public:
    static constexpr unsigned kPatience = 32;
    /// The largest window (RFC 7323, 2.3).
    static constexpr std::int32_t kMostAhead = 1 << 30;

    /// Gives the sink what is in order now:
    ///     bool bytes(base::Bytes);   // false: no more is wanted
    ///     void gap(std::uint64_t);   // so many bytes of the stream are lost at this place
    /// position() is behind what the sink is given. False when the sink wants no more. The stream is then of
    /// no further use but for clear().
    template <class Sink>
    [[nodiscard]] bool take(const Segment& segment, const StreamContext& context, Sink& sink) {
        const auto size = static_cast<std::uint32_t>(segment.payload.size());
        if (size == segment.wire_size && take_next(segment.seq, segment.flags, size)) {
            return size == 0 || sink.bytes(segment.payload);
        }
        return take_slow(segment, context, erased(sink));
    }

    /// The common case of take(), for a payload of which nothing was cut off: true when these are just the
    /// next bytes, none waits behind them, and the sender says no more than that. They count as given to the
    /// sink. False: nothing has happened.
    [[nodiscard]] bool take_next(std::uint32_t seq, std::uint8_t flags, std::uint32_t size) {
        if (seq != next_seq_ || state_ != kBegun || !runs_.empty() || (flags & (kFin | kSyn | kRst)) != 0)
            return false;
        advance(size);
        return true;
    }

    /// The end of the flow: holes are given up, what waits is delivered. False as take().
    template <class Sink>
    [[nodiscard]] bool flush(const StreamContext& context, Sink& sink) {
        return flush_slow(context, erased(sink));
    }

    /// An acknowledgement number from the other direction.
    void acknowledge(std::uint32_t ack) {
        if (ahead_of(ack_, ack) && distance(next_seq_, ack) <= kMostAhead && state_ != 0) ack_ = ack;
    }

    /// Gives back what waits. To be called before a stream that may have some is forgotten.
    void clear(BlockStore& store) { runs_.clear(store); }

    /// The FIN was reached in order.
    bool finished() const { return (state_ & kFinKnown) != 0 && next_seq_ == fin_seq_; }
    /// A SYN, a FIN or a byte was seen.
    bool begun() const { return state_ != 0; }
    /// Bytes of the stream so far, gaps included.
    std::uint64_t position() const { return position_; }
    std::uint32_t waiting_bytes() const { return runs_.bytes(); }

  private:
    static constexpr std::uint8_t kFin = 0x01, kSyn = 0x02, kRst = 0x04;  // of the TCP header
    static constexpr std::uint8_t kBegun = 1, kFinKnown = 2;              // of state_

    /// The way out of what is not the common case.
    struct ErasedSink {
        void* sink;
        bool (*bytes)(void*, base::Bytes);
        void (*gap)(void*, std::uint64_t);
    };
    template <class Sink>
    static ErasedSink erased(Sink& sink) {
        return {&sink, [](void* s, base::Bytes bytes) { return static_cast<Sink*>(s)->bytes(bytes); },
                [](void* s, std::uint64_t size) { static_cast<Sink*>(s)->gap(size); }};
    }
    struct Piece;

    static std::int32_t distance(std::uint32_t from, std::uint32_t to) {
        return static_cast<std::int32_t>(to - from);
    }
    static bool ahead_of(std::uint32_t seq, std::uint32_t other) { return distance(seq, other) > 0; }

    void advance(std::uint64_t size) {
        position_ += size;
        next_seq_ += static_cast<std::uint32_t>(size);
        if (ahead_of(end_seq_, next_seq_)) end_seq_ = next_seq_;
        if (ahead_of(ack_, next_seq_)) ack_ = next_seq_;
    }
    /// The place in the stream of a sequence number near it.
    std::int64_t place_of(std::uint32_t seq) const {
        return static_cast<std::int64_t>(position_) + distance(next_seq_, seq);
    }
    void begin_at(std::uint32_t seq);
    bool settle_syn(const Segment& segment, StreamCounters& counters);
    void note_fin(std::uint32_t seq, StreamCounters& counters);
    bool take_slow(const Segment& segment, const StreamContext& context, ErasedSink sink);
    bool place(Piece& piece, const StreamContext& context, ErasedSink sink);
    bool deliver_in_order(Piece& piece, const StreamContext& context, ErasedSink sink);
    bool deliver(base::Bytes bytes, ErasedSink sink);
    bool deliver_first_run(const StreamContext& context, ErasedSink sink);
    bool give_up_until(std::uint64_t place, const StreamContext& context, ErasedSink sink);
    bool give_up_acknowledged(const StreamContext& context, ErasedSink sink);
    bool flush_slow(const StreamContext& context, ErasedSink sink);

    std::uint64_t position_ = 0;  ///< place of the next byte to deliver
    RunList runs_;                ///< by place; all beyond position_
    std::uint32_t next_seq_ = 0;  ///< of position_
    std::uint32_t end_seq_ = 0;   ///< end of what was seen on the wire
    std::uint32_t ack_ = 0;       ///< highest acknowledged, at least next_seq_
    std::uint32_t fin_seq_ = 0;   ///< the FIN's own, if kFinKnown
    std::uint32_t mark_ = 0;      ///< ack_ when patience_ began
    std::uint8_t state_ = 0;
    std::uint8_t patience_ = 0;  ///< segments since the first hole was acknowledged
};
static_assert(sizeof(TcpStream) <= 48);

}  // namespace yagura::flow
