// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "rules/rule.h"

namespace yagura::match {

/// libpcap's lexical classes (its scanner.l), as far as layers, names and plain filters need them.
enum class TokenKind : std::uint8_t {
    kWord,      ///< keyword or name
    kEscaped,   ///< \name: never a keyword; the text is without the backslash
    kNumber,    ///< decimal, octal or hexadecimal
    kAddress4,  ///< two to four decimal numbers with dots
    kAddress6,
    kMac,
    kSymbol,  ///< operator or bracket
    kJunk,    ///< what libpcap will refuse
};

struct Token {
    TokenKind kind;
    std::string_view text;  ///< points into the text that was tokenised
};

std::vector<Token> tokenize(std::string_view filter);

/// The first word that only has a meaning in a link header (ether, vlan, arp, a bare broadcast, ...). Empty
/// when there is none.
std::string_view link_layer_word(std::span<const Token> tokens);

/// True when the expression reads bytes by offset: proto[...].
bool has_byte_access(std::span<const Token> tokens);

/// The first name that libpcap would have to resolve to an address: by the hosts file at best, by asking a
/// name server at worst. Empty when there is none. Names of services and protocols are local and fine.
std::string_view name_to_resolve(std::span<const Token> tokens);

/// The layer that a filter is asked of; an error when its words contradict the layer that was asked for.
base::Result<rules::Layer> choose_layer(std::span<const Token> tokens, std::optional<rules::Layer> wanted);

}  // namespace yagura::match
