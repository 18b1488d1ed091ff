// SPDX-License-Identifier: BSD-3-Clause
#include "broker/control_plane.h"

#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "base/diagnostics.h"
#include "broker/eal.h"

namespace yagura::broker {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kLastWords{500};
/// Of disabled_features, besides methods.
constexpr const char* kTelemetryFeature = "telemetry";
/// Outcomes of verdicts in the audit log; what many bring about in a second is summed up there, so that the
/// log is no way to fill a disk.
constexpr control::RecordBudget::Limits kResponseRecords{
    .at_once = 200, .per_second = 200, .said_after = std::chrono::seconds(1)};
/// Descriptors besides those of connections.
constexpr rlim_t kOtherDescriptors = 512;

/// A thousand connections need more than the usual limit.
void allow_descriptors(rlim_t wanted) {
    rlimit limit{};
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted) return;
    limit.rlim_cur = std::min(limit.rlim_max, wanted);
    // If it is not allowed, connections wait when descriptors are out.
    setrlimit(RLIMIT_NOFILE, &limit);
}

/// What nobody at the socket did.
control::AuditEvent own_event(const char* action, std::string object) {
    return {.pid = getpid(),
            .uid = getuid(),
            .gid = getgid(),
            .program = "yagura",
            .action = action,
            .object = std::move(object),
            .allowed = true,
            .outcome = {}};
}

}  // namespace

ControlPlane::ControlPlane(LiveRun& run, DatabaseMaker& maker)
    : run_(run),
      maker_(maker),
      flows_(run),
      explainer_(run, responses_),
      busy_flows_(run),
      responses_(run),
      response_records_(kResponseRecords, control::RecordBudget::Clock::now()),
      policies_([this] { return run_.pipeline->ready_for_policy(); }) {
    add_system_commands(table_, *this);
    add_stats_commands(table_, *this);
    add_ports_commands(table_, *this);
    add_tools_commands(table_, *this);
    add_flows_commands(table_, *this);
    add_rules_commands(table_, *this);
    add_config_commands(table_, *this);
    add_audit_commands(table_, *this);
    add_response_commands(table_, *this);
    responses_.listen([this](const control::Json& event, const control::AuditEvent& record) {
        tell_response(event, record);
    });
}

ControlPlane::~ControlPlane() = default;

base::Result<void> ControlPlane::grant_roles(const rules::Control& control) {
    for (std::size_t i = 0; i < rules::kRoleCount; ++i) {
        const auto role = static_cast<control::Role>(i);
        const rules::RoleMembers& members = control.roles[i];
        const auto error_at = [&](const char* list, std::size_t place, const base::Error& error) {
            return base::Error{fmt::format("{}: /control/roles/{}/{}/{}: {}", run_.config_path,
                                           control::role_name(role), list, place, error.message)};
        };
        for (std::size_t n = 0; n < members.users.size(); ++n) {
            const auto granted = roles_.grant_user(role, members.users[n]);
            if (!granted) return error_at("users", n, granted.error());
        }
        for (std::size_t n = 0; n < members.groups.size(); ++n) {
            const auto granted = roles_.grant_group(role, members.groups[n]);
            if (!granted) return error_at("groups", n, granted.error());
        }
    }
    return {};
}

base::Result<void> ControlPlane::disable_features() {
    const std::vector<std::string>& features = run_.config.disabled_features;
    for (std::size_t i = 0; i < features.size(); ++i) {
        if (features[i] == kTelemetryFeature) {
            wants_telemetry_ = false;
        } else if (auto disabled = table_.disable(features[i]); !disabled) {
            return base::Error{
                fmt::format("{}: /disabled_features/{}: {}", run_.config_path, i, disabled.error().message)};
        }
    }
    return {};
}

base::Result<void> ControlPlane::open(const std::string& path) {
    if (auto disabled = disable_features(); !disabled) return disabled;
    if (!run_.config.control && path.empty()) return {};
    const rules::Control wanted = run_.config.control.value_or(rules::Control{});
    if (auto granted = grant_roles(wanted); !granted) return granted;
    auto socket =
        control::SocketFile::listen(path.empty() ? wanted.socket : path, roles_.root_alone() ? 0600 : 0666);
    if (!socket) return socket.error();
    const control::ServerLimits limits{.connections_per_user = wanted.max_connections_per_user};
    allow_descriptors(limits.connections + kOtherDescriptors);
    auto server = control::ControlServer::open(std::move(*socket), table_, roles_, audit_, limits);
    if (!server) return server.error();
    if (auto opened = audit_.open(run_.config.audit); !opened) return opened;
    server_ = std::move(*server);
    server_->publish("stats", [this] { return live_stats(run_); });
    return {};
}

std::string ControlPlane::describe() const {
    return server_ ? fmt::format(", control socket {}", server_->path()) : std::string();
}

base::Result<void> ControlPlane::start() {
    run_.started = std::chrono::system_clock::now();
    run_.started_steady = std::chrono::steady_clock::now();
    auto worker = Worker::start([this] {
        if (server_) server_->wake();
    });
    if (!worker) return worker.error();
    worker_ = std::move(*worker);
    if (wants_telemetry_ && has_telemetry()) telemetry_.open();
    reloader_ = std::make_unique<Reloader>(run_, *worker_, policies_, maker_);
    ports_ = std::make_unique<PortChanges>(run_, *worker_);
    tool_switch_ = std::make_unique<ToolSwitch>(run_, *worker_, policies_);
    return {};
}

control::Answer ControlPlane::later(control::Call& call, const std::function<void(Reloader::Done)>& begin) {
    if (!worker_->has_room() || !policies_.has_room()) return control::busy();
    const auto ticket = call.defer();
    if (!ticket) return control::busy();
    begin([this, ticket = *ticket](const control::Outcome& outcome) { server_->answer(ticket, outcome); });
    return control::Later{};
}

ConfigOrigin origin_of(const char* action, const control::Call& call) {
    const control::Peer& peer = call.peer();
    return {.action = action,
            .by = ConfigOrigin::Person{.uid = peer.uid, .pid = peer.pid, .program = peer.program}};
}

void ControlPlane::serve(milliseconds wait) {
    // The lcores answer without waking anybody.
    const bool waits = flows_.busy() || explainer_.busy() || busy_flows_.busy() || ports_->busy() ||
                       responses_.busy() || policies_.busy();
    if (waits) wait = std::min(wait, milliseconds(1));
    if (server_) {
        server_->turn(wait);
    } else {
        usleep(static_cast<useconds_t>(std::chrono::microseconds(wait).count()));
    }
    worker_->deliver();
    policies_.go_on();
    flows_.go_on();
    explainer_.go_on();
    busy_flows_.go_on();
    ports_->go_on();
    responses_.go_on();
    const auto now = Health::Clock::now();
    response_records_.leave_out(responses_.take_untold(), now);
    record_unrecorded(response_records_.to_say(now));
    if (const auto end = tool_switch_->tick(now))
        announce(fmt::format("{}: {}", end->object, end->outcome), own_event("tools.switch", end->object),
                 end->outcome);
    if (health_.due(now)) {
        health_.look(run_.stats(), run_.config, now);
        audit_.tick();
        if (telemetry_.is_open())
            telemetry_.publish(run_, live_info(*this, run_), live_health(*this, run_), live_stats(run_));
    }
}

void ControlPlane::stop() {
    reloader_->cancel();
    worker_->end();
    worker_->deliver();
    policies_.end();
    if (const std::string said = responses_.end(); !said.empty()) base::diagnose("yagura run: {}\n", said);
    record_unrecorded(response_records_.to_say_at_last() + responses_.take_untold());
    if (!server_) return;
    server_->end({.code = control::RpcCode::kConflict, .message = "yagura is ending"}, kLastWords);
}

void ControlPlane::look_at_tools(std::uint64_t seen) {
    const auto changes = tool_watch_.look(seen, ToolWatch::Clock::now());
    if (changes.empty()) return;
    run_.down_tools = tool_watch_.down();
    run_.pipeline->set_down_tools(run_.down_tools);
    for (const ToolWatch::Change& change : changes) {
        const rules::Port* const tool = run_.config.tool(change.tool);
        if (tool == nullptr) continue;  // it has been removed
        const std::string& name = tool->name;
        std::string outcome = "its own flows are back";
        if (change.down) {
            const auto others = stand_ins(run_.config, change.tool, run_.down_tools);
            outcome = others.empty() ? "nobody stands in for it: what it would get is shed"
                                     : "its flows go to " + tool_names(run_.config, others);
        }
        announce(fmt::format("tool \"{}\" is {}: {}", name, change.down ? "down" : "up again", outcome),
                 own_event(change.down ? "tool.down" : "tool.up", name), outcome);
    }
}

/// An outcome: to whoever has subscribed, and to the audit log.
void ControlPlane::tell_response(const control::Json& event, const control::AuditEvent& record) {
    if (server_ && event.is_object()) server_->notify("response", event);
    if (response_records_.take(control::RecordBudget::Clock::now())) audit_.record(record);
}

void ControlPlane::record_unrecorded(std::uint64_t outcomes) {
    if (outcomes == 0) return;
    control::AuditEvent rest = own_event("response", "");
    rest.outcome = fmt::format("{} more outcomes; response.status has their sums", outcomes);
    audit_.record(rest);
}

/// To stderr and to the audit log.
void ControlPlane::announce(const std::string& line, control::AuditEvent event, std::string outcome) {
    base::diagnose("yagura run: {}\n", line);
    event.outcome = std::move(outcome);
    audit_.record(event);
}

void ControlPlane::reload() {
    control::AuditEvent event = own_event("rules.load", "by SIGHUP");
    event.allowed = table_.find("rules.load")->enabled;
    const auto tell = [this, event](const std::string& outcome) {
        control::AuditEvent told = event;
        told.outcome = outcome;
        audit_.record(told);
        base::diagnose("yagura run: SIGHUP: {}\n", outcome);
    };
    if (!event.allowed) return tell("rules.load is switched off (disabled_features)");
    if (!audit_.may_act()) return tell("nothing is changed while the audit log cannot be written");
    if (!worker_->has_room() || !policies_.has_room()) return tell("too many changes wait");
    reloader_->load(std::nullopt, {.action = "SIGHUP"}, [tell](const control::Outcome& outcome) {
        if (const auto* error = std::get_if<control::RpcError>(&outcome)) return tell(error->message);
        const auto& answer = std::get<control::Json>(outcome);
        tell(fmt::format("version {} of the configuration is in effect, {} rules",
                         answer["new_version"].get<std::uint64_t>(), answer["rules"].get<std::uint64_t>()));
    });
}

}  // namespace yagura::broker
