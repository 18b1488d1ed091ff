// SPDX-License-Identifier: BSD-3-Clause
#include "rules/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <utility>

namespace yagura::rules {
namespace {

constexpr std::size_t kQuotedBytes = 80;
constexpr std::size_t kLongestSuggested = 64;  ///< bytes; the length of the longest name
constexpr std::size_t kCandidates = 256;       ///< words that are looked at for a near one
constexpr std::size_t kListedWords = 16;

bool is_control(char c) {
    return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
}

/// Control characters would break the one line of a report, or do worse to a terminal.
void append_visible(std::string& out, std::string_view text) {
    for (const char c : text) {
        if (is_control(c)) {
            out += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
        } else {
            out += c;
        }
    }
}

/// Edit distance with swaps of neighbours (optimal string alignment). Both words are short.
std::size_t distance(std::string_view a, std::string_view b) {
    std::vector<std::size_t> before(b.size() + 1);
    std::vector<std::size_t> above(b.size() + 1);
    std::vector<std::size_t> row(b.size() + 1);
    std::iota(above.begin(), above.end(), std::size_t{0});
    for (std::size_t i = 1; i <= a.size(); ++i) {
        row[0] = i;
        for (std::size_t j = 1; j <= b.size(); ++j) {
            const std::size_t substituted = above[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
            row[j] = std::min({above[j] + 1, row[j - 1] + 1, substituted});
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
                row[j] = std::min(row[j], before[j - 2] + 1);
            }
        }
        std::swap(before, above);
        std::swap(above, row);
    }
    return above[b.size()];
}

/// The known word that was probably meant; empty when none is near.
std::string_view nearest(std::string_view word, std::span<const std::string_view> known) {
    if (word.empty() || word.size() > kLongestSuggested) return {};
    std::string_view best;
    // A third of the letters may be wrong, but never all of a short word.
    std::size_t limit = std::max<std::size_t>(1, word.size() / 3);
    for (const std::string_view candidate : known.first(std::min(known.size(), kCandidates))) {
        const std::size_t gap =
            std::max(word.size(), candidate.size()) - std::min(word.size(), candidate.size());
        if (gap > limit || candidate.size() <= 1) continue;
        const std::size_t d = distance(word, candidate);
        if (d > limit) continue;
        best = candidate;
        if (d == 0) break;
        limit = d - 1;
    }
    return best;
}

}  // namespace

void append_pointer_token(std::string& pointer, std::string_view key) {
    pointer += '/';
    for (const char c : key) {
        if (c == '~') {
            pointer += "~0";
        } else if (c == '/') {
            pointer += "~1";
        } else {
            pointer += c;
        }
    }
}

std::string Place::pointer() const {
    if (parent_ == nullptr) return {};
    std::string pointer = parent_->pointer();
    if (is_index_) {
        pointer += fmt::format("/{}", index_);
    } else {
        append_pointer_token(pointer, key_);
    }
    return pointer;
}

void ErrorList::add(const Place& place, std::string reason, std::string fix) {
    if (full()) {
        ++unkept_;
        return;
    }
    add_at(place.pointer(), std::move(reason), std::move(fix));
}

void ErrorList::add_at(std::string pointer, std::string reason, std::string fix) {
    if (full()) {
        ++unkept_;
        return;
    }
    errors_.push_back({std::move(pointer), std::move(reason), std::move(fix)});
}

std::vector<ConfigError> ErrorList::take() {
    if (unkept_ > 0) {
        errors_.push_back({"", fmt::format("{} more errors are not shown", unkept_), "mend the first ones"});
        unkept_ = 0;
    }
    return std::exchange(errors_, {});
}

std::string in_quotes(std::string_view text) {
    std::string_view shown = text;
    if (shown.size() > kQuotedBytes) {
        std::size_t end = kQuotedBytes;
        // Not in the middle of a UTF-8 sequence.
        while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
        shown = text.substr(0, end);
    }
    std::string out = "\"";
    for (const char c : shown) {
        if (c == '"' || c == '\\') out += '\\';
        append_visible(out, {&c, 1});
    }
    out += shown.size() < text.size() ? "...\"" : "\"";
    return out;
}

std::string suggestion(std::string_view word, std::span<const std::string_view> known,
                       std::string_view title) {
    if (known.empty()) return {};
    std::string out;
    if (const std::string_view meant = nearest(word, known); !meant.empty()) {
        out = fmt::format("did you mean {}? ", in_quotes(meant));
    }
    out += title;
    out += ": ";
    const std::size_t listed = std::min(known.size(), kListedWords);
    for (std::size_t i = 0; i < listed; ++i) {
        if (i > 0) out += ", ";
        append_visible(out, known[i]);
    }
    if (listed < known.size()) out += fmt::format(" and {} more", known.size() - listed);
    return out;
}

std::string ConfigError::to_string() const {
    std::string out;
    append_visible(out, pointer.empty() ? std::string_view("document") : std::string_view(pointer));
    out += ": ";
    append_visible(out, reason);
    if (!fix.empty()) {
        out += " (";
        append_visible(out, fix);
        out += ')';
    }
    return out;
}

}  // namespace yagura::rules
