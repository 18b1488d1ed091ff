// SPDX-License-Identifier: BSD-3-Clause
#include "app/bench/forward_options.h"

#include <catch2/catch.hpp>

namespace yagura::bench {
namespace {

TEST_CASE("what is asked for names the source that fits") {
    struct Row {
        const char* what;
        ForwardOptions options;
        SourceKind source;
        unsigned hits;
    };
    const Row rows[] = {
        {"nothing: one rule selects all", {}, SourceKind::kRepeating, 100},
        {"some flows more", {.flows = 4096}, SourceKind::kRepeating, 100},
        {"many flows", {.flows = 1'000'000, .hits = 10}, SourceKind::kManyFlows, 10},
        {"fresh flows", {.fresh = true}, SourceKind::kManyFlows, 100},
        {"patterns", {.patterns = 10}, SourceKind::kTape, 0},
        {"patterns, some found", {.size = "512", .patterns = 10, .hits = 1}, SourceKind::kTape, 1},
        {"a capture", {.size = "capture:x.pcap"}, SourceKind::kRepeating, 100},
        {"a capture with fresh flows", {.size = "capture:x.pcap", .fresh = true}, SourceKind::kTape, 100},
        {"no rules", {.rules = 0}, SourceKind::kRepeating, 0},
        {"net_ring", {.source = "ring"}, SourceKind::kRing, 100},
        {"net_null", {.source = "null", .size = "1518", .hits = 0}, SourceKind::kDevice, 0},
        {"any device", {.source = "0000:3b:00.1"}, SourceKind::kDevice, 100},
    };
    for (const Row& row : rows) {
        INFO(row.what);
        const auto traffic = resolve(row.options);
        REQUIRE(traffic.ok());
        CHECK(traffic->source == row.source);
        CHECK(traffic->hits == row.hits);
    }
}

TEST_CASE("a combination that means nothing is refused, with the option that is wrong") {
    struct Row {
        ForwardOptions options;
        const char* named;
    };
    const Row rows[] = {
        {{.size = "63"}, "63"},
        {{.source = "null", .fresh = true}, "--fresh"},
        {{.source = "pcap:x.pcap", .patterns = 10}, "--patterns"},
        {{.source = "ring", .patterns = 10}, "--patterns"},
        {{.source = "pcap:x.pcap", .flows = 10}, "--flows"},
        {{.source = "pcap:x.pcap", .size = "128"}, "--size"},
        {{.source = "null", .size = "imix"}, "null"},
        {{.flows = 10, .size = "capture:x.pcap"}, "--flows"},
        {{.source = "ring", .tools = 2}, "tool"},
        {{.source = "ring", .rules = 0}, "--hits"},
        {{.source = "ring", .hits = 50}, "--hits"},
        {{.tool_devices = {"net_null0"}, .tools = 2}, "--tools"},
        {{.literals = "."}, "--literals"},
        {{.most = 10}, "--most"},
        {{.rules = 0, .hits = 10}, "--hits"},
        {{.source = "null", .hits = 10}, "--hits"},
        {{.size = "capture:x.pcap", .patterns = 10, .hits = 10}, "--hits"},
        {{.flows = 99, .hits = 10}, "--flows"},
    };
    for (const Row& row : rows) {
        INFO(row.named);
        const auto traffic = resolve(row.options);
        REQUIRE_FALSE(traffic.ok());
        CHECK(traffic.error().message.find(row.named) != std::string::npos);
    }
}

TEST_CASE("the rules that are made are as many as asked for, and all forward to every tool") {
    const auto traffic = resolve({.tools = 3, .size = "512", .rules = 7, .patterns = 20, .hits = 10});
    REQUIRE(traffic.ok());
    const auto loaded = make_config(*traffic, "loop:", make_literals(20));
    REQUIRE(loaded.ok());
    REQUIRE(loaded->config.rules.size() == 27);
    CHECK(loaded->config.tool_ports().size() == 3);
    std::size_t with_payload = 0;
    for (const rules::Rule& rule : loaded->config.rules) {
        CHECK(rule.forward.size() == 3);
        CHECK(rule.filter != "tcp port 80");
        with_payload += rule.has_payload() ? 1 : 0;
    }
    CHECK(with_payload == 20);
}

TEST_CASE("the last header rule selects the hits: a service of made packets, all of others") {
    const auto last_filter = [](const ForwardOptions& options) {
        const auto loaded = make_config(*resolve(options), "loop:", {});
        REQUIRE(loaded.ok());
        return loaded->config.rules.back().filter;
    };
    CHECK(last_filter({.rules = 10}) == "tcp port 80");
    CHECK(last_filter({.source = "null", .rules = 10}).empty());
    CHECK(last_filter({.rules = 10, .hits = 0}).starts_with("tcp and src host"));
}

}  // namespace
}  // namespace yagura::bench
