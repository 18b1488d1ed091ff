// SPDX-License-Identifier: BSD-3-Clause
#include "support/tcp_model.h"

#include <algorithm>

namespace yagura::test {
namespace {

constexpr std::uint8_t kFin = 1, kSyn = 2, kRst = 4, kAck = 16;
constexpr std::uint32_t kSegment = 1448;
constexpr std::uint64_t kModelMs = 1'000'000;
constexpr std::uint64_t kNever = ~std::uint64_t{0};

bool before(std::uint32_t a, std::uint32_t b) {
    return static_cast<std::int32_t>(a - b) < 0;
}
bool after(std::uint32_t a, std::uint32_t b) {
    return before(b, a);
}

}  // namespace

TcpEndpoint::TcpEndpoint(State state, std::uint32_t iss, const ModelApplication& application,
                         std::uint64_t now)
    : state_(state),
      application_(application),
      iss_(iss),
      snd_una_(iss),
      snd_nxt_(iss),
      last_segment_(now),
      next_request_(now + application.request_every),
      retransmit_after_(200 * kModelMs) {
    if (state == State::kSynSent) retransmit_at_ = now;
}

std::uint32_t TcpEndpoint::window() const {
    return 65535 - std::min<std::uint32_t>(unread_, 65535);
}

ModelSegment TcpEndpoint::answer_of_nobody(const ModelSegment& segment) {
    if ((segment.flags & kAck) != 0) return {.seq = segment.ack, .flags = kRst};
    const std::uint32_t length =
        segment.payload + ((segment.flags & kSyn) != 0) + ((segment.flags & kFin) != 0);
    return {.seq = 0, .ack = segment.seq + length, .flags = kRst | kAck};
}

void TcpEndpoint::reset(std::uint64_t now) {
    state_ = State::kDead;
    died_at_ = now;
}

void TcpEndpoint::receive(std::uint64_t now, const ModelSegment& segment, Sent& sent) {
    const bool is_reset = (segment.flags & kRst) != 0;
    if (state_ == State::kDead) {
        if (!is_reset) sent.push_back(answer_of_nobody(segment));
        return;
    }
    if (state_ == State::kListening || state_ == State::kSynSent) {
        receive_opening(now, segment, sent);
        return;
    }
    if (!validate(now, segment, sent)) return;
    last_segment_ = now;
    if ((segment.flags & kAck) == 0) return;
    if (state_ == State::kSynReceived) {
        if (segment.ack != snd_nxt_) return;
        state_ = State::kEstablished;
    }
    take_ack(now, segment, sent);
    take_data(now, segment, sent);
    send_data(now, sent);
}

void TcpEndpoint::receive_opening(std::uint64_t now, const ModelSegment& segment, Sent& sent) {
    const bool is_reset = (segment.flags & kRst) != 0;
    const bool has_ack = (segment.flags & kAck) != 0;
    const bool has_syn = (segment.flags & kSyn) != 0;
    if (state_ == State::kListening) {
        if (is_reset) return;
        if (has_ack) {
            sent.push_back(answer_of_nobody(segment));
            return;
        }
        if (!has_syn) return;
        rcv_nxt_ = rcv_wup_ = segment.seq + 1;
        snd_nxt_ = iss_ + 1;
        state_ = State::kSynReceived;
        sent.push_back({.seq = iss_, .ack = rcv_nxt_, .window = 65535, .flags = kSyn | kAck});
        retransmit_at_ = now + retransmit_after_;
        return;
    }
    if (has_ack && segment.ack != snd_nxt_) {
        if (!is_reset) sent.push_back({.seq = segment.ack, .flags = kRst});
        return;
    }
    if (is_reset) {
        if (has_ack) reset(now);
        return;
    }
    if (!has_syn || !has_ack) return;
    rcv_nxt_ = rcv_wup_ = segment.seq + 1;
    snd_una_ = segment.ack;
    snd_wnd_ = segment.window;
    state_ = State::kEstablished;
    retransmit_at_ = 0;
    send_ack(sent);
    send_data(now, sent);
}

/// tcp_validate_incoming(): false if the segment has done all that it will.
bool TcpEndpoint::validate(std::uint64_t now, const ModelSegment& segment, Sent& sent) {
    const std::uint32_t length =
        segment.payload + ((segment.flags & kSyn) != 0) + ((segment.flags & kFin) != 0);
    const bool in_window =
        !before(segment.seq + length, rcv_wup_) && !after(segment.seq, rcv_nxt_ + window());
    const bool is_closing = fin_received_;
    if ((segment.flags & kRst) != 0) {
        const bool below_fin = is_closing && segment.seq == rcv_nxt_ - 1;
        if (!in_window && !below_fin) return false;
        std::uint32_t highest_sack = rcv_nxt_;
        for (const auto& [begin, end] : out_of_order_) {
            if (after(end, highest_sack)) highest_sack = end;
        }
        if (segment.seq == rcv_nxt_ || below_fin || segment.seq == highest_sack) {
            reset(now);
        } else {
            send_limited_ack(now, sent);
        }
        return false;
    }
    if ((segment.flags & kSyn) != 0) {
        if (state_ == State::kSynReceived && segment.seq == rcv_nxt_ - 1) {
            sent.push_back({.seq = iss_, .ack = rcv_nxt_, .window = 65535, .flags = kSyn | kAck});
        } else {
            send_limited_ack(now, sent);
        }
        return false;
    }
    if (!in_window) {
        // What has data is answered each time: it may be a retransmission whose ACK was lost.
        segment.payload != 0 ? send_ack(sent) : send_limited_ack(now, sent);
        return false;
    }
    return true;
}

void TcpEndpoint::take_ack(std::uint64_t now, const ModelSegment& segment, Sent& sent) {
    if (after(segment.ack, snd_nxt_) || before(segment.ack, snd_una_)) return;
    snd_wnd_ = segment.window;
    if (segment.ack != snd_una_) {
        snd_una_ = segment.ack;
        duplicate_acks_ = 0;
        retransmit_after_ = 200 * kModelMs;
        retransmit_at_ = snd_una_ == snd_nxt_ ? 0 : now + retransmit_after_;
    } else if (segment.payload == 0 && snd_una_ != snd_nxt_ && ++duplicate_acks_ == 3) {
        retransmit(now, sent);
    }
}

void TcpEndpoint::take_data(std::uint64_t now, const ModelSegment& segment, Sent& sent) {
    const bool has_fin = (segment.flags & kFin) != 0;
    const std::uint32_t end = segment.seq + segment.payload + (has_fin ? 1 : 0);
    if (end == segment.seq) {
        // A keep-alive probe is inside the window where nothing was acknowledged lately; it wants an answer.
        if (before(segment.seq, rcv_nxt_)) send_limited_ack(now, sent);
        return;
    }
    if (!after(end, rcv_nxt_)) {
        send_ack(sent);
        return;
    }
    if (after(segment.seq, rcv_nxt_)) {
        if (before(rcv_nxt_ + window(), end)) return;
        out_of_order_.emplace_back(segment.seq, end);
        send_ack(sent);
        return;
    }
    const std::uint32_t had = rcv_nxt_;
    rcv_nxt_ = end;
    fin_received_ = fin_received_ || has_fin;
    for (bool more = true; more;) {
        more = false;
        for (std::size_t i = 0; i < out_of_order_.size(); ++i) {
            const auto [begin, until] = out_of_order_[i];
            if (after(begin, rcv_nxt_)) continue;
            if (after(until, rcv_nxt_)) rcv_nxt_ = until;
            out_of_order_.erase(out_of_order_.begin() + static_cast<std::ptrdiff_t>(i));
            more = true;
            break;
        }
    }
    received_ += rcv_nxt_ - had;
    if (!application_.reads) unread_ += rcv_nxt_ - had;
    if (segment.payload != 0) to_send_ += application_.response;
    if (++unacknowledged_ >= 2 || !out_of_order_.empty() || has_fin) {
        send_ack(sent);
    } else if (ack_at_ == 0) {
        ack_at_ = now + 40 * kModelMs;
    }
}

void TcpEndpoint::send_ack(Sent& sent, std::uint32_t seq_below) {
    sent.push_back({.seq = snd_nxt_ - seq_below,
                    .ack = rcv_nxt_,
                    .window = static_cast<std::uint16_t>(window()),
                    .flags = kAck});
    rcv_wup_ = rcv_nxt_;
    unacknowledged_ = 0;
    ack_at_ = 0;
}

void TcpEndpoint::send_limited_ack(std::uint64_t now, Sent& sent) {
    if (last_limited_ != 0 && now < last_limited_ + 500 * kModelMs) return;
    last_limited_ = now;
    send_ack(sent);
}

void TcpEndpoint::send_data(std::uint64_t now, Sent& sent) {
    if (state_ != State::kEstablished || fin_sent_) return;
    const std::uint32_t most = application_.in_flight * kSegment;
    if (application_.bulk) to_send_ = std::max<std::uint64_t>(to_send_, 2 * most);
    while (to_send_ > 0) {
        const std::uint32_t in_flight = snd_nxt_ - snd_una_;
        const std::uint32_t limit = std::min(most, snd_wnd_);
        const auto size = static_cast<std::uint32_t>(std::min<std::uint64_t>(kSegment, to_send_));
        if (in_flight + size > limit) break;
        sent.push_back({.seq = snd_nxt_,
                        .ack = rcv_nxt_,
                        .payload = size,
                        .window = static_cast<std::uint16_t>(window()),
                        .flags = kAck});
        snd_nxt_ += size;
        to_send_ -= size;
        rcv_wup_ = rcv_nxt_;
        unacknowledged_ = 0;
        ack_at_ = 0;
    }
    if (retransmit_at_ == 0 && (snd_nxt_ != snd_una_ || to_send_ > 0))
        retransmit_at_ = now + retransmit_after_;
}

void TcpEndpoint::retransmit(std::uint64_t now, Sent& sent) {
    if (state_ == State::kSynSent) {
        snd_nxt_ = iss_ + 1;
        sent.push_back({.seq = iss_, .window = 65535, .flags = kSyn});
    } else if (state_ == State::kSynReceived) {
        sent.push_back({.seq = iss_, .ack = rcv_nxt_, .window = 65535, .flags = kSyn | kAck});
    } else if (snd_una_ == snd_nxt_) {  // the window is closed
        send_ack(sent, 1);
    } else {
        const std::uint32_t in_flight = snd_nxt_ - snd_una_;
        const bool is_fin = fin_sent_ && in_flight == 1;
        const std::uint32_t size = is_fin ? 0 : std::min(kSegment, in_flight - (fin_sent_ ? 1 : 0));
        sent.push_back({.seq = snd_una_,
                        .ack = rcv_nxt_,
                        .payload = size,
                        .window = static_cast<std::uint16_t>(window()),
                        .flags = static_cast<std::uint8_t>(kAck | (is_fin ? kFin : 0))});
        rcv_wup_ = rcv_nxt_;
    }
    retransmit_after_ = std::min(2 * retransmit_after_, 120'000 * kModelMs);
    retransmit_at_ = now + retransmit_after_;
}

void TcpEndpoint::poll(std::uint64_t now, Sent& sent) {
    if (state_ == State::kDead || state_ == State::kListening) return;
    if (ack_at_ != 0 && ack_at_ <= now) send_ack(sent);
    if (retransmit_at_ != 0 && retransmit_at_ <= now) retransmit(now, sent);
    if (state_ != State::kEstablished) return;
    if (application_.request_every != 0 && next_request_ <= now) {
        next_request_ = now + application_.request_every;
        to_send_ += 200;
    }
    send_data(now, sent);
    if (application_.close_at != 0 && application_.close_at <= now && !fin_sent_ && to_send_ == 0) {
        fin_sent_ = true;
        sent.push_back({.seq = snd_nxt_,
                        .ack = rcv_nxt_,
                        .window = static_cast<std::uint16_t>(window()),
                        .flags = kAck | kFin});
        ++snd_nxt_;
        if (retransmit_at_ == 0) retransmit_at_ = now + retransmit_after_;
    }
    if (application_.keep_alive != 0 && snd_una_ == snd_nxt_ &&
        last_segment_ + application_.keep_alive <= now) {
        last_segment_ = now;
        send_ack(sent, 1);
    }
}

std::uint64_t TcpEndpoint::next_timer() const {
    if (state_ == State::kDead || state_ == State::kListening) return kNever;
    std::uint64_t next = kNever;
    const auto at = [&next](std::uint64_t time) { next = std::min(next, time); };
    if (ack_at_ != 0) at(ack_at_);
    if (retransmit_at_ != 0) at(retransmit_at_);
    if (state_ != State::kEstablished) return next;
    if (application_.request_every != 0) at(next_request_);
    if (application_.close_at != 0 && !fin_sent_) at(application_.close_at);
    if (application_.keep_alive != 0 && snd_una_ == snd_nxt_) at(last_segment_ + application_.keep_alive);
    return next;
}

}  // namespace yagura::test
