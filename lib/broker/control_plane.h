// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "broker/audit_trail.h"
#include "broker/flow_explainer.h"
#include "broker/flow_lister.h"
#include "broker/flow_watcher.h"
#include "broker/health.h"
#include "broker/live_run.h"
#include "broker/policy_queue.h"
#include "broker/port_changes.h"
#include "broker/reload.h"
#include "broker/remembered_answers.h"
#include "broker/responses.h"
#include "broker/telemetry.h"
#include "broker/tool_switch.h"
#include "broker/tool_watch.h"
#include "broker/worker.h"
#include "control/command_table.h"
#include "control/control_server.h"
#include "control/record_budget.h"
#include "control/roles.h"

namespace yagura::broker {

/// What is done besides moving packets: the control socket, if there is one, and reloading. The control
/// thread's; a method of the socket is a line in one of the add_..._commands below.
class ControlPlane {
  public:
    /// Both outlive it. The maker is the worker's from start() on.
    ControlPlane(LiveRun& run, DatabaseMaker& maker);
    ~ControlPlane();
    ControlPlane(const ControlPlane&) = delete;
    ControlPlane& operator=(const ControlPlane&) = delete;

    /// Takes roles, features and socket as the run's configuration says; before DPDK's environment is there,
    /// so that nothing has begun when they are wrong. Who connects waits until serve(). `socket`: its path,
    /// whatever the configuration says; empty: as it says. With a socket there is an audit log, unless the
    /// configuration does without.
    base::Result<void> open(const std::string& socket);
    /// DPDK's telemetry is not switched off. After open().
    bool wants_telemetry() const { return wants_telemetry_; }
    /// ", control socket PATH", or nothing.
    std::string describe() const;
    /// Starts the worker; needs DPDK's environment. Then the run's pipeline must be there.
    base::Result<void> start();
    /// Serves the socket and does what was asked for, no longer than this if nothing is asked.
    void serve(std::chrono::milliseconds wait);
    /// Ends the worker: nothing changes the run any more. Says what is left to say, for a short time.
    void stop();

    /// Takes tools that are down (bit per ToolId) out of their groups, and those that are up again in. Says
    /// so to stderr and to the audit log. Several times a second.
    void look_at_tools(std::uint64_t down);

    /// Brings the rules of the run's own file into effect, and tells stderr of it. As by a signal.
    void reload();

    /// Answers a call when what begins here is done; or at once that too much waits. `begin` submits to the
    /// worker, once; what comes of that may join the queue of policies.
    control::Answer later(control::Call& call, const std::function<void(Reloader::Done)>& begin);

    LiveRun& run() { return run_; }
    const Health& health() const { return health_; }
    Reloader& reloader() { return *reloader_; }
    const DatabaseMaker& maker() const { return maker_; }
    PortChanges& ports() { return *ports_; }
    ToolSwitch& tool_switch() { return *tool_switch_; }
    Worker& worker() { return *worker_; }
    FlowLister& flows() { return flows_; }
    FlowExplainer& explainer() { return explainer_; }
    FlowWatcher& busy_flows() { return busy_flows_; }
    Responses& responses() { return responses_; }
    const Responses& responses() const { return responses_; }
    RememberedAnswers& answers() { return answers_; }
    const AuditTrail& audit() const { return audit_; }
    control::ControlServer* server() { return server_.get(); }  ///< null when there is none
    const control::ControlServer* server() const { return server_.get(); }

  private:
    void tell_response(const control::Json& event, const control::AuditEvent& record);
    void record_unrecorded(std::uint64_t outcomes);
    void announce(const std::string& line, control::AuditEvent event, std::string outcome);
    base::Result<void> grant_roles(const rules::Control& control);
    base::Result<void> disable_features();

    LiveRun& run_;
    DatabaseMaker& maker_;
    Health health_;
    FlowLister flows_;
    FlowExplainer explainer_;
    FlowWatcher busy_flows_;
    Responses responses_;
    RememberedAnswers answers_;
    control::RecordBudget response_records_;
    ToolWatch tool_watch_;
    Telemetry telemetry_;
    bool wants_telemetry_ = true;
    PolicyQueue policies_;
    AuditTrail audit_;
    control::Roles roles_;
    control::CommandTable table_;
    std::unique_ptr<control::ControlServer> server_;
    std::unique_ptr<Worker> worker_;  ///< it wakes the server: it goes first
    std::unique_ptr<Reloader> reloader_;
    std::unique_ptr<PortChanges> ports_;
    std::unique_ptr<ToolSwitch> tool_switch_;
};

/// Who brings a configuration into effect by a method.
ConfigOrigin origin_of(const char* action, const control::Call& call);

/// Methods, by family. The plane outlives the table.
void add_system_commands(control::CommandTable& table, ControlPlane& plane);
void add_stats_commands(control::CommandTable& table, ControlPlane& plane);
void add_ports_commands(control::CommandTable& table, ControlPlane& plane);
void add_tools_commands(control::CommandTable& table, ControlPlane& plane);
void add_flows_commands(control::CommandTable& table, ControlPlane& plane);
void add_rules_commands(control::CommandTable& table, ControlPlane& plane);
void add_config_commands(control::CommandTable& table, ControlPlane& plane);
void add_audit_commands(control::CommandTable& table, ControlPlane& plane);
void add_response_commands(control::CommandTable& table, ControlPlane& plane);

/// What system.info says to everybody, and system.health.
control::Json live_info(const ControlPlane& plane, const LiveRun& run);
control::Json live_health(const ControlPlane& plane, LiveRun& run);
/// The update that subscribers of stats get, and stats.get answers.
control::Json live_stats(LiveRun& run);

}  // namespace yagura::broker
