// SPDX-License-Identifier: BSD-3-Clause
#include "reset/encapsulation.h"

#include <algorithm>

#include "net/checksum.h"
#include "net/protocol_numbers.h"
#include "reset/encapsulation_reader.h"

namespace yagura::reset {
namespace {

constexpr std::uint8_t kDefaultTtl = 64;

/// An authentication header (RFC 4302) among those between the innermost IP header and the flow's transport
/// header, all of which the parser has found to be whole.
bool is_authenticated(base::Bytes frame, const net::ParsedPacket& parsed) {
    if (parsed.transport == net::kNoOffset || parsed.transport > frame.size()) return false;
    const base::Bytes packet = frame.first(parsed.transport).subspan(parsed.inner_ip);
    if (packet.size() < 20) return false;
    if (parsed.key.ip_version == 4) return packet[9] == net::ip_proto::kAh;
    std::uint8_t proto = packet[6];
    for (std::size_t at = 40; at + 8 <= packet.size();) {
        if (proto == net::ip_proto::kAh) return true;
        proto = packet[at];
        at += 8 + std::size_t{packet[at + 1]} * 8;
    }
    return false;
}

}  // namespace

Refusal Encapsulation::take(base::Bytes frame, const net::ParsedPacket& parsed, Encapsulation& out) {
    if (!parsed.has_flow() || parsed.inner_ip == net::kNoOffset) return Refusal::kNoFlow;
    if (parsed.inner_ip >= frame.size()) return Refusal::kNoFlow;
    if (parsed.inner_ip < 14) return Refusal::kNotEthernet;
    if (is_authenticated(frame, parsed)) return Refusal::kAuthenticated;
    return read_encapsulation(frame, parsed.inner_ip, out);
}

Refusal Encapsulation::reverse() {
    const auto notes = std::span(notes_).first(note_count_);
    if (std::any_of(notes.begin(), notes.end(), [](const Note& n) { return n.field == Field::kOneWay; })) {
        return Refusal::kOneWay;
    }
    for (const Note& note : notes) {
        const auto change_places = [&](std::size_t a, std::size_t b, std::size_t size) {
            std::swap_ranges(&bytes_[note.at + a], &bytes_[note.at + a] + size, &bytes_[note.at + b]);
        };
        if (note.field == Field::kEthernet) change_places(0, 6, 6);
        if (note.field == Field::kIpv4) {
            change_places(12, 16, 4);
            bytes_[note.at + 8u] = kDefaultTtl;
        }
        if (note.field == Field::kIpv6) {
            change_places(8, 24, 16);
            bytes_[note.at + 7u] = kDefaultTtl;
        }
    }
    return Refusal::kNone;
}

void Encapsulation::address(const LinkAddresses& link) {
    std::copy(link.next_hop.begin(), link.next_hop.end(), bytes_.begin());
    std::copy(link.own.begin(), link.own.end(), bytes_.begin() + 6);
}

void Encapsulation::move_to(const LinkAddresses& link, std::uint8_t ip_version) {
    constexpr std::size_t kEthernetSize = 14;
    const auto is_ip = [](const Note& n) { return n.field == Field::kIpv4 || n.field == Field::kIpv6; };
    const auto notes_end = notes_.begin() + note_count_;
    const auto first = std::find_if(notes_.begin(), notes_end, is_ip);
    const bool tunnel = first != notes_end;
    const std::size_t left_out = (tunnel ? first->at : size_) - kEthernetSize;
    const bool v4 = tunnel ? first->field == Field::kIpv4 : ip_version == 4;

    std::array<Note, kMaxNotes> notes{Note{.field = Field::kEthernet, .at = 0}};
    note_count_ = static_cast<std::uint8_t>(1 + (notes_end - first));
    std::transform(first, notes_end, notes.begin() + 1, [left_out](const Note& n) {
        return Note{.field = n.field, .at = static_cast<std::uint8_t>(n.at - left_out)};
    });
    notes_ = notes;

    const auto begin = bytes_.begin() + kEthernetSize;
    const auto end = bytes_.begin() + size_;
    std::fill(std::copy(begin + static_cast<std::ptrdiff_t>(left_out), end, begin), end, std::uint8_t{0});
    size_ = static_cast<std::uint8_t>(size_ - left_out);
    address(link);
    base::store_be16(&bytes_[12], v4 ? net::ethertype::kIpv4 : net::ethertype::kIpv6);
}

void Encapsulation::finish(std::span<std::uint8_t> frame, std::uint16_t ip_id) const {
    std::copy_n(bytes_.begin(), size_, frame.begin());
    for (std::size_t i = note_count_; i-- > 0;) {
        std::uint8_t* const header = &frame[notes_[i].at];
        const std::size_t size = frame.size() - notes_[i].at;
        const base::Bytes covered(header, size);
        const auto put = [header](std::size_t at, std::size_t value) {
            base::store_be16(header + at, static_cast<std::uint16_t>(value));
        };
        switch (notes_[i].field) {
            case Field::kLlcLength:
                put(0, size - 2);
                break;
            case Field::kPppoe:
                put(4, size - 6);
                break;
            case Field::kGtpU:
                put(2, size - 8);
                break;
            case Field::kGre:
                put(4, net::internet_checksum(covered));
                break;
            case Field::kUdp: {
                put(4, size);
                if (base::load_be16(header + 6) == 0) break;
                std::size_t ip = i;
                while (notes_[ip].field != Field::kIpv4 && notes_[ip].field != Field::kIpv6) --ip;
                const bool v4 = notes_[ip].field == Field::kIpv4;
                const std::uint8_t* const addresses = &frame[notes_[ip].at + (v4 ? 12u : 8u)];
                put(6, 0);
                std::uint32_t sum = net::add_to_sum(0, {addresses, v4 ? 8u : 32u});
                sum += net::ip_proto::kUdp + static_cast<std::uint32_t>(size);
                const std::uint16_t checksum = net::finish_sum(net::add_to_sum(sum, covered));
                put(6, checksum != 0 ? checksum : 0xffff);
                break;
            }
            case Field::kIpv4:
                put(2, size);
                put(4, ip_id);
                put(10, 0);
                put(10, net::internet_checksum(covered.first(std::size_t{header[0] & 0x0fU} << 2)));
                break;
            case Field::kIpv6:
                put(4, size - 40);
                break;
            case Field::kEthernet:
            case Field::kOneWay:
            case Field::kNone:
                break;
        }
    }
}

}  // namespace yagura::reset
