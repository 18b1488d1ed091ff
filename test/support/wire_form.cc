// SPDX-License-Identifier: BSD-3-Clause
#include "support/wire_form.h"

#include <fmt/format.h>

#include <algorithm>

#include "net/protocol_numbers.h"
#include "support/wire_packets.h"

namespace yagura::test {
namespace {

using Form = WireForm;

Payload send_datagrams(const Conversation& conversation, const Form& form, WirePackets& wire,
                       Random& random) {
    std::vector<WirePiece> pieces;
    for (std::size_t i = 0; i < conversation.turns.size(); ++i)
        pieces.push_back({i, conversation.turns[i].bytes});
    disorder(pieces, form, true, random);
    Payload seen;
    for (std::size_t i = 0; i < pieces.size(); ++i) {
        const Way way = conversation.turns[pieces[i].begin].way;
        wire.send(way, {}, pieces[i].bytes, i != 0);
        if (!wire.hidden(way)) seen.pieces[index_of(way)].push_back(pieces[i].bytes);
    }
    return seen;
}

}  // namespace

void disorder(std::vector<WirePiece>& pieces, const WireForm& form, bool pinned, Random& random) {
    struct Place {
        std::size_t key;
        WirePiece piece;
    };
    std::vector<Place> places;
    for (std::size_t i = 0; i < pieces.size(); ++i) {
        const std::size_t late = i == 0 && pinned ? 0 : random.below(form.window + 1);
        if (form.duplicates != 0 && random.one_in(form.duplicates)) {
            Place again{i + 1 + random.below(form.window + 4), pieces[i]};
            if (form.conflicts && random.one_in(2)) {
                for (char& byte : again.piece.bytes) byte = '#';
            }
            places.push_back(std::move(again));
        }
        places.push_back({i + late, std::move(pieces[i])});
    }
    if (pinned && !places.empty()) {
        const auto first = std::ranges::find(places, std::size_t{0}, [](const Place& p) { return p.key; });
        std::rotate(places.begin(), first, first + 1);
    }
    std::ranges::stable_sort(places, {}, &Place::key);
    pieces.clear();
    for (Place& place : places) pieces.push_back(std::move(place.piece));
}

std::string WireForm::to_string() const {
    static constexpr const char* kCuts[] = {"1 byte", "1 to 31 bytes", "1 byte to MSS", "MSS", "offload"};
    static constexpr const char* kOutsides[] = {"plain", "VLAN",  "two VLANs",      "MPLS",
                                                "VXLAN", "GTP-U", "VXLAN in a VLAN"};
    static constexpr const char* kEnds[] = {"no end", "FIN", "FIN with data", "RST"};
    static constexpr const char* kSides[] = {"both sides", "client only", "server only"};
    return fmt::format(
        "cut {}{}, window {}, duplicates 1/{}, overlaps 1/{}{}, fragments 1/{}, {}, {}{}{}, {}, {}",
        kCuts[static_cast<std::size_t>(cut)], cut_needles ? " and inside words" : "", window, duplicates,
        overlaps, conflicts ? " with other bytes" : "", fragments,
        kOutsides[static_cast<std::size_t>(outside)], handshake ? "handshake" : "no handshake",
        simultaneous ? ", at once" : "", keep_alives ? ", keep-alives" : "",
        kEnds[static_cast<std::size_t>(end)], kSides[static_cast<std::size_t>(sides)]);
}

WireForm make_form(const Conversation& conversation, Random& random) {
    std::size_t bytes = 0;
    for (const auto& turn : conversation.turns) bytes += turn.bytes.size();
    Form form;
    if (bytes < 700) {
        form.cut = random.any_of({Form::Cut::kByte, Form::Cut::kSmall, Form::Cut::kSmall, Form::Cut::kRandom,
                                  Form::Cut::kMss, Form::Cut::kOffload});
    } else {
        form.cut = random.any_of({Form::Cut::kRandom, Form::Cut::kMss, Form::Cut::kOffload});
    }
    if (bytes < 7'000 && random.one_in(10)) form.cut = Form::Cut::kSmall;
    form.cut_needles = random.one_in(2);
    form.window = random.one_in(2) ? 0 : random.between(1, form.cut == Form::Cut::kOffload ? 2 : 10);
    form.duplicates = random.one_in(2) ? 0 : random.between(1, 10);
    form.overlaps = random.one_in(2) ? 0 : random.between(1, 6);
    form.conflicts = random.one_in(4);
    form.fragments = random.one_in(2) ? 0 : random.between(1, 6);
    form.outside = random.any_of({Form::Outside::kNothing, Form::Outside::kNothing, Form::Outside::kVlan,
                                  Form::Outside::kTwoVlans, Form::Outside::kMpls, Form::Outside::kVxlan,
                                  Form::Outside::kGtpU, Form::Outside::kVlanVxlan});
    form.handshake = !random.one_in(5);
    form.simultaneous = random.one_in(3);
    form.keep_alives = random.one_in(5);
    form.end = random.any_of({Form::End::kNone, Form::End::kFin, Form::End::kFinWithData, Form::End::kReset});
    if (random.one_in(12)) form.sides = Form::Sides::kClientOnly;
    // Who the client is cannot be seen without its first packet, unless a SYN/ACK tells.
    const bool is_tcp = conversation.proto == net::ip_proto::kTcp;
    if (is_tcp && form.handshake && random.one_in(12)) form.sides = Form::Sides::kServerOnly;
    return form;
}

Endpoints endpoints_of(std::uint32_t number, std::uint8_t ip_version, std::uint16_t server_port) {
    const auto a = static_cast<std::uint8_t>(number >> 16);
    const auto b = static_cast<std::uint8_t>(number >> 8);
    const auto c = static_cast<std::uint8_t>(number);
    Endpoints ends;
    if (ip_version == 6) {
        ends.client = {0x20, 0x01, 0x0d, 0xb8, 0, 1, 0, 0, 0, 0, 0, 0, 0, a, b, c};
        ends.server = {0x20, 0x01, 0x0d, 0xb8, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
    } else {
        ends.client = {10, a, b, c};
        ends.server = {192, 0, 2, 1};
    }
    ends.client_port = static_cast<std::uint16_t>(20000 + number * 7919 % 40000);
    ends.server_port = server_port;
    return ends;
}

WireCase make_wire(const Conversation& conversation, const WireForm& form, const Endpoints& endpoints,
                   Random& random) {
    WireCase result;
    WirePackets wire(conversation, form, endpoints, random, result);
    if (conversation.proto == net::ip_proto::kUdp) {
        result.seen = send_datagrams(conversation, form, wire, random);
        return result;
    }
    result.seen = send_connection(conversation, form, wire, random);
    return result;
}

}  // namespace yagura::test
