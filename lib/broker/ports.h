// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <filesystem>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "port/driver.h"
#include "rules/config.h"

struct rte_mempool;

namespace yagura::ethdev {
class EthdevPort;
}

namespace yagura::broker {

/// The open ports of a live configuration, by their device strings. The control thread's; the queues belong
/// to the pipeline's threads while it runs, and must outlive it.
class Ports {
  public:
    Ports();
    ~Ports();
    Ports(const Ports&) = delete;
    Ports& operator=(const Ports&) = delete;

    /// Opens all ports. Packets are received into `pool`, which must outlive them. The error names the port.
    base::Result<void> open(const rules::Config& config, rte_mempool* pool);
    /// The tools' alone, for whoever brings sources of his own.
    base::Result<void> open_tools(const rules::Config& config, rte_mempool* pool);
    /// Looks at the links of all devices: a line for each that has changed since the last time, at first for
    /// each. Several times a second.
    std::vector<std::string> look();
    /// Ends the tools' outputs, when the threads have stopped.
    base::Result<void> close_tools();

    const std::vector<port::RxQueue*>& sources() const { return sources_; }  ///< by PortId
    const std::vector<port::TxQueue*>& tools() const { return tools_; }      ///< by ToolId

  private:
    base::Result<void> open_network(const rules::Port& port, rte_mempool* pool, base::PortId id);
    base::Result<void> open_tool(const rules::Port& port, rte_mempool* pool);
    void keep(const rules::Port& port, std::unique_ptr<ethdev::EthdevPort> device);

    std::vector<port::RxQueue*> sources_;
    std::vector<port::TxQueue*> tools_;
    std::set<std::filesystem::path> files_;
    std::vector<std::unique_ptr<port::RxQueue>> rx_;
    std::vector<std::unique_ptr<port::TxQueue>> tx_;
    struct Device {
        std::string port;
        std::unique_ptr<ethdev::EthdevPort> device;
    };
    std::vector<Device> devices_;
};

}  // namespace yagura::broker
