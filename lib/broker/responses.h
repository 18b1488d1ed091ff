// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/result.h"
#include "broker/block_keeper.h"
#include "broker/kill_switch.h"
#include "broker/live_run.h"
#include "control/audit.h"
#include "control/json_rpc.h"
#include "dataplane/response.h"

namespace yagura::broker {

/// Verdicts of a live run: brings what people, rules and tools want to the select stages, and tells what
/// became of it, as an answer, as an event and to the audit log. Bounded, whatever comes. The control
/// thread's.
class Responses {
  public:
    using Done = std::function<void(const control::Outcome&)>;
    /// Gets each outcome, and what the audit log is to have of it.
    using Listener = std::function<void(const control::Json& event, const control::AuditEvent& record)>;
    static constexpr std::size_t kMaxItems = 32'768;  ///< that wait for their outcome

    explicit Responses(LiveRun& run) : run_(run) {}

    /// As the configuration says; where that does not enable it, nothing happens ever. Before the pipeline is
    /// made. What is said on the way to stderr, the caller says.
    base::Result<void> open(const rules::Response& settings);
    bool enabled() const { return blocks_ != nullptr; }
    /// For dataplane::PipelineOptions; null when it is not enabled. `pool`: of frames of our own.
    const dataplane::ResponseSettings* settings(rte_mempool* pool);
    void listen(Listener listener) { listener_ = std::move(listener); }
    /// Outcomes of rules, blocks and tools that the listener did not get, because there were too many. Since
    /// this was last asked.
    std::uint64_t take_untold() { return std::exchange(untold_, 0); }

    /// What is wanted of some flows.
    struct Order {
        dataplane::ResponseAction action = dataplane::ResponseAction::kReset;
        std::vector<net::FlowKey> flows;
        std::uint64_t tools = 0;  ///< of a shunt or release
        bool dry_run = false;
        bool blocks = false;  ///< and the connections are blocked; then all is refused while nothing is cut
        std::optional<std::chrono::nanoseconds> ttl{};
        std::string reason;
        std::string asker;     ///< for the audit log: uid 1000 pid 4711 key "a"
        bool extends = false;  ///< BlockKeeper::Entry
    };
    bool has_room(std::size_t items) const;
    /// Answers in go_on(), when the outcome of every flow is known. With room.
    void ask(Order order, Done done);

    /// Brings and takes what there is. After each turn of the control thread.
    void go_on();
    /// Somebody waits: go_on() is to be called soon.
    bool busy() const { return !items_.empty(); }
    /// Looks at the stop file, and keeps the list of what is blocked. Several times a second. What there is
    /// to say; empty: nothing.
    std::string look();
    /// The run ends: whoever waits gets an answer.
    std::string end();

    /// The kill switch. `who`: for those who ask why.
    void disable(const std::string& who, const std::string& reason);
    void enable();
    /// Why verdicts are refused; empty: they are not.
    std::string why_not() const;
    /// The configuration says so: verdicts are told, nothing is sent, and nobody is blocked who was not.
    bool is_dry_run() const { return response_.dry_run; }
    /// Why nothing is sent, dry run or not; empty: verdicts are carried out.
    std::string why_inactive() const;
    /// For system.health. What somebody should look at is added to `reasons`.
    control::Json health(control::Json& reasons) const;

    /// Who wanted a flow cut: "cause", with "rule" or "tool" where it is one.
    void add_cause(control::Json& json, dataplane::ResponseCause cause, std::uint64_t source) const;

    BlockKeeper& blocks() { return *blocks_; }
    const BlockKeeper& blocks() const { return *blocks_; }
    /// response.status.
    control::Json status();

  private:
    using Clock = std::chrono::steady_clock;
    struct Job {
        control::Json results = control::Json::array();
        std::size_t open = 0;
        std::string asker;
        Done done;
    };
    struct Item {
        std::shared_ptr<Job> job;
        std::size_t place = 0;
        bool blocked = false;
        unsigned asked = 0;  ///< stages that have not answered
        Clock::time_point deadline;
    };
    /// What belongs to one select stage.
    struct Stage {
        dataplane::ResponseExchange exchange;
        std::deque<dataplane::ResponseRequest> waiting;
        bool asked = false;
    };

    void set_mode();
    void forget_removed_tools();
    bool take(Stage& stage);
    void tell(const dataplane::ResponseReport& report);
    bool may_tell();
    void block_for_rule(const dataplane::ResponseReport& report);
    std::string block_unless_dry(const BlockKeeper::Entry& entry, bool cuts);
    control::Json result_of(const dataplane::ResponseReport& report) const;
    control::Json event_of(const dataplane::ResponseReport& report) const;
    void finish(std::uint64_t cookie, control::Json result, const control::Json& event = {});
    void listener_gets(const control::Json& event, std::string object, const control::Json& result) const;
    void give_up_late();

    LiveRun& run_;
    rules::Response response_;
    dataplane::ResponseSettings settings_;
    std::unique_ptr<BlockKeeper> blocks_;
    std::atomic<dataplane::ResponseMode> mode_{dataplane::ResponseMode::kOff};
    Listener listener_;
    std::vector<std::unique_ptr<Stage>> stages_;
    std::uint64_t known_version_ = 0;  ///< of the configuration: what waits names no tool that it has not
    std::unordered_map<std::uint64_t, Item> items_;  ///< by cookie
    std::uint64_t next_cookie_ = 1;
    std::vector<dataplane::ResponseReport> refused_;  ///< without asking a stage; not told yet
    KillSwitch switch_;
    bool stop_file_there_ = false;
    Clock::time_point next_look_{};
    Clock::time_point told_second_{};
    unsigned told_ = 0;         ///< outcomes that nobody waits for, in this second
    std::uint64_t untold_ = 0;  ///< such beyond
};

}  // namespace yagura::broker
