// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "base/result.h"
#include "drivers/pcap/capture_writer.h"
#include "drivers/pcap/record_sorter.h"
#include "net/parser.h"
#include "port/driver.h"

namespace yagura::pcap {

struct ToolFileOptions {
    /// Entries (32 bytes each) of the index that are sorted in memory at a time. It changes nothing but cost.
    std::size_t run_entries = RecordSorter::kRunEntries;
};

/// One tool's capture in replay: a nanosecond pcap file with the packets in capture order, in whatever order
/// they arrive. Order costs disk, not memory: packets are spooled to PATH.part, itself a valid capture, and
/// if they arrived out of order close() writes a second copy that is in order. Uses 5 MiB of memory, and 17
/// MiB more in close().
class ToolFile final : public port::TxQueue {
  public:
    /// Makes PATH.part; PATH comes into being, or is replaced, in close(). The error names the file.
    static base::Result<std::unique_ptr<ToolFile>> create(std::string path, net::LinkType link_type,
                                                          const ToolFileOptions& options = {});
    /// Without close(): an unfinished PATH.part stays if it has packets.
    ~ToolFile() override;

    /// Frees the packets that it takes. Takes none from the moment when the disk failed.
    [[nodiscard]] std::uint16_t send(std::span<rte_mbuf* const> burst) override;

    port::ShedReason refusal() const override { return port::ShedReason::kWriteError; }

    /// Puts the file in order and in its place. After an error PATH is a valid capture all the same: as many
    /// packets as could be written, in order of arrival if they could not be put in order (the error says
    /// so).
    base::Result<void> close() override;

    /// The disk failed: nothing is taken any more.
    bool failed() const { return spool_->failed(); }
    /// Taken and (once closed) in the file. For the thread that sends, and after it for any.
    const base::Count& written() const { return spool_->written(); }
    /// Taken by send(), then lost with a buffer that could not be written.
    base::Count lost() const override { return spool_->lost(); }

  private:
    ToolFile(std::string path, net::LinkType link_type, const ToolFileOptions& options,
             std::unique_ptr<CaptureWriter> spool);
    bool append(const rte_mbuf* packet);
    base::Result<void> write_sorted(const std::string& sorted_path);

    std::string path_;
    net::LinkType link_type_;
    std::unique_ptr<CaptureWriter> spool_;
    RecordSorter sorter_;
    bool closed_ = false;
};

}  // namespace yagura::pcap
