// SPDX-License-Identifier: BSD-3-Clause
#include "flow/tcp_stream.h"

#include <algorithm>

namespace yagura::flow {

/// A segment's payload while it is put in its place.
struct TcpStream::Piece {
    std::uint64_t begin = 0;  ///< place of the first byte that is left
    base::Bytes bytes;
    std::uint64_t seen = 0;  ///< bytes that were seen before

    std::uint64_t end() const { return begin + bytes.size(); }
    void drop_front(std::uint64_t size) {
        begin += size;
        bytes = bytes.subspan(size);
    }
};

void TcpStream::begin_at(std::uint32_t seq) {
    next_seq_ = end_seq_ = ack_ = seq;
    state_ = kBegun;
}

/// False: the SYN contradicts the stream, and so does all that comes with it.
bool TcpStream::settle_syn(const Segment& segment, StreamCounters& counters) {
    const std::uint32_t first = segment.seq + 1;
    // Nothing but SYNs was seen: end_seq_ counts bytes that a snap length kept back, too.
    const bool untouched = position_ == 0 && end_seq_ == next_seq_ && (state_ & kFinKnown) == 0;
    if (state_ == 0 || untouched) {
        begin_at(first);
        return true;
    }
    if (first == next_seq_ - static_cast<std::uint32_t>(position_)) return true;
    counters.ignored_syn.add(1);
    return false;
}

void TcpStream::note_fin(std::uint32_t seq, StreamCounters& counters) {
    if ((state_ & kFinKnown) != 0) {
        if (seq != fin_seq_) counters.ignored_fin.add(1);
    } else if (ahead_of(seq, end_seq_)) {
        counters.ignored_fin.add(1);
    } else {
        fin_seq_ = end_seq_ = seq;
        state_ |= kFinKnown;
    }
}

bool TcpStream::take_slow(const Segment& segment, const StreamContext& context, ErasedSink sink) {
    StreamCounters& counters = context.counters;
    if ((segment.flags & kRst) != 0) return true;
    std::uint32_t seq = segment.seq;
    if ((segment.flags & kSyn) != 0) {
        if (!settle_syn(segment, counters)) return true;
        ++seq;
    }
    auto size = static_cast<std::uint32_t>(segment.payload.size());
    std::uint32_t wire_size = std::max(segment.wire_size, size);
    if (wire_size == 0 && (segment.flags & kFin) == 0) return true;
    if (state_ == 0) begin_at(seq);
    const std::int32_t ahead = distance(next_seq_, seq);
    if (ahead > kMostAhead || ahead < -kMostAhead) {
        counters.out_of_window.add(1);
        return true;
    }
    if ((segment.flags & kFin) != 0) note_fin(seq + wire_size, counters);
    if (wire_size == 0) return true;

    if ((state_ & kFinKnown) != 0 && ahead_of(fin_seq_, seq + wire_size)) {
        const std::uint32_t within = ahead_of(seq, fin_seq_) ? fin_seq_ - seq : 0;
        counters.after_end.add(1);
        counters.after_end_bytes.add(size - std::min(size, within));
        size = std::min(size, within);
        wire_size = std::min(wire_size, within);
    }
    if (wire_size > 0 && ahead_of(end_seq_, seq + wire_size)) end_seq_ = seq + wire_size;

    Piece piece{.bytes = segment.payload.first(size)};
    const std::int64_t begin = place_of(seq);
    if (begin < 0) {
        const std::uint64_t before = std::min<std::uint64_t>(size, static_cast<std::uint64_t>(-begin));
        counters.before_start.add(1);
        counters.before_start_bytes.add(before);
        piece.bytes = piece.bytes.subspan(before);
    } else {
        piece.begin = static_cast<std::uint64_t>(begin);
    }
    if (!piece.bytes.empty() && !place(piece, context, sink)) return false;
    return give_up_acknowledged(context, sink);
}

/// Delivers a piece, or lets it wait.
bool TcpStream::place(Piece& piece, const StreamContext& context, ErasedSink sink) {
    StreamCounters& counters = context.counters;
    const std::uint64_t size = piece.bytes.size();
    bool waited = false;
    bool wanted = true;
    if (piece.begin < position_) {
        piece.seen = std::min(size, position_ - piece.begin);
        piece.drop_front(piece.seen);
    }
    while (wanted && !piece.bytes.empty()) {
        if (piece.begin == position_) {
            wanted = deliver_in_order(piece, context, sink);
            break;
        }
        const auto added = runs_.add(context.store, piece.begin, piece.bytes, context.limits.reorder_bytes);
        piece.seen += added.overlap;
        piece.drop_front(added.taken);
        waited = waited || added.taken > added.overlap;
        // No room: what comes first of the runs and the rest of this piece ends the first hole. The rest is
        // in no run, so that no run that is delivered now reaches beyond its begin.
        if (!piece.bytes.empty()) wanted = give_up_until(piece.begin, context, sink);
    }
    if (waited) counters.out_of_order.add(1);
    if (piece.seen == size) {
        counters.retransmissions.add(1);
        counters.retransmitted_bytes.add(size);
    } else if (piece.seen > 0) {
        counters.overlaps.add(1);
        counters.overlap_bytes.add(piece.seen);
    }
    return wanted;
}

/// Gives up the first hole, which ends at the first run or at `place`, and delivers the run.
bool TcpStream::give_up_until(std::uint64_t place, const StreamContext& context, ErasedSink sink) {
    const bool run_first = !runs_.empty() && runs_.first_begin(context.store) <= place;
    const std::uint64_t end = run_first ? runs_.first_begin(context.store) : place;
    const std::uint64_t size = end - position_;
    context.counters.gaps.add(1);
    context.counters.gap_bytes.add(size);
    advance(size);
    sink.gap(sink.sink, size);
    return !run_first || deliver_first_run(context, sink);
}

bool TcpStream::deliver(base::Bytes bytes, ErasedSink sink) {
    if (bytes.empty()) return true;
    advance(bytes.size());
    return sink.bytes(sink.sink, bytes);
}

/// The piece begins at position_, where no run does.
bool TcpStream::deliver_in_order(Piece& piece, const StreamContext& context, ErasedSink sink) {
    bool wanted = true;
    while (wanted && !runs_.empty()) {
        const std::uint64_t run_begin = runs_.first_begin(context.store);
        if (run_begin > piece.end()) break;
        const std::uint64_t before = run_begin - position_;
        wanted = deliver(piece.bytes.first(before), sink);
        piece.drop_front(before);
        if (!wanted) return false;
        wanted = deliver_first_run(context, sink);
        const std::uint64_t overlap = std::min(piece.end(), position_) - piece.begin;
        piece.seen += overlap;
        piece.drop_front(overlap);
        if (piece.bytes.empty()) return wanted;
    }
    return wanted && deliver(piece.bytes, sink);
}

/// The first run begins at position_.
bool TcpStream::deliver_first_run(const StreamContext& context, ErasedSink sink) {
    RunList::Run run = runs_.pop_front(context.store);
    BlockStore::Cursor cursor(context.store, run.bytes);
    bool wanted = true;
    for (std::uint64_t left = run.size(); wanted && left > 0;) {
        const std::uint64_t size = std::min<std::uint64_t>(left, context.scratch.size());
        cursor.read(context.scratch.data(), size);
        left -= size;
        wanted = deliver(context.scratch.first(size), sink);
    }
    context.store.free(run.bytes);
    return wanted;
}

bool TcpStream::give_up_acknowledged(const StreamContext& context, ErasedSink sink) {
    const auto acknowledged = static_cast<std::uint64_t>(place_of(ack_));  // ack_ is never behind
    if (runs_.empty() || acknowledged < runs_.first_begin(context.store)) {
        patience_ = 0;
        return true;
    }
    if (patience_ == 0) mark_ = ack_;
    if (++patience_ < kPatience) return true;
    patience_ = 0;
    // Those that were acknowledged when the count began.
    const std::int64_t mark = place_of(mark_);
    while (!runs_.empty() && static_cast<std::int64_t>(runs_.first_begin(context.store)) <= mark) {
        if (!give_up_until(~std::uint64_t{0}, context, sink)) return false;
    }
    return true;
}

bool TcpStream::flush_slow(const StreamContext& context, ErasedSink sink) {
    while (!runs_.empty()) {
        if (!give_up_until(~std::uint64_t{0}, context, sink)) return false;
    }
    // What a snap length kept back at the end, or a FIN that the last bytes did not reach.
    if (ahead_of(next_seq_, end_seq_)) {
        return give_up_until(static_cast<std::uint64_t>(place_of(end_seq_)), context, sink);
    }
    return true;
}

}  // namespace yagura::flow
