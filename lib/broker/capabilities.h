// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"
#include "drivers/ethdev/device_string.h"

namespace yagura::broker {

/// Linux capabilities, one bit each, as the kernel numbers them.
using Capabilities = std::uint64_t;
constexpr Capabilities capability(int number) {
    return Capabilities{1} << number;
}

/// "cap_net_raw,cap_net_admin", or "none".
std::string capability_names(Capabilities set);

/// What a device of this kind needs to be opened. `pci_driver`: which driver a PCI device is bound to.
Capabilities to_open(ethdev::DeviceKind kind, const std::string& pci_driver);
/// What it still needs while it runs and when it is closed.
Capabilities to_run(ethdev::DeviceKind kind, const std::string& pci_driver);

/// What devices of a kind in "hotplug" need to be opened later and to run. Of PCI devices those that vfio-pci
/// has; of packet sockets what locks their rings, too, which a limit of locked memory may do without.
Capabilities to_plug(const std::string& kind);

/// What the calling thread has.
Capabilities own_capabilities();

/// Takes all other capabilities from every thread of the process, for good, also from programs that it might
/// start. Once in a process; decision 0022.
base::Result<void> keep_capabilities(Capabilities keep);

}  // namespace yagura::broker
