// SPDX-License-Identifier: BSD-3-Clause
#include "broker/responses.h"

#include <fmt/format.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/clock.h"
#include "broker/flow_name.h"
#include "broker/report.h"

namespace yagura::broker {
namespace {

using control::Json;
using dataplane::ResponseAction;
using dataplane::ResponseCause;
using dataplane::ResponseMode;
using dataplane::ResponseReport;
using std::chrono::milliseconds;

/// A report that does not come within this time, does not come.
constexpr std::chrono::seconds kPatience{30};
constexpr std::string_view kCauses[]{"control", "rule", "block", "tool"};

reset::BlockTarget target_of(const rules::IpPrefix& prefix) {
    return reset::BlockTarget::prefix(prefix.address, prefix.ip_version, prefix.length);
}

std::uint64_t microseconds(std::uint64_t ns) {
    return (ns + 500) / 1000;
}

std::string message_of(const ResponseReport& report, const std::string& off) {
    switch (report.kill.outcome) {
        case reset::Outcome::kRefused:
            return report.why == ResponseReport::Why::kNeverCut
                       ? "it is in never_cut of the configuration"
                       : fmt::format("nothing is cut: {}", off.empty() ? "it was switched off" : off);
        case reset::Outcome::kNotTcp:
            return "only TCP can be cut; its senders are asked to stop, by ICMP";
        case reset::Outcome::kNoPath:
            return "no frame was seen that says by which port and how its ends are reached";
        case reset::Outcome::kRateLimited:
            return "as many connections are being cut as there is room for (response.kills)";
        default:
            return {};
    }
}

}  // namespace

base::Result<void> Responses::open(const rules::Response& settings) {
    response_ = settings;
    if (!settings.enabled) return {};
    std::vector<reset::BlockTarget> prefixes;
    for (const rules::IpPrefix& prefix : settings.never_prefixes) prefixes.push_back(target_of(prefix));
    settings_.never = reset::NeverCut(prefixes, settings.never_ports);
    if (getrandom(settings_.secret.data(), sizeof settings_.secret, 0) != sizeof settings_.secret)
        return base::Error{"there are no random numbers"};
    auto keeper = BlockKeeper::open(settings, settings_.never);
    if (!keeper) return keeper.error();
    blocks_ = std::move(*keeper);
    if (!settings.blocks_file.empty()) switch_.open(settings.blocks_file + ".disabled");
    settings_.kills.capacity = settings.kills;
    settings_.kills.frames_per_second = settings.frames_per_second;
    settings_.kills.frame_burst = std::max(settings.frames_per_second / 10, 64u);
    settings_.blocks = &blocks_->list();
    settings_.block_changes = &blocks_->changes();
    settings_.mode = &mode_;
    set_mode();
    return {};
}

const dataplane::ResponseSettings* Responses::settings(rte_mempool* pool) {
    if (!enabled()) return nullptr;
    settings_.pool = pool;
    return &settings_;
}

// ---- whether anything is sent

std::string Responses::why_not() const {
    if (std::string disabled = switch_.why(); !disabled.empty()) return disabled;
    if (stop_file_there_) return fmt::format("the stop file {} is there", response_.stop_file);
    return {};
}

std::string Responses::why_inactive() const {
    std::string off = why_not();
    if (off.empty() && response_.dry_run) off = "/response/dry_run of the configuration is true";
    return off;
}

Json Responses::health(Json& reasons) const {
    if (!enabled()) return nullptr;
    const std::string off = why_not();
    if (!off.empty()) reasons.push_back("connections are not cut: " + off);
    if (!switch_.trouble().empty()) reasons.push_back(switch_.trouble());
    if (!blocks_->unsaved().empty())
        reasons.push_back("the list of what is blocked is not on the disk: " + blocks_->unsaved());
    const std::string inactive = why_inactive();
    return {{"active", inactive.empty()},
            {"why_not", inactive.empty() ? Json(nullptr) : Json(inactive)},
            {"saving", blocks_->saving()}};
}

void Responses::set_mode() {
    struct stat there {};
    // What cannot be seen, but for that it is not there, may be there.
    stop_file_there_ = !response_.stop_file.empty() && (stat(response_.stop_file.c_str(), &there) == 0 ||
                                                        (errno != ENOENT && errno != ENOTDIR));
    mode_.store(!why_not().empty()  ? ResponseMode::kOff
                : response_.dry_run ? ResponseMode::kDryRun
                                    : ResponseMode::kOn,
                std::memory_order_relaxed);
}

void Responses::disable(const std::string& who, const std::string& reason) {
    switch_.disable(who, reason);
    set_mode();
}

void Responses::enable() {
    switch_.enable();
    set_mode();
    // Who is blocked, and began meanwhile, is cut now.
    blocks_->ask_again();
}

std::string Responses::look() {
    if (!enabled()) return {};
    const std::string before = why_not();
    set_mode();
    std::string said = blocks_->tick();
    if (!said.empty()) said = "the list of what is blocked was not saved: " + said;
    if (const std::string now = why_not(); now != before) {
        if (!said.empty()) said += "; ";
        said += now.empty() ? "connections are cut again" : "connections are not cut any more: " + now;
    }
    return said;
}

// ---- verdicts of people

bool Responses::has_room(std::size_t items) const {
    std::size_t most = items_.size();
    for (const auto& stage : stages_) most = std::max(most, stage->waiting.size());
    return most + items <= kMaxItems;
}

void Responses::ask(Order order, Done done) {
    auto job = std::make_shared<Job>();
    job->asker = std::move(order.asker);
    job->done = std::move(done);
    const std::uint64_t now = base::realtime_ns();
    const bool is_off = !why_not().empty();
    while (stages_.size() < run_.pipeline->select_stages()) stages_.push_back(std::make_unique<Stage>());
    for (const net::FlowKey& flow : order.flows) {
        Item item{.job = job, .place = job->results.size(), .deadline = Clock::now() + kPatience};
        job->results.push_back(Json{{"flow", flow_name(flow)}});
        Json& result = job->results.back();
        const std::uint64_t cookie = next_cookie_++;
        if (order.blocks) {
            const BlockKeeper::Entry entry{.target = reset::BlockTarget::connection(flow),
                                           .ttl = order.ttl,
                                           .reason = order.reason,
                                           .extends = order.extends};
            result["blocked"] = false;
            if (is_off) {
                refused_.push_back({.key = flow,
                                    .cookie = cookie,
                                    .why = ResponseReport::Why::kOff,
                                    .kill = {.outcome = reset::Outcome::kRefused}});
                ++job->open;
                items_.emplace(cookie, std::move(item));
                continue;
            }
            const bool dry = order.dry_run || response_.dry_run;
            const auto added = dry ? blocks_->would_add(entry) : blocks_->add(entry, false);
            result[dry ? "would_block" : "blocked"] = BlockKeeper::is_blocked(added);
            if (added == BlockKeeper::Added::kFull) result["message"] = "the list of blocks is full";
        }
        const dataplane::ResponseRequest request{.key = flow,
                                                 .action = order.action,
                                                 .tools = order.tools,
                                                 .cookie = cookie,
                                                 .verdict_ns = now,
                                                 .dry_run = order.dry_run};
        // Where flows are told apart by more than their names any stage may have some.
        for (const std::size_t select : run_.pipeline->selects_of(flow)) {
            stages_[select]->waiting.push_back(request);
            ++item.asked;
        }
        ++job->open;
        items_.emplace(cookie, std::move(item));
    }
}

/// What somebody waits for. `event`: for those who have subscribed, if it is one for them.
void Responses::finish(std::uint64_t cookie, Json result, const Json& event) {
    const auto found = items_.find(cookie);
    if (found == items_.end()) return;
    const std::shared_ptr<Job> job = std::move(found->second.job);
    Json& entry = job->results[found->second.place];
    items_.erase(found);
    listener_gets(event, fmt::format("{} by control {}", entry["flow"].get<std::string>(), job->asker),
                  result);
    const Json message = entry.value("message", Json());
    for (auto& [key, value] : result.items()) entry[key] = std::move(value);
    if (!message.is_null()) entry["message"] = message;
    if (--job->open == 0) job->done(Json{{"results", std::move(job->results)}});
}

void Responses::give_up_late() {
    const auto now = Clock::now();
    std::vector<std::uint64_t> late;
    for (const auto& [cookie, item] : items_) {
        if (now >= item.deadline) late.push_back(cookie);
    }
    for (const std::uint64_t cookie : late) {
        finish(cookie, {{"outcome", reset::outcome_name(reset::Outcome::kUnverified)},
                        {"message", "the data path gave no report: too many at a time"}});
    }
}

// ---- to the select stages and back

/// What waits was said of a tool that has gone: its id may become another's.
void Responses::forget_removed_tools() {
    if (known_version_ == run_.version) return;
    known_version_ = run_.version;
    std::uint64_t there = 0;
    for (const rules::Port* tool : run_.config.tool_ports()) there |= std::uint64_t{1} << tool->place;
    for (const auto& stage : stages_) {
        for (dataplane::ResponseRequest& request : stage->waiting) request.tools &= there;
    }
}

void Responses::go_on() {
    if (!enabled() || run_.pipeline == nullptr) return;
    for (const ResponseReport& report : std::exchange(refused_, {})) tell(report);
    forget_removed_tools();
    while (stages_.size() < run_.pipeline->select_stages()) stages_.push_back(std::make_unique<Stage>());
    for (std::size_t i = 0; i < stages_.size(); ++i) {
        Stage& stage = *stages_[i];
        if (stage.asked && !take(stage)) continue;
        dataplane::ResponseExchange& exchange = stage.exchange;
        // What nobody waits for any more is not done: who asked has been told that it was not.
        std::erase_if(stage.waiting,
                      [this](const auto& request) { return !items_.contains(request.cookie); });
        exchange.request_count = 0;
        for (; exchange.request_count < exchange.kMost && exchange.request_count < stage.waiting.size();
             ++exchange.request_count)
            exchange.requests[exchange.request_count] = stage.waiting[exchange.request_count];
        stage.asked = run_.pipeline->exchange(i, exchange);
    }
    if (Clock::now() >= next_look_) {
        next_look_ = Clock::now() + milliseconds(500);
        give_up_late();
    }
}

/// Takes what a stage has answered. False: it has not yet.
bool Responses::take(Stage& stage) {
    dataplane::ResponseExchange& exchange = stage.exchange;
    if (!exchange.done.load(std::memory_order_acquire)) return false;
    stage.asked = false;
    stage.waiting.erase(stage.waiting.begin(), stage.waiting.begin() + exchange.requests_done);
    for (unsigned n = 0; n < exchange.report_count; ++n) tell(exchange.reports[n]);
    return true;
}

void Responses::tell(const ResponseReport& report) {
    if (report.block) return block_for_rule(report);
    if (!report.found) {
        const auto item = items_.find(report.cookie);
        if (item == items_.end() || --item->second.asked != 0) return;
        return finish(report.cookie, {{"outcome", reset::outcome_name(reset::Outcome::kNotFound)}});
    }
    const bool is_reset = report.action == ResponseAction::kReset;
    if (items_.contains(report.cookie))
        return finish(report.cookie, result_of(report), is_reset ? event_of(report) : Json());
    // Nobody waits for it: a rule's, a block's, a tool's; of somebody who has his answer already, a late one,
    // or another flow of the same name.
    if (!is_reset) return;
    if (report.cookie == 0 && !may_tell()) {
        ++untold_;
        return;
    }
    const Json event = event_of(report);
    std::string object =
        fmt::format("{} by {}", flow_name(report.key), kCauses[static_cast<std::size_t>(report.cause)]);
    if (report.cause == ResponseCause::kRule) object += fmt::format(" {}", report.source);
    if (const auto tool = event.find("tool"); tool != event.end()) object += " " + tool->get<std::string>();
    listener_gets(event, std::move(object), event);
}

/// `result`: has the members of an outcome.
void Responses::listener_gets(const Json& event, std::string object, const Json& result) const {
    if (!listener_) return;
    const std::string outcome = result.at("outcome").get<std::string>();
    std::string words = outcome;
    if (const auto seen = result.find("seen"); seen != result.end())
        words += fmt::format(" ({})", seen->get<std::string>());
    if (const auto message = result.find("message"); message != result.end())
        words += ": " + message->get<std::string>();
    listener_(event, {.pid = getpid(),
                      .uid = getuid(),
                      .gid = getgid(),
                      .program = "yagura",
                      .action = "response",
                      .object = std::move(object),
                      .allowed = outcome != reset::outcome_name(reset::Outcome::kRefused),
                      .outcome = std::move(words)});
}

/// Rules, blocks and tools may bring about any number: beyond some they are counted alone, in the sums of
/// response.status.
bool Responses::may_tell() {
    constexpr unsigned kToldPerSecond = 2000;
    const auto now = Clock::now();
    if (now >= told_second_ + std::chrono::seconds(1)) {
        told_second_ = now;
        told_ = 0;
    }
    return ++told_ <= kToldPerSecond;
}

/// What became of it, for the audit log.
std::string Responses::block_unless_dry(const BlockKeeper::Entry& entry, bool cuts) {
    if (const std::string off = why_not(); !off.empty()) return "refused: nothing is blocked: " + off;
    const auto added = response_.dry_run ? blocks_->would_add(entry) : blocks_->add(entry, cuts);
    if (BlockKeeper::is_blocked(added)) return response_.dry_run ? "dry_run" : "blocked";
    return added == BlockKeeper::Added::kNever ? "refused: it is in never_cut" : "the list of blocks is full";
}

/// A rule wants the flow that it matched to be blocked, or one of its ends.
void Responses::block_for_rule(const ResponseReport& report) {
    BlockKeeper::Entry entry{.target = {},
                             .ttl = report.block->ttl,
                             .reason = fmt::format("rule {}", report.source),
                             .extends = true};
    switch (report.block->what) {
        case rules::BlockWhat::kConnection:
            entry.target = reset::BlockTarget::connection(report.key);
            break;
        case rules::BlockWhat::kSource:
            entry.target = reset::BlockTarget::host(report.key.src, report.key.ip_version);
            break;
        case rules::BlockWhat::kDestination:
            entry.target = reset::BlockTarget::host(report.key.dst, report.key.ip_version);
            break;
    }
    // The stage has cut the flow itself.
    std::string outcome = block_unless_dry(entry, report.block->what != rules::BlockWhat::kConnection);
    if (!listener_) return;
    const bool allowed = !outcome.starts_with("refused");
    listener_({}, {.pid = getpid(),
                   .uid = getuid(),
                   .gid = getgid(),
                   .program = "yagura",
                   .action = "block",
                   .object = fmt::format("{} by rule {}", reset::to_string(entry.target), report.source),
                   .allowed = allowed,
                   .outcome = std::move(outcome)});
}

Json Responses::result_of(const ResponseReport& report) const {
    if (report.action == ResponseAction::kShunt) return {{"outcome", "shunted"}};
    if (report.action == ResponseAction::kRelease) return {{"outcome", "released"}};
    Json json{{"outcome", reset::outcome_name(report.kill.outcome)}};
    if (report.kill.seen != reset::Seen::kNothing) json["seen"] = reset::seen_name(report.kill.seen);
    if (report.kill.frames != 0) json["frames"] = report.kill.frames;
    if (report.kill.to_first_reset != 0) json["first_reset_us"] = microseconds(report.kill.to_first_reset);
    if (report.kill.to_death != 0) json["death_us"] = microseconds(report.kill.to_death);
    if (std::string message = message_of(report, why_not()); !message.empty())
        json["message"] = std::move(message);
    return json;
}

Json Responses::event_of(const ResponseReport& report) const {
    Json json{{"flow", flow_name(report.key)}};
    json.update(result_of(report));
    add_cause(json, report.cause, report.source);
    return json;
}

void Responses::add_cause(Json& json, ResponseCause cause, std::uint64_t source) const {
    json["cause"] = kCauses[static_cast<std::size_t>(cause)];
    if (cause == ResponseCause::kRule) json["rule"] = source;
    if (cause != ResponseCause::kTool || source == ResponseReport::kRemovedTool) return;
    const rules::Port* const tool = run_.config.tool(base::ToolId{static_cast<std::uint8_t>(source)});
    if (tool != nullptr) json["tool"] = tool->name;
}

std::string Responses::end() {
    if (!enabled()) return {};
    std::vector<std::uint64_t> open;
    for (const auto& [cookie, item] : items_) open.push_back(cookie);
    for (const std::uint64_t cookie : open) {
        finish(cookie, {{"outcome", reset::outcome_name(reset::Outcome::kUnverified)},
                        {"message", "yagura is ending"}});
    }
    const std::string said = blocks_->save();
    return said.empty() ? said : "the list of what is blocked was not saved: " + said;
}

Json Responses::status() {
    Json json{{"enabled", enabled()}};
    if (!enabled()) {
        json["active"] = false;
        json["why_not"] = "/response/enabled of the configuration is not true";
        return json;
    }
    const std::string inactive = why_inactive();
    json["active"] = inactive.empty();
    json["why_not"] = inactive.empty() ? Json(nullptr) : Json(inactive);
    json["dry_run"] = response_.dry_run;
    json["disabled"] = switch_.to_json();
    json["trouble"] = switch_.trouble().empty() ? Json(nullptr) : Json(switch_.trouble());
    json["saving"] = blocks_->saving();
    json["waiting"] = items_.size();
    json["blocks"] = blocks_->list().size();
    if (run_.pipeline != nullptr) json.update(response_json(run_.stats(), run_.config));
    return json;
}

}  // namespace yagura::broker
