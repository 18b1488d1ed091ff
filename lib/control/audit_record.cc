// SPDX-License-Identifier: BSD-3-Clause
#include "control/audit_record.h"

#include <fmt/format.h>

#include <charconv>
#include <ctime>
#include <nlohmann/json.hpp>

namespace yagura::control {
namespace {

using Json = nlohmann::json;

constexpr std::string_view kRecordBegin = "{\"seq\":";
constexpr std::size_t kMaxWord = 64;    ///< bytes of user, program, action
constexpr std::size_t kMaxText = 1024;  ///< bytes of object, outcome
// A byte takes six at most, and what says how much was cut off some thirty.
static_assert(3 * (6 * kMaxWord + 40) + 2 * (6 * kMaxText + 40) + 800 < kMaxAuditLine);

struct CodePoint {
    std::uint32_t value;
    std::size_t bytes;  ///< 0: the first byte belongs to none
};

/// RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF.
CodePoint decode(std::string_view text) {
    const auto byte = [&text](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const unsigned first = byte(0);
    if (first < 0x80) return {first, 1};
    const std::size_t bytes = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
    if (first < 0xc2 || first > 0xf4 || text.size() < bytes) return {0, 0};
    std::uint32_t value = first & (0x7fu >> bytes);
    for (std::size_t i = 1; i < bytes; ++i) {
        if ((byte(i) & 0xc0) != 0x80) return {0, 0};
        value = value << 6 | (byte(i) & 0x3fu);
    }
    constexpr std::uint32_t kLeast[] = {0, 0, 0x80, 0x800, 0x10000};
    if (value < kLeast[bytes] || value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff)) return {0, 0};
    return {value, bytes};
}

void append_code_point(std::string& out, std::uint32_t value) {
    if (value == '"' || value == '\\') {
        out += '\\';
        out += static_cast<char>(value);
    } else if (value >= 0x20 && value < 0x7f) {
        out += static_cast<char>(value);
    } else if (value < 0x10000) {
        fmt::format_to(std::back_inserter(out), "\\u{:04x}", value);
    } else {
        value -= 0x10000;
        fmt::format_to(std::back_inserter(out), "\\u{:04x}\\u{:04x}", 0xd800 + (value >> 10),
                       0xdc00 + (value & 0x3ff));
    }
}

template <class Value>
bool read(const Json& object, const char* key, Value& out) {
    const auto found = object.find(key);
    if (found == object.end()) return false;
    if constexpr (std::is_same_v<Value, std::string>) {
        if (!found->is_string()) return false;
    } else {
        if (!found->is_number_unsigned()) return false;
    }
    out = found->template get<Value>();
    return true;
}

}  // namespace

std::string escaped(std::string_view text, std::size_t most) {
    const std::size_t unsaid = text.size() > most ? text.size() - most : 0;
    text = text.substr(0, most);
    std::string out;
    while (!text.empty()) {
        const CodePoint point = decode(text);
        if (point.bytes == 0) {
            fmt::format_to(std::back_inserter(out), "\\\\x{:02x}", static_cast<unsigned char>(text.front()));
        } else {
            append_code_point(out, point.value);
        }
        text.remove_prefix(point.bytes == 0 ? 1 : point.bytes);
    }
    if (unsaid > 0) fmt::format_to(std::back_inserter(out), "... ({} bytes more)", unsaid);
    return out;
}

std::string utc_milliseconds(std::uint64_t time_ns) {
    const auto seconds = static_cast<std::time_t>(time_ns / 1'000'000'000);
    std::tm parts{};
    gmtime_r(&seconds, &parts);
    return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", parts.tm_year + 1900, parts.tm_mon + 1,
                       parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec, time_ns / 1'000'000 % 1000);
}

bool is_utc_milliseconds(std::string_view text) {
    constexpr std::string_view kForm = "0000-00-00T00:00:00.000Z";
    if (text.size() != kForm.size()) return false;
    for (std::size_t i = 0; i < kForm.size(); ++i) {
        const bool digit = text[i] >= '0' && text[i] <= '9';
        if (kForm[i] == '0' ? !digit : text[i] != kForm[i]) return false;
    }
    return true;
}

std::string record_body(const AuditFrame& frame, const AuditEvent& event, std::string_view user) {
    std::string body =
        fmt::format("{}{},\"time\":\"{}\"", kRecordBegin, frame.sequence, utc_milliseconds(frame.time_ns));
    const auto out = std::back_inserter(body);
    if (frame.start) {
        fmt::format_to(out, ",\"log\":\"{}\",\"oldest\":{}", frame.start->log, frame.start->oldest);
    }
    fmt::format_to(out, ",\"uid\":{}", event.uid);
    if (!user.empty()) fmt::format_to(out, ",\"user\":\"{}\"", escaped(user, kMaxWord));
    fmt::format_to(out,
                   ",\"gid\":{},\"pid\":{},\"program\":\"{}\",\"action\":\"{}\",\"object\":\"{}\","
                   "\"allowed\":{},\"outcome\":\"{}\",\"heads\":{},\"prev\":\"{}\"",
                   event.gid, event.pid, escaped(event.program, kMaxWord), escaped(event.action, kMaxWord),
                   escaped(event.object, kMaxText), event.allowed, escaped(event.outcome, kMaxText),
                   frame.heads, to_hex(frame.previous));
    return body;
}

std::optional<AuditRecord> parse_record(std::string_view body) {
    if (!body.starts_with(kRecordBegin)) return std::nullopt;
    std::string text(body);
    text += '}';
    const Json json = Json::parse(text, nullptr, false);
    if (!json.is_object()) return std::nullopt;
    AuditRecord record;
    std::string previous;
    if (!read(json, "seq", record.sequence) || record.sequence == 0 || !read(json, "time", record.time) ||
        !read(json, "heads", record.heads) || !read(json, "prev", previous)) {
        return std::nullopt;
    }
    const auto mac = mac_from_hex(previous);
    if (!mac || !is_utc_milliseconds(record.time)) return std::nullopt;
    record.previous = *mac;
    if (json.contains("log") || json.contains("oldest")) {
        AuditStart start;
        if (!read(json, "log", start.log) || !is_log_name(start.log) || !read(json, "oldest", start.oldest)) {
            return std::nullopt;
        }
        record.start = std::move(start);
    }
    std::string action;
    const auto allowed = json.find("allowed");
    if (read(json, "action", action) && action.starts_with("audit.") && allowed != json.end() &&
        *allowed == false) {
        read(json, "outcome", record.trouble);
    }
    return record;
}

std::optional<std::uint64_t> sequence_of(std::string_view line) {
    if (!line.starts_with(kRecordBegin)) return std::nullopt;
    line.remove_prefix(kRecordBegin.size());
    std::uint64_t sequence = 0;
    const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), sequence);
    if (error != std::errc{} || end == line.data() + line.size() || *end != ',') return std::nullopt;
    return sequence;
}

}  // namespace yagura::control
