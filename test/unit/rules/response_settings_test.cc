// SPDX-License-Identifier: BSD-3-Clause
// What a configuration says of cutting connections: response, ports' inject and route, rules' reset and
// block.
#include <catch2/catch.hpp>
#include <string>

#include "config_samples.h"
#include "rules/addresses.h"
#include "rules/response_words.h"

namespace yagura::rules {
namespace {

std::string with_response(std::string_view members) {
    return with("\"response\": {" + std::string(members) + "}");
}
std::string with_responding(std::string_view rule) {
    return with(R"("response": {"enabled": true}, "rules": [{"id": 1, )" + std::string(rule) + "}]");
}
std::string with_two_ports(std::string_view keys) {
    return with_ports(R"("tap1": {"role": "network", "device": "x"}, "ids0": {"role": "tool", "device": "y"},
                         "tap2": {"role": "network", "device": "z", )" +
                      std::string(keys) + "}");
}

TEST_CASE("response is read") {
    const Config config = must_parse(with_response(
        R"("enabled": true, "dry_run": true, "stop_file": "/run/stop",
           "never_cut": {"prefixes": ["10.0.0.0/8", "192.0.2.1", "2001:db8::/33", "::/0"], "ports": [22, 65535]},
           "blocks": {"file": "/var/blocks", "capacity": 16777216}, "kills": 65536,
           "frames_per_second": 10000000, "from_tools": false)"));
    const Response expected{.enabled = true,
                            .dry_run = true,
                            .never_prefixes = {{{10}, 4, 8},
                                               {{192, 0, 2, 1}, 4, 32},
                                               {{0x20, 0x01, 0x0d, 0xb8}, 6, 33},
                                               {{}, 6, 0}},
                            .never_ports = {22, 65535},
                            .stop_file = "/run/stop",
                            .blocks_file = "/var/blocks",
                            .blocks_capacity = 1u << 24,
                            .kills = 1u << 16,
                            .frames_per_second = 10'000'000,
                            .from_tools = false};
    CHECK(config.response == expected);
    CHECK(must_parse(canonical_json(config)).response == expected);
}

TEST_CASE("without response, or with an empty one, nothing is ever sent") {
    CHECK_FALSE(must_parse(with("\"rules\": []")).response.enabled);
    const Config config = must_parse(with_response(""));
    CHECK_FALSE(config.response.enabled);
    CHECK(config.response == Response{});
    CHECK(canonical_json(config).find("response") == std::string::npos);
}

TEST_CASE("faults of response are named") {
    const FaultRow rows[] = {
        {"not an object",
         with(R"("response": true)"),
         "/response",
         {"expected an object"},
         {"\"enabled\": true"}},
        {"misspelt key",
         with_response(R"("enable": true)"),
         "/response/enable",
         {"unknown key"},
         {"did you mean \"enabled\"?"}},
        {"enabled in words",
         with_response(R"("enabled": "yes")"),
         "/response/enabled",
         {"true or false"},
         {}},
        {"dry_run in words", with_response(R"("dry_run": 1)"), "/response/dry_run", {"true or false"}, {}},
        {"from_tools in words",
         with_response(R"("from_tools": [])"),
         "/response/from_tools",
         {"true or false"},
         {}},
        {"never_cut as a list",
         with_response(R"("never_cut": ["10.0.0.0/8"])"),
         "/response/never_cut",
         {"expected an object"},
         {"prefixes"}},
        {"an unknown key of never_cut",
         with_response(R"("never_cut": {"prefix": []})"),
         "/response/never_cut/prefix",
         {"unknown key"},
         {"did you mean \"prefixes\"?"}},
        {"a prefix that is a number",
         with_response(R"("never_cut": {"prefixes": [10]})"),
         "/response/never_cut/prefixes/0",
         {"expected a prefix"},
         {"10.0.0.0/8"}},
        {"host bits",
         with_response(R"("never_cut": {"prefixes": ["192.0.2.0/24", "10.0.0.5/8"]})"),
         "/response/never_cut/prefixes/1",
         {"\"10.0.0.5/8\" has bits set behind its length"},
         {"write \"10.0.0.0/8\", or \"10.0.0.5\""}},
        {"host bits of IPv6",
         with_response(R"("never_cut": {"prefixes": ["2001:db8:8000::/32"]})"),
         "/response/never_cut/prefixes/0",
         {"has bits set"},
         {"\"2001:db8::/32\"", "\"2001:db8:8000::\""}},
        {"a prefix twice, in other words",
         with_response(R"("never_cut": {"prefixes": ["192.0.2.1/32", "192.0.2.1"]})"),
         "/response/never_cut/prefixes/1",
         {"stands twice"},
         {"once"}},
        {"too many prefixes",
         with_response(R"("never_cut": {"prefixes": [)" +
                       [] {
                           std::string list = "\"::\"";
                           for (int i = 0; i < 4096; ++i) list += ", \"::\"";
                           return list;
                       }() +
                       "]}"),
         "/response/never_cut/prefixes",
         {"4097 prefixes"},
         {"at most 4096"}},
        {"port 0",
         with_response(R"("never_cut": {"ports": [22, 0]})"),
         "/response/never_cut/ports/1",
         {"a port's number cannot be 0"},
         {"1 to 65535"}},
        {"port 65536",
         with_response(R"("never_cut": {"ports": [65536]})"),
         "/response/never_cut/ports/0",
         {"65536"},
         {"1 to 65535"}},
        {"a port by name",
         with_response(R"("never_cut": {"ports": ["ssh"]})"),
         "/response/never_cut/ports/0",
         {"found a string"},
         {}},
        {"a port twice",
         with_response(R"("never_cut": {"ports": [22, 80, 22]})"),
         "/response/never_cut/ports/2",
         {"22 stands twice"},
         {"once"}},
        {"a stop file that depends on where yagura is started",
         with_response(R"("stop_file": "stop")"),
         "/response/stop_file",
         {"\"stop\" is not an absolute path"},
         {"begin it with /"}},
        {"no stop file", with_response(R"("stop_file": "")"), "/response/stop_file", {"is empty"}, {}},
        {"a stop file with a zero",
         with_response(R"("stop_file": "/a\u0000b")"),
         "/response/stop_file",
         {"\\u0000"},
         {}},
        {"blocks as a path",
         with_response(R"("blocks": "/b")"),
         "/response/blocks",
         {"expected an object"},
         {}},
        {"a file of blocks that is not absolute",
         with_response(R"("blocks": {"file": "./blocks"})"),
         "/response/blocks/file",
         {"not an absolute path"},
         {}},
        {"a file of blocks that stops all",
         with_response(R"("stop_file": "/b", "blocks": {"file": "/b"})"),
         "/response",
         {"\"/b\" is both stop_file and blocks/file"},
         {"own"}},
        {"no room for blocks",
         with_response(R"("blocks": {"capacity": 0})"),
         "/response/blocks/capacity",
         {"0"},
         {"1 to 16777216"}},
        {"too much room for blocks",
         with_response(R"("blocks": {"capacity": 16777217})"),
         "/response/blocks/capacity",
         {"16777217"},
         {}},
        {"no kills", with_response(R"("kills": 0)"), "/response/kills", {"0"}, {"1 to 65536"}},
        {"too many kills", with_response(R"("kills": 65537)"), "/response/kills", {"65537"}, {}},
        {"no frames",
         with_response(R"("frames_per_second": 0)"),
         "/response/frames_per_second",
         {"0"},
         {"1 to 10000000"}},
        {"too many frames",
         with_response(R"("frames_per_second": 10000001)"),
         "/response/frames_per_second",
         {"10000001"},
         {}},
    };
    for (const FaultRow& row : rows) check_fault(row);
    for (const char* text : {"", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/-1", "10.0.0.0/+8", "10.0.0.0/8 ",
                             "10.0.0/8", "::/129", "::1/128/1", "example.org", "10.0.0.0 /8"}) {
        check_fault({text,
                     with_response("\"never_cut\": {\"prefixes\": [\"" + std::string(text) + "\"]}"),
                     "/response/never_cut/prefixes/0",
                     {"is not a prefix"},
                     {"10.0.0.0/8"}});
    }
}

TEST_CASE("rules that respond are read") {
    const Config config = must_parse(with(R"("response": {"enabled": true}, "rules": [
        {"id": 1, "filter": "tcp port 23", "reset": true},
        {"id": 2, "block": {}},
        {"id": 3, "forward": ["ids"], "reset": true, "block": {"ttl": "10m", "what": "source"}, "priority": 9},
        {"id": 4, "drop": true, "block": {"ttl": 1, "what": "destination"}},
        {"id": 5, "drop": true, "reset": true, "scope": "packet"},
        {"id": 6, "reset": true, "block": {"ttl": "3650d"}, "sample": 10},
        {"id": 7, "forward": ["ids"], "reset": false}])"));
    const std::vector<Rule>& rules = config.rules;
    CHECK(rules[0].reset);
    CHECK_FALSE(rules[0].block);
    CHECK((rules[0].forward.empty() && !rules[0].drop));
    CHECK(rules[1].block == BlockAction{});
    CHECK_FALSE(rules[1].reset);
    CHECK(rules[2].block == BlockAction{.what = BlockWhat::kSource, .ttl = std::chrono::minutes(10)});
    CHECK(rules[2].forward == std::vector<std::size_t>{0});
    CHECK(rules[2].priority == 9);
    CHECK(rules[3].block == BlockAction{.what = BlockWhat::kDestination, .ttl = std::chrono::seconds(1)});
    CHECK((rules[3].drop && rules[4].drop && rules[4].reset));
    CHECK(rules[4].scope == Scope::kPacket);
    CHECK(rules[5].block->ttl == std::chrono::hours(24 * 3650));
    CHECK(rules[5].sample == 10);
    for (std::size_t i = 0; i < rules.size(); ++i) {
        CAPTURE(i);
        CHECK(rules[i].responds() == (i != 6));
        CHECK(rules[i].only_responds() == (i == 0 || i == 1 || i == 5));
    }
    CHECK(must_parse(canonical_json(config)) == config);
}

TEST_CASE("faults of rules that respond are named") {
    const FaultRow rows[] = {
        {"reset without response",
         with(R"("rules": [{"id": 1, "drop": true}, {"id": 2, "reset": true}])"),
         "/rules/1/reset",
         {"response is not enabled"},
         {R"(set "response": {"enabled": true})"}},
        {"block without response",
         with(R"("rules": [{"id": 1, "forward": ["ids"], "block": {"ttl": "1m"}}])"),
         "/rules/0/block",
         {"response is not enabled"},
         {R"(set "response": {"enabled": true})"}},
        {"both, with a response that is off",
         with(R"("response": {"enabled": false}, "rules": [{"id": 1, "block": {}, "reset": true}])"),
         "/rules/0/reset",
         {"response is not enabled"},
         {}},
        {"a response that cannot be read makes no rule wrong",
         with(R"("response": [], "rules": [{"id": 1, "reset": true}])"),
         "/response",
         {"expected an object"},
         {}},
        {"nor does an enabled that cannot",
         with(R"("response": {"enabled": 1}, "rules": [{"id": 1, "reset": true}])"),
         "/response/enabled",
         {"expected true or false"},
         {}},
        {"reset in words",
         with_responding(R"("reset": "yes")"),
         "/rules/0/reset",
         {"expected true or false"},
         {}},
        {"block as a duration",
         with_responding(R"("block": "10m")"),
         "/rules/0/block",
         {"expected an object", "found a string"},
         {"\"ttl\": \"10m\""}},
        {"an unknown key of block",
         with_responding(R"("block": {"time": "1m"})"),
         "/rules/0/block/time",
         {"unknown key"},
         {"ttl, what"}},
        {"to block whom",
         with_responding(R"("block": {"what": "soruce"})"),
         "/rules/0/block/what",
         {"unknown what \"soruce\""},
         {"did you mean \"source\"?"}},
        {"too short",
         with_responding(R"("block": {"ttl": "999ms"})"),
         "/rules/0/block/ttl",
         {"out of range"},
         {"\"1s\"", "\"3650d\""}},
        {"too long",
         with_responding(R"("block": {"ttl": "3651d"})"),
         "/rules/0/block/ttl",
         {"out of range"},
         {}},
        {"no duration",
         with_responding(R"("block": {"ttl": "soon"})"),
         "/rules/0/block/ttl",
         {"not a duration"},
         {}},
        {"drop and forward, whatever else",
         with_responding(R"("drop": true, "forward": ["ids"], "reset": true)"),
         "/rules/0",
         {"both drops and forwards"},
         {}},
        {"a sample of a drop",
         with_responding(R"("drop": true, "reset": true, "sample": 2)"),
         "/rules/0/sample",
         {"a rule that drops has no sample"},
         {}},
    };
    for (const FaultRow& row : rows) check_fault(row);
}

TEST_CASE("a network port may say how ends are reached") {
    const Config config = must_parse(with_two_ports(
        R"("inject": "tap0", "route": {"own_mac": "02:00:00:00:0A:01", "next_hop": "fe:ff:ff:ff:ff:ff"})"));
    const Port& port = *config.port("tap2");
    CHECK(port.inject == "tap0");
    CHECK(port.route == Route{{2, 0, 0, 0, 10, 1}, {0xfe, 0xff, 0xff, 0xff, 0xff, 0xff}});
    CHECK(config.port("tap1")->inject.empty());
    CHECK_FALSE(config.port("tap1")->route);
    CHECK_THAT(canonical_json(config), Catch::Contains("\"own_mac\": \"02:00:00:00:0a:01\""));
    CHECK(must_parse(canonical_json(config)) == config);
    // A port that comes later in the file.
    CHECK(must_parse(R"({"ports": {"a": {"role": "network", "device": "x", "inject": "b"},
                                   "b": {"role": "network", "device": "y"}}})")
              .port("a")
              ->inject == "b");
}

TEST_CASE("faults of inject and route are named") {
    const auto route = [](const char* own, const char* next) {
        return with_two_ports(std::string(R"("route": {"own_mac": ")") + own + R"(", "next_hop": ")" + next +
                              "\"}");
    };
    constexpr const char* kGood = "02:00:00:00:00:01";
    const FaultRow rows[] = {
        {"itself",
         with_two_ports(R"("inject": "tap2")"),
         "/ports/tap2/inject",
         {"\"tap2\" is this port itself"},
         {"another"}},
        {"unknown",
         with_two_ports(R"("inject": "tap3")"),
         "/ports/tap2/inject",
         {"unknown network port \"tap3\""},
         {"did you mean", "tap0, tap1, tap2"}},
        {"a tool",
         with_two_ports(R"("inject": "ids0")"),
         "/ports/tap2/inject",
         {"\"ids0\" is a tool port"},
         {"network"}},
        {"no name", with_two_ports(R"("inject": "")"), "/ports/tap2/inject", {"is not a name"}, {}},
        {"not a string",
         with_two_ports(R"("inject": 1)"),
         "/ports/tap2/inject",
         {"the name of a network port"},
         {}},
        {"a port that is faulty itself",
         with_ports(
             R"("t": {"role": "network", "device": "x", "inject": "u"}, "u": {"role": "net", "device": "y"})"),
         "/ports/u/role",
         {"net"},
         {}},
        {"inject of a tool",
         with_ports(R"("t": {"role": "tool", "device": "x", "inject": "tap0"})"),
         "/ports/t/inject",
         {"a tool port has no inject"},
         {"network ports"}},
        {"route of a tool",
         with_ports(R"("t": {"role": "tool", "device": "x", "route": {"own_mac": "02:00:00:00:00:01",
                                                                     "next_hop": "02:00:00:00:00:02"}})"),
         "/ports/t/route",
         {"a tool port has no route"},
         {"network ports"}},
        {"route as an address",
         with_two_ports(R"("route": "10.0.0.1")"),
         "/ports/tap2/route",
         {"expected an object"},
         {}},
        {"half a route",
         with_two_ports(R"("route": {"own_mac": "02:00:00:00:00:01"})"),
         "/ports/tap2/route",
         {"\"next_hop\" is missing"},
         {}},
        {"not an address",
         route("02:00:00:00:00", kGood),
         "/ports/tap2/route/own_mac",
         {"is not an Ethernet address"},
         {kGood}},
        {"dashes",
         route(kGood, "02-00-00-00-00-02"),
         "/ports/tap2/route/next_hop",
         {"is not an Ethernet address"},
         {}},
        {"a digit that is none",
         route(kGood, "02:00:00:00:00:0g"),
         "/ports/tap2/route/next_hop",
         {"is not an"},
         {}},
        {"a sign", route(kGood, "02:00:00:00:00:+2"), "/ports/tap2/route/next_hop", {"is not an"}, {}},
        {"multicast",
         route("01:00:5e:00:00:01", kGood),
         "/ports/tap2/route/own_mac",
         {"no station's address"},
         {"even"}},
        {"broadcast", route(kGood, "ff:ff:ff:ff:ff:ff"), "/ports/tap2/route/next_hop", {"no station's"}, {}},
        {"zeros",
         route("00:00:00:00:00:00", kGood),
         "/ports/tap2/route/own_mac",
         {"no station's"},
         {"zeros"}},
        {"one station", route(kGood, kGood), "/ports/tap2/route", {"are the same"}, {}},
    };
    for (const FaultRow& row : rows) check_fault(row);
}

TEST_CASE("prefixes and Ethernet addresses are read and written") {
    const std::pair<const char*, const char*> rows[] = {
        {"0.0.0.0/0", "0.0.0.0/0"},
        {"10.0.0.0/08", "10.0.0.0/8"},
        {"192.0.2.1/32", "192.0.2.1"},
        {"2001:DB8:0:0::/64", "2001:db8::/64"},
        {"::1/128", "::1"},
    };
    for (const auto& [text, written] : rows) {
        CAPTURE(text);
        REQUIRE(parse_prefix(text));
        CHECK(prefix_text(*parse_prefix(text)) == written);
        CHECK(parse_prefix(written) == parse_prefix(text));
    }
    CHECK(prefix_text(without_host_bits(*parse_prefix("255.255.255.255/19"))) == "255.255.224.0/19");
    CHECK(prefix_text(without_host_bits(*parse_prefix("255.255.255.255/0"))) == "0.0.0.0/0");
    CHECK(without_host_bits(*parse_prefix("2001:db8::1")) == *parse_prefix("2001:db8::1"));
    CHECK(mac_text(*parse_mac("aB:cD:eF:00:11:29")) == "ab:cd:ef:00:11:29");
    for (const char* text : {"", "ab:cd:ef:00:11", "ab:cd:ef:00:11:29:", "ab:cd:ef:00:11:299", "abcdef001129",
                             "ab:cd:ef:00:11.29", " b:cd:ef:00:11:29"}) {
        CAPTURE(text);
        CHECK_FALSE(parse_mac(text));
    }
}

TEST_CASE("what a rule does to connections is told in words") {
    const auto words = [](const char* keys) {
        return response_words(must_parse(with_responding(keys)).rules[0]);
    };
    CHECK(words(R"("forward": ["ids"])").empty());
    CHECK(words(R"("reset": true)") == "reset");
    CHECK(words(R"("block": {})") == "block it");
    CHECK(words(R"("drop": true, "reset": true, "block": {"ttl": 600})") == "reset; block it for 10m");
    CHECK(words(R"("block": {"what": "source", "ttl": "1500ms"})") == "block its source for 1500ms");
    CHECK(words(R"("block": {"what": "destination"})") == "block its destination");
}

}  // namespace
}  // namespace yagura::rules
