// SPDX-License-Identifier: BSD-3-Clause
#include "app/alerts/snort_reader.h"

#include <fmt/format.h>

#include <algorithm>

namespace yagura::alerts {
namespace {

constexpr std::string_view kStars = "[**]";

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

/// "11/28-19:00:00.123456", with a year behind the day or without.
bool is_time(std::string_view word) {
    constexpr std::string_view kOthers = "/-:.";
    return word.size() >= 14 && word.size() <= kMaxWord && is_digit(word[0]) && is_digit(word[1]) &&
           word[2] == '/' &&
           std::ranges::all_of(word, [&](char c) { return is_digit(c) || kOthers.find(c) != kOthers.npos; });
}

std::string_view trimmed(std::string_view text) {
    const std::size_t begin = text.find_first_not_of(' ');
    if (begin == std::string_view::npos) return {};
    return text.substr(begin, text.find_last_not_of(" \r") - begin + 1);
}

struct End {
    std::optional<Address> address;
    std::optional<std::uint16_t> port;
};

/// An address, with a port behind its last colon where the protocol has ports.
End parse_end(std::string_view text, bool has_port) {
    if (!has_port) return {.address = parse_address(text), .port = std::nullopt};
    const std::size_t colon = text.rfind(':');
    if (colon == std::string_view::npos) return {};
    return {.address = parse_address(text.substr(0, colon)), .port = parse_port(text.substr(colon + 1))};
}

/// Generator, signature and revision in brackets. What is behind them stays in `text`.
bool take_ids(std::string_view& text, Alert& alert) {
    const std::size_t close = text.find(']');
    if (!text.starts_with('[') || close == std::string_view::npos) return false;
    const std::string_view ids = text.substr(1, close - 1);
    const std::size_t first = ids.find(':');
    const std::size_t second = first == std::string_view::npos ? first : ids.find(':', first + 1);
    if (second == std::string_view::npos || !parse_number(ids.substr(second + 1))) return false;
    const auto generator = parse_number(ids.substr(0, first));
    alert.signature = parse_number(ids.substr(first + 1, second - first - 1));
    if (!generator || !alert.signature) return false;
    alert.generator = *generator;
    text = trimmed(text.substr(close + 1));
    return true;
}

/// Snort 3 has the message in the quotes of its rule; Snort 2 may have "<eth0>" in front of it.
std::string message_of(std::string_view text) {
    if (text.starts_with('<')) {
        const std::size_t close = text.find('>');
        if (close != std::string_view::npos) text = trimmed(text.substr(close + 1));
    }
    if (text.size() >= 2 && text.starts_with('"') && text.ends_with('"'))
        text = text.substr(1, text.size() - 2);
    return cut_text(text);
}

std::optional<std::uint64_t> priority_in(std::string_view text) {
    constexpr std::string_view kPriority = "[Priority: ";
    const std::size_t begin = text.rfind(kPriority);
    if (begin == std::string_view::npos) return std::nullopt;
    text.remove_prefix(begin + kPriority.size());
    return parse_number(text.substr(0, text.find(']')));
}

/// "{TCP} 10.0.0.1:4000 -> 10.0.0.2:22", to the end of the line.
Reading with_ends(Alert&& alert, std::string_view text) {
    const std::size_t close = text.find('}');
    const std::string_view protocol = text.substr(1, close - 1);
    const std::string_view ends = trimmed(text.substr(close + 1));
    constexpr std::string_view kArrow = " -> ";
    const std::size_t arrow = ends.find(kArrow);
    if (arrow == std::string_view::npos) return Fault::kBadAddress;
    const std::string_view left = ends.substr(0, arrow);
    const std::string_view right = ends.substr(arrow + kArrow.size());
    // Fragments of TCP have no ports: then both ends are addresses as they stand. In IPv6 2001:db8::1:80 is
    // both, so the protocol decides.
    bool has_ports = protocol == "TCP" || protocol == "UDP";
    if (has_ports && left.find(':') == std::string_view::npos && right.find(':') == std::string_view::npos)
        has_ports = false;
    const End source = parse_end(left, has_ports);
    const End destination = parse_end(right, has_ports);
    if (!source.address || !destination.address || (has_ports && (!source.port || !destination.port)))
        return Fault::kBadAddress;
    alert.source = source.address;
    alert.destination = destination.address;
    alert.connection =
        make_connection(protocol, source.address, source.port, destination.address, destination.port);
    return std::move(alert);
}

}  // namespace

Reading read_snort(std::string_view line) {
    line = trimmed(line);
    if (line.empty()) return Other{};
    const std::size_t blank = line.find(' ');
    const std::size_t stars = line.find(kStars);
    if (blank == std::string_view::npos || !is_time(line.substr(0, blank)) || stars == std::string_view::npos)
        return Fault::kNotAlert;
    Alert alert{.tool = "snort", .time = std::string(line.substr(0, blank))};
    std::string_view rest = trimmed(line.substr(stars + kStars.size()));
    if (!take_ids(rest, alert)) return Fault::kNoSignature;
    // The ends are looked for from behind, so that no message can stand for them.
    const std::size_t protocol = rest.rfind('{');
    if (protocol == std::string_view::npos || rest.find('}', protocol) == std::string_view::npos)
        return Fault::kNotAlert;
    const std::string_view before = rest.substr(0, protocol);
    const std::size_t end_of_message = before.rfind(kStars);
    if (end_of_message == std::string_view::npos) return Fault::kNotAlert;
    alert.text = message_of(trimmed(before.substr(0, end_of_message)));
    alert.severity = priority_in(before.substr(end_of_message));
    return with_ends(std::move(alert), rest.substr(protocol));
}

}  // namespace yagura::alerts
