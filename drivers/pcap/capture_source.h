// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <atomic>
#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "drivers/pcap/capture_reader.h"
#include "net/parser.h"
#include "port/driver.h"

struct rte_mempool;

namespace yagura::pcap {

/// A capture file that stands in for (a part of) the traffic of a network port.
struct CaptureInput {
    std::string path;
    base::PortId port;
};

/// All network ports of a replay: the packets of any number of capture files in capture order, which is
/// record order within a file and, over several files, (time, place in the list, record), where a record's
/// time is the highest time stamp so far in its file. Nothing is lost when the pool is empty: the packet
/// comes later. Reads ahead one record per file; at most 1 MiB of buffer per file, and 256 MiB in all up to
/// 800 files.
class CaptureSource final : public port::RxQueue {
  public:
    /// Surveys every file before it reads any: an unreadable file, a link type that is not supported or one
    /// that differs from another's is an error that names files and interfaces. Packets are made from `pool`,
    /// which must outlive them.
    static base::Result<std::unique_ptr<CaptureSource>> open(std::vector<CaptureInput> inputs,
                                                             rte_mempool* pool);

    /// At most so many packets in all. Before the first receive().
    void stop_after(std::uint64_t packets) { limit_ = packets; }

    [[nodiscard]] std::uint16_t receive(std::span<rte_mbuf*> burst) override;
    bool exhausted() const override { return heap_.empty() || received_ == limit_; }

    /// Of every packet. Ethernet if the files have neither packets nor interfaces.
    net::LinkType link_type() const { return link_type_; }

    /// For progress, from any thread: bytes of the files, and packets handed out.
    std::uint64_t total_bytes() const { return total_bytes_; }
    std::uint64_t bytes_read() const { return shown_bytes_.load(std::memory_order_relaxed); }
    std::uint64_t packets() const { return shown_packets_.load(std::memory_order_relaxed); }

    /// What ended the reading of files before their end, at most one each. When exhausted().
    std::span<const Damage> damages() const { return damages_; }

  private:
    struct File {
        CaptureReader reader;
        base::PortId port;
        std::uint64_t order_time = 0;
        Record head{};  ///< the next packet
    };
    /// A file that has a next packet.
    struct Head {
        std::uint64_t order_time;
        std::uint16_t file;
        auto operator<=>(const Head&) const = default;
    };

    CaptureSource(rte_mempool* pool, net::LinkType link_type) : pool_(pool), link_type_(link_type) {}
    bool advance(File& file);
    bool too_large_for_pool(const File& file) const;
    void give_up(File& file, const std::string& reason);
    void after_first_changed();

    rte_mempool* pool_;
    net::LinkType link_type_;
    std::uint64_t limit_ = std::numeric_limits<std::uint64_t>::max();
    std::uint64_t received_ = 0;
    std::uint64_t bytes_read_ = 0;
    std::uint64_t total_bytes_ = 0;
    std::vector<File> files_;
    std::vector<Head> heap_;  ///< smallest first
    std::vector<Damage> damages_;
    std::atomic<std::uint64_t> shown_bytes_{0};
    std::atomic<std::uint64_t> shown_packets_{0};
};

}  // namespace yagura::pcap
