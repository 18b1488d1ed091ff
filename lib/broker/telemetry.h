// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <memory>

#include "broker/live_run.h"
#include "control/json_rpc.h"

namespace yagura::broker {

/// The run's counters as commands of DPDK's telemetry: /yagura/... Its thread answers from a snapshot that is
/// published now and then, and never asks anybody. One in a process, for its commands stay. Control thread.
class Telemetry {
  public:
    Telemetry() = default;
    ~Telemetry();  ///< from now on the commands have no answer
    Telemetry(const Telemetry&) = delete;
    Telemetry& operator=(const Telemetry&) = delete;

    /// Registers the commands. Needs DPDK's environment, with telemetry.
    void open();
    bool is_open() const { return open_; }
    /// What is answered from now on. `info`, `health`, `stats`: of the methods of the control socket.
    void publish(LiveRun& run, control::Json info, control::Json health, control::Json stats);

  private:
    bool open_ = false;
    std::shared_ptr<const rules::Config> config_;
    std::uint64_t config_version_ = 0;
};

}  // namespace yagura::broker
