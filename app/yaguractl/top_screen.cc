// SPDX-License-Identifier: BSD-3-Clause
#include "app/yaguractl/top_screen.h"

#include <fmt/format.h>

#include <algorithm>

#include "app/yaguractl/rule_words.h"
#include "app/yaguractl/table.h"

namespace yagura::ctl {
namespace {

constexpr std::size_t kPast = 30;       ///< updates that a plot shows
constexpr std::size_t kMostOfBar = 20;  ///< columns
constexpr std::size_t kInOverview = 5;  ///< rules and flows
constexpr std::size_t kRateWidth = 10;

std::uint64_t number(const Json& object, const char* key) {
    const auto found = object.find(key);
    if (found == object.end() || !found->is_number_integer()) return 0;
    return found->is_number_unsigned() || *found >= 0 ? found->get<std::uint64_t>() : 0;
}

std::string text(const Json& object, const char* key) {
    const auto found = object.find(key);
    return found != object.end() && found->is_string() ? printable(found->get<std::string>()) : std::string();
}

/// A member that is a list or an object; an empty one when it is something else.
Json part(const Json& object, const char* key) {
    const auto found = object.find(key);
    return found != object.end() && found->is_structured() ? *found : Json::object();
}

/// The words of a list.
std::string words(const Json& list) {
    std::string out;
    for (const Json& word : list) {
        if (word.is_string()) out += (out.empty() ? "" : " ") + printable(word.get<std::string>());
    }
    return out;
}

std::string padded(std::string_view text, std::size_t columns) {
    std::string out = fit(text, columns);
    return out + std::string(columns - width_of(out), ' ');
}

std::string rate(double value) {
    return fmt::format("{:>{}}", short_number(value), kRateWidth);
}

/// The columns of a screen: a name, two rates, and what is drawn where there is room for it.
struct Layout {
    explicit Layout(std::size_t columns) : name(columns < 60 ? 12 : 20) {
        constexpr std::size_t kLeast = 4;  // of a bar or plot that still says something
        const std::size_t taken = name + 2 * (kRateWidth + 1);
        const std::size_t rest = columns > taken ? columns - taken : 0;
        if (rest < kLeast + 2) return;
        bar = std::clamp((rest - 2) * 2 / 5, kLeast, kMostOfBar);
        if (rest >= bar + 4 + kLeast) plot = std::min(rest - bar - 4, kPast);
    }
    std::size_t name;
    std::size_t bar = 0;
    std::size_t plot = 0;
};

std::string heading(const std::string& title, const View& view) {
    return fit(fmt::format("{} {:>{}} {:>{}}", padded(title, Layout(view.columns).name), "packets/s",
                           kRateWidth, "bits/s", kRateWidth),
               view.columns);
}

/// Name, rates, and a bar of its share of the most.
std::string rates_line(const std::string& name, double packets, double bytes, double most, const View& view) {
    const Layout layout(view.columns);
    std::string line = fmt::format("{} {} {}", padded(name, layout.name), rate(packets), rate(8 * bytes));
    const double value = view.order == TopOrder::kBytes ? bytes : packets;
    if (layout.bar > 0) line += "  " + bar(most > 0 ? value / most : 0, layout.bar, view.glyphs);
    return line;
}

const char* name_of(TopOrder order) {
    return order == TopOrder::kBytes ? "bits" : "packets";
}

}  // namespace

void TopScreen::Rate::update(std::uint64_t now, double seconds) {
    // It begins anew where it is less than it was: at a restart, or counted by another configuration.
    per_second = seconds > 0 && now >= last ? static_cast<double>(now - last) / seconds : 0;
    last = now;
}

void TopScreen::update_rows(Rows& rows, const Json& list, const char* count, const char* reasons,
                            double seconds) {
    // Ports may come and go while yagura runs: a row stays with its name.
    Rows updated;
    for (const auto& [key, entry] : list.items()) {
        if (!entry.is_object()) continue;
        const std::string name = printable(key);
        const auto known = std::ranges::find(rows, name, &Row::name);
        const double since = known == rows.end() ? 0 : seconds;
        Row row = known == rows.end() ? Row{} : std::move(*known);
        row.name = name;
        const Json counted = part(entry, count);
        row.packets.update(number(counted, "packets"), since);
        row.bytes.update(number(counted, "bytes"), since);
        row.missed.update(number(entry, "missed"), since);
        const Json reasons_now = part(entry, reasons);
        for (const auto& [reason, lost] : reasons_now.items()) {
            row.reasons[printable(reason)].update(number(lost, "packets"), since);
        }
        if (since > 0) row.past.push_back(row.packets.per_second);
        if (row.past.size() > kPast) row.past.pop_front();
        updated.push_back(std::move(row));
    }
    rows = std::move(updated);
}

void TopScreen::update(const Json& stats) {
    const std::uint64_t uptime = number(stats, "uptime_ms");
    const bool rates = updates_ > 0 && uptime > uptime_ms_;
    const double seconds = rates ? static_cast<double>(uptime - uptime_ms_) / 1000 : 0;
    uptime_ms_ = uptime;
    ++updates_;
    stats_ = stats;
    lost_.update(number(stats, "lost"), seconds);
    update_rows(ports_, part(stats, "ports"), "received", "dropped", seconds);
    update_rows(tools_, part(stats, "tools"), "sent", "shed", seconds);
    const Json threads = part(stats, "threads");
    lcores_.resize(threads.size());
    std::size_t i = 0;
    for (const Json& thread : threads) {
        Lcore& lcore = lcores_[i++];
        lcore.id = number(thread, "lcore");
        lcore.busy.update(number(thread, "busy_turns"), seconds);
        lcore.empty.update(number(thread, "empty_turns"), seconds);
    }
}

void TopScreen::update_rules(const Json& rules, std::uint64_t config_version, bool whole) {
    const bool same =
        rules_uptime_ms_ != 0 && config_version == rules_version_ && uptime_ms_ > rules_uptime_ms_;
    // Counts by rule begin anew with each configuration.
    const double seconds = same ? static_cast<double>(uptime_ms_ - rules_uptime_ms_) / 1000 : 0;
    if (!same) rules_.clear();
    for (const Json& entry : rules) {
        if (!entry.is_object()) continue;
        const std::uint64_t id = number(entry, "id");
        Rule& rule = rules_[id];
        const std::string name = text(entry, "name");
        rule.name = std::to_string(id) + (name.empty() ? "" : " " + name);
        rule.does = printable(rule_words(entry, "to"));
        rule.packets.update(number(entry, "packets"), seconds);
        rule.bytes.update(number(entry, "bytes"), seconds);
        rule.flows = number(entry, "flows");
    }
    rules_uptime_ms_ = uptime_ms_;
    rules_version_ = config_version;
    rules_have_rates_ = seconds > 0;
    rules_whole_ = whole;
    why_no_rules_ = seconds > 0 ? "" : "counting";
}

void TopScreen::no_rules(const std::string& why) {
    why_no_rules_ = printable(why);
}

void TopScreen::update_flows(const Json& answer) {
    flows_.clear();
    for (const Json& entry : part(answer, "flows")) {
        Flow flow;
        flow.name = text(entry, "flow");
        const bool known = entry.contains("tools");
        flow.tools = known ? words(part(entry, "tools")) : "?";
        if (flow.tools.empty()) flow.tools = "-";
        flow.packets_per_second = static_cast<double>(number(entry, "packets_per_second"));
        flow.bytes_per_second = static_cast<double>(number(entry, "bytes_per_second"));
        flows_.push_back(std::move(flow));
    }
    why_no_flows_.clear();
}

void TopScreen::no_flows(const std::string& why) {
    why_no_flows_ = printable(why);
}

Line TopScreen::summary(const View& view) const {
    // What matters most first: a narrow terminal cuts the rest.
    std::string line = fmt::format("yagura, up {}   lost {}", duration(uptime_ms_), grouped(lost_.last));
    if (lost_.per_second > 0) line += fmt::format(", {}/s now", short_number(lost_.per_second));
    line += fmt::format("   flows {}   held {}B   configuration {}", grouped(number(stats_, "flows")),
                        short_number(static_cast<double>(number(stats_, "held_bytes"))),
                        number(stats_, "config_version"));
    return {fit(line, view.columns), lost_.per_second > 0 ? Tone::kLoss : Tone::kPlain};
}

void TopScreen::show_rows(Lines& out, const std::string& title, const Rows& rows, Tone of_reasons,
                          const View& view) {
    const Layout layout(view.columns);
    const auto value = [&](const Row& row) {
        return view.order == TopOrder::kBytes ? row.bytes.per_second : row.packets.per_second;
    };
    double most = 0;
    for (const Row& row : rows) most = std::max(most, value(row));
    out.push_back({heading(title, view), Tone::kTitle});
    for (const Row& row : rows) {
        std::string line = rates_line(row.name, row.packets.per_second, row.bytes.per_second, most, view);
        if (layout.plot > 0) line += "  " + plot(row.past, layout.plot, view.glyphs);
        out.push_back({fit(line, view.columns)});
        const auto show = [&](const std::string& reason, const Rate& lost, Tone tone) {
            out.push_back({fit(fmt::format("{} {} {:>{}}  {} in all", padded("  " + reason, layout.name),
                                           rate(lost.per_second), "", kRateWidth,
                                           short_number(static_cast<double>(lost.last))),
                               view.columns),
                           lost.per_second > 0 ? tone : Tone::kPlain});
        };
        if (row.missed.last > 0) show("missed", row.missed, Tone::kLoss);
        for (const auto& [reason, lost] : row.reasons) show(reason, lost, of_reasons);
    }
}

void TopScreen::show_lcores(Lines& out, const View& view) const {
    const Layout layout(view.columns);
    out.push_back(
        {fit(fmt::format("{} {:>{}}", padded("lcore", layout.name), "busy turns", kRateWidth), view.columns),
         Tone::kTitle});
    for (const Lcore& lcore : lcores_) {
        const double turns = lcore.busy.per_second + lcore.empty.per_second;
        const double share = turns > 0 ? lcore.busy.per_second / turns : 0;
        std::string line = fmt::format("{} {:>{}.1f} % {:>{}}", padded(std::to_string(lcore.id), layout.name),
                                       100 * share, kRateWidth - 2, "", kRateWidth);
        if (layout.bar > 0) line += "  " + bar(share, layout.bar, view.glyphs);
        out.push_back({fit(line, view.columns)});
    }
}

void TopScreen::show_rules(Lines& out, const View& view, std::size_t most) const {
    out.push_back({heading(fmt::format("rule, by {}", name_of(view.order)), view), Tone::kTitle});
    if (!rules_have_rates_ || !why_no_rules_.empty()) {
        out.push_back({fit("  " + why_no_rules_, view.columns)});
        return;
    }
    const auto value = [&](const Rule* rule) {
        return view.order == TopOrder::kBytes ? rule->bytes.per_second : rule->packets.per_second;
    };
    std::vector<const Rule*> busy;
    for (const auto& [id, rule] : rules_) {
        if (rule.packets.per_second > 0) busy.push_back(&rule);
    }
    std::ranges::stable_sort(busy, [&](const Rule* a, const Rule* b) { return value(a) > value(b); });
    for (std::size_t i = 0; i < std::min(most, busy.size()); ++i) {
        const Rule& rule = *busy[i];
        out.push_back(
            {fit(rates_line(rule.name, rule.packets.per_second, rule.bytes.per_second, value(busy[0]), view) +
                     fmt::format("  {} flows, {}", grouped(rule.flows), rule.does),
                 view.columns)});
    }
    if (busy.empty()) out.push_back({fit("  none selects anything now", view.columns)});
    if (!rules_whole_)
        out.push_back({fit("  of the first ones only: there are too many rules", view.columns)});
}

void TopScreen::show_flows(Lines& out, const View& view, std::size_t most) const {
    const auto value = [&](const Flow& flow) {
        return view.order == TopOrder::kBytes ? flow.bytes_per_second : flow.packets_per_second;
    };
    std::vector<Flow> shown = flows_;
    std::ranges::stable_sort(shown, [&](const Flow& a, const Flow& b) { return value(a) > value(b); });
    if (shown.size() > most) shown.resize(most);
    std::size_t widest = 16;
    for (const Flow& flow : shown) widest = std::max(widest, width_of(flow.name));
    out.push_back({fit(fmt::format("{:>{}} {:>{}}  {}  {}", "packets/s", kRateWidth, "bits/s", kRateWidth,
                                   padded(fmt::format("flow, by {}", name_of(view.order)), widest), "tools"),
                       view.columns),
                   Tone::kTitle});
    if (!why_no_flows_.empty()) {
        out.push_back({fit("  " + why_no_flows_, view.columns)});
        return;
    }
    if (shown.empty()) out.push_back({fit("  no packet of a flow came by", view.columns)});
    for (const Flow& flow : shown) {
        out.push_back(
            {fit(fmt::format("{} {}  {}  {}", rate(flow.packets_per_second), rate(8 * flow.bytes_per_second),
                             padded(flow.name, widest), flow.tools),
                 view.columns)});
    }
}

std::vector<Line> TopScreen::lines(const View& view) const {
    Lines out{summary(view)};
    if (const std::uint64_t missed = number(stats_, "missed"); missed != 0) {
        out.push_back(
            {fit(fmt::format("{} updates were not shown: this terminal is too slow", missed), view.columns)});
    }
    out.emplace_back();
    switch (view.panel) {
        case Panel::kOverview:
            show_rows(out, "network port", ports_, Tone::kPlain, view);
            out.emplace_back();
            show_rows(out, "tool", tools_, Tone::kLoss, view);
            out.emplace_back();
            show_lcores(out, view);
            out.emplace_back();
            show_rules(out, view, kInOverview);
            out.emplace_back();
            show_flows(out, view, kInOverview);
            break;
        case Panel::kRules:
            show_rules(out, view, SIZE_MAX);
            break;
        case Panel::kFlows:
            show_flows(out, view, SIZE_MAX);
            break;
    }
    return out;
}

}  // namespace yagura::ctl
