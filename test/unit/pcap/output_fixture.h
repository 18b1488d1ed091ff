// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <fmt/format.h>
#include <rte_mbuf.h>
#include <sys/resource.h>

#include <catch2/catch.hpp>
#include <csignal>
#include <memory>
#include <string>

#include "port/packet.h"
#include "port/packet_pool.h"

namespace yagura::pcap::testing {

inline std::unique_ptr<port::PacketPool> make_pool(std::uint32_t count) {
    static int serial = 0;
    auto pool = port::PacketPool::create(fmt::format("tool{}", serial++), count);
    REQUIRE(pool.ok());
    return std::move(pool).value();
}

/// Its length on the wire is 4 bytes more; its time is also its order_time.
inline rte_mbuf* make_packet(port::PacketPool& pool, const std::string& data, std::uint64_t time,
                             std::uint64_t record, std::uint16_t file = 0) {
    rte_mbuf* packet =
        port::PacketPool::make_packet(pool.get(), data.data(), static_cast<std::uint32_t>(data.size()));
    REQUIRE(packet != nullptr);
    port::PacketMeta& meta = port::meta(packet);
    meta.timestamp_ns = time;
    meta.order_time = time;
    meta.order_file = file;
    meta.order_record = record;
    meta.wire_length = static_cast<std::uint32_t>(data.size()) + 4;
    return packet;
}

/// Limits the size of any file that this process writes: a disk that is full, for anybody and everywhere.
class FullDisk {
  public:
    explicit FullDisk(rlim_t size) {
        std::signal(SIGXFSZ, SIG_IGN);
        getrlimit(RLIMIT_FSIZE, &before_);
        const rlimit limit{size, before_.rlim_max};
        setrlimit(RLIMIT_FSIZE, &limit);
    }
    ~FullDisk() { setrlimit(RLIMIT_FSIZE, &before_); }
    FullDisk(const FullDisk&) = delete;
    FullDisk& operator=(const FullDisk&) = delete;

  private:
    rlimit before_;
};

}  // namespace yagura::pcap::testing
