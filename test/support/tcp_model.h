// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

namespace yagura::test {

/// A TCP segment of the model.
struct ModelSegment {
    std::uint32_t seq = 0;
    std::uint32_t ack = 0;
    std::uint32_t payload = 0;
    std::uint16_t window = 0;
    std::uint8_t flags = 0;
};

/// How an endpoint's application behaves. Times in ns.
struct ModelApplication {
    std::uint64_t request_every = 0;  ///< sends 200 bytes each time; 0: never
    std::uint32_t response = 0;       ///< answers data with so many bytes
    bool bulk = false;                ///< sends as much as it may
    std::uint32_t in_flight = 10;     ///< segments, at most
    std::uint64_t keep_alive = 0;     ///< a probe after so long without a segment; 0: none
    std::uint64_t close_at = 0;       ///< half-closes; 0: never
    bool reads = true;                ///< else its window closes
};

/// One end of a TCP connection as Linux 6 has it, as far as it matters for who obeys a RST: written from the
/// RFCs (9293, 5961) and what its tcp_validate_incoming does, not from lib/reset. No congestion control but a
/// fixed window, no time stamps (PAWS does not save a connection from a RST).
class TcpEndpoint {
  public:
    enum class State : std::uint8_t { kSynSent, kListening, kSynReceived, kEstablished, kDead };

    TcpEndpoint(State state, std::uint32_t iss, const ModelApplication& application, std::uint64_t now);

    using Sent = std::vector<ModelSegment>;
    void receive(std::uint64_t now, const ModelSegment& segment, Sent& sent);
    void poll(std::uint64_t now, Sent& sent);
    std::uint64_t next_timer() const;

    /// Its socket is gone.
    bool dead() const { return state_ == State::kDead; }
    bool has_connection() const { return state_ != State::kDead && state_ != State::kListening; }
    std::uint64_t died_at() const { return died_at_; }
    std::uint64_t received() const { return received_; }  ///< bytes in order
    std::uint32_t snd_nxt() const { return snd_nxt_; }
    std::uint32_t rcv_nxt() const { return rcv_nxt_; }

  private:
    void receive_opening(std::uint64_t now, const ModelSegment& segment, Sent& sent);
    bool validate(std::uint64_t now, const ModelSegment& segment, Sent& sent);
    void take_ack(std::uint64_t now, const ModelSegment& segment, Sent& sent);
    void take_data(std::uint64_t now, const ModelSegment& segment, Sent& sent);
    void send_data(std::uint64_t now, Sent& sent);
    void send_ack(Sent& sent, std::uint32_t seq_below = 0);
    void send_limited_ack(std::uint64_t now, Sent& sent);
    void retransmit(std::uint64_t now, Sent& sent);
    void reset(std::uint64_t now);
    std::uint32_t window() const;
    static ModelSegment answer_of_nobody(const ModelSegment& segment);

    State state_;
    ModelApplication application_;
    std::uint32_t iss_;
    std::uint32_t snd_una_;
    std::uint32_t snd_nxt_;
    std::uint32_t snd_wnd_ = 65535;
    std::uint32_t rcv_nxt_ = 0;
    std::uint32_t rcv_wup_ = 0;
    std::vector<std::pair<std::uint32_t, std::uint32_t>> out_of_order_;
    std::uint64_t to_send_ = 0;
    std::uint64_t received_ = 0;
    std::uint32_t unread_ = 0;
    std::uint32_t duplicate_acks_ = 0;
    std::uint32_t unacknowledged_ = 0;  ///< data segments since the last ACK went out
    bool fin_sent_ = false;
    bool fin_received_ = false;
    std::uint64_t last_limited_ = 0;  ///< challenge ACKs and their like: Linux sends one in 500 ms
    std::uint64_t last_segment_;
    std::uint64_t next_request_;
    std::uint64_t retransmit_at_ = 0;  ///< 0: off
    std::uint64_t retransmit_after_;
    std::uint64_t ack_at_ = 0;
    std::uint64_t died_at_ = 0;
};

}  // namespace yagura::test
