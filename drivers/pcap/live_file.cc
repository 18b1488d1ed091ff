// SPDX-License-Identifier: BSD-3-Clause
#include "drivers/pcap/live_file.h"

#include <fmt/format.h>
#include <rte_errno.h>
#include <rte_lcore.h>
#include <rte_mbuf.h>
#include <rte_ring.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <thread>
#include <utility>

#include "drivers/pcap/packet_copy.h"

namespace yagura::pcap {
namespace {

constexpr unsigned kBatch = 64;
/// How long the writer sleeps when it finds nothing: at a million packets a second a quarter of the default
/// capacity.
constexpr auto kNap = std::chrono::milliseconds(1);

rte_ring* make_ring(const char* purpose, std::uint32_t capacity) {
    static std::atomic<unsigned> serial{0};
    const std::string name = fmt::format("live_file_{}_{}", purpose, serial.fetch_add(1));
    return rte_ring_create(name.c_str(), capacity, SOCKET_ID_ANY,
                           RING_F_SP_ENQ | RING_F_SC_DEQ | RING_F_EXACT_SZ);
}

}  // namespace

base::Result<std::unique_ptr<LiveFile>> LiveFile::create(std::string path, net::LinkType link_type,
                                                         const LiveFileOptions& options) {
    auto writer = CaptureWriter::create(std::move(path), link_type);
    if (!writer) return writer.error();
    std::unique_ptr<LiveFile> file(new LiveFile(std::move(writer).value(), options.capacity));
    if (auto started = file->start(); !started) return started.error();
    return file;
}

base::Result<void> LiveFile::start() {
    to_disk_ = make_ring("out", capacity_);
    written_ring_ = make_ring("back", capacity_);
    if (to_disk_ == nullptr || written_ring_ == nullptr) {
        return base::Error{fmt::format("{}: cannot allocate a ring of {} packets: {}", writer_->path(),
                                       capacity_, rte_strerror(rte_errno))};
    }
    // A control thread of EAL: it keeps off the lcores' CPUs, which a plain one would inherit.
    const int error = rte_ctrl_thread_create(
        &thread_, "yagura-pcap", nullptr,
        [](void* self) -> void* {
            static_cast<LiveFile*>(self)->write_until_stopped();
            return nullptr;
        },
        this);
    if (error != 0) {
        return base::Error{
            fmt::format("{}: cannot start the writer: {}", writer_->path(), std::strerror(std::abs(error)))};
    }
    running_ = true;
    return {};
}

LiveFile::~LiveFile() {
    if (running_) static_cast<void>(close().ok());
    rte_ring_free(to_disk_);
    rte_ring_free(written_ring_);
}

std::uint16_t LiveFile::send(std::span<rte_mbuf* const> burst) {
    flush();
    if (failed()) return 0;
    // No more than fits into either ring is ever on its way, so the writer always finds room in the second.
    const auto count = static_cast<unsigned>(std::min<std::size_t>(burst.size(), capacity_ - outstanding_));
    const unsigned taken =
        rte_ring_sp_enqueue_burst(to_disk_, reinterpret_cast<void* const*>(burst.data()), count, nullptr);
    outstanding_ += taken;
    return static_cast<std::uint16_t>(taken);
}

void LiveFile::flush() {
    std::array<rte_mbuf*, kBatch> batch;
    unsigned count;
    do {
        count =
            rte_ring_sc_dequeue_burst(written_ring_, reinterpret_cast<void**>(batch.data()), kBatch, nullptr);
        rte_pktmbuf_free_bulk(batch.data(), count);
        outstanding_ -= count;
    } while (count == kBatch);
}

base::Result<void> LiveFile::close() {
    if (!running_) return {};
    stop_.store(true, std::memory_order_release);
    pthread_join(thread_, nullptr);
    running_ = false;
    flush();
    if (!writer_->failed()) return {};
    return base::Error{
        fmt::format("{}; the file has the {} packets that were written before, {} that had been taken "
                    "are lost",
                    writer_->error(), written().packets, lost().packets)};
}

void LiveFile::write_until_stopped() {
    std::array<rte_mbuf*, kBatch> batch;
    for (;;) {
        // Asked before the ring is: what was sent before close() is then seen below.
        const bool stopping = stop_.load(std::memory_order_acquire);
        const unsigned count =
            rte_ring_sc_dequeue_burst(to_disk_, reinterpret_cast<void**>(batch.data()), kBatch, nullptr);
        for (unsigned i = 0; i < count; ++i) {
            if (write_packet(*writer_, batch[i])) continue;
            ++refused_.packets;
            refused_.bytes += rte_pktmbuf_pkt_len(batch[i]);
        }
        rte_ring_sp_enqueue_burst(written_ring_, reinterpret_cast<void* const*>(batch.data()), count,
                                  nullptr);
        if (count == 0) writer_->flush();
        publish();
        if (count > 0) continue;
        if (stopping) return;
        std::this_thread::sleep_for(kNap);
    }
}

void LiveFile::publish() {
    written_.write(writer_->written());
    lost_.write({writer_->lost().packets + refused_.packets, writer_->lost().bytes + refused_.bytes});
    failed_.store(writer_->failed(), std::memory_order_relaxed);
}

}  // namespace yagura::pcap
