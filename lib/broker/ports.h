// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "dataplane/pipeline.h"
#include "port/driver.h"
#include "rules/config.h"

struct rte_mempool;

namespace yagura::ethdev {
class EthdevPort;
}

namespace yagura::broker {

/// A port that is open: its device, and the queues of it that the pipeline's threads use.
struct OpenPort {
    OpenPort();
    ~OpenPort();
    OpenPort(OpenPort&&) noexcept;
    OpenPort& operator=(OpenPort&&) noexcept;

    rules::Port port;
    std::vector<port::RxQueue*> queues;  ///< of a network port
    port::TxQueue* tool = nullptr;       ///< of a tool port
    port::TxQueue* inject = nullptr;     ///< of a network port that can send; null: it cannot
    port::RxQueue* feedback = nullptr;   ///< of a tool port that can be listened to
    std::filesystem::path file;          ///< of a capture file

    // Who owns them.
    std::vector<std::unique_ptr<port::RxQueue>> own_queues;
    std::unique_ptr<port::TxQueue> own_tool;
    std::unique_ptr<ethdev::EthdevPort> device;  ///< null when it is none of DPDK's
};

/// How frames of our own leave by this network port.
dataplane::InjectPort inject_of(const OpenPort& port, const rules::Config& config);

/// Opens a port by its device string. Packets are received into `pool`, which must outlive it. By one thread
/// at a time. The error names the port.
base::Result<OpenPort> open_port(const rules::Port& port, rte_mempool* pool);

/// The open ports of a live run. The control thread's; the queues belong to the pipeline's threads while it
/// runs, and must outlive it.
class Ports {
  public:
    /// Opens all ports. The error names the port.
    base::Result<void> open(const rules::Config& config, rte_mempool* pool);
    /// The tools' alone, for whoever brings sources of his own.
    base::Result<void> open_tools(const rules::Config& config, rte_mempool* pool);
    /// The port that has a capture file open already which this one would write; none.
    std::optional<std::string> owner_of_file(const rules::Port& port) const;
    void add(OpenPort port) { ports_.push_back(std::move(port)); }
    /// Gives the port away; there is one of this name.
    OpenPort take(std::string_view name);
    /// Looks at the links of all devices: a line for each that has changed since the last time, at first for
    /// each. Several times a second.
    std::vector<std::string> look();
    /// The tools that were down then: bit per ToolId.
    std::uint64_t down_tools() const;
    /// The names of the network ports whose link was down then.
    std::vector<std::string> down_networks() const;
    /// Ends the tools' outputs, when the threads have stopped.
    base::Result<void> close_tools();

    // For dataplane::PipelineOptions.
    std::vector<port::RxQueue*> sources() const;
    std::vector<dataplane::SourcePlace> places() const;  ///< by source: links share lanes
    std::vector<port::TxQueue*> tools() const;
    std::size_t network_ports() const;
    /// How frames of our own leave, by PortId.
    std::vector<dataplane::InjectPort> injects(const rules::Config& config) const;
    std::vector<port::RxQueue*> feedbacks() const;  ///< by ToolId

  private:
    std::vector<OpenPort> ports_;  ///< in the order of the configuration, network ports first
};

}  // namespace yagura::broker
