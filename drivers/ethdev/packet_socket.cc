// SPDX-License-Identifier: BSD-3-Clause
#include "drivers/ethdev/packet_socket.h"

#include <fmt/format.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "net/parser.h"

namespace yagura::ethdev {
namespace {

/// Slots are laid end to end, so a block holds a whole number of them: 32 x 65,408 bytes are 511 pages. One
/// that is larger does not fit in an mbuf, whose lengths have 16 bits, with its headroom. The longest segment
/// that TCP hands to a link (65,215 bytes, and its headers) does.
constexpr std::uint32_t kFrameSize = 65'408;
constexpr std::uint32_t kFramesPerBlock = 32;
constexpr std::uint32_t kFewestFrames = 256;
constexpr std::uint32_t kLargestFrame = 65'536 - 128 + 31;

/// The driver's own.
constexpr std::uint32_t kDefaultFrameSize = 2048;
constexpr std::uint32_t kDefaultFrameCount = 512;

}  // namespace

std::uint32_t PacketSocketRing::snap() const {
    // As tpacket_rcv() in the kernel places a frame with a link header of 14 bytes.
    constexpr std::size_t kLinkHeader = 14;
    constexpr std::size_t kBegin = TPACKET_ALIGN(TPACKET2_HDRLEN + 16) - kLinkHeader;
    return frame_size - static_cast<std::uint32_t>(kBegin);
}

std::uint32_t PacketSocketRing::sendable() const {
    constexpr std::size_t kBegin = TPACKET2_HDRLEN - sizeof(sockaddr_ll);
    return frame_size - static_cast<std::uint32_t>(kBegin);
}

unsigned PacketSocketRing::memory_mib() const {
    return static_cast<unsigned>((2ull * queues * frame_size * frame_count + (1u << 20) - 1) >> 20);
}

base::Result<PacketSocketRing> complete_packet_socket(DeviceString& device, std::uint32_t frames,
                                                      unsigned queues) {
    const auto iface = device.argument("iface");
    if (!iface || iface->empty()) {
        return base::Error{fmt::format("\"{}\" names no interface; write for instance \"{},iface=eth0\"",
                                       device.to_string(), device.name())};
    }
    PacketSocketRing ring{.iface = std::string(*iface)};
    ring.queues = queues;
    if (device.argument("qpairs") && device.number("qpairs") != queues) {
        return base::Error{
            fmt::format("\"{}\": qpairs is the number of queues that are read, {}: what the kernel gives to "
                        "others is lost. Leave it out, and write \"queues\" of a network port",
                        device.to_string(), queues)};
    }
    if (queues > 1 && !device.argument("qpairs")) device.add("qpairs", queues);
    frames =
        std::max(kFewestFrames, (frames / queues + kFramesPerBlock - 1) / kFramesPerBlock * kFramesPerBlock);
    for (const char* key : {"framesz", "blocksz", "framecnt"}) {
        if (device.argument(key) && !device.number(key)) {
            return base::Error{fmt::format("\"{}\": {} is a number above 0", device.to_string(), key)};
        }
    }
    if (!device.argument("framesz") && !device.argument("blocksz")) {
        device.add("framesz", kFrameSize);
        device.add("blocksz", kFrameSize * kFramesPerBlock);
        if (!device.argument("framecnt")) device.add("framecnt", frames);
        ring.chosen = true;
    }
    ring.frame_size = static_cast<std::uint32_t>(device.number("framesz").value_or(kDefaultFrameSize));
    ring.frame_count = static_cast<std::uint32_t>(device.number("framecnt").value_or(kDefaultFrameCount));
    const auto page = static_cast<unsigned long>(getpagesize());
    const unsigned long block = device.number("blocksz").value_or(page);
    if (ring.frame_size > kLargestFrame || ring.frame_size < 128 ||
        ring.frame_size % TPACKET_ALIGNMENT != 0 || block % ring.frame_size != 0 || block % page != 0 ||
        ring.frame_count % (block / ring.frame_size) != 0) {
        return base::Error{fmt::format(
            "\"{}\": framesz is a multiple of {} from 128 to {}, blocksz one of framesz and of {}, and "
            "framecnt "
            "a number of whole blocks; leave all three out, or write framesz={},blocksz={},framecnt={}",
            device.to_string(), TPACKET_ALIGNMENT, kLargestFrame / TPACKET_ALIGNMENT * TPACKET_ALIGNMENT,
            page, kFrameSize, kFrameSize * kFramesPerBlock, frames)};
    }
    return ring;
}

bool is_whole(base::Bytes frame) {
    const net::ParsedPacket parsed = net::parse(frame, frame.size(), net::LinkType::kEthernet);
    if (parsed.outer_ip == net::kNoOffset) return false;
    const base::Bytes ip = frame.subspan(parsed.outer_ip);
    constexpr std::size_t kIpv6Header = 40;
    const auto be16 = [&](std::size_t at) { return std::size_t{ip[at]} << 8 | ip[at + 1]; };
    // A length of 0 stands for one that does not fit in 16 bits.
    if (ip[0] >> 4 == 4) return ip.size() >= 4 && be16(2) != 0 && be16(2) <= ip.size();
    return ip.size() >= kIpv6Header && be16(4) != 0 && kIpv6Header + be16(4) <= ip.size();
}

std::vector<int> packet_sockets() {
    std::vector<int> sockets;
    std::error_code none;
    for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd", none)) {
        const int fd = std::atoi(entry.path().filename().c_str());
        int domain = 0;
        socklen_t size = sizeof domain;
        if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 && domain == AF_PACKET)
            sockets.push_back(fd);
    }
    std::ranges::sort(sockets);
    return sockets;
}

bool listen_to_all(int fd, const std::string& iface) {
    packet_mreq request{};
    request.mr_ifindex = static_cast<int>(interface_state(iface).index);
    request.mr_type = PACKET_MR_PROMISC;
    return setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &request, sizeof request) == 0;
}

void forget_error(int fd) {
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
}

std::uint64_t socket_drops(int fd) {
    tpacket_stats stats{};
    socklen_t size = sizeof stats;
    return getsockopt(fd, SOL_PACKET, PACKET_STATISTICS, &stats, &size) == 0 ? stats.tp_drops : 0;
}

InterfaceState interface_state(const std::string& name) {
    InterfaceState state;
    ifreq request{};
    if (name.size() >= sizeof request.ifr_name) return state;
    std::memcpy(request.ifr_name, name.data(), name.size());
    const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return state;
    if (ioctl(fd, SIOCGIFINDEX, &request) == 0) state.index = static_cast<unsigned>(request.ifr_ifindex);
    if (ioctl(fd, SIOCGIFFLAGS, &request) == 0) {
        state.promiscuous = (request.ifr_flags & IFF_PROMISC) != 0;
        state.up = (request.ifr_flags & IFF_UP) != 0 && (request.ifr_flags & IFF_RUNNING) != 0;
    }
    if (ioctl(fd, SIOCGIFMTU, &request) == 0) state.mtu = static_cast<std::uint32_t>(request.ifr_mtu);
    close(fd);
    return state;
}

}  // namespace yagura::ethdev
