// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "broker/live_run.h"
#include "broker/ports.h"
#include "broker/reload.h"
#include "broker/worker.h"

namespace yagura::broker {

/// Adds ports to a live run and removes them, one at a time. Devices are opened and closed by the worker; the
/// pipeline goes on meanwhile. An error leaves everything as it was. The control thread's.
class PortChanges {
  public:
    using Done = Reloader::Done;

    PortChanges(LiveRun& run, Worker& worker) : run_(run), worker_(worker) {}

    /// A change goes on: no other begins.
    bool busy() const { return state_ != State::kNone; }
    /// What can be said against it before anything is tried. `entry`: the port as it would stand in a
    /// configuration.
    std::optional<control::RpcError> cannot_add(const std::string& name, const control::Json& entry);
    std::optional<control::RpcError> cannot_remove(const std::string& name) const;
    /// When nothing is said against it, and the worker has room.
    void add(const std::string& name, const control::Json& entry, ConfigOrigin origin, Done done);
    void remove(const std::string& name, ConfigOrigin origin, Done done);
    /// Looks whether a port that is removed has come to rest. Often, while busy.
    void go_on();

  private:
    enum class State { kNone, kOpening, kStopping, kClosing };
    struct Prepared;
    std::optional<control::RpcError> cannot_change() const;
    std::optional<std::uint16_t> place_for(const control::Json& entry);
    static void prepare(Prepared& prepared);
    control::Outcome bring_in(Prepared& prepared);
    void close(const control::Json& ledger);
    void end(const control::Outcome& outcome);

    LiveRun& run_;
    Worker& worker_;
    State state_ = State::kNone;
    rules::Port leaving_;
    Done done_;
};

}  // namespace yagura::broker
