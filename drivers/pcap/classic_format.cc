// SPDX-License-Identifier: BSD-3-Clause
#include "drivers/pcap/classic_format.h"

#include <fmt/format.h>

#include <algorithm>

#include "drivers/pcap/link_type.h"

namespace yagura::pcap {
namespace {

constexpr std::size_t kFileHeader = 24;
constexpr std::uint32_t kMicroseconds = 0xa1b2c3d4;
constexpr std::uint32_t kNanoseconds = 0xa1b23c4d;
constexpr std::uint32_t kModified = 0xa1b2cd34;

bool is_magic(std::uint32_t word) {
    return word == kMicroseconds || word == kNanoseconds || word == kModified;
}

}  // namespace

bool ClassicFormat::recognises(base::Bytes first_four) {
    return is_magic(FileOrder{false}.u32(first_four.data())) ||
           is_magic(FileOrder{true}.u32(first_four.data()));
}

base::Result<ClassicFormat> ClassicFormat::open(FileInput& in) {
    const base::Bytes header = in.peek(kFileHeader);
    if (header.size() < kFileHeader) {
        return base::Error{
            fmt::format("the file ends inside its header ({} of {} bytes)", header.size(), kFileHeader),
            true};
    }
    ClassicFormat format;
    format.order_.big = !is_magic(FileOrder{false}.u32(header.data()));
    const FileOrder order = format.order_;
    const std::uint32_t magic = order.u32(header.data());
    if (magic == kNanoseconds) format.ns_per_fraction_ = 1;
    if (magic == kModified) format.record_header_ = 24;

    const unsigned major = order.u16(header.data() + 4);
    const unsigned minor = order.u16(header.data() + 6);
    if (major != 2 || minor != 4) {
        return base::Error{fmt::format("pcap version {}.{} is not supported, only 2.4 is", major, minor)};
    }
    Interface interface;
    interface.snap_length = order.u32(header.data() + 16);
    // The upper half tells of a frame check sequence, which changes nothing for the parser.
    interface.link_number = static_cast<std::uint16_t>(order.u32(header.data() + 20));
    interface.link_type = supported_link_type(interface.link_number);
    if (!interface.link_type) {
        return base::Error{fmt::format("{} is not supported; supported are {}",
                                       describe_link_type(interface.link_number), supported_link_types())};
    }
    format.interfaces_.push_back(std::move(interface));
    in.consume(kFileHeader);
    return format;
}

ReadStatus ClassicFormat::next(FileInput& in, Record& record, Problem& problem) {
    const base::Bytes header = in.peek(record_header_);
    if (header.empty() && in.error() == 0) return ReadStatus::kEnd;
    problem.offset = in.offset();
    if (header.size() < record_header_) {
        problem.text = fmt::format("the file ends inside the record header ({} of {} bytes)", header.size(),
                                   record_header_);
        return ReadStatus::kDamaged;
    }
    const std::uint64_t seconds = order_.u32(header.data());
    const std::uint64_t fraction = order_.u32(header.data() + 4);
    const std::uint32_t captured = order_.u32(header.data() + 8);
    const std::uint32_t wire = order_.u32(header.data() + 12);
    if (captured > kMaxCaptured) {
        problem.text =
            fmt::format("the record claims {} bytes; more than {} is no packet", captured, kMaxCaptured);
        return ReadStatus::kDamaged;
    }
    const base::Bytes bytes = in.peek(record_header_ + captured);
    if (bytes.size() < record_header_ + captured) {
        problem.text = fmt::format("the record claims {} bytes but the file ends after {}", captured,
                                   bytes.size() - record_header_);
        return ReadStatus::kDamaged;
    }
    in.consume(bytes.size());
    record.offset = problem.offset;
    record.timestamp_ns = seconds * 1'000'000'000 + fraction * ns_per_fraction_;
    // Some writers store no wire length, or one without a trailer that they did capture; libpcap takes both.
    record.wire_length = std::max(wire, captured);
    record.interface = 0;
    record.data = bytes.subspan(record_header_);
    return ReadStatus::kRecord;
}

}  // namespace yagura::pcap
