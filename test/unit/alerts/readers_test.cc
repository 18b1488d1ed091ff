// SPDX-License-Identifier: BSD-3-Clause
// Lines of tools, and what is understood of them.
#include <catch2/catch.hpp>
#include <string>
#include <variant>

#include "app/alerts/alert.h"
#include "app/alerts/snort_reader.h"
#include "app/alerts/suricata_reader.h"
#include "app/alerts/zeek_reader.h"

namespace yagura::alerts {
namespace {

/// "tcp 10.0.0.1:4000 > 10.0.0.2:80", or what it is instead.
std::string flow_of(const Reading& reading) {
    if (const auto* fault = std::get_if<Fault>(&reading)) return std::string(fault_text(*fault));
    if (std::holds_alternative<Other>(reading)) return "other";
    const Alert& alert = std::get<Alert>(reading);
    return alert.connection ? flow_text(*alert.connection) : "no connection";
}

std::string address_of(const std::optional<Address>& address) {
    return address ? address->text : "none";
}

TEST_CASE("addresses and ports are what they are, and nothing near") {
    for (const char* text : {"10.0.0.1", "255.255.255.255", "::", "2001:db8::1", "::ffff:10.0.0.1"}) {
        CAPTURE(text);
        REQUIRE(parse_address(text));
        CHECK(parse_address(text)->text == text);
    }
    CHECK(parse_address("2001:DB8:0:0::0:1")->text == "2001:db8::1");
    CHECK(parse_address("2001:db8::1")->ip_version == 6);
    for (const std::string text :
         {"", "10.0.0", "10.0.0.256", "010.0.0.1", "10.0.0.1 ", " 10.0.0.1", "10.0.0.1/32", "fe80::1%eth0",
          "[::1]", "localhost", "1", "0x0a000001", "2001:db8::1::", "::1\n", "10.0.0.1.1"}) {
        CAPTURE(text);
        CHECK_FALSE(parse_address(text));
    }
    CHECK_FALSE(parse_address(std::string_view("10.0.0.1\0x", 10)));
    CHECK_FALSE(parse_address(std::string(1000, '1')));
    CHECK(parse_port("0") == 0);
    CHECK(parse_port("65535") == 65535);
    for (const char* text : {"", "65536", "-1", "+1", "1 ", "0x1", "1.0"}) CHECK_FALSE(parse_port(text));
}

TEST_CASE("a flow is written as yagura reads it") {
    const auto a = parse_address("10.0.0.1");
    const auto b = parse_address("10.0.0.2");
    const auto six = parse_address("2001:db8::1");
    struct Row {
        const char* protocol;
        std::optional<Address> source;
        std::optional<std::uint16_t> source_port;
        std::optional<Address> destination;
        std::optional<std::uint16_t> destination_port;
        const char* flow;  ///< empty: there is none
    };
    const Row rows[] = {
        {"TCP", a, 4000, b, 80, "tcp 10.0.0.1:4000 > 10.0.0.2:80"},
        {"udp", six, 0, six, 65535, "udp [2001:db8::1]:0 > [2001:db8::1]:65535"},
        {"SCTP", a, 1, b, 2, "sctp 10.0.0.1:1 > 10.0.0.2:2"},
        {"ICMP", a, 8, b, 0, "icmp 10.0.0.1 > 10.0.0.2"},
        {"icmp", six, {}, six, {}, "icmpv6 2001:db8::1 > 2001:db8::1"},
        {"IPv6-ICMP", six, {}, six, {}, "icmpv6 2001:db8::1 > 2001:db8::1"},
        {"TCP", a, {}, b, 80, ""},
        {"TCP", a, 1, six, 80, ""},
        {"TCP", {}, 1, b, 80, ""},
        {"", a, 1, b, 80, ""},
        {"tcp;", a, 1, b, 80, ""},
        {"unknown", a, 1, b, 80, ""},
    };
    for (const Row& row : rows) {
        CAPTURE(row.protocol, row.flow);
        const auto connection =
            make_connection(row.protocol, row.source, row.source_port, row.destination, row.destination_port);
        CHECK((connection ? flow_text(*connection) : "") == row.flow);
    }
}

/// An alert of Suricata with a member replaced, or taken out where `with` is empty.
std::string eve(const std::string& what = {}, const std::string& with = {}) {
    std::string line =
        R"({"timestamp":"2026-11-28T19:00:00.123456+0000","flow_id":1234567890123456,"in_iface":"eth0",)"
        R"("event_type":"alert","src_ip":"10.0.0.1","src_port":4000,"dest_ip":"10.0.0.2","dest_port":80,"proto":"TCP",)"
        R"("alert":{"action":"allowed","gid":1,"signature_id":2003068,"rev":7,"signature":"ET SCAN SSH","category":"x",)"
        R"("severity":2},"app_proto":"http"})";
    if (what.empty()) return line;
    const std::size_t at = line.find(what);
    REQUIRE(at != std::string::npos);
    return line.replace(at, what.size(), with);
}

TEST_CASE("an alert of Suricata is understood") {
    const Reading reading = read_suricata(eve());
    REQUIRE(std::holds_alternative<Alert>(reading));
    const Alert& alert = std::get<Alert>(reading);
    CHECK(alert.tool == "suricata");
    CHECK(alert.generator == 1);
    CHECK(alert.signature == 2003068);
    CHECK(alert.severity == 2);
    CHECK(alert.text == "ET SCAN SSH");
    CHECK(alert.id == "1234567890123456");
    CHECK(alert.time == "2026-11-28T19:00:00.123456+0000");
    CHECK(alert.source->text == "10.0.0.1");
    CHECK(alert.destination->text == "10.0.0.2");
    CHECK(origin_of(alert) == "suricata 1:2003068");
}

TEST_CASE("lines of an EVE log are alerts, other events, or wrong") {
    struct Row {
        std::string line;
        std::string flow;
    };
    const std::string not_json(fault_text(Fault::kNotJson));
    const std::string no_signature(fault_text(Fault::kNoSignature));
    const std::string bad_address(fault_text(Fault::kBadAddress));
    const Row rows[] = {
        {eve(), "tcp 10.0.0.1:4000 > 10.0.0.2:80"},
        {eve(R"("src_ip":"10.0.0.1")", R"("src_ip":"2001:db8:0::1")"), "no connection"},
        {eve("\"TCP\"", "\"ICMP\""), "icmp 10.0.0.1 > 10.0.0.2"},
        {eve(R"("proto":"TCP",)"), "no connection"},
        {eve(R"("src_port":4000,)"), "no connection"},
        {eve(R"("src_ip":"10.0.0.1",)"), "no connection"},
        {eve("\"event_type\":\"alert\"", "\"event_type\":\"http\""), "other"},
        {R"({"event_type":"flow","proto":"TCP"})", "other"},
        {R"({"event_type":"http","http":{"url":"\"alert\""}})", "other"},
        {eve("4000", "65536"), bad_address},
        {eve("4000", "-1"), bad_address},
        {eve("4000", "\"4000\""), bad_address},
        {eve("4000", "1e3"), bad_address},
        {eve("\"10.0.0.1\"", "\"10.0.0.1 \""), bad_address},
        {eve("\"10.0.0.1\"", "167772161"), bad_address},
        {eve("\"10.0.0.1\"", "null"), bad_address},
        {eve("2003068", "\"2003068\""), no_signature},
        {eve("\"signature_id\":2003068,"), no_signature},
        {R"({"event_type":"alert","alert":[]})", no_signature},
        {eve().substr(0, 300), not_json},
        {eve("\"ET SCAN SSH\"", "\"\xff\""), not_json},
        {eve(":2}", ":1e999}"), not_json},
        {eve("\"http\"}", std::string(40, '[') + std::string(40, ']') + "}"), not_json},
        {"[" + eve() + "]", not_json},
        {"", not_json},
        {"{}}", "other"},  // it has no alert in it, so nobody looks at it
    };
    for (const Row& row : rows) {
        CAPTURE(row.line);
        CHECK(flow_of(read_suricata(row.line)) == row.flow);
    }
}

TEST_CASE("long texts are cut between characters") {
    CHECK(std::get<Alert>(read_suricata(eve("ET SCAN SSH", std::string(1000, 'x')))).text ==
          std::string(kMaxText, 'x'));
    CHECK(cut_text("aaä", 3) == "aa");
    CHECK(cut_text("aaä", 4) == "aaä");
    CHECK(std::get<Alert>(read_suricata(eve("2026-11-28", std::string(100, '1')))).time.size() == kMaxWord);
}

const std::string kFields =
    "#fields\tts\tuid\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_"
    "p\tfuid\tproto\tnote\tmsg\tsub\tsrc\tdst\tp\tn";

std::string row_of(const std::string& cells) {
    std::string row = cells;
    for (char& c : row) c = c == ' ' ? '\t' : c;
    return row;
}

TEST_CASE("notices of Zeek are understood") {
    ZeekReader reader;
    for (const std::string& line : {std::string("#separator \\x09"), std::string("#set_separator\t,"),
                                    std::string("#empty_field\t(empty)"), std::string("#unset_field\t-"),
                                    std::string("#path\tnotice"), kFields})
        CHECK(std::holds_alternative<Other>(reader.read(line)));
    const Reading with_connection =
        reader.read(row_of("1669216431.624776 Cgks 10.0.0.1 59213 10.0.0.2 80 - tcp Weak::Server "
                           "found\\x20it\\x09here - 10.0.0.1 10.0.0.2 80 -"));
    REQUIRE(std::holds_alternative<Alert>(with_connection));
    const Alert& alert = std::get<Alert>(with_connection);
    CHECK(alert.tool == "zeek");
    CHECK(alert.note == "Weak::Server");
    CHECK(alert.text == "found it\there");
    CHECK(alert.id == "Cgks");
    CHECK(alert.time == "1669216431.624776");
    CHECK_FALSE(alert.signature);
    CHECK_FALSE(alert.severity);
    CHECK(origin_of(alert) == "zeek Weak::Server");
    CHECK(flow_of(with_connection) == "tcp 10.0.0.1:59213 > 10.0.0.2:80");

    // A scan has no connection, only who scans.
    const Reading scan =
        reader.read(row_of("1.0 - - - - - - - Scan::Port_Scan scanned - 192.0.2.1 10.0.0.7 - -"));
    CHECK(flow_of(scan) == "no connection");
    CHECK(address_of(std::get<Alert>(scan).source) == "192.0.2.1");
    CHECK(address_of(std::get<Alert>(scan).destination) == "10.0.0.7");
    CHECK(std::get<Alert>(scan).id.empty());
}

TEST_CASE("rows of a Zeek log go by the header before them") {
    const std::string no_header(fault_text(Fault::kNoHeader));
    const std::string columns(fault_text(Fault::kWrongColumns));
    const std::string address(fault_text(Fault::kBadAddress));
    const std::string good = row_of("1.0 C1 10.0.0.1 1 10.0.0.2 2 - tcp A::B text - - - - -");
    ZeekReader reader;
    CHECK(flow_of(reader.read(good)) == no_header);
    reader.read(kFields);
    CHECK(flow_of(reader.read(good)) == "tcp 10.0.0.1:1 > 10.0.0.2:2");
    CHECK(flow_of(reader.read(good + "\tx")) == columns);
    CHECK(flow_of(reader.read("")) == columns);
    CHECK(flow_of(reader.read(std::string(1000, '\t'))) == columns);
    CHECK(flow_of(reader.read(row_of("1.0 C1 10.0.0.1 1 10.0.0 2 - tcp A::B text - - - - -"))) == address);
    CHECK(flow_of(reader.read(row_of("1.0 C1 10.0.0.1 1 10.0.0.2 x - tcp A::B text - - - - -"))) == address);
    CHECK(flow_of(reader.read(row_of("1.0 C1 10.0.0.1 1 10.0.0.2 2 - tcp A::B text - 1.2.3 - - -"))) ==
          address);
    CHECK(flow_of(reader.read(row_of("1.0 C1 10.0.0.1 1 10.0.0.2 2 - tcp - text - - - - -"))) ==
          std::string(fault_text(Fault::kNoSignature)));
    // Another log: other columns, another separator, another sign for nothing.
    reader.read("#separator \\x7c");
    CHECK(flow_of(reader.read(good)) == no_header);
    reader.read("#unset_field|?");
    reader.read("#fields|note|src");
    CHECK(address_of(std::get<Alert>(reader.read("A::B|10.0.0.1")).source) == "10.0.0.1");
    CHECK(address_of(std::get<Alert>(reader.read("A::B|?")).source) == "none");
    reader.read("#fields|ts|uid");
    CHECK(flow_of(reader.read("1|2")) == std::string(fault_text(Fault::kNotNotice)));
    CHECK(flow_of(reader.read("#close|2026-11-28")) == "other");
}

TEST_CASE("notices of Zeek in JSON are understood, in the same log too") {
    ZeekReader reader;
    struct Row {
        const char* line;
        std::string flow;
        const char* source;
    };
    const Row rows[] = {
        {R"({"ts":1.5,"uid":"C1","id.orig_h":"10.0.0.1","id.orig_p":1,"id.resp_h":"10.0.0.2","id.resp_p":2,"proto":"tcp",)"
         R"("note":"A::B","msg":"m","src":"10.0.0.2","dst":"10.0.0.1"})",
         "tcp 10.0.0.1:1 > 10.0.0.2:2", "10.0.0.2"},
        {R"({"_path":"notice","ts":"2026-11-28T19:00:00Z","note":"Scan::Port_Scan","src":"192.0.2.1"})",
         "no connection", "192.0.2.1"},
        {R"({"_path":"conn","note":"x"})", "other", ""},
        {R"({"ts":1})", std::string(fault_text(Fault::kNotNotice)), ""},
        {R"({"note":1})", std::string(fault_text(Fault::kNotNotice)), ""},
        {R"({"note":"A::B","src":"x"})", std::string(fault_text(Fault::kBadAddress)), ""},
        {R"({"note":"A::B")", std::string(fault_text(Fault::kNotJson)), ""},
    };
    for (const Row& row : rows) {
        CAPTURE(row.line);
        const Reading reading = reader.read(row.line);
        CHECK(flow_of(reading) == row.flow);
        if (const auto* alert = std::get_if<Alert>(&reading)) CHECK(address_of(alert->source) == row.source);
    }
    CHECK(std::get<Alert>(reader.read(rows[0].line)).time == "1.5");
    CHECK(std::get<Alert>(reader.read(rows[1].line)).time == "2026-11-28T19:00:00Z");
}

TEST_CASE("lines of alert_fast are understood") {
    struct Row {
        std::string line;
        std::string flow;
        std::string text;
        std::uint64_t signature;
        std::uint64_t severity;
    };
    const Row rows[] = {
        // Snort 2, with an interface and a drop.
        {"11/28-19:00:00.123456  [**] [1:2003068:7] ET SCAN SSH [**] [Classification: Attempted Information "
         "Leak] "
         "[Priority: 2] {TCP} 10.0.0.1:4000 -> 10.0.0.2:22",
         "tcp 10.0.0.1:4000 > 10.0.0.2:22", "ET SCAN SSH", 2003068, 2},
        {"11/28/26-19:00:00.123456 [Drop] [**] [1:5:7]  <eth0>  a b [**] [Priority: 1] {UDP} 10.0.0.1:1 -> "
         "10.0.0.2:2",
         "udp 10.0.0.1:1 > 10.0.0.2:2", "a b", 5, 1},
        // Snort 3.
        {"11/28-19:00:00.123456 [**] [1:9:1] \"ET x\" [**] [Priority: 3] [AppID: HTTP] {TCP} 10.0.0.1:1 -> "
         "10.0.0.2:2",
         "tcp 10.0.0.1:1 > 10.0.0.2:2", "ET x", 9, 3},
        {"11/28-19:00:00.123456 [**] [1:9:1] x [**] [Priority: 3] {TCP} 2001:db8::1:4000 -> 2001:db8::2:80",
         "tcp [2001:db8::1]:4000 > [2001:db8::2]:80", "x", 9, 3},
        {"11/28-19:00:00.123456 [**] [1:9:1] x [**] [Priority: 3] {ICMP} 10.0.0.1 -> 10.0.0.2",
         "icmp 10.0.0.1 > 10.0.0.2", "x", 9, 3},
        {"11/28-19:00:00.123456 [**] [1:9:1] x [**] [Priority: 3] {IPV6-ICMP} fe80::1 -> ff02::1",
         "icmpv6 fe80::1 > ff02::1", "x", 9, 3},
        // A fragment has no ports.
        {"11/28-19:00:00.123456 [**] [1:9:1] x [**] [Priority: 3] {TCP} 10.0.0.1 -> 10.0.0.2",
         "no connection", "x", 9, 3},
        // Suricata's fast.log.
        {"11/28/2026-19:00:00.123456  [**] [1:9:1] x [**] [Classification: (null)] [Priority: 3] {TCP} "
         "10.0.0.1:1 -> "
         "10.0.0.2:2",
         "tcp 10.0.0.1:1 > 10.0.0.2:2", "x", 9, 3},
        // What a message says is not taken for what the line says.
        {"11/28-19:00:00.123456 [**] [1:9:1] [Priority: 1] {TCP} 9.9.9.9:9 -> 9.9.9.8:9 [**] [Priority: 3] "
         "{TCP} 10.0.0.1:1 "
         "-> 10.0.0.2:2",
         "tcp 10.0.0.1:1 > 10.0.0.2:2", "[Priority: 1] {TCP} 9.9.9.9:9 -> 9.9.9.8:9", 9, 3},
    };
    for (const Row& row : rows) {
        CAPTURE(row.line);
        const Reading reading = read_snort(row.line);
        CHECK(flow_of(reading) == row.flow);
        REQUIRE(std::holds_alternative<Alert>(reading));
        const Alert& alert = std::get<Alert>(reading);
        CHECK(alert.text == row.text);
        CHECK(alert.signature == row.signature);
        CHECK(alert.severity == row.severity);
        CHECK(alert.source);
        CHECK(alert.time == row.line.substr(0, row.line.find(' ')));
    }
}

TEST_CASE("what is no line of alert_fast is not understood") {
    const std::string before = "11/28-19:00:00.123456 [**] ";
    const std::string after = " [**] [Priority: 3] {TCP} 10.0.0.1:1 -> 10.0.0.2:2";
    struct Row {
        std::string line;
        Fault fault;
    };
    const Row rows[] = {
        {"x", Fault::kNotAlert},
        {"00 01 02 03 04 05 06 07  ........",
         Fault::kNotAlert},  // of a packet that is dumped behind its alert
        {"yesterday [**] [1:9:1] x" + after, Fault::kNotAlert},
        {before + "[1:9:1] x", Fault::kNotAlert},
        {before + "[1:9:1] x [**] [Priority: 3] 10.0.0.1:1 -> 10.0.0.2:2", Fault::kNotAlert},
        {before + "[1:9:1] x {TCP} 10.0.0.1:1 -> 10.0.0.2:2", Fault::kNotAlert},
        {before + "[1:9] x" + after, Fault::kNoSignature},
        {before + "[1:-9:1] x" + after, Fault::kNoSignature},
        {before + "[1:9:1" + after.substr(0, 4), Fault::kNoSignature},
        {before + "x" + after, Fault::kNoSignature},
        {before + "[1:9:1] x [**] {TCP} 10.0.0.1:1 10.0.0.2:2", Fault::kBadAddress},
        {before + "[1:9:1] x [**] {TCP} 10.0.0.1:1 -> 10.0.0.2:2 x", Fault::kBadAddress},
        {before + "[1:9:1] x [**] {TCP} 10.0.0.1:1 -> 10.0.0.2", Fault::kBadAddress},
        {before + "[1:9:1] x [**] {TCP} 10.0.0.1:1 -> 10.0.0.2:65536", Fault::kBadAddress},
        {before + "[1:9:1] x [**] {TCP} :1 -> :2", Fault::kBadAddress},
        {before + "[1:9:1] x [**] {ICMP} 10.0.0.1:1 -> 10.0.0.2:2", Fault::kBadAddress},
    };
    for (const Row& row : rows) {
        CAPTURE(row.line);
        CHECK(flow_of(read_snort(row.line)) == std::string(fault_text(row.fault)));
    }
    CHECK(flow_of(read_snort("")) == "other");
}

}  // namespace
}  // namespace yagura::alerts
