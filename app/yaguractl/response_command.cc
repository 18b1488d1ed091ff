// SPDX-License-Identifier: BSD-3-Clause
// Whether yagura cuts and blocks, how much it did, and a switch to stop it.
#include <fmt/chrono.h>
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <memory>
#include <string>

#include "app/client/outcome.h"
#include "app/yaguractl/commands.h"
#include "app/yaguractl/counts.h"
#include "app/yaguractl/table.h"

namespace yagura::ctl {
namespace {

using client::text_in;

/// "verified 10, not_found 2", or "none".
std::string counts(const Json& object) {
    std::string text;
    for (const auto& [name, count] : object.items()) {
        const std::uint64_t value =
            count.is_object() ? number(count.value("packets", Json())) : number(count);
        if (value != 0)
            text += fmt::format("{}{} {}", text.empty() ? "" : ", ", printable(name), grouped(value));
    }
    return text.empty() ? "none" : text;
}

Json object_in(const Json& object, const char* name) {
    const auto found = object.find(name);
    return found != object.end() && found->is_object() ? *found : Json::object();
}

std::string response_state(const Json& status) {
    if (!status.value("enabled", false)) return "off: the configuration does not enable it (\"response\")";
    const std::string why_not = text_in(status, "why_not");
    // In a dry run nothing is active; what else stops it says more.
    const bool dry_run =
        status.value("dry_run", false) && (why_not.empty() || why_not.find("dry_run") != std::string::npos);
    if (dry_run) return "dry run: verdicts are taken, nothing is sent";
    if (!status.value("active", false)) {
        return fmt::format("stopped: {}", why_not.empty() ? "no reason is given" : printable(why_not));
    }
    return "active";
}

std::string status_text(const Json& status) {
    std::string text = fmt::format("response       {}\n", response_state(status));
    text += fmt::format("being cut      {}\n", grouped(number(status.value("waiting", Json()))));
    text += fmt::format("verdicts by    {}\n", counts(object_in(status, "verdicts")));
    text += fmt::format("outcomes       {}\n", counts(object_in(status, "outcomes")));
    text += fmt::format("frames         {}; {} of our own came back\n", counts(object_in(status, "frames")),
                        grouped(number(status.value("own_frames", Json()))));
    text += fmt::format("blocked        {}\n", grouped(number(status.value("blocks", Json()))));
    const Json tools = object_in(status, "tools");
    if (tools.empty()) return text;
    Table table(
        {{"tool"}, {"sent us", Table::Align::kRight}, {"verdicts", Table::Align::kRight}, {"ignored"}});
    for (const auto& [name, tool] : tools.items()) {
        const Json received = tool.value("received", Json());
        table.add({name, received.is_object() ? packets(received) : grouped(number(received)),
                   grouped(number(tool.value("verdicts", Json()))), counts(object_in(tool, "ignored"))});
    }
    return text + "\n" + table.text();
}

void print_status(const Options& options, const std::string& method, const Json& params) {
    Session session(options.socket, options.patience());
    const Json status = session.call(method, params);
    if (options.json) return print_json(status);
    fmt::print("{}", status_text(status));
}

/// "control", "rule 7", "block", "tool ids0".
std::string cause_of(const Json& event) {
    const std::string cause = text_in(event, "cause");
    if (cause == "rule" && event.contains("rule")) return fmt::format("rule {}", event["rule"].dump());
    if (cause == "tool") return fmt::format("tool {}", text_in(event, "tool"));
    return cause;
}

void print_event(const Json& event) {
    if (const std::uint64_t missed = number(event.value("missed", Json())); missed != 0)
        fmt::print("{} outcomes were missed: they came faster than they were read\n", grouped(missed));
    const auto now = std::chrono::system_clock::now();
    const auto milliseconds =
        std::chrono::floor<std::chrono::milliseconds>(now.time_since_epoch()).count() % 1000;
    const std::string details = client::details_of(event);
    const std::string cause = cause_of(event);
    fmt::print("{:%FT%T}.{:03}Z {} {}{}{}\n", fmt::gmtime(std::chrono::system_clock::to_time_t(now)),
               milliseconds, printable(text_in(event, "outcome")), printable(text_in(event, "flow")),
               details.empty() ? "" : ": " + printable(details),
               cause.empty() ? "" : fmt::format(" (by {})", printable(cause)));
}

/// Until the user or yagura ends it.
void watch(const Options& options) {
    Session session(options.socket);  // an outcome may be long in coming
    session.call("response.subscribe");
    for (;;) {
        const Json message = session.next();
        if (text_in(message, "method") != "response" || !message.contains("params")) continue;
        if (options.json) {
            fmt::print("{}\n", message["params"].dump(-1, ' ', false, Json::error_handler_t::replace));
        } else {
            print_event(message["params"]);
        }
        // Whoever reads this waits for each line.
        if (std::fflush(stdout) != 0) throw Failure(Status::kUnreachable, "the output cannot be written");
    }
}

}  // namespace

void add_response(CLI::App& app, const Options& options) {
    CLI::App* response = app.add_subcommand("response", "Whether connections are cut, and what came of it");
    response->fallthrough()->require_subcommand(0, 1);
    response->add_subcommand("status", "Whether yagura cuts and blocks, why not, and how much it did")
        ->fallthrough()
        ->callback([&options] { print_status(options, "response.status", Json::object()); });
    auto reason = std::make_shared<std::string>();
    CLI::App* disable = response->add_subcommand("disable", "Send nothing any more, until enable");
    disable->add_option("--reason", *reason, "Why: response status says it")->type_name("TEXT");
    disable->fallthrough()->callback([&options, reason] {
        Json params = Json::object();
        if (!reason->empty()) params["reason"] = *reason;
        print_status(options, "response.disable", params);
    });
    response->add_subcommand("enable", "Undo disable; what else keeps it from being active stays")
        ->fallthrough()
        ->callback([&options] { print_status(options, "response.enable", Json::object()); });
    response->add_subcommand("watch", "Print a line for each outcome, until it is ended")
        ->fallthrough()
        ->callback([&options] { watch(options); });
    response->callback([&options, response] {
        if (response->get_subcommands().empty()) print_status(options, "response.status", Json::object());
    });
}

}  // namespace yagura::ctl
