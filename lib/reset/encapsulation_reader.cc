// SPDX-License-Identifier: BSD-3-Clause
#include "reset/encapsulation_reader.h"

#include <algorithm>
#include <cstring>

#include "net/protocol_numbers.h"

namespace yagura::reset {
namespace {

constexpr std::uint8_t kEcn = 0x03;

}  // namespace

/// Walks to the innermost IP header the way the parser went: it knows where that is, so that nothing has to
/// be guessed; where the ways part, the frame is refused.
class EncapsulationReader {
  public:
    EncapsulationReader(base::Bytes frame, std::size_t inner_ip, Encapsulation& out)
        : frame_(frame), target_(inner_ip), out_(out) {}

    Refusal read() {
        out_ = Encapsulation{};
        Step step = Step::kEthernet;
        while (!(at_ == target_ && step == Step::kIp)) {
            if (at_ > target_) return Refusal::kUnsupported;
            step = take(step);
            if (step == Step::kRefused) return refusal_;
        }
        const std::size_t size = target_ - base_;
        if (size > Encapsulation::kMaxSize) return Refusal::kTooLong;
        out_.size_ = static_cast<std::uint8_t>(size);
        std::copy_n(frame_.begin() + static_cast<std::ptrdiff_t>(base_), size, out_.bytes_.begin());
        clear_what_belongs_to_the_frame();
        return Refusal::kNone;
    }

  private:
    enum class Step : std::uint8_t { kRefused, kEthernet, kEthertype, kIp, kTransport };

    Step take(Step step) {
        switch (step) {
            case Step::kEthernet:
                return ethernet();
            case Step::kEthertype:
                return by_ethertype();
            case Step::kIp:
                return outer_ip();
            case Step::kTransport:
                return transport();
            case Step::kRefused:
                break;
        }
        return refuse(Refusal::kUnsupported);
    }

    Step refuse(Refusal refusal) {
        refusal_ = refusal;
        return Step::kRefused;
    }

    /// `size` more header bytes lie in front of the innermost IP header.
    bool has(std::size_t size) const { return size <= target_ - at_; }
    std::uint8_t u8(std::size_t skip) const { return frame_[at_ + skip]; }
    std::uint16_t be16(std::size_t skip) const { return base::load_be16(&frame_[at_ + skip]); }

    /// Of the header at the cursor, `skip` bytes into it.
    bool note(Encapsulation::Field field, std::size_t skip = 0) {
        const std::size_t at = at_ + skip - base_;
        if (out_.note_count_ == Encapsulation::kMaxNotes || at >= Encapsulation::kMaxSize) {
            refusal_ = Refusal::kTooLong;
            return false;
        }
        out_.notes_[out_.note_count_++] = {field, static_cast<std::uint8_t>(at)};
        return true;
    }

    Step ethernet() {
        if (!has(14)) return refuse(Refusal::kUnsupported);
        if (!note(Encapsulation::Field::kEthernet)) return Step::kRefused;
        type_ = be16(12);
        at_ += 14;
        return type_ <= net::ethertype::kMaxLength ? llc() : what_type_says();
    }

    /// The cursor stands behind a length instead of a type.
    Step llc() {
        if (!has(8)) return refuse(Refusal::kUnsupported);
        at_ -= 2;
        if (!note(Encapsulation::Field::kLlcLength)) return Step::kRefused;
        at_ += 2;
        type_ = be16(6);
        at_ += 8;
        return what_type_says();
    }

    Step what_type_says() const {
        return type_ == net::ethertype::kIpv4 || type_ == net::ethertype::kIpv6 ? Step::kIp
                                                                                : Step::kEthertype;
    }

    Step by_ethertype() {
        switch (type_) {
            case net::ethertype::kVlan:
            case net::ethertype::kQinQ:
            case net::ethertype::kOldQinQ:
            case net::ethertype::kOldQinQ2:
                return tag(4);
            case net::ethertype::kVnTag:
                if (!note(Encapsulation::Field::kOneWay)) return Step::kRefused;
                return tag(6);
            case net::ethertype::kMpls:
            case net::ethertype::kMplsUpstream:
                return mpls();
            case net::ethertype::kPppoeSession:
                if (!has(8)) return refuse(Refusal::kUnsupported);
                if (!note(Encapsulation::Field::kPppoe)) return Step::kRefused;
                at_ += 8;
                return Step::kIp;
            default:
                return refuse(Refusal::kUnsupported);
        }
    }

    Step tag(std::size_t size) {
        if (!has(size)) return refuse(Refusal::kUnsupported);
        type_ = be16(size - 2);
        at_ += size;
        return type_ <= net::ethertype::kMaxLength ? llc() : what_type_says();
    }

    /// IP, or an Ethernet frame with or without a control word (RFC 4448), as the parser found.
    Step mpls() {
        if (!note(Encapsulation::Field::kOneWay)) return Step::kRefused;
        for (bool bottom = false; !bottom;) {
            if (!has(4)) return refuse(Refusal::kUnsupported);
            bottom = (u8(2) & 1) != 0;
            at_ += 4;
        }
        if (at_ == target_ || u8(0) >> 4 == 4 || u8(0) >> 4 == 6) return Step::kIp;
        constexpr std::size_t kControlWord = 4;
        if (u8(0) >> 4 == 0 && has(kControlWord + 14) && leads_on(be16(kControlWord + 12))) {
            if (be16(2) != 0) return refuse(Refusal::kSequenced);
            at_ += kControlWord;
        }
        return Step::kEthernet;
    }

    /// The types that the parser takes for an Ethernet header's behind a label.
    static bool leads_on(std::uint16_t type) {
        switch (type) {
            case net::ethertype::kIpv4:
            case net::ethertype::kIpv6:
            case net::ethertype::kVlan:
            case net::ethertype::kQinQ:
            case net::ethertype::kMpls:
            case net::ethertype::kPppoeSession:
                return true;
            default:
                return false;
        }
    }

    Step outer_ip() {
        if (u8(0) >> 4 == 4) {
            if (!has(20)) return refuse(Refusal::kUnsupported);
            if (!note(Encapsulation::Field::kIpv4)) return Step::kRefused;
            const std::size_t size = std::size_t{u8(0) & 0x0fU} << 2;
            proto_ = u8(9);
            if (size < 20 || !has(size)) return refuse(Refusal::kUnsupported);
            at_ += size;
            return Step::kTransport;
        }
        if (!has(40)) return refuse(Refusal::kUnsupported);
        if (!note(Encapsulation::Field::kIpv6)) return Step::kRefused;
        proto_ = u8(6);
        at_ += 40;
        while (proto_ == net::ip_proto::kHopByHop || proto_ == net::ip_proto::kDestinationOptions) {
            if (!has(8)) return refuse(Refusal::kUnsupported);
            const std::size_t size = 8 + std::size_t{u8(1)} * 8;
            proto_ = u8(0);
            if (!has(size)) return refuse(Refusal::kUnsupported);
            at_ += size;
        }
        return Step::kTransport;
    }

    Step transport() {
        switch (proto_) {
            case net::ip_proto::kIpv4:
            case net::ip_proto::kIpv6:
                return Step::kIp;
            case net::ip_proto::kUdp:
                return udp();
            case net::ip_proto::kGre:
                return gre();
            case net::ip_proto::kAh:
                return refuse(Refusal::kAuthenticated);
            default:
                return refuse(Refusal::kUnsupported);
        }
    }

    Step udp() {
        if (!has(16)) return refuse(Refusal::kUnsupported);
        if (!note(Encapsulation::Field::kUdp)) return Step::kRefused;
        const std::uint16_t port = be16(2);
        at_ += 8;
        switch (port) {
            case net::udp_port::kVxlan:
            case net::udp_port::kVxlanLinux:
                at_ += 8;
                return Step::kEthernet;
            case net::udp_port::kGeneve:
                return geneve();
            case net::udp_port::kGtpU:
                return gtp_u();
            default:
                return refuse(Refusal::kUnsupported);
        }
    }

    /// RFC 8926; has() was asked for its first 8 bytes.
    Step geneve() {
        const std::size_t size = 8 + (std::size_t{u8(0) & 0x3fU} << 2);
        const std::uint16_t type = be16(2);
        if (!has(size)) return refuse(Refusal::kUnsupported);
        at_ += size;
        return type == net::ethertype::kTransparentEthernet ? Step::kEthernet : Step::kIp;
    }

    /// 3GPP TS 29.281. Extension headers stay as they are: a PDU session container names the QoS flow.
    Step gtp_u() {
        constexpr unsigned kSequence = 0x02;
        constexpr unsigned kHasExtension = 0x04;
        constexpr unsigned kHasOptionalFields = 0x07;
        const unsigned flags = u8(0);
        if ((flags & kSequence) != 0) return refuse(Refusal::kSequenced);
        if (!note(Encapsulation::Field::kGtpU) || !note(Encapsulation::Field::kOneWay)) return Step::kRefused;
        at_ += 8;
        if ((flags & kHasOptionalFields) == 0) return Step::kIp;
        if (!has(4)) return refuse(Refusal::kUnsupported);
        unsigned extension = (flags & kHasExtension) != 0 ? u8(3) : 0U;
        at_ += 4;
        while (extension != 0) {
            if (!has(4)) return refuse(Refusal::kUnsupported);
            const std::size_t size = std::size_t{u8(0)} << 2;
            if (size == 0 || !has(size)) return refuse(Refusal::kUnsupported);
            extension = u8(size - 1);
            at_ += size;
        }
        return Step::kIp;
    }

    /// RFC 2784, RFC 2890. A tunnel that puts packets in order by their number would take ours for the next
    /// and drop the genuine next one.
    Step gre() {
        if (!has(4)) return refuse(Refusal::kUnsupported);
        constexpr unsigned kChecksum = 0x80;
        constexpr unsigned kRouting = 0x40;
        constexpr unsigned kKey = 0x20;
        constexpr unsigned kSequence = 0x10;
        const unsigned flags = u8(0);
        const std::uint16_t type = be16(2);
        const bool mirrored = type == net::ethertype::kErspan || type == net::ethertype::kErspan3;
        if ((u8(1) & 0x07) != 0) return refuse(Refusal::kSequenced);  // PPTP
        if ((flags & kRouting) != 0) return refuse(Refusal::kUnsupported);
        const bool sequenced = (flags & kSequence) != 0;
        if (sequenced && !mirrored) return refuse(Refusal::kSequenced);
        if ((flags & kChecksum) != 0 && !note(Encapsulation::Field::kGre)) return Step::kRefused;
        const std::size_t size = 4U + ((flags & kChecksum) != 0 ? 4U : 0U) + ((flags & kKey) != 0 ? 4U : 0U) +
                                 (sequenced ? 4U : 0U);
        if (!has(size)) return refuse(Refusal::kUnsupported);
        at_ += size;
        if (mirrored) return erspan(type, sequenced);
        if (type == net::ethertype::kTransparentEthernet) return Step::kEthernet;
        type_ = type;
        return what_type_says();
    }

    /// draft-foschiano-erspan-03: what was mirrored is all that counts.
    Step erspan(std::uint16_t type, bool sequenced) {
        std::size_t size = 0;
        if (type == net::ethertype::kErspan3) {
            if (!has(12)) return refuse(Refusal::kUnsupported);
            constexpr unsigned kEthernetFrame = 0;
            if ((u8(10) & 0x7cU) >> 2 != kEthernetFrame) return refuse(Refusal::kNotEthernet);
            constexpr unsigned kHasSubheader = 1;
            size = (u8(11) & kHasSubheader) != 0 ? 20 : 12;
        } else if (sequenced) {
            size = 8;
        }
        if (!has(size)) return refuse(Refusal::kUnsupported);
        at_ += size;
        base_ = at_;
        out_.note_count_ = 0;
        out_.notes_ = {};
        return Step::kEthernet;
    }

    void clear_what_belongs_to_the_frame() {
        for (std::size_t i = 0; i < out_.note_count_; ++i) {
            std::uint8_t* const header = &out_.bytes_[out_.notes_[i].at];
            const auto clear = [header](std::size_t at, std::size_t size) {
                std::memset(header + at, 0, size);
            };
            switch (out_.notes_[i].field) {
                case Encapsulation::Field::kIpv4:
                    header[1] = static_cast<std::uint8_t>(header[1] & ~kEcn);
                    clear(2, 4);   // total length, id
                    clear(10, 2);  // checksum
                    break;
                case Encapsulation::Field::kIpv6:
                    header[1] = static_cast<std::uint8_t>(header[1] & ~(kEcn << 4));
                    clear(4, 2);
                    break;
                case Encapsulation::Field::kUdp:
                    clear(4, 2);
                    // Whether there is one stays to be seen.
                    if (base::load_be16(header + 6) != 0) base::store_be16(header + 6, 0xffff);
                    break;
                case Encapsulation::Field::kPppoe:
                    clear(4, 2);
                    break;
                case Encapsulation::Field::kGtpU:
                    clear(2, 2);
                    break;
                case Encapsulation::Field::kGre:
                    clear(4, 2);
                    break;
                case Encapsulation::Field::kLlcLength:
                    clear(0, 2);
                    break;
                case Encapsulation::Field::kEthernet:
                case Encapsulation::Field::kOneWay:
                case Encapsulation::Field::kNone:
                    break;
            }
        }
    }

    base::Bytes frame_;
    std::size_t target_;
    Encapsulation& out_;
    std::size_t at_ = 0;
    std::size_t base_ = 0;  ///< where the frame begins that counts
    std::uint16_t type_ = 0;
    std::uint8_t proto_ = 0;
    Refusal refusal_ = Refusal::kNone;
};

Refusal read_encapsulation(base::Bytes frame, std::size_t inner_ip, Encapsulation& out) {
    return EncapsulationReader(frame, inner_ip, out).read();
}

}  // namespace yagura::reset
