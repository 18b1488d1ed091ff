// SPDX-License-Identifier: BSD-3-Clause
#include "control/json_rpc.h"

#include <fmt/format.h>

#include <exception>

namespace yagura::control {
namespace {

/// Before anything is built of it: what would cost more memory than its length lets one think.
std::optional<std::string> bound_exceeded(std::string_view line) {
    unsigned depth = 0;
    unsigned values = 0;
    bool in_string = false;
    for (std::size_t i = 0; i < line.size(); ++i) {
        const char c = line[i];
        if (in_string) {
            if (c == '\\') {
                ++i;
            } else if (c == '"') {
                in_string = false;
            }
            continue;
        }
        if (c == '"') in_string = true;
        if (c == '[' || c == '{') {
            if (++depth > kMaxNesting) return fmt::format("it nests deeper than {}", kMaxNesting);
        }
        if ((c == ']' || c == '}') && depth > 0) --depth;
        if (c == '[' || c == '{' || c == ',') {
            if (++values > kMaxValues) return fmt::format("it has more than {} values", kMaxValues);
        }
    }
    return std::nullopt;
}

Malformed malformed(RpcCode code, std::string message, std::string field = {}) {
    return {.error = {.code = code, .message = std::move(message), .field = std::move(field)}};
}

constexpr std::string_view kExample = R"({"jsonrpc": "2.0", "id": 1, "method": "system.info"})";

std::variant<Request, Malformed> read_request(GivenJson&& document) {
    if (document.is_array()) {
        return malformed(RpcCode::kInvalidRequest,
                         "batches are not served: write one object per line, as many lines as you like");
    }
    if (!document.is_object()) {
        return malformed(RpcCode::kInvalidRequest, fmt::format("a request is an object: {}", kExample));
    }
    Malformed fault = malformed(RpcCode::kInvalidRequest, {});
    Request request;
    if (const auto id = document.find("id"); id != document.end()) {
        if (!id->is_string() && !id->is_number() && !id->is_null()) {
            return malformed(RpcCode::kInvalidRequest, "an id is a string, a number or null", "id");
        }
        std::string text = id->dump();
        if (text.size() > kMaxId) {
            return malformed(RpcCode::kInvalidRequest, fmt::format("an id has at most {} bytes", kMaxId),
                             "id");
        }
        fault.id = text;
        request.id = std::move(text);
    }
    const auto fail = [&](RpcCode code, std::string message, std::string field) {
        fault.error = {.code = code, .message = std::move(message), .field = std::move(field)};
        return fault;
    };
    const auto version = document.find("jsonrpc");
    if (version == document.end() || *version != "2.0") {
        return fail(RpcCode::kInvalidRequest, R"("jsonrpc": "2.0" is missing)", "jsonrpc");
    }
    const auto method = document.find("method");
    if (method == document.end() || !method->is_string()) {
        return fail(RpcCode::kInvalidRequest, fmt::format("the method (a string) is missing: {}", kExample),
                    "method");
    }
    request.method = std::move(method->get_ref<std::string&>());
    const auto params = document.find("params");
    if (params != document.end() && !params->is_object()) {
        return fail(RpcCode::kInvalidParams, R"(parameters have names: "params": {"name": value})", "params");
    }
    request.params = params != document.end() ? std::move(*params) : GivenJson::object();
    return request;
}

}  // namespace

std::variant<Request, Malformed> parse_request(std::string_view line) {
    try {
        if (const auto exceeded = bound_exceeded(line)) {
            return malformed(RpcCode::kInvalidRequest, fmt::format("the request is refused: {}", *exceeded));
        }
        return read_request(GivenJson::parse(line));
    } catch (const GivenJson::parse_error& error) {
        return malformed(RpcCode::kParse,
                         fmt::format("not JSON: it breaks off or goes wrong at byte {}", error.byte));
    } catch (const std::exception&) {
        // A number too large for a double, or no memory.
        return malformed(RpcCode::kParse, "not JSON that can be read");
    }
}

std::string text_of(const Json& json) {
    constexpr bool kAsciiOnly = false;
    return json.dump(-1, ' ', kAsciiOnly, Json::error_handler_t::replace);
}

std::string result_line(std::string_view id, const Json& result) {
    return fmt::format("{{\"jsonrpc\":\"2.0\",\"id\":{},\"result\":{}}}\n", id, text_of(result));
}

std::string error_line(std::string_view id, const RpcError& error) {
    Json json{{"code", static_cast<int>(error.code)}, {"message", error.message}};
    Json data = error.details.is_object() ? error.details : Json::object();
    if (!error.field.empty()) data["field"] = error.field;
    if (!data.empty()) json["data"] = std::move(data);
    return fmt::format("{{\"jsonrpc\":\"2.0\",\"id\":{},\"error\":{}}}\n", id, text_of(json));
}

}  // namespace yagura::control
