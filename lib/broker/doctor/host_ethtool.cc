// SPDX-License-Identifier: BSD-3-Clause
// What an interface's driver tells of it.
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "broker/doctor/host.h"

namespace yagura::broker::doctor {
namespace {

/// Asks the driver of one interface.
class Ethtool {
  public:
    explicit Ethtool(const std::string& iface) {
        if (iface.size() >= sizeof request_.ifr_name) return;
        std::memcpy(request_.ifr_name, iface.data(), iface.size());
        fd_ = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    }
    ~Ethtool() {
        if (fd_ >= 0) close(fd_);
    }
    Ethtool(const Ethtool&) = delete;
    Ethtool& operator=(const Ethtool&) = delete;

    /// `data` begins with the command, and gets the answer.
    bool ask(void* data) {
        request_.ifr_data = static_cast<char*>(data);
        return fd_ >= 0 && ioctl(fd_, SIOCETHTOOL, &request_) == 0;
    }
    std::optional<std::uint32_t> value(std::uint32_t command) {
        ethtool_value value{.cmd = command, .data = 0};
        return ask(&value) ? std::optional(value.data) : std::nullopt;
    }

  private:
    int fd_ = -1;
    ifreq request_{};
};

/// The key of the receive hash; empty: it is not told.
std::vector<std::uint8_t> hash_key(Ethtool& ethtool) {
    ethtool_rxfh sizes{};
    sizes.cmd = ETHTOOL_GRSSH;
    if (!ethtool.ask(&sizes) || sizes.key_size == 0) return {};
    const std::size_t table = sizes.indir_size * sizeof(std::uint32_t);
    constexpr std::size_t kMost = 1 << 20;
    if (table + sizes.key_size > kMost) return {};
    std::vector<std::uint8_t> answer(sizeof sizes + table + sizes.key_size);
    std::memcpy(answer.data(), &sizes, sizeof sizes);
    if (!ethtool.ask(answer.data())) return {};
    return {answer.end() - sizes.key_size, answer.end()};
}

}  // namespace

std::optional<Offloads> Host::offloads(const std::string& iface) const {
    if (root_ != "/") return std::nullopt;
    Ethtool ethtool(iface);
    const auto tso = ethtool.value(ETHTOOL_GTSO);
    const auto gso = ethtool.value(ETHTOOL_GGSO);
    const auto gro = ethtool.value(ETHTOOL_GGRO);
    const auto flags = ethtool.value(ETHTOOL_GFLAGS);
    if (!tso && !gso && !gro) return std::nullopt;
    return Offloads{.tso = tso.value_or(0) != 0,
                    .gso = gso.value_or(0) != 0,
                    .gro = gro.value_or(0) != 0,
                    .lro = (flags.value_or(0) & ETH_FLAG_LRO) != 0};
}

std::optional<ReceiveSide> Host::receive_side(const std::string& iface) const {
    if (root_ != "/") return std::nullopt;
    Ethtool ethtool(iface);
    ethtool_channels channels{};
    channels.cmd = ETHTOOL_GCHANNELS;
    if (!ethtool.ask(&channels)) return std::nullopt;
    ReceiveSide side{.channels = std::max(1u, channels.rx_count + channels.combined_count), .symmetric = {}};
    const std::vector<std::uint8_t> key = hash_key(ethtool);
    ethtool_rxnfc fields{};
    fields.cmd = ETHTOOL_GRXFH;
    fields.flow_type = TCP_V4_FLOW;
    if (key.empty() || !ethtool.ask(&fields)) return side;
    // Both addresses, and both ports or neither.
    constexpr std::uint64_t kPorts = RXH_L4_B_0_1 | RXH_L4_B_2_3;
    constexpr std::uint64_t kAddresses = RXH_IP_SRC | RXH_IP_DST;
    const bool fair = (fields.data & kAddresses) == kAddresses &&
                      ((fields.data & kPorts) == kPorts || (fields.data & kPorts) == 0);
    side.symmetric = fair && is_symmetric_key(key);
    return side;
}

}  // namespace yagura::broker::doctor
