// SPDX-License-Identifier: BSD-3-Clause
#include "control/json_rpc.h"

#include <catch2/catch.hpp>
#include <string>

namespace yagura::control {
namespace {

TEST_CASE("a request is read") {
    const auto parsed =
        parse_request(R"({"params": {"a": [1]}, "method": "x.y", "id": "7", "jsonrpc": "2.0"})");
    REQUIRE(std::holds_alternative<Request>(parsed));
    const auto& request = std::get<Request>(parsed);
    CHECK(request.id == "\"7\"");
    CHECK(request.method == "x.y");
    CHECK(request.params == GivenJson::parse(R"({"a": [1]})"));
}

TEST_CASE("a request without an id is a notification, one whose id is null is not") {
    CHECK_FALSE(std::get<Request>(parse_request(R"({"jsonrpc": "2.0", "method": "x"})")).id);
    CHECK(std::get<Request>(parse_request(R"({"jsonrpc": "2.0", "method": "x", "id": null})")).id == "null");
}

TEST_CASE("what is no request says why, and for whom as far as that is known") {
    struct Row {
        const char* what;
        std::string line;
        RpcCode code;
        const char* id;
        const char* field;
    };
    const Row rows[] = {
        {"nothing", "", RpcCode::kParse, "null", ""},
        {"words", "hello", RpcCode::kParse, "null", ""},
        {"cut off", R"({"jsonrpc": "2.0", "id": 1)", RpcCode::kParse, "null", ""},
        {"something behind", R"({"jsonrpc": "2.0", "id": 1, "method": "x"} {})", RpcCode::kParse, "null", ""},
        {"no UTF-8", "{\"jsonrpc\": \"2.0\", \"method\": \"\xff\"}", RpcCode::kParse, "null", ""},
        {"a zero byte", std::string("{\"a\": \0}", 8), RpcCode::kParse, "null", ""},
        {"half of a surrogate pair", R"({"method": "\ud800"})", RpcCode::kParse, "null", ""},
        {"a number beyond all", R"({"id": 1e999})", RpcCode::kParse, "null", ""},
        {"a batch", R"([{"jsonrpc": "2.0", "id": 1, "method": "x"}])", RpcCode::kInvalidRequest, "null", ""},
        {"a number", "7", RpcCode::kInvalidRequest, "null", ""},
        {"no version", R"({"id": 1, "method": "x"})", RpcCode::kInvalidRequest, "1", "jsonrpc"},
        {"version 1", R"({"jsonrpc": "1.0", "id": 1, "method": "x"})", RpcCode::kInvalidRequest, "1",
         "jsonrpc"},
        {"version as a number", R"({"jsonrpc": 2.0, "id": 1, "method": "x"})", RpcCode::kInvalidRequest, "1",
         "jsonrpc"},
        {"no method", R"({"jsonrpc": "2.0", "id": 1})", RpcCode::kInvalidRequest, "1", "method"},
        {"method as a number", R"({"jsonrpc": "2.0", "id": 1, "method": 1})", RpcCode::kInvalidRequest, "1",
         "method"},
        {"an object as id", R"({"jsonrpc": "2.0", "id": {}, "method": "x"})", RpcCode::kInvalidRequest,
         "null", "id"},
        {"true as id", R"({"jsonrpc": "2.0", "id": true, "method": "x"})", RpcCode::kInvalidRequest, "null",
         "id"},
        {"a long id", R"({"jsonrpc": "2.0", "id": ")" + std::string(kMaxId, 'x') + R"(", "method": "x"})",
         RpcCode::kInvalidRequest, "null", "id"},
        {"parameters without names", R"({"jsonrpc": "2.0", "id": "a", "method": "x", "params": [1]})",
         RpcCode::kInvalidParams, "\"a\"", "params"},
        {"null as parameters", R"({"jsonrpc": "2.0", "id": "a", "method": "x", "params": null})",
         RpcCode::kInvalidParams, "\"a\"", "params"},
        {"too deep", std::string(kMaxNesting + 1, '['), RpcCode::kInvalidRequest, "null", ""},
        {"too deep, a million times", std::string(1'000'000, '['), RpcCode::kInvalidRequest, "null", ""},
        {"too many values", "[" + std::string(3 * kMaxValues, ',') + "]", RpcCode::kInvalidRequest, "null",
         ""},
    };
    for (const Row& row : rows) {
        CAPTURE(row.what);
        const auto parsed = parse_request(row.line);
        REQUIRE(std::holds_alternative<Malformed>(parsed));
        const auto& malformed = std::get<Malformed>(parsed);
        CHECK(malformed.error.code == row.code);
        CHECK(malformed.id == row.id);
        CHECK(malformed.error.field == row.field);
        CHECK_FALSE(malformed.error.message.empty());
    }
}

TEST_CASE("brackets, quotes and commas in strings are no structure") {
    const std::string text = std::string(3 * kMaxValues, ',') + std::string(100, '[') + R"(\"{\\)";
    const std::string line =
        R"({"jsonrpc": "2.0", "id": 1, "method": "x", "params": {"a": ")" + text + "\"}}";
    CHECK(std::holds_alternative<Request>(parse_request(line)));
}

TEST_CASE("answers are one line each, whatever they carry") {
    const std::string good = result_line("7", {{"text", "a\nb\xff"}});
    CHECK(good == "{\"jsonrpc\":\"2.0\",\"id\":7,\"result\":{\"text\":\"a\\nb\xef\xbf\xbd\"}}\n");
    const std::string bad = error_line("null", {.code = RpcCode::kInvalidParams,
                                                .message = "no\nnot so",
                                                .field = "params/x",
                                                .details = {{"more", 1}}});
    CHECK(bad ==
          "{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32602,\"message\":\"no\\nnot so\","
          "\"data\":{\"more\":1,\"field\":\"params/x\"}}}\n");
    CHECK(error_line("1", {.code = RpcCode::kBusy, .message = "later"}).find("data") == std::string::npos);
}

}  // namespace
}  // namespace yagura::control
