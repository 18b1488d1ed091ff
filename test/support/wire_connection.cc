// SPDX-License-Identifier: BSD-3-Clause
// A conversation as one TCP connection: handshake, segments, acknowledgements, end.
#include <algorithm>

#include "support/wire_packets.h"

namespace yagura::test {
namespace {

namespace flag = net::tcp_flag;
using Form = WireForm;

constexpr std::size_t kMss = 1448;
constexpr std::size_t kMostOffload = 60'000;

std::vector<std::size_t> cuts_of(const std::string& stream, std::size_t begin, std::size_t end,
                                 const Form& form, Random& random) {
    std::vector<std::size_t> cuts;
    const auto step = [&]() -> std::size_t {
        switch (form.cut) {
            case Form::Cut::kByte:
                return 1;
            case Form::Cut::kSmall:
                return random.between(1, 31);
            case Form::Cut::kRandom:
                return random.between(1, kMss);
            case Form::Cut::kMss:
                return kMss;
            case Form::Cut::kOffload:
                break;
        }
        return random.between(kMss, kMostOffload);
    };
    for (std::size_t at = begin + step(); at < end; at += step()) cuts.push_back(at);
    if (form.cut_needles) {
        for (std::size_t at = stream.find_first_of("NQP", begin); at < end;
             at = stream.find_first_of("NQP", at + 1)) {
            cuts.push_back(std::min(at + random.between(1, 7), end));
        }
    }
    cuts.push_back(end);
    std::ranges::sort(cuts);
    return cuts;
}

/// One TCP connection on its way.
class Connection {
  public:
    Connection(const Conversation& conversation, const Form& form, WirePackets& wire, Random& random)
        : conversation_(conversation), form_(form), wire_(wire), random_(random) {
        for (const Way way : kBothWays) {
            Side& side = sides_[index_of(way)];
            // Often the sequence numbers wrap in the middle.
            side.start = random.one_in(3) ? ~random.below(2'000) : static_cast<std::uint32_t>(random.word());
        }
        for (const auto& turn : conversation.turns) side_of(turn.way).stream += turn.bytes;
        for (Side& side : sides_) {
            side.first_bytes.resize(side.stream.size());
            side.came.resize(side.stream.size());
        }
    }

    void run() {
        if (form_.handshake) open();
        if (form_.simultaneous) {
            talk_at_once();
        } else {
            talk_in_turn();
        }
        close();
    }

    Payload seen() const {
        Payload payload;
        for (const Way way : kBothWays) {
            const Side& side = sides_[index_of(way)];
            if (!wire_.hidden(way) && !side.stream.empty())
                payload.pieces[index_of(way)] = {side.first_bytes};
        }
        return payload;
    }

  private:
    struct Side {
        std::uint32_t start = 0;  ///< initial sequence number
        std::string stream;
        std::string first_bytes;  ///< as they came first
        std::vector<bool> came;
        std::size_t whole = 0;  ///< all before this has come
        bool fin_sent = false;
        std::size_t planned = 0;
    };
    Side& side_of(Way way) { return sides_[index_of(way)]; }

    std::uint32_t ack_of(Way way) {
        const Side& peer = side_of(other(way));
        const bool fin = peer.fin_sent && peer.whole == peer.stream.size();
        return peer.start + 1 + static_cast<std::uint32_t>(peer.whole) + (fin ? 1 : 0);
    }

    void send(Way way, std::size_t offset, std::uint8_t flags, const std::string& bytes = "") {
        const auto seq = side_of(way).start + 1 + static_cast<std::uint32_t>(offset);
        const auto window = static_cast<std::uint16_t>(random_.one_in(20) ? 0 : 65535);
        const bool may_fragment = !bytes.empty() && (form_.handshake || side_of(way).whole != 0);
        wire_.send(way, {flags, {.seq = seq, .ack = ack_of(way), .window = window}}, bytes, may_fragment);
    }

    void open() {
        const auto syn = [&](Way way, std::uint8_t flags) {
            const std::uint32_t ack = way == Way::kToServer ? 0 : side_of(Way::kToServer).start + 1;
            wire_.send(way, {flags, {.seq = side_of(way).start, .ack = ack}}, "", false);
        };
        const std::uint32_t times = form_.duplicates != 0 && random_.one_in(3) ? 2 : 1;
        for (std::uint32_t i = 0; i < times; ++i) syn(Way::kToServer, flag::kSyn);
        for (std::uint32_t i = 0; i < times; ++i) syn(Way::kToClient, flag::kSyn | flag::kAck);
        send(Way::kToServer, 0, flag::kAck);
    }

    void emit(Way way, const WirePiece& piece) {
        Side& side = side_of(way);
        if (piece.fin) side.fin_sent = true;
        const std::uint8_t push = random_.one_in(2) ? flag::kPsh : std::uint8_t{0};
        send(way, piece.begin, static_cast<std::uint8_t>(flag::kAck | push | (piece.fin ? flag::kFin : 0)),
             piece.bytes);
        for (std::size_t i = 0; i < piece.bytes.size(); ++i) {
            if (side.came[piece.begin + i]) continue;
            side.came[piece.begin + i] = true;
            side.first_bytes[piece.begin + i] = piece.bytes[i];
        }
        while (side.whole < side.stream.size() && side.came[side.whole]) ++side.whole;
        if (random_.one_in(3)) send(other(way), side_of(other(way)).whole, flag::kAck);
        if (form_.keep_alives && side.whole > 0 && random_.one_in(4)) {
            send(way, side.whole - 1, flag::kAck, random_.one_in(2) ? "" : "~");
        }
    }

    /// The next `size` bytes of a direction, cut.
    std::vector<WirePiece> pieces_of(Way way, std::size_t size) {
        Side& side = side_of(way);
        const std::size_t begin = side.planned;
        const std::size_t end = side.planned = begin + size;
        std::vector<WirePiece> pieces;
        std::size_t at = begin;
        for (const std::size_t cut : cuts_of(side.stream, begin, end, form_, random_)) {
            if (cut <= at) continue;
            std::size_t from = at;
            std::size_t to = cut;
            if (form_.overlaps != 0 && random_.one_in(form_.overlaps)) {
                from -= random_.below(std::min<std::size_t>(from, 40) + 1);
                to += random_.below(std::min<std::size_t>(end - to, 40) + 1);
            }
            WirePiece piece{from, side.stream.substr(from, to - from)};
            if (form_.conflicts) {
                for (std::size_t i = from; i < at; ++i) piece.bytes[i - from] = '#';
                for (std::size_t i = cut; i < to; ++i) piece.bytes[i - from] = '%';
            }
            pieces.push_back(std::move(piece));
            at = cut;
        }
        if (form_.end == Form::End::kFinWithData && end == side.stream.size() && !pieces.empty()) {
            pieces.back().fin = true;
        }
        disorder(pieces, form_, begin == 0 && !form_.handshake, random_);
        return pieces;
    }

    void talk_in_turn() {
        for (const auto& turn : conversation_.turns) {
            for (const WirePiece& piece : pieces_of(turn.way, turn.bytes.size())) emit(turn.way, piece);
        }
    }

    void talk_at_once() {
        std::array<std::vector<WirePiece>, 2> pieces;
        std::array<std::size_t, 2> next = {0, 0};
        for (const Way way : kBothWays) pieces[index_of(way)] = pieces_of(way, side_of(way).stream.size());
        while (next[0] < pieces[0].size() || next[1] < pieces[1].size()) {
            Way way = next[0] == 0 || random_.one_in(2) ? Way::kToServer : Way::kToClient;
            if (next[index_of(way)] == pieces[index_of(way)].size()) way = other(way);
            emit(way, pieces[index_of(way)][next[index_of(way)]++]);
        }
    }

    void close() {
        const Way first = random_.one_in(2) ? Way::kToServer : Way::kToClient;
        if (form_.end == Form::End::kReset) {
            send(first, side_of(first).whole, random_.one_in(2) ? flag::kRst : flag::kRst | flag::kAck);
        } else if (form_.end != Form::End::kNone) {
            for (const Way way : {first, other(first)}) {
                Side& side = side_of(way);
                if (!side.fin_sent) send(way, side.whole, flag::kFin | flag::kAck);
                side.fin_sent = true;
            }
            for (const Way way : {first, other(first)}) {
                send(way, side_of(way).whole + 1, flag::kAck);
            }
        }
    }

    const Conversation& conversation_;
    const Form& form_;
    WirePackets& wire_;
    Random& random_;
    std::array<Side, 2> sides_;
};

}  // namespace

Payload send_connection(const Conversation& conversation, const WireForm& form, WirePackets& wire,
                        Random& random) {
    Connection connection(conversation, form, wire, random);
    connection.run();
    return connection.seen();
}

}  // namespace yagura::test
