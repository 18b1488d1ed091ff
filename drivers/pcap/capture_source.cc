// SPDX-License-Identifier: BSD-3-Clause
#include "drivers/pcap/capture_source.h"

#include <fmt/format.h>
#include <rte_mbuf.h>
#include <rte_mempool.h>

#include <algorithm>
#include <functional>
#include <optional>
#include <utility>

#include "drivers/pcap/link_type.h"
#include "port/packet.h"
#include "port/packet_pool.h"

namespace yagura::pcap {
namespace {

static_assert(kMaxCaptured == port::kMaxFrame);

constexpr std::size_t kBufferBudget = std::size_t{256} << 20;

std::string describe_interface(const std::string& path, std::size_t index, const Interface& interface,
                               bool only) {
    if (only && interface.name.empty()) return path;
    if (interface.name.empty()) return fmt::format("{} interface {}", path, index);
    return fmt::format("{} interface {} ({})", path, index, interface.name);
}

/// The link type that all packets of all files have.
base::Result<net::LinkType> common_link_type(const std::vector<CaptureInput>& inputs) {
    std::optional<net::LinkType> common;
    std::optional<net::LinkType> without_packets;
    std::string first;
    for (const CaptureInput& input : inputs) {
        const auto interfaces = survey(input.path);
        if (!interfaces) return interfaces.error();
        for (std::size_t i = 0; i < interfaces.value().size(); ++i) {
            const Interface& interface = interfaces.value()[i];
            if (!without_packets) without_packets = interface.link_type;
            if (interface.records == 0) continue;
            const std::string name =
                describe_interface(input.path, i, interface, interfaces.value().size() == 1);
            if (!interface.link_type) {
                return base::Error{fmt::format("{}: {} is not supported; supported are {}", name,
                                               describe_link_type(interface.link_number),
                                               supported_link_types())};
            }
            if (!common) {
                common = interface.link_type;
                first = name;
            } else if (common != interface.link_type) {
                return base::Error{fmt::format(
                    "{} is {} but {} is {}: packets of different link types cannot be written to one "
                    "capture; "
                    "replay them in separate runs",
                    first, describe_link_type(*common), name, describe_link_type(*interface.link_type))};
            }
        }
    }
    return common.value_or(without_packets.value_or(net::LinkType::kEthernet));
}

}  // namespace

base::Result<std::unique_ptr<CaptureSource>> CaptureSource::open(std::vector<CaptureInput> inputs,
                                                                 rte_mempool* pool) {
    if (inputs.empty()) return base::Error{"no capture file is given"};
    constexpr std::size_t kMaxFiles = std::numeric_limits<decltype(Head::file)>::max();
    if (inputs.size() > kMaxFiles) {
        return base::Error{fmt::format("{} capture files are more than {}", inputs.size(), kMaxFiles)};
    }
    const auto link_type = common_link_type(inputs);
    if (!link_type) return link_type.error();

    std::unique_ptr<CaptureSource> source(new CaptureSource(pool, link_type.value()));
    source->files_.reserve(inputs.size());
    source->heap_.reserve(inputs.size());
    source->damages_.reserve(inputs.size());
    const std::size_t buffer_size = std::min(CaptureReader::kBufferSize, kBufferBudget / inputs.size());
    for (CaptureInput& input : inputs) {
        auto reader = CaptureReader::open(input.path, buffer_size);
        if (!reader) return reader.error();
        source->total_bytes_ += reader->total_bytes();
        source->files_.push_back({.reader = std::move(reader).value(), .port = input.port});
    }
    for (std::size_t i = 0; i < source->files_.size(); ++i) {
        File& file = source->files_[i];
        source->bytes_read_ += file.reader.bytes_read();
        if (source->advance(file)) source->heap_.push_back({file.order_time, static_cast<std::uint16_t>(i)});
    }
    std::make_heap(source->heap_.begin(), source->heap_.end(), std::greater<>{});
    return source;
}

std::uint16_t CaptureSource::receive(std::span<rte_mbuf*> burst) {
    std::uint16_t count = 0;
    while (count < burst.size() && !exhausted()) {
        const std::uint16_t index = heap_.front().file;
        File& file = files_[index];
        const Record& record = file.head;
        rte_mbuf* packet = port::PacketPool::make_packet(pool_, record.data.data(),
                                                         static_cast<std::uint32_t>(record.data.size()));
        if (packet == nullptr) {
            if (!too_large_for_pool(file)) break;
            give_up(file, fmt::format("the packet of {} bytes is larger than the whole pool of {} buffers",
                                      record.data.size(), pool_->size));
            heap_.front() = heap_.back();
            heap_.pop_back();
            after_first_changed();
            continue;
        }
        packet->port = file.port.value();
        port::PacketMeta& meta = port::meta(packet);
        meta.timestamp_ns = record.timestamp_ns;
        meta.order_time = file.order_time;
        meta.order_record = file.reader.records() - 1;
        meta.order_file = index;
        meta.port = file.port;
        meta.wire_length = record.wire_length;
        burst[count++] = packet;
        // What lies behind the last packet asked for is not looked at: damage there is none of this run's.
        if (++received_ == limit_) break;
        if (advance(file)) {
            heap_.front().order_time = file.order_time;
        } else {
            heap_.front() = heap_.back();
            heap_.pop_back();
        }
        after_first_changed();
    }
    shown_bytes_.store(bytes_read_, std::memory_order_relaxed);
    shown_packets_.store(received_, std::memory_order_relaxed);
    return count;
}

/// Reads the file's next packet into its head. False if there is none.
bool CaptureSource::advance(File& file) {
    const std::uint64_t before = file.reader.bytes_read();
    const ReadStatus status = file.reader.next(file.head);
    bytes_read_ += file.reader.bytes_read() - before;
    if (status == ReadStatus::kDamaged) damages_.push_back(file.reader.damage());
    if (status != ReadStatus::kRecord) return false;
    const Interface& interface = file.reader.interfaces()[file.head.interface];
    if (interface.link_type != link_type_) {
        // The survey saw to it that this is not so.
        give_up(file, fmt::format("interface {} is {}, not {}: the file has changed since the run began",
                                  file.head.interface, describe_link_type(interface.link_number),
                                  describe_link_type(link_type_)));
        return false;
    }
    file.order_time = std::max(file.order_time, file.head.timestamp_ns);
    return true;
}

bool CaptureSource::too_large_for_pool(const File& file) const {
    return (file.head.data.size() + port::kMbufDataSize - 1) / port::kMbufDataSize > pool_->size;
}

/// Records why nothing more is read from a file: its next packet cannot be used.
void CaptureSource::give_up(File& file, const std::string& reason) {
    const std::uint64_t offset = file.head.offset;
    const std::uint64_t record = file.reader.records();
    damages_.push_back(
        {.offset = offset,
         .record = record,
         .text = fmt::format("{}: offset {}, record {}: {}", file.reader.path(), offset, record, reason)});
}

/// Restores the heap after a change of its first entry.
void CaptureSource::after_first_changed() {
    for (std::size_t place = 0;;) {
        std::size_t child = 2 * place + 1;
        if (child >= heap_.size()) return;
        if (child + 1 < heap_.size() && heap_[child + 1] < heap_[child]) ++child;
        if (heap_[place] < heap_[child]) return;
        std::swap(heap_[place], heap_[child]);
        place = child;
    }
}

}  // namespace yagura::pcap
