// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <pthread.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "base/result.h"
#include "drivers/pcap/capture_writer.h"
#include "net/parser.h"
#include "port/driver.h"

struct rte_ring;

namespace yagura::pcap {

struct LiveFileOptions {
    /// Packets that may wait for the disk or to be freed. The pool must have that many to spare.
    std::uint32_t capacity = 4096;
};

/// A tool port that is a capture file: nanosecond pcap, in order of arrival. An ordinary thread writes, so a
/// slow disk costs this port its own packets and stalls no lcore.
///
///   lcore: send()  --to_disk ring-->  writer thread  --written ring-->  lcore: free in send(), flush()
///
/// Packets come back to be freed by the lcore: a thread that the kernel may preempt inside an operation on
/// the pool's shared ring would stall the lcores at it.
class LiveFile final : public port::TxQueue {
  public:
    /// Makes or empties the file, and starts the thread. The error names the file.
    static base::Result<std::unique_ptr<LiveFile>> create(std::string path, net::LinkType link_type,
                                                          const LiveFileOptions& options = {});
    /// As close(), with nobody to tell of an error.
    ~LiveFile() override;

    /// Takes what the capacity has room for, and nothing once the disk has failed.
    [[nodiscard]] std::uint16_t send(std::span<rte_mbuf* const> burst) override;
    port::ShedReason refusal() const override {
        return failed() ? port::ShedReason::kWriteError : port::ShedReason::kToolFull;
    }
    /// For good: a file that has failed is not taken up again.
    bool is_down() const override { return failed(); }
    /// Frees what was written.
    void flush() override;
    /// Writes what was taken, and ends the thread. After an error the file is a valid capture all the same.
    base::Result<void> close() override;

    /// The disk failed. Any thread.
    bool failed() const { return failed_.load(std::memory_order_relaxed); }
    /// In the file or the writer's buffer, and taken but not to be written for an error. Any thread; exact,
    /// one with the other, after close().
    base::Count written() const { return written_.read(); }
    base::Count lost() const override { return lost_.read(); }

  private:
    /// A base::Count of the writer thread that others may read.
    struct SharedCount {
        std::atomic<std::uint64_t> packets{0};
        std::atomic<std::uint64_t> bytes{0};
        void write(const base::Count& count) {
            packets.store(count.packets, std::memory_order_relaxed);
            bytes.store(count.bytes, std::memory_order_relaxed);
        }
        base::Count read() const {
            return {packets.load(std::memory_order_relaxed), bytes.load(std::memory_order_relaxed)};
        }
    };

    LiveFile(std::unique_ptr<CaptureWriter> writer, std::uint32_t capacity)
        : writer_(std::move(writer)), capacity_(capacity) {}
    base::Result<void> start();
    void write_until_stopped();
    void publish();

    // the writer thread's
    std::unique_ptr<CaptureWriter> writer_;
    base::Count refused_;  ///< came after the error

    // the sending lcore's
    std::uint32_t capacity_;
    std::uint32_t outstanding_ = 0;  ///< taken and not yet freed

    rte_ring* to_disk_ = nullptr;
    rte_ring* written_ring_ = nullptr;
    pthread_t thread_{};
    bool running_ = false;
    std::atomic<bool> stop_{false};
    std::atomic<bool> failed_{false};
    SharedCount written_;
    SharedCount lost_;
};

}  // namespace yagura::pcap
