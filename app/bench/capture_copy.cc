// SPDX-License-Identifier: BSD-3-Clause
#include "app/bench/capture_copy.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "app/bench/frame_set.h"
#include "drivers/pcap/capture_writer.h"

namespace yagura::bench {

base::Result<std::unique_ptr<CaptureCopy>> CaptureCopy::create(const std::string& capture, std::size_t most) {
    auto raw = read_capture(capture, most);
    if (!raw) return raw.error();
    if (raw->link_type != net::LinkType::kEthernet) {
        return base::Error{fmt::format("{}: net_pcap reads Ethernet alone", capture)};
    }
    const std::size_t all = raw->frames.size();
    const std::size_t large = leave_out_large(*raw);
    if (raw->frames.empty()) return base::Error{fmt::format("{}: every frame is too large", capture)};

    std::unique_ptr<CaptureCopy> copy(new CaptureCopy);
    std::string path = (std::filesystem::temp_directory_path() / "yagura-bench-XXXXXX").string();
    const int fd = mkstemp(path.data());
    if (fd < 0) return base::Error{fmt::format("{}: {}", path, std::strerror(errno))};
    close(fd);
    copy->path_ = path;
    copy->share_left_out_ = static_cast<double>(large) / static_cast<double>(all);
    auto writer = pcap::CaptureWriter::create(path, net::LinkType::kEthernet);
    if (!writer) return writer.error();
    for (const RawFrame& frame : raw->frames) {
        const auto size = static_cast<std::uint32_t>(frame.bytes.size());
        std::uint8_t* to = (*writer)->add_record(0, size, frame.wire_length);
        if (to == nullptr) break;
        std::memcpy(to, frame.bytes.data(), size);
    }
    if (!(*writer)->flush()) return base::Error{(*writer)->error()};
    return copy;
}

CaptureCopy::~CaptureCopy() {
    if (!path_.empty()) unlink(path_.c_str());
}

}  // namespace yagura::bench
