// SPDX-License-Identifier: BSD-3-Clause
#include "broker/flow_explainer.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "broker/flow_lister.h"
#include "broker/flow_name.h"
#include "net/protocol_numbers.h"

namespace yagura::broker {
namespace {

using control::Json;
using dataplane::FlowFacts;
using select::FlowStanding;

/// Rules by their ids; those that there is no room for are counted beside them.
Json rules_json(const FlowStanding::Rules& rules) {
    Json list = Json::array();
    for (std::size_t i = 0; i < std::min<std::size_t>(rules.count, rules.kMost); ++i)
        list.push_back(rules.ids[i]);
    return list;
}

bool forwards_to(const rules::Config& config, const rules::Rule& rule, std::size_t group,
                 const rules::Port& tool) {
    const auto& members = config.tool_groups[group].members;
    return std::ranges::find(rule.forward, group) != rule.forward.end() &&
           std::ranges::find(members, rules::tool_id(tool), &rules::GroupMember::tool) != members.end();
}

/// Through which groups, and by which rules in effect, a tool gets the flow. `by_current`: those rules are of
/// the configuration in effect.
Json tool_json_of(const rules::Config& config, const rules::Port& tool, const FlowStanding& standing,
                  bool by_current) {
    Json entry{{"tool", tool.name}};
    if (!by_current) return entry;
    entry["by"] = Json::array();
    for (std::size_t i = 0; i < std::min<std::size_t>(standing.in_effect.count, standing.in_effect.kMost);
         ++i) {
        const auto rule = std::ranges::find(config.rules, standing.in_effect.ids[i], &rules::Rule::id);
        if (rule == config.rules.end()) continue;
        for (std::size_t group = 0; group < config.tool_groups.size(); ++group) {
            if (!forwards_to(config, *rule, group, tool)) continue;
            entry["by"].push_back({{"rule", rule->id}, {"group", config.tool_groups[group].name}});
        }
    }
    return entry;
}

Json direction_json(const FlowFacts& facts, unsigned direction, std::uint64_t depth) {
    const FlowStanding::Direction& of = facts.standing.directions[direction];
    const net::FlowKey key = direction == 0 ? facts.key : facts.key.reversed();
    Json entry{{"from", end_name(key.src, key.sport, key)}};
    if (key.proto == net::ip_proto::kTcp) entry["begun"] = of.begun;
    entry["matched"] = of.matched;
    entry["depth"] = depth;
    if (key.proto == net::ip_proto::kTcp) entry["waiting"] = of.waiting;
    entry["ended"] = of.ended;
    return entry;
}

/// What could still change what the flow gets.
Json awaited(const FlowStanding& standing) {
    Json list = Json::array();
    if (standing.inspected) list.push_back("payload");
    if (standing.awaits_answer) list.push_back("answer");
    if (standing.asks_packets) list.push_back("packets");
    return list;
}

void add_standing(Json& entry, const FlowFacts& facts, const LiveRun& run) {
    const FlowStanding& standing = facts.standing;
    const bool by_current = facts.epoch == run.pipeline->epoch();
    const auto version = run.version_of(facts.epoch);
    entry["config_version"] = version ? Json(*version) : Json(nullptr);
    entry["decided"] = standing.decided;
    entry["awaits"] = awaited(standing);
    entry["rules"] = rules_json(standing.in_effect);
    entry["waiting"] = rules_json(standing.waiting);
    entry["open"] = rules_json(standing.open);
    entry["open_count"] = standing.open.count;
    entry["tools"] = Json::array();
    entry["offered"] = Json::array();
    for (const rules::Port* tool : run.config.tool_ports()) {
        if ((standing.tools >> tool->place & 1) != 0)
            entry["tools"].push_back(tool_json_of(run.config, *tool, standing, by_current));
        if ((standing.offered >> tool->place & 1) != 0) entry["offered"].push_back(tool->name);
    }
    const bool dropped = standing.reason != select::DropReason::kNone;
    entry["reason"] = dropped ? Json(select::drop_reason_name(standing.reason)) : Json(nullptr);
    entry["inspection"] = nullptr;
    if (!standing.inspected) return;
    const std::uint64_t depth = run.config.inspect.stream_depth;
    entry["inspection"] = {
        {"held_packets", standing.held_packets},
        {"held_bytes", standing.held_bytes},
        {"hold_full", standing.hold_full},
        {"directions", {direction_json(facts, 0, depth), direction_json(facts, 1, depth)}}};
}

/// Whether it is blocked, cut, or not wanted by some tools, and who says so.
void add_response(Json& entry, const FlowFacts& facts, const LiveRun& run, const Responses& responses) {
    using Cut = dataplane::FlowResponse::Cut;
    entry["blocked_by"] = Json::array();
    for (const reset::Block& block : responses.blocks().covering(facts.key))
        entry["blocked_by"].push_back(BlockKeeper::to_json(block));
    entry["shunted_tools"] = tool_names(run.config, facts.response.shunted);
    entry["cut"] = nullptr;
    switch (facts.response.cut) {
        case Cut::kNone:
            break;
        case Cut::kGoesOn:
            entry["cut"] = Json{{"state", "going_on"}};
            responses.add_cause(entry["cut"], facts.response.cause, facts.response.source);
            break;
        case Cut::kOver:
            entry["cut"] = Json{{"state", "over"}};
            break;
        case Cut::kRefused:
            entry["cut"] = Json{{"state", "refused"}};
            break;
    }
}

Json flow_json(const FlowFacts& facts, const LiveRun& run, const Responses& responses, std::size_t select) {
    Json entry{{"flow", flow_name(facts.key)}, {"lcore", run.plan.select[select]}};
    if (facts.key.proto == net::ip_proto::kTcp) entry["state"] = flow_state_name(facts.state);
    entry["answered"] = facts.answered;
    entry["idle_ms"] = facts.idle_ns / 1'000'000;
    entry["late_drop"] = facts.late_drop;
    entry["incomplete"] = facts.incomplete;
    if (responses.enabled()) add_response(entry, facts, run, responses);
    if (facts.epoch == 0) {
        entry["config_version"] = nullptr;
    } else {
        add_standing(entry, facts, run);
    }
    return entry;
}

}  // namespace

void FlowExplainer::ask(const net::FlowKey& flow, Done done) {
    questions_.push_back({flow, std::move(done)});
}

void FlowExplainer::go_on() {
    if (questions_.empty()) return;
    if (flows_.is_null()) {
        flows_ = Json::array();
        select_ = 0;
        index_ = 0;
    }
    if (asked_) {
        if (!question_.done.load(std::memory_order_acquire)) return;
        take();
    }
    if (select_ >= run_.pipeline->select_stages() || flows_.size() >= kMaxFlows) return finish();
    question_.key = questions_.front().flow;
    question_.any_domain = run_.config.inspect.key_has_vlan || run_.config.inspect.key_has_tunnel;
    question_.begin = index_;
    asked_ = run_.pipeline->ask_flow(select_, question_);
}

void FlowExplainer::take() {
    asked_ = false;
    for (unsigned i = 0; i < question_.count; ++i)
        flows_.push_back(flow_json(question_.facts[i], run_, responses_, select_));
    index_ = question_.next;
    if (!question_.at_end) return;
    ++select_;
    index_ = 0;
}

void FlowExplainer::finish() {
    const Question question = std::move(questions_.front());
    questions_.pop_front();
    Json flows = std::exchange(flows_, Json());
    if (!flows.empty()) return question.done(Json{{"flows", std::move(flows)}});
    question.done(
        control::RpcError{.code = control::RpcCode::kConflict,
                          .message = fmt::format("there is no flow {} (any more)", flow_name(question.flow)),
                          .field = "params/flow"});
}

}  // namespace yagura::broker
