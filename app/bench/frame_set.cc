// SPDX-License-Identifier: BSD-3-Clause
#include "app/bench/frame_set.h"

#include <fmt/format.h>
#include <rte_mbuf.h>

#include <filesystem>

#include "drivers/pcap/capture_reader.h"
#include "port/packet.h"

namespace yagura::bench {

base::Result<RawFrames> read_capture(const std::string& path, std::size_t most) {
    auto reader = pcap::CaptureReader::open(path);
    if (!reader) return reader.error();
    RawFrames raw{.name = std::filesystem::path(path).filename().string(), .frames = {}};
    pcap::Record record;
    bool first = true;
    pcap::ReadStatus status = pcap::ReadStatus::kEnd;
    while (raw.frames.size() < most && (status = reader->next(record)) == pcap::ReadStatus::kRecord) {
        const auto link_type = reader->interfaces()[record.interface].link_type;
        if (!link_type) return base::Error{fmt::format("{}: a link type that is not supported", path)};
        if (first) raw.link_type = *link_type;
        first = false;
        if (*link_type != raw.link_type || record.data.empty()) continue;
        raw.frames.push_back(
            {.bytes = {record.data.begin(), record.data.end()}, .wire_length = record.wire_length});
    }
    if (status == pcap::ReadStatus::kDamaged) return base::Error{reader->damage().text};
    if (raw.frames.empty()) return base::Error{fmt::format("{}: there is no packet in it", path)};
    return raw;
}

std::size_t leave_out_large(RawFrames& raw) {
    return std::erase_if(raw.frames,
                         [](const RawFrame& frame) { return frame.bytes.size() > port::kMbufDataSize; });
}

std::size_t segments_of(const RawFrames& raw) {
    std::size_t segments = 0;
    for (const RawFrame& frame : raw.frames) segments += frame.bytes.size() / port::kMbufDataSize + 1;
    return segments;
}

unsigned memory_for(std::size_t mbufs) {
    // A pool wants its memory in one piece where it can, and the mempool's own header with each.
    constexpr std::size_t kPerMbuf = port::kMbufDataSize + RTE_PKTMBUF_HEADROOM + port::kMetaSize + 256;
    constexpr unsigned kRest = 256;
    return kRest + static_cast<unsigned>((mbufs * kPerMbuf * 3 / 2) >> 20);
}

base::Result<std::unique_ptr<FrameSet>> FrameSet::create(const RawFrames& raw) {
    static unsigned number = 0;
    // Some more than are used: those stay in the caches of lcores.
    const auto mbufs = static_cast<std::uint32_t>(segments_of(raw) + 1024);
    auto pool = port::PacketPool::create(fmt::format("frames{}", number++), mbufs);
    if (!pool) return pool.error();

    std::unique_ptr<FrameSet> set(new FrameSet);
    set->pool_ = std::move(*pool);
    for (const RawFrame& frame : raw.frames) {
        const auto size = static_cast<std::uint32_t>(frame.bytes.size());
        rte_mbuf* packet = port::PacketPool::make_packet(set->pool_->get(), frame.bytes.data(), size);
        if (packet == nullptr) return base::Error{"the packet pool is too small"};
        base::Bytes bytes{rte_pktmbuf_mtod(packet, const std::uint8_t*), size};
        if (packet->nb_segs != 1) bytes = set->copies_.emplace_back(frame.bytes);
        set->frames_.push_back({.packet = packet, .bytes = bytes, .wire_length = frame.wire_length});
    }
    return set;
}

FrameSet::~FrameSet() {
    for (const Frame& frame : frames_) rte_pktmbuf_free(frame.packet);
}

}  // namespace yagura::bench
