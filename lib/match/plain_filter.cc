// SPDX-License-Identifier: BSD-3-Clause
#include "match/plain_filter.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <string>

namespace yagura::match {
namespace {

/// "and" multiplies ways: what has more goes to libpcap alone.
constexpr std::size_t kMaxWays = 256;
/// Parentheses within parentheses: deeper goes to libpcap alone.
constexpr unsigned kMaxDepth = 16;

constexpr std::uint8_t kV4 = static_cast<std::uint8_t>(Family::kIpv4);
constexpr std::uint8_t kV6 = static_cast<std::uint8_t>(Family::kIpv6);
constexpr std::uint8_t kArp = static_cast<std::uint8_t>(Family::kArp);

enum class Direction : std::uint8_t { kEither, kSource, kDestination };

struct ProtocolWord {
    std::string_view word;
    std::uint8_t families;
    std::uint8_t number;
};
constexpr ProtocolWord kProtocolWords[] = {
    {"tcp", kV4 | kV6, net::ip_proto::kTcp},
    {"udp", kV4 | kV6, net::ip_proto::kUdp},
    {"sctp", kV4 | kV6, net::ip_proto::kSctp},
    {"icmp", kV4, 1},
    {"icmp6", kV6, 58},
    {"igmp", kV4, 2},
    {"esp", kV4 | kV6, 50},
};

const ProtocolWord* find_protocol(std::string_view word) {
    const auto* found = std::find_if(std::begin(kProtocolWords), std::end(kProtocolWords),
                                     [word](const ProtocolWord& p) { return p.word == word; });
    return found == std::end(kProtocolWords) ? nullptr : found;
}

/// Decimal without a leading zero, which would make it octal for libpcap.
std::optional<std::uint16_t> decimal(std::string_view text, unsigned high) {
    if (text.empty() || (text.size() > 1 && text[0] == '0')) return {};
    unsigned value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size() || value > high) return {};
    return static_cast<std::uint16_t>(value);
}

bool has_bits_beyond(const net::IpAddress& address, unsigned length) {
    for (unsigned bit = length; bit < 128; ++bit) {
        if ((address[bit / 8] & (0x80u >> bit % 8)) != 0) return true;
    }
    return false;
}

/// The prefix that satisfies both, if there is one.
std::optional<Prefix> intersect(const Prefix& a, const Prefix& b) {
    const Prefix& longer = a.length >= b.length ? a : b;
    const Prefix& shorter = a.length >= b.length ? b : a;
    for (unsigned bit = 0; bit < shorter.length; ++bit) {
        if (((longer.address[bit / 8] ^ shorter.address[bit / 8]) & (0x80u >> bit % 8)) != 0) return {};
    }
    return longer;
}

std::optional<PortRange> intersect(const PortRange& a, const PortRange& b) {
    PortRange both{std::max(a.low, b.low), std::min(a.high, b.high), a.asked || b.asked};
    if (both.low > both.high) return {};
    return both;
}

/// Both at once; nothing when no packet can satisfy both.
std::optional<PlainConjunction> intersect(const PlainConjunction& a, const PlainConjunction& b) {
    PlainConjunction both;
    both.families = a.families & b.families;
    if (a.protocol >= 0 && b.protocol >= 0 && a.protocol != b.protocol) {
        return {};
    }
    both.protocol = std::max(a.protocol, b.protocol);
    const auto src = intersect(a.src, b.src);
    const auto dst = intersect(a.dst, b.dst);
    const auto sport = intersect(a.sport, b.sport);
    const auto dport = intersect(a.dport, b.dport);
    if (both.families == 0 || !src || !dst || !sport || !dport) return {};
    both.src = *src;
    both.dst = *dst;
    both.sport = *sport;
    both.dport = *dport;
    if (both.asks_ports() && both.protocol >= 0 && !has_ports(static_cast<std::uint8_t>(both.protocol))) {
        return {};
    }
    return both;
}

using Ways = std::vector<PlainConjunction>;

class Parser {
  public:
    explicit Parser(std::span<const Token> tokens) : tokens_(tokens) {}

    std::optional<PlainFilter> parse() {
        std::optional<Ways> ways = parse_expression(0);
        if (!ways || at_ != tokens_.size()) return {};
        return PlainFilter{std::move(*ways), has_or_};
    }

  private:
    /// For libpcap "and" and "or" bind alike, from the left.
    std::optional<Ways> parse_expression(unsigned depth) {
        std::optional<Ways> ways = parse_item(depth);
        while (ways) {
            if (take("and") || take("&&")) {
                const std::optional<Ways> item = parse_item(depth);
                ways = item ? both(*ways, *item) : std::nullopt;
            } else if (take("or") || take("||")) {
                has_or_ = true;
                const std::optional<Ways> item = parse_item(depth);
                ways = item ? either(std::move(*ways), *item) : std::nullopt;
            } else {
                break;
            }
        }
        return ways;
    }

    std::optional<Ways> parse_item(unsigned depth) {
        if (!take("(")) {
            std::optional<Ways> term = parse_term();
            first_term_ = false;
            return term;
        }
        if (depth == kMaxDepth) return {};
        std::optional<Ways> ways = parse_expression(depth + 1);
        return take(")") ? std::move(ways) : std::nullopt;
    }

    static std::optional<Ways> both(const Ways& a, const Ways& b) {
        Ways ways;
        for (const PlainConjunction& way : a) {
            for (const PlainConjunction& other : b) {
                if (const auto common = intersect(way, other)) ways.push_back(*common);
            }
        }
        return ways.size() <= kMaxWays ? std::optional(std::move(ways)) : std::nullopt;
    }

    static std::optional<Ways> either(Ways a, const Ways& b) {
        a.insert(a.end(), b.begin(), b.end());
        return a.size() <= kMaxWays ? std::optional(std::move(a)) : std::nullopt;
    }

    bool take(std::string_view text) {
        if (at_ >= tokens_.size() || tokens_[at_].text != text) return false;
        if (tokens_[at_].kind != TokenKind::kWord && tokens_[at_].kind != TokenKind::kSymbol) return false;
        ++at_;
        return true;
    }
    bool term_ends() const {
        constexpr std::string_view kAfterTerm[] = {"and", "&&", "or", "||", ")"};
        return at_ == tokens_.size() || std::find(std::begin(kAfterTerm), std::end(kAfterTerm),
                                                  tokens_[at_].text) != std::end(kAfterTerm);
    }
    const Token* next(TokenKind kind) {
        return at_ < tokens_.size() && tokens_[at_].kind == kind ? &tokens_[at_++] : nullptr;
    }

    std::optional<Ways> parse_term() {
        if (take("ip")) return after_ip(kV4);
        if (take("ip6")) return after_ip(kV6);
        if (at_ < tokens_.size() && tokens_[at_].kind == TokenKind::kWord) {
            if (const ProtocolWord* protocol = find_protocol(tokens_[at_].text)) {
                ++at_;
                PlainConjunction way;
                way.families = protocol->families;
                way.protocol = protocol->number;
                if (term_ends()) return Ways{way};
                if (!has_ports(protocol->number)) return {};
                const Direction direction = parse_direction();
                return parse_ports(way, direction);
            }
        }
        if (take("proto")) return parse_protocol(kV4 | kV6);
        // An address without a qualifier takes those of the term before it.
        const bool qualified = at_ < tokens_.size() && tokens_[at_].kind == TokenKind::kWord;
        if (!qualified && !first_term_) return {};
        const std::size_t start = at_;
        const Direction direction = parse_direction();
        PlainConjunction way;
        way.families = kV4 | kV6;
        if (std::optional<Ways> ways = parse_ports(way, direction)) return ways;
        at_ = start;
        return parse_address(kV4 | kV6 | kArp);
    }

    std::optional<Ways> after_ip(std::uint8_t family) {
        if (term_ends()) {
            PlainConjunction way;
            way.families = family;
            return Ways{way};
        }
        if (take("proto")) return parse_protocol(family);
        if (at_ >= tokens_.size() || tokens_[at_].kind != TokenKind::kWord) return {};
        return parse_address(family);
    }

    std::optional<Ways> parse_protocol(std::uint8_t families) {
        const Token* token = next(TokenKind::kNumber);
        const auto number = token != nullptr ? decimal(token->text, 255) : std::nullopt;
        // The fragment header is the one protocol that a packet can have together with another.
        if (!number || *number == net::ip_proto::kFragment) return {};
        PlainConjunction way;
        way.families = families;
        way.protocol = static_cast<std::int16_t>(*number);
        return Ways{way};
    }

    Direction parse_direction() {
        if (take("src")) return Direction::kSource;
        if (take("dst")) return Direction::kDestination;
        return Direction::kEither;
    }

    std::optional<Ways> parse_ports(PlainConjunction way, Direction direction) {
        PortRange range;
        range.asked = true;
        if (take("port")) {
            const Token* token = next(TokenKind::kNumber);
            const auto port = token != nullptr ? decimal(token->text, 0xffff) : std::nullopt;
            if (!port) return {};
            range.low = range.high = *port;
        } else if (take("portrange")) {
            const Token* token = next(TokenKind::kWord);
            if (token == nullptr) return {};
            const std::size_t dash = token->text.find('-');
            if (dash == std::string_view::npos) return {};
            const auto low = decimal(token->text.substr(0, dash), 0xffff);
            const auto high = decimal(token->text.substr(dash + 1), 0xffff);
            if (!low || !high || *low > *high) return {};
            range.low = *low;
            range.high = *high;
        } else {
            return {};
        }
        return directed(way, direction, range, &PlainConjunction::sport, &PlainConjunction::dport);
    }

    std::optional<Ways> parse_address(std::uint8_t families) {
        const Direction direction = parse_direction();
        const bool net = take("net");
        if (!net) take("host");
        Prefix prefix;
        PlainConjunction way;
        unsigned width = 0;
        if (const Token* token = next(TokenKind::kAddress4)) {
            width = 32;
            way.families = families & (kV4 | kArp);
            if (inet_pton(AF_INET, std::string(token->text).c_str(), prefix.address.data()) != 1) return {};
        } else if (const Token* token6 = next(TokenKind::kAddress6)) {
            width = 128;
            way.families = families & kV6;
            if (inet_pton(AF_INET6, std::string(token6->text).c_str(), prefix.address.data()) != 1) return {};
        } else {
            return {};
        }
        prefix.length = static_cast<std::uint8_t>(width);
        if (net) {
            const Token* bits = take("/") ? next(TokenKind::kNumber) : nullptr;
            const auto length = bits != nullptr ? decimal(bits->text, width) : std::nullopt;
            if (!length || *length == 0 || has_bits_beyond(prefix.address, *length)) return {};
            prefix.length = static_cast<std::uint8_t>(*length);
        }
        // "ip host 2001:db8::1": libpcap knows what is wrong with it.
        if (way.families == 0) return {};
        return directed(way, direction, prefix, &PlainConjunction::src, &PlainConjunction::dst);
    }

    template <class Test>
    static Ways directed(const PlainConjunction& way, Direction direction, const Test& test,
                         Test PlainConjunction::*source, Test PlainConjunction::*destination) {
        Ways ways;
        if (direction != Direction::kDestination) ways.emplace_back(way).*source = test;
        if (direction != Direction::kSource) ways.emplace_back(way).*destination = test;
        return ways;
    }

    std::span<const Token> tokens_;
    std::size_t at_ = 0;
    bool first_term_ = true;
    bool has_or_ = false;
};

bool prefix_holds(const Prefix& prefix, const net::IpAddress& address, std::uint8_t size) {
    const unsigned whole = prefix.length / 8;
    const unsigned rest = prefix.length % 8;
    // Programs compare words, and optimised ones only those that the prefix reaches into: these must be
    // there.
    if ((prefix.length + 31u) / 32 * 4 > size) return false;
    if (!std::equal(address.begin(), address.begin() + whole, prefix.address.begin())) return false;
    return rest == 0 || ((address[whole] ^ prefix.address[whole]) >> (8 - rest)) == 0;
}

}  // namespace

bool PlainConjunction::matches(const HeaderFields& fields) const {
    if ((families & static_cast<std::uint8_t>(fields.family)) == 0) return false;
    if (protocol >= 0) {
        const auto* end = fields.protocol.begin() + fields.protocol_count;
        if (std::find(fields.protocol.begin(), end, static_cast<std::uint8_t>(protocol)) == end) return false;
    }
    if (sport.asked && !(fields.has_sport && sport.holds(fields.sport))) return false;
    if (dport.asked && !(fields.has_dport && dport.holds(fields.dport))) return false;
    return prefix_holds(src, fields.src, fields.src_size) && prefix_holds(dst, fields.dst, fields.dst_size);
}

std::optional<PlainFilter> parse_plain_filter(std::span<const Token> tokens) {
    if (tokens.empty()) return {};
    return Parser(tokens).parse();
}

}  // namespace yagura::match
