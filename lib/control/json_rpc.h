// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

namespace yagura::control {

/// What we say: members in our order.
using Json = nlohmann::ordered_json;
/// What we are told: hostile, so members are found by a tree and not by a walk.
using GivenJson = nlohmann::json;

/// Codes of JSON-RPC 2.0, and ours (docs/control-protocol.md).
enum class RpcCode : int {
    kParse = -32700,
    kInvalidRequest = -32600,
    kNoSuchMethod = -32601,
    kInvalidParams = -32602,
    kInternal = -32603,
    kNotAllowed = -32001,     ///< the right is missing
    kDisabled = -32002,       ///< switched off in the configuration
    kBusy = -32003,           ///< a bound is reached: later, or with less at a time
    kConfiguration = -32004,  ///< the configuration that was given is wrong; data.errors says where
    kConflict = -32005,       ///< not as things stand
    kTooLarge = -32006,       ///< the line is too long; the connection is closed
    kRefused = -32007,        ///< no role at all, or too many connections; the connection is closed
};

struct RpcError {
    RpcCode code = RpcCode::kInternal;
    std::string message;
    std::string field = {};  ///< the member at fault: "params/interval_ms"; may be empty
    Json details = {};       ///< further members of `data`; null or an object
};

/// What came of a request.
using Outcome = std::variant<Json, RpcError>;

/// One line that was understood.
struct Request {
    std::optional<std::string> id;  ///< JSON text; none: a notification, which gets no answer
    std::string method;
    GivenJson params;  ///< an object
};
/// One that was not. `id` as far as it could be read.
struct Malformed {
    std::string id = "null";
    RpcError error;
};

/// How deep a request may nest, and how many values it may have: what is told in bulk is told as text.
inline constexpr unsigned kMaxNesting = 16;
inline constexpr unsigned kMaxValues = 10'000;
/// Bytes of the JSON text of an id.
inline constexpr std::size_t kMaxId = 256;

/// Reads one line (without its end). Never throws.
std::variant<Request, Malformed> parse_request(std::string_view line);

/// Lines to send, with their ends. `id`: JSON text.
std::string result_line(std::string_view id, const Json& result);
std::string error_line(std::string_view id, const RpcError& error);

/// JSON on one line; what is no UTF-8 in it is replaced.
std::string text_of(const Json& json);

}  // namespace yagura::control
