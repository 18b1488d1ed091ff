// SPDX-License-Identifier: BSD-3-Clause
#include "rules/json_document.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace yagura::rules {
namespace {

/// "line 3, column 7" of a byte.
std::string line_and_column(std::string_view text, std::size_t offset) {
    const std::string_view before = text.substr(0, std::min(offset, text.size()));
    const auto lines = std::count(before.begin(), before.end(), '\n');
    const std::size_t start = before.rfind('\n') + 1;  // npos + 1 == 0
    return fmt::format("line {}, column {}", lines + 1, before.size() - start + 1);
}

/// Length of the UTF-8 sequence at the start of `text` (RFC 3629: no overlong form, no surrogate, nothing
/// above U+10FFFF); 0 when there is none.
std::size_t utf8_sequence(std::string_view text) {
    const auto byte = [text](std::size_t i) -> unsigned {
        return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u;
    };
    const auto continues = [&byte](std::size_t i) { return (byte(i) & 0xc0u) == 0x80u; };
    const unsigned lead = byte(0);
    if (lead < 0x80) return 1;
    if (lead >= 0xc2 && lead <= 0xdf) return continues(1) ? 2 : 0;
    if ((lead & 0xf0u) == 0xe0u) {
        const bool overlong = lead == 0xe0 && byte(1) < 0xa0;
        const bool surrogate = lead == 0xed && byte(1) > 0x9f;
        return continues(1) && continues(2) && !overlong && !surrogate ? 3 : 0;
    }
    if (lead >= 0xf0 && lead <= 0xf4) {
        const bool overlong = lead == 0xf0 && byte(1) < 0x90;
        const bool beyond = lead == 0xf4 && byte(1) > 0x8f;
        return continues(1) && continues(2) && continues(3) && !overlong && !beyond ? 4 : 0;
    }
    return 0;
}

/// The JSON library looks for bad UTF-8 in strings only, and takes a zero byte for the end of the text: what
/// follows would be passed over in silence. Comments and the rest are looked at here.
bool check_text(std::string_view text, ErrorList& errors) {
    for (std::size_t i = 0; i < text.size();) {
        const std::size_t length = utf8_sequence(text.substr(i));
        if (length == 0 || text[i] == '\0') {
            errors.add({},
                       fmt::format("{}: byte 0x{:02x} is not {}", line_and_column(text, i),
                                   static_cast<unsigned>(static_cast<unsigned char>(text[i])),
                                   length == 0 ? "UTF-8" : "JSON"),
                       "save the file as UTF-8 text");
            return false;
        }
        i += length;
    }
    return true;
}

/// Builds the document from the parser's events. Own, because the library's builder keeps one of two equal
/// keys in silence, searches an ordered object from its start for every key, and knows no bound of depth.
class Builder {
  public:
    Builder(std::string_view text, ErrorList& errors) : text_(text), errors_(errors) {}

    bool null() { return add(nullptr); }
    bool boolean(bool value) { return add(value); }
    bool number_integer(Json::number_integer_t value) { return add(value); }
    bool number_unsigned(Json::number_unsigned_t value) { return add(value); }
    bool number_float(Json::number_float_t value, const std::string&) { return add(value); }
    bool string(std::string& value) { return add(std::move(value)); }
    bool binary(Json::binary_t&) { return false; }  // not in JSON text

    bool start_object(std::size_t) { return open(true); }
    bool start_array(std::size_t) { return open(false); }
    bool key(std::string& key) {
        if (key.size() > kMaxKeyBytes) {
            fail(fmt::format("a key of {} bytes is longer than {}", key.size(), kMaxKeyBytes));
            return false;
        }
        open_.back().key = std::move(key);
        return true;
    }
    bool end_object() {
        Container top = close();
        const std::vector<bool> repeated = find_repeated(top);
        Json::object_t object;
        object.reserve(top.members.size());
        for (std::size_t i = 0; i < top.members.size(); ++i) {
            if (!repeated[i]) {
                object.emplace_back(std::move(top.members[i].first), std::move(top.members[i].second));
            }
        }
        return add(std::move(object));
    }
    bool end_array() { return add(close().items); }

    bool parse_error(std::size_t position, const std::string& last_token, const Json::exception& e);

    Json take() { return std::move(root_); }
    bool failed() const { return failed_; }

  private:
    struct Container {
        bool is_object;
        std::string key;                                    ///< of the member that comes next
        std::vector<std::pair<std::string, Json>> members;  ///< of an object
        Json::array_t items;                                ///< of an array
    };

    template <class T>
    bool add(T&& value) {
        if (open_.empty()) {
            root_ = std::forward<T>(value);
        } else if (Container& top = open_.back(); top.is_object) {
            top.members.emplace_back(std::move(top.key), std::forward<T>(value));
        } else {
            top.items.emplace_back(std::forward<T>(value));
        }
        return true;
    }
    bool open(bool is_object) {
        if (open_.size() == kMaxDepth) {
            fail(fmt::format("nested deeper than {} levels", kMaxDepth));
            return false;
        }
        open_.push_back({is_object, {}, {}, {}});
        return true;
    }
    Container close() {
        Container top = std::move(open_.back());
        open_.pop_back();
        return top;
    }
    std::vector<bool> find_repeated(const Container& object);
    std::string pointer() const;
    void fail(std::string reason) {
        failed_ = true;
        errors_.take();  // half a document: what was said of it so far may be wrong
        errors_.add_at(pointer(), std::move(reason));
    }

    std::string_view text_;
    ErrorList& errors_;
    std::vector<Container> open_;
    Json root_;
    bool failed_ = false;
};

std::vector<bool> Builder::find_repeated(const Container& object) {
    const auto& members = object.members;
    std::vector<bool> repeated(members.size(), false);
    std::vector<std::size_t> order(members.size());
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
    std::sort(order.begin(), order.end(), [&members](std::size_t a, std::size_t b) {
        const int compared = members[a].first.compare(members[b].first);
        return compared != 0 ? compared < 0 : a < b;
    });
    for (std::size_t i = 0; i < order.size();) {
        std::size_t end = i + 1;
        while (end < order.size() && members[order[end]].first == members[order[i]].first) {
            repeated[order[end++]] = true;
        }
        if (end - i > 1) {
            const std::string& key = members[order[i]].first;
            std::string where = pointer();
            append_pointer_token(where, key);
            errors_.add_at(std::move(where),
                           fmt::format("the key {} stands {} times in one object", in_quotes(key), end - i),
                           "keep one of them");
        }
        i = end;
    }
    return repeated;
}

std::string Builder::pointer() const {
    std::string out;
    for (const Container& container : open_) {
        if (container.is_object) {
            append_pointer_token(out, container.key);
        } else {
            out += fmt::format("/{}", container.items.size());
        }
    }
    return out;
}

/// What the library says, without its own name, place and echo of what it read.
std::string plain_reason(std::string_view what) {
    if (const auto tag = what.find("] "); what.starts_with('[') && tag != what.npos)
        what.remove_prefix(tag + 2);
    if (what.starts_with("parse error at line ")) {
        if (const auto colon = what.find(": "); colon != what.npos) what.remove_prefix(colon + 2);
    }
    constexpr std::string_view kSyntax = "syntax error while parsing ";
    if (what.starts_with(kSyntax)) {
        if (const auto dash = what.find(" - "); dash != what.npos) what.remove_prefix(dash + 3);
    }
    std::string reason(what);
    if (const auto echo = reason.find("; last read: '"); echo != reason.npos) {
        const auto expected = reason.rfind("; expected ");
        reason = reason.substr(0, echo) +
                 (expected != reason.npos && expected > echo ? reason.substr(expected) : std::string());
    }
    constexpr std::size_t kLongest = 200;
    if (reason.size() > kLongest) reason.resize(kLongest);
    return reason;
}

std::string syntax_fix(std::string_view text, std::size_t offset, std::string_view reason) {
    const char here = offset < text.size() ? text[offset] : '\0';
    const std::size_t before = text.substr(0, std::min(offset, text.size())).find_last_not_of(" \t\r\n");
    const char last = before != text.npos ? text[before] : '\0';
    if (last == ',' && (here == '}' || here == ']')) return "remove the comma before it";
    const bool wants_end = reason.ends_with("expected '}'") || reason.ends_with("expected ']'");
    if (wants_end && (here == '"' || here == '{' || here == '[')) return "put a comma before it";
    if (reason.starts_with("invalid literal")) return "keys and strings stand in double quotes";
    if (reason.starts_with("unexpected end of input")) return "a bracket, a brace or a quote is not closed";
    return {};
}

bool Builder::parse_error(std::size_t position, const std::string& last_token, const Json::exception& e) {
    // `position` counts the bytes read, so the last of them is the culprit, or the last of a whole token.
    std::size_t offset = position > 0 ? position - 1 : 0;
    const std::string reason = plain_reason(e.what());
    const bool whole_token =
        reason.starts_with("unexpected string literal") || reason.starts_with("unexpected number literal");
    if (whole_token && last_token.size() <= position && position <= text_.size() &&
        text_.substr(position - last_token.size(), last_token.size()) == last_token) {
        offset = position - last_token.size();
    }
    open_.clear();  // the place is a line, not a pointer
    fail(fmt::format("{}: {}", line_and_column(text_, offset), reason));
    std::vector<ConfigError> only = errors_.take();
    errors_.add_at("", std::move(only.front().reason), syntax_fix(text_, offset, reason));
    return false;
}

}  // namespace

std::optional<Json> read_json(std::string_view text, ErrorList& errors) {
    if (!check_text(text, errors)) return std::nullopt;
    Builder builder(text, errors);
    constexpr bool kStrict = true;
    constexpr bool kIgnoreComments = true;
    if (!Json::sax_parse(text.begin(), text.end(), &builder, Json::input_format_t::json, kStrict,
                         kIgnoreComments) ||
        builder.failed()) {
        return std::nullopt;
    }
    return builder.take();
}

}  // namespace yagura::rules
