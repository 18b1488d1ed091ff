// SPDX-License-Identifier: BSD-3-Clause
// Methods of the control socket: flows.
#include <arpa/inet.h>

#include <algorithm>

#include "broker/control_plane.h"
#include "broker/flow_name.h"
#include "broker/paging.h"

namespace yagura::broker {
namespace {

using control::Answer;
using control::Arguments;
using control::Call;
using control::Effect;
using control::ParameterType;
using control::Role;
using control::RpcCode;
using control::RpcError;

constexpr std::uint64_t kMaxWord = 64;
constexpr std::uint64_t kUsualTop = 20;
constexpr std::uint64_t kMaxFlowName = 256;

std::optional<dataplane::FlowFilter::Host> host_of(const std::string& text) {
    dataplane::FlowFilter::Host host{};
    if (inet_pton(AF_INET, text.c_str(), host.address.data()) == 1) {
        host.ip_version = 4;
        return host;
    }
    host.address = {};
    if (inet_pton(AF_INET6, text.c_str(), host.address.data()) == 1) {
        host.ip_version = 6;
        return host;
    }
    return std::nullopt;
}

std::optional<base::ToolId> tool_of(const rules::Config& config, const std::string& name) {
    const auto tools = config.tool_ports();
    const auto found = std::ranges::find(tools, name, &rules::Port::name);
    return found != tools.end() ? std::optional(rules::tool_id(**found)) : std::nullopt;
}

Answer list_flows(ControlPlane& plane, const Arguments& arguments, Call& call) {
    FlowLister::Question question{.limit = arguments.number("limit").value_or(kUsualPage)};
    question.cursor = arguments.number("cursor").value_or(0);
    if (const std::string* text = arguments.text("host")) {
        question.filter.host = host_of(*text);
        if (!question.filter.host) {
            return RpcError{.code = RpcCode::kInvalidParams,
                            .message = "host is an address: 10.0.0.1, 2001:db8::1",
                            .field = "params/host"};
        }
    }
    if (const std::string* text = arguments.text("protocol")) {
        question.filter.protocol = protocol_number(*text);
        if (!question.filter.protocol) {
            return RpcError{.code = RpcCode::kInvalidParams,
                            .message = "protocol is a name or a number: tcp, udp, icmp, 47",
                            .field = "params/protocol"};
        }
    }
    if (const auto port = arguments.number("port")) question.filter.port = static_cast<std::uint16_t>(*port);
    if (const std::string* name = arguments.text("shed")) {
        question.filter.shed = tool_of(plane.run().config, *name);
        if (!question.filter.shed) {
            return RpcError{.code = RpcCode::kInvalidParams,
                            .message = "shed is the name of a tool port",
                            .field = "params/shed"};
        }
    }
    if (const std::string* name = arguments.text("shunted")) {
        question.filter.shunted = tool_of(plane.run().config, *name);
        if (!question.filter.shunted) {
            return RpcError{.code = RpcCode::kInvalidParams,
                            .message = "shunted is the name of a tool port",
                            .field = "params/shunted"};
        }
    }
    if (!plane.flows().has_room()) return control::busy();
    const auto ticket = call.defer();
    if (!ticket) return control::busy();
    question.done = [&plane, ticket = *ticket](const control::Outcome& outcome) {
        plane.server()->answer(ticket, outcome);
    };
    plane.flows().ask(std::move(question));
    return control::Later{};
}

Answer top_flows(ControlPlane& plane, const Arguments& arguments, Call& call) {
    FlowWatcher::Question question{.limit = arguments.number("limit").value_or(kUsualTop)};
    if (const std::string* by = arguments.text("by"); by != nullptr && *by != "bytes") {
        if (*by != "packets") {
            return RpcError{
                .code = RpcCode::kInvalidParams, .message = "by is bytes or packets", .field = "params/by"};
        }
        question.order = FlowWatcher::Order::kPackets;
    }
    if (!plane.busy_flows().has_room()) return control::busy();
    const auto ticket = call.defer();
    if (!ticket) return control::busy();
    question.done = [&plane, ticket = *ticket](const control::Outcome& outcome) {
        plane.server()->answer(ticket, outcome);
    };
    plane.busy_flows().ask(std::move(question));
    return control::Later{};
}

Answer explain_flow(ControlPlane& plane, const Arguments& arguments, Call& call) {
    const auto wrong = [](std::string message) {
        return RpcError{
            .code = RpcCode::kInvalidParams, .message = std::move(message), .field = "params/flow"};
    };
    const auto wanted = parse_flow_name(*arguments.text("flow"));
    if (!wanted) return wrong(wanted.error().message);
    if (wanted->any_protocol) return wrong("the protocol is missing: 'tcp 10.0.0.1:1234 > 10.0.0.2:80'");
    if (!plane.explainer().has_room()) return control::busy();
    const auto ticket = call.defer();
    if (!ticket) return control::busy();
    plane.explainer().ask(wanted->key, [&plane, ticket = *ticket](const control::Outcome& outcome) {
        plane.server()->answer(ticket, outcome);
    });
    return control::Later{};
}

}  // namespace

void add_flows_commands(control::CommandTable& table, ControlPlane& plane) {
    std::vector<control::Parameter> parameters = page_parameters();
    parameters.push_back({.name = "host",
                          .type = ParameterType::kText,
                          .help = "only flows of which one end has this address",
                          .high = kMaxWord});
    parameters.push_back({.name = "port",
                          .type = ParameterType::kNumber,
                          .help = "only flows of which one end has this port",
                          .high = UINT16_MAX});
    parameters.push_back({.name = "protocol",
                          .type = ParameterType::kText,
                          .help = "only flows of this protocol: tcp, udp, or its number",
                          .high = kMaxWord});
    parameters.push_back({.name = "shed",
                          .type = ParameterType::kText,
                          .help = "only flows that this tool could not take, or not to their end",
                          .high = kMaxWord});
    parameters.push_back({.name = "shunted",
                          .type = ParameterType::kText,
                          .help = "only flows that this tool wants no more of",
                          .high = kMaxWord});
    table.add({.name = "flows.list",
               .help = "The flows in the tables, their state, and the tools that get them",
               .right = Role::kViewer,
               .effect = Effect::kReads,
               .parameters = std::move(parameters),
               .handler = [&plane](const Arguments& arguments, Call& call) -> Answer {
                   return list_flows(plane, arguments, call);
               }});
    table.add({.name = "flows.top",
               .help = "The busiest flows of the last second, estimated from packets drawn by lot",
               .right = Role::kViewer,
               .effect = Effect::kReads,
               .parameters = {{.name = "by",
                               .type = ParameterType::kText,
                               .help = "bytes, which it is when left out, or packets",
                               .high = kMaxWord},
                              {.name = "limit",
                               .type = ParameterType::kNumber,
                               .help = "flows at most; 20 when it is left out",
                               .low = 1,
                               .high = FlowWatcher::kMostFlows}},
               .handler = [&plane](const Arguments& arguments, Call& call) -> Answer {
                   return top_flows(plane, arguments, call);
               }});
    table.add({.name = "flows.explain",
               .help = "What becomes of a flow, by which rules and tools, and what is open yet",
               .right = Role::kViewer,
               .effect = Effect::kReads,
               .parameters = {{.name = "flow",
                               .type = ParameterType::kText,
                               .help = "as flows.list prints it, in either direction: tcp A:p > B:p",
                               .required = true,
                               .high = kMaxFlowName}},
               .handler = [&plane](const Arguments& arguments, Call& call) -> Answer {
                   return explain_flow(plane, arguments, call);
               }});
}

}  // namespace yagura::broker
