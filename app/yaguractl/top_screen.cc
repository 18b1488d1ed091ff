// SPDX-License-Identifier: BSD-3-Clause
#include "app/yaguractl/top_screen.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "app/yaguractl/table.h"

namespace yagura::ctl {
namespace {

constexpr std::size_t kPast = 30;      ///< updates that a plot shows
constexpr std::size_t kBarWidth = 20;  ///< columns
/// What stands before the bar of a row.
constexpr std::size_t kNameWidth = 20;

std::uint64_t number(const Json& object, const char* key) {
    const auto found = object.find(key);
    return found != object.end() && found->is_number() ? found->get<std::uint64_t>() : 0;
}

/// Cut to so many columns, in whole characters.
std::string fit(std::string_view text, std::size_t columns) {
    std::size_t at = 0;
    for (std::size_t shown = 0; at < text.size(); ++at) {
        const bool begins = (static_cast<unsigned char>(text[at]) & 0xc0) != 0x80;
        if (begins && shown++ == columns) break;
    }
    return std::string(text.substr(0, at));
}

std::string padded(std::string_view text, std::size_t columns) {
    std::string out = fit(text, columns);
    return out + std::string(columns - width_of(out), ' ');
}

}  // namespace

std::string bar(double share, std::size_t width) {
    constexpr std::array<const char*, 8> kEighths{"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
    const double filled = std::clamp(share, 0.0, 1.0) * 8 * static_cast<double>(width);
    const auto eighths = static_cast<std::size_t>(std::lround(filled));
    std::string out;
    for (std::size_t i = 0; i < eighths / 8; ++i) out += "█";
    out += kEighths[eighths % 8];
    return out + std::string(width - width_of(out), ' ');
}

std::string plot(const std::deque<double>& values, std::size_t width) {
    constexpr std::array<const char*, 8> kHeights{"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
    const std::size_t shown = std::min(width, values.size());
    std::string out(width - shown, ' ');
    const double highest = values.empty() ? 0 : *std::ranges::max_element(values);
    for (std::size_t i = values.size() - shown; i < values.size(); ++i) {
        const double share = highest > 0 ? values[i] / highest : 0;
        out += kHeights[static_cast<std::size_t>(std::lround(share * (kHeights.size() - 1)))];
    }
    return out;
}

void TopScreen::Rate::update(std::uint64_t now, double seconds) {
    // It begins anew where it is less than it was: at a restart, or counted by another configuration.
    per_second = seconds > 0 && now >= last ? static_cast<double>(now - last) / seconds : 0;
    last = now;
}

void TopScreen::update_rows(Rows& rows, const Json& list, const char* count, const char* reasons,
                            double seconds) {
    rows.resize(list.size());
    std::size_t i = 0;
    for (const auto& [name, entry] : list.items()) {
        Row& row = rows[i++];
        row.name = printable(name);
        const Json counted = entry.value(count, Json::object());
        row.packets.update(number(counted, "packets"), seconds);
        row.bytes.update(number(counted, "bytes"), seconds);
        const Json lost = entry.value(reasons, Json::object());
        for (const auto& [reason, lost_count] : lost.items()) {
            row.lost[printable(reason)].update(number(lost_count, "packets"), seconds);
        }
        if (seconds <= 0) continue;
        row.past.push_back(row.packets.per_second);
        if (row.past.size() > kPast) row.past.pop_front();
    }
}

void TopScreen::update(const Json& stats) {
    const std::uint64_t uptime = number(stats, "uptime_ms");
    const bool rates = updates_ > 0 && uptime > uptime_ms_;
    const double seconds = rates ? static_cast<double>(uptime - uptime_ms_) / 1000 : 0;
    uptime_ms_ = uptime;
    ++updates_;
    stats_ = stats;
    update_rows(ports_, stats.value("ports", Json::object()), "received", "dropped", seconds);
    update_rows(tools_, stats.value("tools", Json::object()), "sent", "shed", seconds);
    const Json threads = stats.value("threads", Json::array());
    lcores_.resize(threads.size());
    for (std::size_t i = 0; i < lcores_.size(); ++i) {
        lcores_[i].id = number(threads[i], "lcore");
        lcores_[i].busy.update(number(threads[i], "busy_turns"), seconds);
        lcores_[i].empty.update(number(threads[i], "empty_turns"), seconds);
    }
}

void TopScreen::show_rows(std::vector<std::string>& out, const std::string& title, const Rows& rows,
                          std::size_t columns) {
    double most = 0;
    for (const Row& row : rows) most = std::max(most, row.packets.per_second);
    out.push_back(
        fit(fmt::format("{} {:>12} {:>13}", padded(title, kNameWidth), "packets/s", "bits/s"), columns));
    for (const Row& row : rows) {
        std::string line =
            fmt::format("{} {:>12} {:>13}", padded(row.name, kNameWidth),
                        short_number(row.packets.per_second), short_number(8 * row.bytes.per_second));
        const double share = most > 0 ? row.packets.per_second / most : 0;
        line += "  " + bar(share, kBarWidth) + "  " + plot(row.past, kPast);
        out.push_back(fit(line, columns));
        for (const auto& [reason, rate] : row.lost) {
            out.push_back(fit(
                fmt::format("{} {:>12} {:>13}  {} in all", padded("  " + reason, kNameWidth),
                            short_number(rate.per_second), "", short_number(static_cast<double>(rate.last))),
                columns));
        }
    }
}

std::vector<std::string> TopScreen::lines(std::size_t columns) const {
    std::vector<std::string> out;
    out.push_back(fit(
        fmt::format("yagura, up {}   configuration {}   flows {}   held {}B   lost {}", duration(uptime_ms_),
                    number(stats_, "config_version"), grouped(number(stats_, "flows")),
                    short_number(static_cast<double>(number(stats_, "held_bytes"))),
                    grouped(number(stats_, "lost"))),
        columns));
    if (const std::uint64_t missed = number(stats_, "missed"); missed != 0) {
        out.push_back(
            fit(fmt::format("{} updates were not shown: this terminal is too slow", missed), columns));
    }
    out.emplace_back();
    show_rows(out, "network port", ports_, columns);
    out.emplace_back();
    show_rows(out, "tool", tools_, columns);
    out.emplace_back();
    out.push_back(fit(fmt::format("{} {:>12}", padded("lcore", kNameWidth), "busy turns"), columns));
    for (const Lcore& lcore : lcores_) {
        const double turns = lcore.busy.per_second + lcore.empty.per_second;
        const double share = turns > 0 ? lcore.busy.per_second / turns : 0;
        out.push_back(
            fit(fmt::format("{} {:>10.1f} % {:>13}  {}", padded(std::to_string(lcore.id), kNameWidth),
                            100 * share, "", bar(share, kBarWidth)),
                columns));
    }
    return out;
}

}  // namespace yagura::ctl
