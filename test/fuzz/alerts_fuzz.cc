// SPDX-License-Identifier: BSD-3-Clause
// Whatever a tool's log holds, in whatever pieces: lines come out whole and bounded, an alert is understood
// or counted as a fault, and what yagura would be asked for is a flow or a host that is written as it must
// be.
#include <arpa/inet.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "app/alerts/line_splitter.h"
#include "app/alerts/source.h"
#include "app/alerts/verdict.h"
#include "app/alerts/verdict_map.h"

namespace {

using namespace yagura::alerts;

void require(bool holds) {
    if (!holds) std::abort();
}

const VerdictMap& sample_map() {
    static const VerdictMap map = [] {
        std::vector<yagura::rules::ConfigError> errors;
        VerdictMap read = VerdictMap::read(R"([
            {"signature": [1, "116:2"], "verdict": "block", "what": "source"},
            {"signature": "/scan|x+/i", "severity": "<=2", "verdict": "block", "ttl": "1m"},
            {"note": "Scan::*", "verdict": "block", "what": "destination", "reason": "x"},
            {"severity": ">3", "verdict": "none"},
            {"verdict": "reset"}])",
                                           errors);
        require(errors.empty());
        return read;
    }();
    return map;
}

bool is_plain(std::string_view text) {
    for (const char c : text) {
        if (static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) > 0x7e) return false;
    }
    return true;
}

/// "10.0.0.1" or "2001:db8::1", as it is written by inet_ntop.
void check_host(const std::string& host) {
    std::uint8_t bytes[16];
    char text[INET6_ADDRSTRLEN];
    const int family = host.find(':') == std::string::npos ? AF_INET : AF_INET6;
    require(inet_pton(family, host.c_str(), bytes) == 1);
    require(inet_ntop(family, bytes, text, sizeof text) != nullptr && host == text);
}

void check_end(std::string_view end, bool has_port) {
    if (!has_port) return check_host(std::string(end));
    const std::size_t colon = end.rfind(':');
    require(colon != std::string_view::npos && parse_port(end.substr(colon + 1)).has_value());
    std::string_view host = end.substr(0, colon);
    if (host.starts_with('[')) {
        require(host.ends_with(']'));
        host = host.substr(1, host.size() - 2);
        require(host.find(':') != std::string_view::npos);
    }
    check_host(std::string(host));
}

void check_flow(const std::string& flow) {
    const std::size_t blank = flow.find(' ');
    const std::size_t arrow = flow.find(" > ");
    require(blank != std::string::npos && arrow != std::string::npos && arrow > blank);
    const std::string_view protocol = std::string_view(flow).substr(0, blank);
    const bool has_ports = protocol == "tcp" || protocol == "udp" || protocol == "sctp";
    check_end(std::string_view(flow).substr(blank + 1, arrow - blank - 1), has_ports);
    check_end(std::string_view(flow).substr(arrow + 3), has_ports);
}

void check_alert(const Alert& alert) {
    require(alert.text.size() <= kMaxText && alert.note.size() <= kMaxWord);
    require(alert.id.size() <= kMaxWord && alert.time.size() <= kMaxWord);
    require(!origin_of(alert).empty());
    if (alert.source) check_host(alert.source->text);
    if (alert.destination) check_host(alert.destination->text);
    if (alert.connection) check_flow(flow_text(*alert.connection));
    const Decision* decision = sample_map().find(alert);
    require(decision != nullptr);
    const auto verdict = make_verdict(alert, *decision);
    if (!verdict) return;
    require(verdict->reason.size() <= kMaxReason);
    require(verdict->identity.find('\n') == std::string::npos && is_plain(verdict->item));
    if (verdict->method == Method::kAddBlocks) {
        check_host(verdict->item);
    } else {
        check_flow(verdict->item);
    }
    const std::vector<Verdict> batch{*verdict};
    require(key_of(batch).size() <= 64 && is_plain(key_of(batch)));
}

}  // namespace

/// The first byte is the format, the second the size of the pieces, the third the longest line in units
/// of 16.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 3) return 0;
    const Format format = static_cast<Format>(data[0] % 3);
    const std::size_t piece = data[1] + std::size_t{1};
    const std::size_t longest = 16 * (data[2] + std::size_t{1});
    const std::string_view bytes(reinterpret_cast<const char*>(data) + 3, size - 3);
    LineSplitter lines(longest);
    ZeekReader zeek;
    std::size_t given = 0;
    std::size_t too_long = 0;
    for (std::size_t at = 0; at <= bytes.size(); at += piece) {
        lines.append(bytes.substr(at, piece));
        if (at + piece > bytes.size()) lines.end();
        while (const auto line = lines.next()) {
            require(line->text.size() <= longest && line->text.find('\n') == std::string_view::npos);
            ++given;
            if (line->too_long) {
                ++too_long;
                continue;
            }
            const Reading reading = read_line(format, line->text, zeek);
            if (const auto* alert = std::get_if<Alert>(&reading)) check_alert(*alert);
            if (const auto* fault = std::get_if<Fault>(&reading)) require(!fault_text(*fault).empty());
        }
        require(lines.size() <= longest + piece);
    }
    // Every line is given out, or told of.
    std::size_t ends = 0;
    for (const char c : bytes) ends += c == '\n' ? 1 : 0;
    const bool rest = !bytes.empty() && bytes.back() != '\n';
    require(given == ends + (rest ? 1 : 0) && too_long <= given);
    return 0;
}
