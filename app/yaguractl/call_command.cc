// SPDX-License-Identifier: BSD-3-Clause
#include <CLI/CLI.hpp>
#include <memory>
#include <string>

#include "app/yaguractl/commands.h"

namespace yagura::ctl {

void add_call(CLI::App& app, const Options& options) {
    struct Call {
        std::string method;
        std::string params = "{}";
    };
    auto wanted = std::make_shared<Call>();
    CLI::App* command =
        app.add_subcommand("call", "Call any method; prints its result, or its error, as JSON");
    command->add_option("method", wanted->method, "rules.list")->required()->type_name("METHOD");
    command->add_option("params", wanted->params, R"(its parameters: '{"limit": 10}')")->type_name("JSON");
    command->fallthrough()->callback([&options, wanted] {
        const Json params = Json::parse(wanted->params, nullptr, false);
        if (!params.is_object()) {
            throw Failure(Status::kUsage, "the parameters are an object in JSON: '{\"limit\": 10}'");
        }
        Session session(options.socket, options.long_patience());
        const Json answer = session.answer(wanted->method, params);
        print_json(answer.contains("error") ? answer["error"] : answer["result"]);
        if (answer.contains("error")) throw Failure(Status::kRefused, words_of(answer["error"]));
    });
}

}  // namespace yagura::ctl
