// SPDX-License-Identifier: BSD-3-Clause
// Methods of the control socket: verdicts on flows, who is blocked, and the switch of it all.
#include <fmt/format.h>

#include <algorithm>
#include <functional>

#include "base/clock.h"
#include "broker/control_plane.h"
#include "broker/flow_name.h"
#include "broker/paging.h"
#include "rules/keys.h"
#include "rules/report.h"

namespace yagura::broker {
namespace {

using control::Answer;
using control::Arguments;
using control::Call;
using control::Effect;
using control::Json;
using control::Parameter;
using control::ParameterType;
using control::Role;
using control::RpcCode;
using control::RpcError;
using dataplane::ResponseAction;

constexpr std::uint64_t kMostItems = 1000;
constexpr std::uint64_t kMostItemBytes = 256;
constexpr std::uint64_t kMostKey = 64;
constexpr std::uint64_t kMostName = 64;
constexpr std::uint64_t kMostDuration = 32;
/// Entries of the list that one page looks at, so that a search among a million does not hold up others.
constexpr std::uint32_t kPlacesOfPage = 1u << 16;
constexpr const char* kTopic = "response";

RpcError invalid(std::string field, std::string message) {
    return {.code = RpcCode::kInvalidParams, .message = std::move(message), .field = std::move(field)};
}

RpcError not_enabled() {
    return {.code = RpcCode::kConflict,
            .message =
                "no connection is ever cut by this run: write \"response\": {\"enabled\": true} into the "
                "configuration (/response/enabled) and start yagura anew"};
}

/// A duration, or what is wrong with it.
std::variant<std::optional<std::chrono::nanoseconds>, RpcError> ttl_of(const Arguments& arguments) {
    const std::string* const text = arguments.text("ttl");
    if (text == nullptr) return std::nullopt;
    const auto ttl = rules::parse_duration(*text);
    if (!ttl || *ttl < rules::kMinBlockTime || *ttl > rules::kMaxBlockTime) {
        return invalid(
            "params/ttl",
            fmt::format("{} is no time from 1s to 3650d: write \"10m\", \"2h\", or leave it out: for good",
                        rules::in_quotes(*text)));
    }
    return ttl;
}

std::optional<RpcError> wrong_reason(const Arguments& arguments) {
    const std::string* const reason = arguments.text("reason");
    if (reason == nullptr) return std::nullopt;
    const bool control = std::ranges::any_of(
        *reason, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
    if (control) return invalid("params/reason", "a reason has no control characters");
    return std::nullopt;
}

/// A call that does something, once for each idempotency key.
class OnceOnly {
  public:
    OnceOnly(ControlPlane& plane, const Arguments& arguments, const Call& call, const char* method)
        : plane_(plane) {
        const std::string* const key = arguments.text("key");
        if (key == nullptr) return;
        key_ = RememberedAnswers::Key{call.peer().uid, method, *key};
        std::string all;
        for (const char* name : {"tool", "ttl", "reason"}) {
            if (const std::string* text = arguments.text(name)) all += fmt::format("{}={}\n", name, *text);
        }
        for (const char* name : {"flows", "targets"}) {
            for (const std::string& item : arguments.list(name)) all += item + "\n";
        }
        for (const char* name : {"dry_run", "extend"}) {
            if (arguments.flag(name)) all += name;
        }
        what_ = std::hash<std::string>()(all);
    }
    /// What was answered before, or that it is not yet; nothing: it is new.
    std::optional<Answer> known() {
        if (!key_) return std::nullopt;
        auto found = plane_.answers().find(*key_, what_, RememberedAnswers::Clock::now());
        if (std::holds_alternative<RememberedAnswers::Different>(found)) {
            return invalid("params/key",
                           "another call had this key: take a new one for what is not the same");
        }
        if (auto* answer = std::get_if<Json>(&found)) return std::move(*answer);
        if (std::holds_alternative<RememberedAnswers::Running>(found)) {
            return RpcError{.code = RpcCode::kBusy,
                            .message = "a call with this key is being carried out: ask again in a moment",
                            .field = "params/key"};
        }
        return std::nullopt;
    }
    void begin() {
        if (key_) plane_.answers().begin(*key_, what_, RememberedAnswers::Clock::now());
    }
    void end(const control::Outcome& outcome) const {
        if (key_) plane_.answers().end(*key_, outcome);
    }

  private:
    ControlPlane& plane_;
    std::optional<RememberedAnswers::Key> key_;
    std::size_t what_ = 0;
};

/// Flows in words; the error names the first that is none.
std::variant<std::vector<net::FlowKey>, RpcError> flows_of(const Arguments& arguments) {
    std::vector<net::FlowKey> flows;
    const std::vector<std::string> names = arguments.list("flows");
    for (std::size_t i = 0; i < names.size(); ++i) {
        const std::string field = fmt::format("params/flows/{}", i);
        const auto wanted = parse_flow_name(names[i]);
        if (!wanted) return invalid(field, wanted.error().message);
        if (wanted->any_protocol)
            return invalid(field, "the protocol is missing: 'tcp 10.0.0.1:1234 > 10.0.0.2:80'");
        flows.push_back(wanted->key);
    }
    return flows;
}

Answer judge(ControlPlane& plane, const Arguments& arguments, Call& call, const char* method,
             ResponseAction action, bool blocks) {
    Responses& responses = plane.responses();
    if (!responses.enabled()) return not_enabled();
    OnceOnly once(plane, arguments, call, method);
    if (auto known = once.known()) return *std::move(known);
    Responses::Order order{.action = action,
                           .dry_run = arguments.flag("dry_run"),
                           .blocks = blocks,
                           .extends = arguments.flag("extend")};
    auto flows = flows_of(arguments);
    if (auto* error = std::get_if<RpcError>(&flows)) return std::move(*error);
    order.flows = std::get<std::vector<net::FlowKey>>(std::move(flows));
    auto ttl = ttl_of(arguments);
    if (auto* error = std::get_if<RpcError>(&ttl)) return std::move(*error);
    order.ttl = std::get<0>(ttl);
    if (auto error = wrong_reason(arguments)) return *std::move(error);
    if (const std::string* reason = arguments.text("reason")) order.reason = *reason;
    order.asker = fmt::format("uid {} pid {}", call.peer().uid, call.peer().pid);
    if (const std::string* key = arguments.text("key")) order.asker += " key " + rules::in_quotes(*key);
    if (const std::string* name = arguments.text("tool")) {
        const rules::Config& config = plane.run().config;
        const auto tools = config.tool_ports();
        const auto found = std::ranges::find(tools, *name, &rules::Port::name);
        if (found == tools.end()) return invalid("params/tool", "there is no tool port of this name");
        order.tools = std::uint64_t{1} << (*found)->place;
    } else {
        order.tools = ~std::uint64_t{0};
    }
    if (!responses.has_room(order.flows.size())) return control::busy();
    const auto ticket = call.defer();
    if (!ticket) return control::busy();
    once.begin();
    responses.ask(std::move(order), [&plane, once, ticket = *ticket](const control::Outcome& outcome) {
        once.end(outcome);
        plane.server()->answer(ticket, outcome);
    });
    return control::Later{};
}

const char* added_name(BlockKeeper::Added added) {
    switch (added) {
        case BlockKeeper::Added::kNew:
            return "added";
        case BlockKeeper::Added::kChanged:
            return "changed";
        case BlockKeeper::Added::kKept:
            return "kept";
        case BlockKeeper::Added::kFull:
            return "full";
        case BlockKeeper::Added::kNever:
            return "refused";
        case BlockKeeper::Added::kBadReason:
            break;
    }
    return "invalid";
}

/// Whether what is blocked is cut, and if not, why.
void add_effect(Json& answer, const Responses& responses) {
    const std::string why_not = responses.why_inactive();
    answer["in_effect"] = why_not.empty();
    answer["why_not"] = why_not.empty() ? Json(nullptr) : Json(why_not);
}

/// What becomes of an entry; the result has its outcome and message.
void add_block(Responses& responses, const BlockKeeper::Entry& entry, Json& result) {
    BlockKeeper& blocks = responses.blocks();
    const std::string off = responses.why_not();
    if (entry.extends && !off.empty()) {
        result["outcome"] = "refused";
        result["message"] = "nothing is blocked: " + off;
        return;
    }
    // Who looks at what would be cut must not find it cut when he ends the dry run.
    const bool dry = responses.is_dry_run();
    const BlockKeeper::Added added = dry ? blocks.would_add(entry) : blocks.add(entry);
    result["outcome"] = dry && BlockKeeper::is_blocked(added) ? "dry_run" : added_name(added);
    if (added == BlockKeeper::Added::kNever)
        result["message"] = "it has something in common with never_cut of the configuration";
    if (added == BlockKeeper::Added::kFull)
        result["message"] =
            fmt::format("the list has room for {} (response.blocks.capacity)", blocks.list().capacity());
    if (added == BlockKeeper::Added::kBadReason)
        result["message"] =
            fmt::format("a reason has {} bytes of UTF-8 at most", reset::BlockList::kMaxReason);
}

Answer add_blocks(ControlPlane& plane, const Arguments& arguments, Call& call) {
    if (!plane.responses().enabled()) return not_enabled();
    OnceOnly once(plane, arguments, call, "blocks.add");
    if (auto known = once.known()) return *std::move(known);
    auto ttl = ttl_of(arguments);
    if (auto* error = std::get_if<RpcError>(&ttl)) return std::move(*error);
    if (auto error = wrong_reason(arguments)) return *std::move(error);
    const std::string* const reason = arguments.text("reason");
    Responses& responses = plane.responses();
    Json results = Json::array();
    for (const std::string& text : arguments.list("targets")) {
        Json& result = results.emplace_back(Json{{"target", text}});
        const auto target = BlockKeeper::target_of(text);
        if (!target) {
            result["outcome"] = "invalid";
            result["message"] = target.error().message;
            continue;
        }
        result["target"] = reset::to_string(*target);
        add_block(responses,
                  {.target = *target,
                   .ttl = std::get<0>(ttl),
                   .reason = reason == nullptr ? std::string() : *reason,
                   .extends = arguments.flag("extend")},
                  result);
    }
    once.begin();
    Json answer{{"results", std::move(results)}, {"blocks", responses.blocks().list().size()}};
    add_effect(answer, responses);
    once.end(answer);
    return answer;
}

Answer remove_blocks(ControlPlane& plane, const Arguments& arguments, Call& call) {
    if (!plane.responses().enabled()) return not_enabled();
    OnceOnly once(plane, arguments, call, "blocks.remove");
    if (auto known = once.known()) return *std::move(known);
    BlockKeeper& blocks = plane.responses().blocks();
    Json results = Json::array();
    for (const std::string& text : arguments.list("targets")) {
        Json& result = results.emplace_back(Json{{"target", text}});
        const auto target = BlockKeeper::target_of(text);
        if (!target) {
            result["outcome"] = "invalid";
            result["message"] = target.error().message;
            continue;
        }
        result["target"] = reset::to_string(*target);
        result["outcome"] = blocks.remove(*target) ? "removed" : "not_found";
    }
    once.begin();
    Json answer{{"results", std::move(results)}, {"blocks", blocks.list().size()}};
    once.end(answer);
    return answer;
}

Json block_page(ControlPlane& plane, const std::vector<reset::Block>& blocks, std::uint32_t next) {
    const BlockKeeper& keeper = plane.responses().blocks();
    Json entries = Json::array();
    for (const reset::Block& block : blocks) entries.push_back(BlockKeeper::to_json(block));
    Json page{{"blocks", std::move(entries)},
              {"next", next == 0 ? Json(nullptr) : Json(next)},
              {"total", keeper.list().size()},
              {"saving", keeper.saving()}};
    add_effect(page, plane.responses());
    return page;
}

/// Why this is blocked: a page for itself, however few were asked for.
Answer list_covering(ControlPlane& plane, const Arguments& arguments, const std::string& text) {
    if (arguments.text("within") != nullptr || arguments.text("reason") != nullptr ||
        arguments.number("cursor"))
        return invalid("params/covering", "it goes without within, reason and cursor");
    const auto target = BlockKeeper::target_of(text);
    if (!target) return invalid("params/covering", target.error().message);
    return block_page(plane, plane.responses().blocks().covering(*target), 0);
}

Answer list_blocks(ControlPlane& plane, const Arguments& arguments) {
    if (!plane.responses().enabled()) return not_enabled();
    if (const std::string* text = arguments.text("covering")) return list_covering(plane, arguments, *text);
    const reset::BlockList& list = plane.responses().blocks().list();
    reset::BlockList::Query query;
    if (const std::string* text = arguments.text("within")) {
        const auto within = BlockKeeper::target_of(*text);
        if (!within) return invalid("params/within", within.error().message);
        if (within->kind != reset::BlockTarget::Kind::kPrefix)
            return invalid("params/within", "write a prefix: 10.0.0.0/8, 2001:db8::/32");
        query.within = *within;
    }
    if (const std::string* text = arguments.text("reason")) query.reason = *text;
    const std::uint64_t cursor = arguments.number("cursor").value_or(0);
    if (cursor > UINT32_MAX) return invalid("params/cursor", "no page has had this cursor");
    const reset::BlockList::Page page =
        list.list(static_cast<std::uint32_t>(cursor), arguments.number("limit").value_or(kUsualPage),
                  base::realtime_ns(), query, kPlacesOfPage);
    return block_page(plane, page.blocks, page.next);
}

Parameter flows_parameter() {
    return {.name = "flows",
            .type = ParameterType::kList,
            .help = "as flows.list names them, in either direction: tcp A:p > B:p",
            .required = true,
            .low = 1,
            .high = kMostItems,
            .item_high = kMostItemBytes};
}
Parameter targets_parameter() {
    return {.name = "targets",
            .type = ParameterType::kList,
            .help = "addresses, prefixes, connections: 192.0.2.1, 10.0.0.0/8, tcp A:p B:p",
            .required = true,
            .low = 1,
            .high = kMostItems,
            .item_high = kMostItemBytes};
}
Parameter key_parameter() {
    return {.name = "key",
            .type = ParameterType::kText,
            .help = "an idempotency key: the same call with the same key is done once, and answered again",
            .low = 1,
            .high = kMostKey};
}
Parameter ttl_parameter() {
    return {.name = "ttl",
            .type = ParameterType::kText,
            .help = "how long it is blocked: 10m, 2h; for good when it is left out",
            .high = kMostDuration};
}
Parameter reason_parameter() {
    return {.name = "reason",
            .type = ParameterType::kText,
            .help = "for those who come later",
            .high = reset::BlockList::kMaxReason};
}
Parameter extend_parameter() {
    return {.name = "extend",
            .type = ParameterType::kFlag,
            .help =
                "for programs: an entry that is there keeps its reason and at most ends later, and none is "
                "made while nothing is cut"};
}
Parameter dry_run_parameter() {
    return {
        .name = "dry_run", .type = ParameterType::kFlag, .help = "say what would be done, and do nothing"};
}
Parameter tool_parameter(bool required, const char* help) {
    return {
        .name = "tool", .type = ParameterType::kText, .help = help, .required = required, .high = kMostName};
}

void add_verdicts(control::CommandTable& table, ControlPlane& plane) {
    table.add({.name = "flows.reset",
               .help = "Cuts connections, and says of each what became of it",
               .right = Role::kResponder,
               .effect = Effect::kChanges,
               .parameters = {flows_parameter(), reason_parameter(), key_parameter(), dry_run_parameter()},
               .handler = [&plane](const Arguments& arguments, Call& call) -> Answer {
                   return judge(plane, arguments, call, "flows.reset", ResponseAction::kReset, false);
               }});
    table.add({.name = "flows.block",
               .help = "Cuts connections, and blocks them: whoever opens them again is cut at once",
               .right = Role::kResponder,
               .effect = Effect::kChanges,
               .parameters = {flows_parameter(), ttl_parameter(), reason_parameter(), extend_parameter(),
                              key_parameter(), dry_run_parameter()},
               .handler = [&plane](const Arguments& arguments, Call& call) -> Answer {
                   return judge(plane, arguments, call, "flows.block", ResponseAction::kReset, true);
               }});
    table.add({.name = "flows.shunt",
               .help = "A tool gets no more packets of these flows, but their end",
               .right = Role::kResponder,
               .effect = Effect::kChanges,
               .parameters = {flows_parameter(), tool_parameter(true, "the tool that wants no more of them"),
                              key_parameter()},
               .handler = [&plane](const Arguments& arguments, Call& call) -> Answer {
                   return judge(plane, arguments, call, "flows.shunt", ResponseAction::kShunt, false);
               }});
    table.add(
        {.name = "flows.release",
         .help = "Ends what flows.shunt began",
         .right = Role::kResponder,
         .effect = Effect::kMakesSafer,
         .parameters = {flows_parameter(), tool_parameter(false, "the tool; all tools when it is left out"),
                        key_parameter()},
         .handler = [&plane](const Arguments& arguments, Call& call) -> Answer {
             return judge(plane, arguments, call, "flows.release", ResponseAction::kRelease, false);
         }});
}

void add_block_methods(control::CommandTable& table, ControlPlane& plane) {
    table.add(
        {.name = "blocks.add",
         .help = "Blocks addresses, prefixes and connections: what there is of them is cut, and what comes",
         .right = Role::kResponder,
         .effect = Effect::kChanges,
         .parameters = {targets_parameter(), ttl_parameter(), reason_parameter(), extend_parameter(),
                        key_parameter()},
         .handler = [&plane](const Arguments& arguments, Call& call) -> Answer {
             return add_blocks(plane, arguments, call);
         }});
    table.add({.name = "blocks.remove",
               .help = "Takes addresses, prefixes and connections out of the list",
               .right = Role::kResponder,
               .effect = Effect::kMakesSafer,
               .parameters = {targets_parameter(), key_parameter()},
               .handler = [&plane](const Arguments& arguments, Call& call) -> Answer {
                   return remove_blocks(plane, arguments, call);
               }});
    std::vector<Parameter> parameters = page_parameters();
    parameters.push_back({.name = "covering",
                          .type = ParameterType::kText,
                          .help = "only entries that block this address, prefix or connection: all at once",
                          .high = kMostItemBytes});
    parameters.push_back({.name = "within",
                          .type = ParameterType::kText,
                          .help = "only entries inside this prefix",
                          .high = kMostItemBytes});
    parameters.push_back({.name = "reason",
                          .type = ParameterType::kText,
                          .help = "only entries whose reason has this text in it",
                          .high = reset::BlockList::kMaxReason});
    table.add({.name = "blocks.list",
               .help = "Who is blocked, since when, until when, and why",
               .right = Role::kViewer,
               .effect = Effect::kReads,
               .parameters = std::move(parameters),
               .handler = [&plane](const Arguments& arguments, Call&) -> Answer {
                   return list_blocks(plane, arguments);
               }});
}

}  // namespace

void add_response_commands(control::CommandTable& table, ControlPlane& plane) {
    add_verdicts(table, plane);
    add_block_methods(table, plane);
    table.add(
        {.name = "response.status",
         .help = "Whether connections are cut, and what became of verdicts",
         .right = Role::kViewer,
         .effect = Effect::kReads,
         .parameters = {},
         .handler = [&plane](const Arguments&, Call&) -> Answer { return plane.responses().status(); }});
    table.add({.name = "response.disable",
               .help = "The kill switch: from now on nothing is sent, whoever wants it",
               .right = Role::kResponder,
               .effect = Effect::kMakesSafer,
               .parameters = {reason_parameter()},
               .handler = [&plane](const Arguments& arguments, Call& call) -> Answer {
                   if (!plane.responses().enabled()) return not_enabled();
                   if (auto error = wrong_reason(arguments)) return *std::move(error);
                   const std::string* const reason = arguments.text("reason");
                   plane.responses().disable(fmt::format("uid {}", call.peer().uid),
                                             reason == nullptr ? std::string() : *reason);
                   return plane.responses().status();
               }});
    table.add({.name = "response.enable",
               .help = "Undoes response.disable",
               .right = Role::kResponder,
               .effect = Effect::kChanges,
               .parameters = {},
               .handler = [&plane](const Arguments&, Call&) -> Answer {
                   if (!plane.responses().enabled()) return not_enabled();
                   plane.responses().enable();
                   return plane.responses().status();
               }});
    table.add({.name = "response.subscribe",
               .help = "Sends each outcome as it is known, as notifications of the method response",
               .right = Role::kViewer,
               .effect = Effect::kReads,
               .parameters = {},
               .handler = [](const Arguments&, Call& call) -> Answer {
                   call.subscribe_events(kTopic);
                   return Json{{"subscribed", true}};
               }});
    table.add({.name = "response.unsubscribe",
               .help = "Ends these notifications of this connection",
               .right = Role::kViewer,
               .effect = Effect::kReads,
               .parameters = {},
               .handler = [](const Arguments&, Call& call) -> Answer {
                   return Json{{"was_subscribed", call.unsubscribe_events(kTopic)}};
               }});
}

}  // namespace yagura::broker
