// SPDX-License-Identifier: BSD-3-Clause
#include "match/filter_text.h"

#include <arpa/inet.h>
#include <fmt/core.h>

#include <algorithm>
#include <string>

#include "match/filter_words.h"

namespace yagura::match {
namespace {

// The C library's classification depends on the locale; the grammar does not.
bool is_digit(char c) {
    return c >= '0' && c <= '9';
}
bool is_hex(char c) {
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}
bool is_alnum(char c) {
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
bool is_space(char c) {
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/// Splits at a separator; true when every part has between low and high characters of the class.
bool parts_are(std::string_view text, char separator, bool (*in_class)(char), std::size_t low,
               std::size_t high, std::size_t min_parts, std::size_t max_parts) {
    std::size_t parts = 0;
    for (std::size_t at = 0; at <= text.size();) {
        const std::size_t end = std::min(text.find(separator, at), text.size());
        const std::string_view part = text.substr(at, end - at);
        if (part.size() < low || part.size() > high || !std::all_of(part.begin(), part.end(), in_class)) {
            return false;
        }
        ++parts;
        at = end + 1;
    }
    return parts >= min_parts && parts <= max_parts;
}

bool is_mac(std::string_view text) {
    return parts_are(text, ':', is_hex, 1, 2, 6, 6) || parts_are(text, '-', is_hex, 1, 2, 6, 6) ||
           parts_are(text, '.', is_hex, 1, 2, 6, 6) || parts_are(text, '.', is_hex, 4, 4, 3, 3) ||
           (text.size() == 12 && std::all_of(text.begin(), text.end(), is_hex));
}

bool is_number(std::string_view text) {
    if (text.size() > 2 && text[0] == '0' && (text[1] == 'x' || text[1] == 'X')) {
        return std::all_of(text.begin() + 2, text.end(), is_hex);
    }
    return std::all_of(text.begin(), text.end(), is_digit);
}

TokenKind classify(std::string_view text) {
    if (is_mac(text)) return TokenKind::kMac;
    if (is_number(text)) return TokenKind::kNumber;
    if (parts_are(text, '.', is_digit, 1, text.size(), 2, 4)) return TokenKind::kAddress4;
    return TokenKind::kWord;
}

/// The longest run of an identifier: it ends in a letter, a digit or a dot.
std::size_t word_length(std::string_view rest) {
    std::size_t size = 0;
    while (size < rest.size() &&
           (is_alnum(rest[size]) || rest[size] == '-' || rest[size] == '_' || rest[size] == '.')) {
        ++size;
    }
    while (size > 1 && (rest[size - 1] == '-' || rest[size - 1] == '_')) --size;
    return size;
}

/// An IPv6 or MAC address with colons; size 0 when there is none.
Token colon_address(std::string_view rest) {
    std::size_t size = 0;
    std::size_t colons = 0;
    for (; size < rest.size() && (is_hex(rest[size]) || rest[size] == ':' || rest[size] == '.'); ++size) {
        colons += rest[size] == ':';
    }
    const std::string_view text = rest.substr(0, size);
    if (colons < 2) return {TokenKind::kJunk, {}};
    if (is_mac(text)) return {TokenKind::kMac, text};
    in6_addr address;
    const bool valid = inet_pton(AF_INET6, std::string(text).c_str(), &address) == 1;
    return {valid ? TokenKind::kAddress6 : TokenKind::kJunk, text};
}

Token next_token(std::string_view rest) {
    const char c = rest[0];
    if (c == '\\') {
        const std::size_t size = std::min(rest.find_first_of(" !()\n\t"), rest.size());
        return size > 1 ? Token{TokenKind::kEscaped, rest.substr(0, size)}
                        : Token{TokenKind::kJunk, rest.substr(0, 1)};
    }
    if (is_hex(c) || c == ':') {
        const Token address = colon_address(rest);
        if (!address.text.empty()) return address;
    }
    if (is_alnum(c)) {
        const std::string_view text = rest.substr(0, word_length(rest));
        return {classify(text), text};
    }
    if (c == '$' && rest.size() > 1 && is_hex(rest[1])) {
        return {TokenKind::kMac, rest.substr(0, rest.size() > 2 && is_hex(rest[2]) ? 3 : 2)};
    }
    for (const std::string_view pair : {"&&", "||", ">=", "<=", "!=", "==", "<<", ">>"}) {
        if (rest.starts_with(pair)) return {TokenKind::kSymbol, rest.substr(0, 2)};
    }
    const bool symbol = std::string_view("+-*/%:[]!<>()&|^=").find(c) != std::string_view::npos;
    return {symbol ? TokenKind::kSymbol : TokenKind::kJunk, rest.substr(0, 1)};
}

}  // namespace

std::vector<Token> tokenize(std::string_view filter) {
    std::vector<Token> tokens;
    while (!filter.empty()) {
        if (is_space(filter[0])) {
            filter.remove_prefix(1);
            continue;
        }
        Token token = next_token(filter);
        filter.remove_prefix(token.text.size());
        if (token.kind == TokenKind::kEscaped) token.text.remove_prefix(1);
        tokens.push_back(token);
    }
    return tokens;
}

std::string_view link_layer_word(std::span<const Token> tokens) {
    std::string_view previous;
    for (const Token& token : tokens) {
        if (token.kind == TokenKind::kWord) {
            const WordClass word = word_class(token.text);
            const bool of_ip = previous == "ip" || previous == "ip6";
            if (word == WordClass::kLink || (word == WordClass::kCast && !of_ip)) return token.text;
        }
        previous = token.text;
    }
    return {};
}

bool has_byte_access(std::span<const Token> tokens) {
    return std::any_of(tokens.begin(), tokens.end(), [](const Token& token) {
        return token.kind == TokenKind::kSymbol && token.text == "[";
    });
}

std::string_view name_to_resolve(std::span<const Token> tokens) {
    // libpcap keeps the last qualifiers for identifiers that come without: "port http or ftp".
    bool names_an_address = true;
    int brackets = 0;
    for (const Token& token : tokens) {
        if (token.kind == TokenKind::kSymbol) {
            brackets += (token.text == "[") - (token.text == "]");
            continue;
        }
        const WordClass word = token.kind == TokenKind::kWord ? word_class(token.text) : WordClass::kUnknown;
        switch (word) {
            case WordClass::kUnknown: {
                const bool name = token.kind == TokenKind::kWord || token.kind == TokenKind::kEscaped;
                if (name && names_an_address && brackets == 0) return token.text;
                break;
            }
            case WordClass::kNotAnAddress:
                names_an_address = false;
                break;
            case WordClass::kLink:
                names_an_address = !takes_a_name(token.text);
                break;
            case WordClass::kQualifier:
                names_an_address = true;
                break;
            case WordClass::kCast:
            case WordClass::kOperator:
            case WordClass::kConstant:
                break;
        }
    }
    return {};
}

base::Result<rules::Layer> choose_layer(std::span<const Token> tokens, std::optional<rules::Layer> wanted) {
    const std::string_view word = link_layer_word(tokens);
    if (word.empty()) return wanted.value_or(rules::Layer::kInner);
    if (wanted && *wanted != rules::Layer::kFrame) {
        return base::Error{
            fmt::format("\"{}\" is a link-layer word: it can only be asked of the frame, not of layer \"{}\"",
                        word, *wanted == rules::Layer::kInner ? "inner" : "outer")};
    }
    return rules::Layer::kFrame;
}

}  // namespace yagura::match
