// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace yagura::ethdev {

/// The drivers of DPDK that yagura knows something about beyond their name.
enum class DeviceKind {
    kPci,         ///< "0000:3b:00.1"
    kAfPacket,    ///< a packet socket on an interface of the kernel
    kAfXdp,       ///< an XDP socket on an interface of the kernel
    kTap,         ///< an interface that the driver makes
    kVhost,       ///< a vhost-user socket
    kVirtioUser,  ///< its other end, or the kernel's vhost-net
    kMemory,      ///< net_memif, net_ring, net_null, net_pcap on files: nothing of the kernel's
    kOther,
};

/// A DPDK device string in its parts: "net_af_packet0,iface=br0". A view of nothing: it owns its text.
class DeviceString {
  public:
    explicit DeviceString(std::string_view text);

    DeviceKind kind() const { return kind_; }
    const std::string& name() const { return name_; }  ///< "net_af_packet0"
    /// The value of the first argument of this name; none: it is not there.
    std::optional<std::string_view> argument(std::string_view key) const;
    /// The same as a whole number above 0; none also when it is something else.
    std::optional<unsigned long> number(std::string_view key) const;
    void add(std::string_view key, unsigned long value);
    /// As DPDK takes it.
    std::string to_string() const;

  private:
    std::string name_;
    std::vector<std::pair<std::string, std::string>> arguments_;  ///< a bare word has an empty value
    DeviceKind kind_;
};

}  // namespace yagura::ethdev
