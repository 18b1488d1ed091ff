// SPDX-License-Identifier: BSD-3-Clause
#include "app/alerts/zeek_reader.h"

#include <algorithm>
#include <utility>

#include "app/alerts/json_line.h"

namespace yagura::alerts {
namespace {

/// notice.log has some thirty.
constexpr std::size_t kMaxColumns = 256;

std::optional<std::vector<std::string_view>> split(std::string_view line, char separator) {
    std::vector<std::string_view> cells;
    for (;;) {
        const std::size_t end = line.find(separator);
        cells.push_back(line.substr(0, end));
        if (cells.size() > kMaxColumns) return std::nullopt;
        if (end == std::string_view::npos) return cells;
        line.remove_prefix(end + 1);
    }
}

std::optional<unsigned> hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return std::nullopt;
}

/// Zeek writes bytes that would end a column, or are none of UTF-8, as \xNN.
std::string unescaped(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text.substr(i).starts_with("\\x") && i + 3 < text.size()) {
            const auto high = hex_digit(text[i + 2]);
            const auto low = hex_digit(text[i + 3]);
            if (high && low) {
                out += static_cast<char>(*high << 4 | *low);
                i += 3;
                continue;
            }
        }
        out += text[i];
    }
    return out;
}

/// What both forms of the log have.
struct Notice {
    std::string_view ts, uid, proto, note;
    std::string msg;
    std::optional<Address> originator, responder, src, dst;
    std::optional<std::uint16_t> originator_port, responder_port;
};

Alert alert_of(Notice&& notice) {
    Alert alert{.tool = "zeek",
                .note = cut_text(notice.note, kMaxWord),
                .text = std::move(notice.msg),
                .id = cut_text(notice.uid, kMaxWord),
                .time = cut_text(notice.ts, kMaxWord)};
    alert.connection = make_connection(notice.proto, notice.originator, notice.originator_port,
                                       notice.responder, notice.responder_port);
    // Of a notice without a connection src and dst alone are set; of one with it they may be the other way
    // round.
    alert.source = notice.src ? notice.src : notice.originator;
    alert.destination = notice.dst ? notice.dst : notice.responder;
    return alert;
}

/// The usual columns may have a number or a text as time.
std::string time_of(const AlertJson& object) {
    const auto found = object.find("ts");
    if (found == object.end()) return {};
    if (found->is_string()) return found->get<std::string>();
    return found->is_number() ? found->dump() : std::string();
}

Reading read_json(std::string_view line) {
    const auto object = parse_object(line);
    if (!object) return Fault::kNotJson;
    const std::string_view path = text_in(*object, "_path");
    if (!path.empty() && path != "notice") return Other{};
    const std::string_view note = text_in(*object, "note");
    if (note.empty()) return Fault::kNotNotice;
    const std::string ts = time_of(*object);
    bool wrong = false;
    Notice notice{.ts = ts,
                  .uid = text_in(*object, "uid"),
                  .proto = text_in(*object, "proto"),
                  .note = note,
                  .msg = cut_text(text_in(*object, "msg"))};
    notice.originator = address_in(*object, "id.orig_h", wrong);
    notice.responder = address_in(*object, "id.resp_h", wrong);
    notice.originator_port = port_in(*object, "id.orig_p", wrong);
    notice.responder_port = port_in(*object, "id.resp_p", wrong);
    notice.src = address_in(*object, "src", wrong);
    notice.dst = address_in(*object, "dst", wrong);
    if (wrong) return Fault::kBadAddress;
    return alert_of(std::move(notice));
}

}  // namespace

Reading ZeekReader::read(std::string_view line) {
    if (line.starts_with('{')) return read_json(line);
    if (line.starts_with('#')) {
        read_header(line);
        return Other{};
    }
    if (!columns_) return Fault::kNoHeader;
    return read_row(line);
}

void ZeekReader::read_header(std::string_view line) {
    constexpr std::string_view kSeparator = "#separator ";
    if (line.starts_with(kSeparator)) {
        // A log begins anew: what the one before had counts no more.
        columns_.reset();
        unset_ = "-";
        const std::string separator = unescaped(line.substr(kSeparator.size()));
        separator_ = separator.size() == 1 ? separator[0] : '\t';
        return;
    }
    const auto cells = split(line, separator_);
    if (!cells) return;
    if (cells->front() == "#unset_field" && cells->size() == 2) unset_ = cut_text((*cells)[1], kMaxWord);
    if (cells->front() != "#fields") return;
    const auto column = [&](std::string_view name) -> std::optional<std::size_t> {
        const auto found = std::ranges::find(*cells, name);
        if (found == cells->end()) return std::nullopt;
        return static_cast<std::size_t>(found - cells->begin()) - 1;
    };
    columns_ = Columns{.count = cells->size() - 1,
                       .ts = column("ts"),
                       .uid = column("uid"),
                       .source = column("id.orig_h"),
                       .source_port = column("id.orig_p"),
                       .destination = column("id.resp_h"),
                       .destination_port = column("id.resp_p"),
                       .proto = column("proto"),
                       .note = column("note"),
                       .msg = column("msg"),
                       .src = column("src"),
                       .dst = column("dst")};
}

/// Empty when the column is not there, or has no value.
std::string_view ZeekReader::cell(const std::vector<std::string_view>& row,
                                  std::optional<std::size_t> column) const {
    if (!column || row[*column] == unset_) return {};
    return row[*column];
}

Reading ZeekReader::read_row(std::string_view line) const {
    if (!columns_->note) return Fault::kNotNotice;
    const auto row = split(line, separator_);
    if (!row || row->size() != columns_->count) return Fault::kWrongColumns;
    Notice notice{.ts = cell(*row, columns_->ts),
                  .uid = cell(*row, columns_->uid),
                  .proto = cell(*row, columns_->proto),
                  .note = cell(*row, columns_->note),
                  .msg = cut_text(unescaped(cell(*row, columns_->msg).substr(0, 4 * kMaxText)))};
    if (notice.note.empty()) return Fault::kNoSignature;
    bool wrong = false;
    const auto address = [&](std::optional<std::size_t> column) -> std::optional<Address> {
        const std::string_view text = cell(*row, column);
        if (text.empty()) return std::nullopt;
        auto parsed = parse_address(text);
        if (!parsed) wrong = true;
        return parsed;
    };
    const auto port = [&](std::optional<std::size_t> column) -> std::optional<std::uint16_t> {
        const std::string_view text = cell(*row, column);
        if (text.empty()) return std::nullopt;
        const auto parsed = parse_port(text);
        if (!parsed) wrong = true;
        return parsed;
    };
    notice.originator = address(columns_->source);
    notice.responder = address(columns_->destination);
    notice.originator_port = port(columns_->source_port);
    notice.responder_port = port(columns_->destination_port);
    notice.src = address(columns_->src);
    notice.dst = address(columns_->dst);
    if (wrong) return Fault::kBadAddress;
    return alert_of(std::move(notice));
}

}  // namespace yagura::alerts
