// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "broker/cancellation.h"
#include "broker/database_maker.h"
#include "broker/live_run.h"
#include "broker/policy_queue.h"
#include "broker/worker.h"
#include "control/json_rpc.h"

namespace yagura::broker {

/// Checks configurations and brings them into effect while the run goes on. Reading and compiling are the
/// worker's; the lcores take the new rules over in the midst of traffic. The control thread's.
class Reloader {
  public:
    /// Gets what came of it, on the control thread, as the answer of the control socket.
    using Done = std::function<void(const control::Outcome&)>;

    /// All outlive it. The maker is the worker's from now on.
    Reloader(LiveRun& run, Worker& worker, PolicyQueue& queue, DatabaseMaker& maker)
        : run_(run), worker_(worker), queue_(queue), maker_(maker) {}

    /// Says whether the text is a configuration, and whether load() would take it. The worker has room, and
    /// the queue, here and in load().
    void check(std::string text, Done done);
    /// Has the rules and tool groups of this text, or of the run's own file, replace those in effect. What
    /// else is in it must be as it is.
    void load(std::optional<std::string> text, ConfigOrigin origin, Done done);
    /// The same with the text of a version before: it comes into effect again, as another version.
    void roll_back(const ConfigVersion& version, ConfigOrigin origin, Done done);

    /// Whatever of this has not been done is given up: who waits for it is told so. How many there were.
    std::size_t cancel();

  private:
    std::shared_ptr<Cancellation> begin();
    void bring(std::shared_ptr<const std::string> text, ConfigOrigin origin, const char* field, Done done);

    LiveRun& run_;
    Worker& worker_;
    PolicyQueue& queue_;
    DatabaseMaker& maker_;
    std::vector<std::weak_ptr<Cancellation>> begun_;
};

/// What differs between two configurations and cannot change in a run, at its place.
std::vector<rules::ConfigError> unchangeable(const rules::Config& running, const rules::Config& wanted);

}  // namespace yagura::broker
