// SPDX-License-Identifier: BSD-3-Clause
#include "drivers/pcap/tool_file.h"

#include <fmt/format.h>
#include <rte_mbuf.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

#include "drivers/pcap/packet_copy.h"
#include "port/packet.h"

namespace yagura::pcap {

base::Result<std::unique_ptr<ToolFile>> ToolFile::create(std::string path, net::LinkType link_type,
                                                         const ToolFileOptions& options) {
    auto spool = CaptureWriter::create(path + ".part", link_type);
    if (!spool) return spool.error();
    return std::unique_ptr<ToolFile>(
        new ToolFile(std::move(path), link_type, options, std::move(spool).value()));
}

ToolFile::ToolFile(std::string path, net::LinkType link_type, const ToolFileOptions& options,
                   std::unique_ptr<CaptureWriter> spool)
    : path_(std::move(path)),
      link_type_(link_type),
      spool_(std::move(spool)),
      sorter_(path_ + ".index", options.run_entries) {}

ToolFile::~ToolFile() {
    if (closed_) return;
    spool_->flush();
    if (spool_->written().packets == 0) unlink(spool_->path().c_str());
}

std::uint16_t ToolFile::send(std::span<rte_mbuf* const> burst) {
    std::uint16_t taken = 0;
    while (taken < burst.size() && append(burst[taken])) ++taken;
    if (taken > 0) rte_pktmbuf_free_bulk(const_cast<rte_mbuf**>(burst.data()), taken);
    return taken;
}

bool ToolFile::append(const rte_mbuf* packet) {
    const port::PacketMeta& meta = port::meta(packet);
    const std::uint32_t captured = rte_pktmbuf_pkt_len(packet);
    const std::uint64_t offset = spool_->offset();
    if (!write_packet(*spool_, packet)) return false;
    const bool indexed =
        sorter_.add({.order_time = meta.order_time,
                     .order_record = meta.order_record,
                     .offset = offset,
                     .size = static_cast<std::uint32_t>(CaptureWriter::kRecordHeader + captured),
                     .order_file = meta.order_file});
    // This packet is in the spool and in the index; the next would not find room in the index.
    if (!indexed) spool_->fail(sorter_.error());
    return true;
}

base::Result<void> ToolFile::close() {
    closed_ = true;
    spool_->flush();
    std::string problem = spool_->error();
    const auto add_problem = [&](const std::string& text) {
        if (!problem.empty()) problem += "; ";
        problem += text;
    };
    if (!problem.empty()) {
        add_problem(fmt::format("{} has the {} packets that were written before", path_, written().packets));
        if (lost().packets > 0) add_problem(fmt::format("{} that had been taken are lost", lost().packets));
    }

    std::string finished = spool_->path();
    if (!sorter_.in_order()) {
        const std::string sorted_path = path_ + ".sorted";
        if (auto sorted = write_sorted(sorted_path); sorted.ok()) {
            finished = sorted_path;
        } else {
            add_problem(sorted.error().message);
            add_problem(fmt::format("the packets in {} are in order of arrival, not of capture", path_));
            unlink(sorted_path.c_str());
        }
    }
    if (std::rename(finished.c_str(), path_.c_str()) != 0) {
        add_problem(fmt::format("cannot rename {} to {}: {}; it is complete under its present name", finished,
                                path_, std::strerror(errno)));
    } else if (finished != spool_->path()) {
        unlink(spool_->path().c_str());
    }
    if (!problem.empty()) return base::Error{std::move(problem)};
    return {};
}

/// Copies the spool in capture order. What lies side by side in both is copied in one piece; what does not is
/// found by the kernel's page cache.
base::Result<void> ToolFile::write_sorted(const std::string& sorted_path) {
    auto created = CaptureWriter::create(sorted_path, link_type_);
    if (!created) return created.error();
    CaptureWriter& out = **created;
    if (auto begun = sorter_.begin_merge(); !begun) return begun.error();

    constexpr std::size_t kPiece = std::size_t{256} << 10;
    struct Piece {
        std::uint64_t offset = 0;
        std::size_t size = 0;
        std::size_t packets = 0;
    } piece;
    std::string problem;
    const auto copy = [&] {
        if (piece.packets == 0) return true;
        std::uint8_t* place = out.add_raw(piece.size, piece.packets);
        if (place == nullptr) {
            problem = out.error();
            return false;
        }
        return spool_->read_back(piece.offset, place, piece.size, problem);
    };

    RecordIndex entry;
    while (sorter_.next(entry)) {
        if (entry.offset + entry.size > spool_->offset()) continue;  // lost when the disk failed
        if (entry.offset != piece.offset + piece.size || piece.size + entry.size > kPiece) {
            if (!copy()) return base::Error{problem};
            piece = {.offset = entry.offset};
        }
        piece.size += entry.size;
        ++piece.packets;
    }
    if (!sorter_.error().empty()) return base::Error{sorter_.error()};
    if (!copy()) return base::Error{problem};
    if (!out.flush()) return base::Error{out.error()};
    return {};
}

}  // namespace yagura::pcap
