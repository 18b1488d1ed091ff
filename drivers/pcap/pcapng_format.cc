// SPDX-License-Identifier: BSD-3-Clause
#include "drivers/pcap/pcapng_format.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "drivers/pcap/link_type.h"

namespace yagura::pcap {
namespace {

constexpr std::uint32_t kSectionHeader = 0x0a0d0d0a;  // the same in both byte orders
constexpr std::uint32_t kInterfaceDescription = 1;
constexpr std::uint32_t kPacket = 2;
constexpr std::uint32_t kSimplePacket = 3;
constexpr std::uint32_t kEnhancedPacket = 6;

constexpr std::uint32_t kByteOrderMagic = 0x1a2b3c4d;
constexpr std::uint32_t kBlockOverhead = 12;  // type, length, length again
constexpr std::size_t kSectionFields = 16;    // byte-order magic, version, section length
constexpr std::size_t kMaxName = 64;

constexpr std::uint16_t kEndOfOptions = 0;
constexpr std::uint16_t kInterfaceName = 2;
constexpr std::uint16_t kTimeResolution = 9;
constexpr std::uint16_t kTimeOffset = 14;

std::string printable(base::Bytes bytes) {
    std::string text;
    for (const std::uint8_t byte : bytes.first(std::min(bytes.size(), kMaxName))) {
        if (byte == 0) break;
        text += byte >= 0x20 && byte < 0x7f ? static_cast<char>(byte) : '?';
    }
    return text;
}

__extension__ using u128 = unsigned __int128;
__extension__ using i128 = __int128;

constexpr std::uint64_t power_of_ten(unsigned exponent) {
    std::uint64_t power = 1;
    while (exponent-- > 0) power *= 10;
    return power;
}

}  // namespace

std::uint64_t TimeUnit::to_ns(std::uint64_t ticks) const {
    u128 ns;
    if (binary) {
        ns = (static_cast<u128>(ticks) * 1'000'000'000) >> exponent;
    } else if (exponent <= 9) {
        ns = static_cast<u128>(ticks) * power_of_ten(9u - exponent);
    } else {
        ns = exponent - 9 > 19 ? 0 : ticks / power_of_ten(exponent - 9u);
    }
    const i128 sum = static_cast<i128>(ns) + static_cast<i128>(offset_s) * 1'000'000'000;
    constexpr auto kMax = std::numeric_limits<std::uint64_t>::max();
    return sum < 0 ? 0 : sum > static_cast<i128>(kMax) ? kMax : static_cast<std::uint64_t>(sum);
}

bool PcapngFormat::recognises(base::Bytes first_four) {
    return FileOrder{}.u32(first_four.data()) == kSectionHeader;
}

base::Result<PcapngFormat> PcapngFormat::open(FileInput& in) {
    PcapngFormat format;
    std::string problem;
    if (!format.begin_section(in, problem)) return base::Error{std::move(problem), !format.unsupported_};
    return format;
}

ReadStatus PcapngFormat::next(FileInput& in, Record& record, Problem& problem) {
    for (;;) {
        const base::Bytes head = in.peek(8);
        if (head.empty() && in.error() == 0) return ReadStatus::kEnd;
        problem.offset = in.offset();
        if (head.size() < 8) {
            problem.text = fmt::format("the file ends inside a block header ({} of 8 bytes)", head.size());
            return ReadStatus::kDamaged;
        }
        const std::uint32_t type = order_.u32(head.data());
        const std::uint32_t length = order_.u32(head.data() + 4);
        base::Bytes block;
        switch (type) {
            case kSectionHeader:
                if (!begin_section(in, problem.text)) return ReadStatus::kDamaged;
                break;
            case kInterfaceDescription:
                if (!read_block(in, length, block, problem.text) || !add_interface(block, problem.text))
                    return ReadStatus::kDamaged;
                break;
            case kPacket:
            case kSimplePacket:
            case kEnhancedPacket:
                if (!read_block(in, length, block, problem.text) ||
                    !read_packet(type, block, record, problem.text))
                    return ReadStatus::kDamaged;
                record.offset = problem.offset;
                return ReadStatus::kRecord;
            default:
                if (!skip_block(in, length, problem.text)) return ReadStatus::kDamaged;
        }
    }
}

/// The block's body. The block must be whole and its two lengths equal.
bool PcapngFormat::read_block(FileInput& in, std::uint32_t length, base::Bytes& block,
                              std::string& problem) const {
    if (length < kBlockOverhead || length % 4 != 0) {
        problem = fmt::format("the block claims {} bytes, which is {}", length,
                              length < kBlockOverhead ? "less than its own frame" : "not a multiple of 4");
        return false;
    }
    if (length > kMaxBlock) {
        problem = fmt::format("the block claims {} bytes; more than {} is no sane block of its type", length,
                              kMaxBlock);
        return false;
    }
    const base::Bytes bytes = in.peek(length);
    if (bytes.size() < length) {
        problem = fmt::format("the block claims {} bytes but the file ends after {}", length, bytes.size());
        return false;
    }
    const std::uint32_t tail = order_.u32(bytes.data() + length - 4);
    if (tail != length) {
        problem = fmt::format("the block's length is {} at its head but {} at its tail", length, tail);
        return false;
    }
    in.consume(length);
    block = bytes.subspan(8, length - kBlockOverhead);
    return true;
}

/// As read_block(), for a block of any length that nobody looks into.
bool PcapngFormat::skip_block(FileInput& in, std::uint32_t length, std::string& problem) const {
    if (length <= kMaxBlock) {
        base::Bytes ignored;
        return read_block(in, length, ignored, problem);
    }
    if (length % 4 != 0) {
        problem = fmt::format("the block claims {} bytes, which is not a multiple of 4", length);
        return false;
    }
    const std::uint64_t body = in.skip(length - 4);
    const base::Bytes tail = in.peek(4);
    if (body + tail.size() < length) {
        problem =
            fmt::format("the block claims {} bytes but the file ends after {}", length, body + tail.size());
        return false;
    }
    if (order_.u32(tail.data()) != length) {
        problem = fmt::format("the block's length is {} at its head but {} at its tail", length,
                              order_.u32(tail.data()));
        return false;
    }
    in.consume(4);
    return true;
}

bool PcapngFormat::begin_section(FileInput& in, std::string& problem) {
    const base::Bytes head = in.peek(12);
    if (head.size() < 12) {
        problem = fmt::format("the file ends inside a section header ({} bytes)", head.size());
        return false;
    }
    const bool little = FileOrder{false}.u32(head.data() + 8) == kByteOrderMagic;
    const bool big = FileOrder{true}.u32(head.data() + 8) == kByteOrderMagic;
    if (!little && !big) {
        problem = fmt::format("the section header's byte-order magic is {:08x}, not 1a2b3c4d",
                              base::load_be32(head.data() + 8));
        return false;
    }
    order_.big = big;
    base::Bytes block;
    if (!read_block(in, order_.u32(head.data() + 4), block, problem)) return false;
    if (block.size() < kSectionFields) {
        problem = fmt::format("the section header is too short ({} bytes)", block.size() + kBlockOverhead);
        return false;
    }
    const unsigned major = order_.u16(block.data() + 4);
    const unsigned minor = order_.u16(block.data() + 6);
    // 1.2 was written by mistake and reads as 1.0.
    if (major != 1 || (minor != 0 && minor != 2)) {
        unsupported_ = true;
        problem = fmt::format("pcapng version {}.{} is not supported, only 1.0 is", major, minor);
        return false;
    }
    section_begin_ = interfaces_.size();
    return true;
}

bool PcapngFormat::add_interface(base::Bytes body, std::string& problem) {
    if (body.size() < 8) {
        problem =
            fmt::format("the interface description is too short ({} bytes)", body.size() + kBlockOverhead);
        return false;
    }
    if (interfaces_.size() == kMaxInterfaces) {
        problem = fmt::format("the file has more than {} interfaces", kMaxInterfaces);
        return false;
    }
    Interface interface;
    interface.link_number = order_.u16(body.data());
    interface.link_type = supported_link_type(interface.link_number);
    interface.snap_length = order_.u32(body.data() + 4);
    if (!read_interface_options(body.subspan(8), interface, problem)) return false;
    interfaces_.push_back(std::move(interface));
    return true;
}

bool PcapngFormat::read_interface_options(base::Bytes options, Interface& interface,
                                          std::string& problem) const {
    while (!options.empty()) {
        // The body is a multiple of 4 long, and so is every option.
        const std::uint16_t code = order_.u16(options.data());
        const std::uint16_t length = order_.u16(options.data() + 2);
        if (code == kEndOfOptions) return true;
        const std::size_t padded = 4 + (length + 3u) / 4 * 4;
        if (padded > options.size()) {
            problem = fmt::format("option {} of the interface description is {} bytes long but {} are left",
                                  code, length, options.size() - 4);
            return false;
        }
        const base::Bytes value = options.subspan(4, length);
        const std::size_t due = code == kTimeResolution ? 1 : code == kTimeOffset ? 8 : length;
        if (length != due) {
            problem = fmt::format("option {} of the interface description is {} bytes long, not {}", code,
                                  length, due);
            return false;
        }
        if (code == kInterfaceName) {
            interface.name = printable(value);
        } else if (code == kTimeResolution) {
            interface.time_unit.binary = (value[0] & 0x80) != 0;
            interface.time_unit.exponent = value[0] & 0x7f;
        } else if (code == kTimeOffset) {
            interface.time_unit.offset_s = static_cast<std::int64_t>(order_.u64(value.data()));
        }
        options = options.subspan(padded);
    }
    return true;
}

bool PcapngFormat::packet_fields(std::uint32_t type, base::Bytes body, PacketFields& fields) const {
    const std::size_t fixed = type == kSimplePacket ? 4 : 20;
    if (body.size() < fixed) return false;
    const std::uint8_t* p = body.data();
    fields.rest = body.subspan(fixed);
    if (type == kSimplePacket) {
        fields.interface = 0;
        fields.ticks = 0;
        fields.wire = order_.u32(p);
        fields.captured = fields.wire;
        return true;
    }
    fields.interface = type == kPacket ? order_.u16(p) : order_.u32(p);  // then a drop count, in kPacket
    fields.ticks = std::uint64_t{order_.u32(p + 4)} << 32 | order_.u32(p + 8);
    fields.captured = order_.u32(p + 12);
    fields.wire = order_.u32(p + 16);
    return true;
}

bool PcapngFormat::read_packet(std::uint32_t type, base::Bytes body, Record& record,
                               std::string& problem) const {
    PacketFields fields;
    if (!packet_fields(type, body, fields)) {
        problem = fmt::format("the packet block is too short ({} bytes)", body.size() + kBlockOverhead);
        return false;
    }
    if (fields.interface >= interfaces_.size() - section_begin_) {
        problem = fmt::format("the packet is of interface {} but its section has described only {}",
                              fields.interface, interfaces_.size() - section_begin_);
        return false;
    }
    const std::size_t index = section_begin_ + fields.interface;
    const Interface& interface = interfaces_[index];
    if (type == kSimplePacket && interface.snap_length != 0) {
        fields.captured = std::min(fields.captured, interface.snap_length);
    }
    if (fields.captured > kMaxCaptured) {
        problem = fmt::format("the packet claims {} bytes; more than {} is no packet", fields.captured,
                              kMaxCaptured);
        return false;
    }
    if (fields.captured > fields.rest.size()) {
        problem = fmt::format("the packet claims {} bytes but its block has room for {}", fields.captured,
                              fields.rest.size());
        return false;
    }
    // A Simple Packet Block has no time stamp.
    record.timestamp_ns = type == kSimplePacket ? 0 : interface.time_unit.to_ns(fields.ticks);
    record.wire_length = std::max(fields.wire, fields.captured);
    record.interface = static_cast<std::uint32_t>(index);
    record.data = fields.rest.first(fields.captured);
    return true;
}

}  // namespace yagura::pcap
