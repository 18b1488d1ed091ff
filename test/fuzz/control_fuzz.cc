// SPDX-License-Identifier: BSD-3-Clause
// Whatever comes over the control socket, in whatever pieces: lines come out whole and bounded, a request is
// understood or refused with words, and the answer is one line of JSON that carries the id it was asked with.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "control/command_table.h"
#include "control/json_rpc.h"
#include "control/line_buffer.h"

namespace {

using namespace yagura::control;

void require(bool holds) {
    if (!holds) std::abort();
}

const Command& sample() {
    static const Command command{
        .name = "x.y",
        .help = "for the fuzzer",
        .right = Role::kViewer,
        .effect = Effect::kReads,
        .parameters = {{.name = "text", .type = ParameterType::kText, .help = "", .low = 1, .high = 8},
                       {.name = "number", .type = ParameterType::kNumber, .help = "", .low = 1, .high = 1000},
                       {.name = "flag", .type = ParameterType::kFlag, .help = "", .required = true},
                       {.name = "list",
                        .type = ParameterType::kList,
                        .help = "",
                        .low = 1,
                        .high = 100,
                        .item_high = 8}},
        .handler = {}};
    return command;
}

void check_answer(const std::string& line, const std::string& id, bool is_error) {
    require(line.find('\n') == line.size() - 1);
    const GivenJson answer = GivenJson::parse(line);
    require(answer["jsonrpc"] == "2.0" && answer.contains("error") == is_error);
    require(answer["id"] == GivenJson::parse(id));
}

void check_line(std::string_view line) {
    const auto parsed = parse_request(line);
    if (const auto* malformed = std::get_if<Malformed>(&parsed)) {
        require(!malformed->error.message.empty());
        check_answer(error_line(malformed->id, malformed->error), malformed->id, true);
        return;
    }
    const Request& request = std::get<Request>(parsed);
    require(request.params.is_object());
    require(!request.id || request.id->size() <= kMaxId);
    const std::string id = request.id.value_or("null");
    const auto fault = check_parameters(sample(), request.params);
    require(object_of(sample(), request.params).size() < 1000);
    if (fault) {
        require(fault->field.starts_with("params/"));
        check_answer(error_line(id, *fault), id, true);
        return;
    }
    // What was checked can be asked for without a look.
    const Arguments arguments(request.params);
    const std::string* text = arguments.text("text");
    require(text == nullptr || (!text->empty() && text->size() <= 8));
    const auto number = arguments.number("number");
    require(!number || (*number >= 1 && *number <= 1000));
    const auto list = arguments.list("list");
    require(list.size() <= 100 && list.empty() != arguments.has("list"));
    for (const std::string& item : list) require(!item.empty() && item.size() <= 8);
    check_answer(result_line(id, {{"method", request.method}, {"flag", arguments.flag("flag")}}), id, false);
}

}  // namespace

/// The first byte is the size of the pieces, the second that of the longest line, in units of 16.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 2) return 0;
    const std::size_t piece = data[0] + std::size_t{1};
    const std::size_t longest = 16 * (data[1] + std::size_t{1});
    const std::string_view bytes(reinterpret_cast<const char*>(data) + 2, size - 2);
    LineBuffer buffer(longest);
    std::string again;
    for (std::size_t at = 0; at <= bytes.size(); at += piece) {
        buffer.append(bytes.substr(at, piece));
        if (at + piece > bytes.size()) buffer.end();
        for (;;) {
            if (buffer.too_long()) return 0;
            const auto line = buffer.next();
            if (!line) break;
            require(line->size() <= longest && line->find('\n') == std::string_view::npos);
            again.append(*line);
            again += '\n';
            check_line(*line);
        }
        require(buffer.size() <= longest + piece);
    }
    // Nothing is lost or doubled.
    require(bytes.empty() || again == bytes || again == std::string(bytes) + '\n');
    return 0;
}
