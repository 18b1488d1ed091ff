// SPDX-License-Identifier: BSD-3-Clause
#include "app/bench/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

namespace yagura::bench {
namespace {

using Json = nlohmann::ordered_json;

std::string cell(const std::optional<Spread>& figure, int decimals) {
    if (!figure) return "";
    if (figure->median >= 1000) decimals = 0;
    if (figure->repeats.size() == 1) return fmt::format("{:.{}f}", figure->median, decimals);
    return fmt::format("{:.{}f} ({:.{}f} - {:.{}f})", figure->median, decimals, figure->min, decimals,
                       figure->max, decimals);
}

std::string markdown_table(const Table& table) {
    std::vector<std::vector<std::string>> lines(1);
    lines[0] = table.labels;
    for (const Table::Column& column : table.columns) {
        lines[0].push_back(column.unit.empty() ? column.name
                                               : fmt::format("{}, {}", column.name, column.unit));
    }
    for (const Table::Row& row : table.rows) {
        std::vector<std::string> line = row.labels;
        for (std::size_t i = 0; i < table.columns.size(); ++i) {
            line.push_back(cell(row.figures[i], table.columns[i].decimals));
        }
        lines.push_back(std::move(line));
    }
    std::vector<std::size_t> widths(lines[0].size());
    for (const auto& line : lines) {
        for (std::size_t i = 0; i < line.size(); ++i) widths[i] = std::max(widths[i], line[i].size());
    }
    std::string text;
    for (std::size_t l = 0; l < lines.size(); ++l) {
        for (std::size_t i = 0; i < lines[l].size(); ++i) {
            // Labels to the left, figures to the right.
            text += i < table.labels.size() ? fmt::format("| {:<{}} ", lines[l][i], widths[i])
                                            : fmt::format("| {:>{}} ", lines[l][i], widths[i]);
        }
        text += "|\n";
        if (l != 0) continue;
        for (std::size_t i = 0; i < widths.size(); ++i) {
            text += i < table.labels.size() ? fmt::format("|{:-<{}}", "", widths[i] + 2)
                                            : fmt::format("|{:->{}}:", "", widths[i] + 1);
        }
        text += "|\n";
    }
    return text;
}

Json json_of(const Spread& spread, const std::string& unit) {
    return {{"unit", unit.empty() ? "ratio" : unit},
            {"median", spread.median},
            {"min", spread.min},
            {"max", spread.max},
            {"repeats", spread.repeats}};
}

Json json_of(const Table& table) {
    Json rows = Json::array();
    for (const Table::Row& row : table.rows) {
        Json object;
        for (std::size_t i = 0; i < table.labels.size(); ++i) object[table.labels[i]] = row.labels[i];
        for (std::size_t i = 0; i < table.columns.size(); ++i) {
            const std::optional<Spread>& figure = row.figures[i];
            object["figures"][table.columns[i].name] =
                figure ? json_of(*figure, table.columns[i].unit) : Json();
        }
        rows.push_back(std::move(object));
    }
    return {{"title", table.title}, {"rows", std::move(rows)}, {"notes", table.notes}};
}

}  // namespace

std::string to_markdown(const Report& report, const Environment& environment) {
    std::string text = environment.to_markdown();
    text += "Median of the repeats, in brackets the least and the greatest";
    if (report.interrupted_share) {
        text += fmt::format("; {:.0f} % of rounds were interrupted by other programs and made again",
                            *report.interrupted_share * 100);
    }
    text += ".\n";
    for (const Table& table : report.tables) {
        text += fmt::format("\n**{}**\n\n{}", table.title, markdown_table(table));
        if (!table.notes.empty()) text += "\n";
        for (const std::string& note : table.notes) text += fmt::format("- {}\n", note);
    }
    return text;
}

std::string to_json(const Report& report, const Environment& environment) {
    Json tables = Json::array();
    for (const Table& table : report.tables) tables.push_back(json_of(table));
    const Json document = {
        {"version", 1},
        {"benchmark", report.benchmark},
        {"environment",
         {{"date", environment.date},
          {"commit", environment.commit},
          {"command", environment.command},
          {"cpu", environment.cpu},
          {"cpus", environment.cpus},
          {"virtual_machine", environment.virtual_machine},
          {"free_hugepages_mib", environment.free_hugepages_mib},
          {"tsc_hz", environment.tsc_hz},
          {"kernel", environment.kernel},
          {"compiler", environment.compiler},
          {"build_type", environment.build_type},
          {"dpdk", environment.dpdk},
          {"load_before", environment.load_before},
          {"load_after", environment.load_after}}},
        {"interrupted_share", report.interrupted_share ? Json(*report.interrupted_share) : Json()},
        {"tables", std::move(tables)}};
    return document.dump(2) + "\n";
}

base::Result<void> write_into(const std::string& path, const std::string& name, const std::string& text) {
    std::ifstream in(path);
    if (!in) return base::Error{fmt::format("{}: {}", path, std::strerror(errno))};
    std::ostringstream whole;
    whole << in.rdbuf();
    std::string page = whole.str();
    const std::string begin = fmt::format("<!-- yagura-bench: {} -->\n", name);
    const std::size_t from = page.find(begin);
    const std::size_t to = from == std::string::npos ? from : page.find("<!-- end -->", from);
    if (to == std::string::npos) {
        return base::Error{fmt::format("{}: there are no lines \"{}\" and \"<!-- end -->\"", path,
                                       begin.substr(0, begin.size() - 1))};
    }
    page.replace(from + begin.size(), to - from - begin.size(), "\n" + text + "\n");
    std::ofstream out(path, std::ios::trunc);
    out << page;
    out.close();
    if (!out) return base::Error{fmt::format("{}: {}", path, std::strerror(errno))};
    return {};
}

}  // namespace yagura::bench
