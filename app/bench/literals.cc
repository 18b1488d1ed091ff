// SPDX-License-Identifier: BSD-3-Clause
#include "app/bench/literals.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <unordered_map>

#include "base/hash.h"
#include "broker/policy_loader.h"

namespace yagura::bench {
namespace {

char lower(char c) {
    return static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
}

std::string lower(std::string text) {
    std::ranges::transform(text, text.begin(), [](char c) { return lower(c); });
    return text;
}

/// What stands between the quotes of a content: text, bytes as |0d 0A|, and \" \\ \; \: for themselves.
std::optional<std::string> content_bytes(std::string_view text) {
    std::string bytes;
    bool hex = false;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        if (c == '|') {
            hex = !hex;
        } else if (!hex) {
            bytes += c == '\\' && i + 1 < text.size() ? text[++i] : c;
        } else if (c != ' ') {
            if (i + 1 == text.size() || std::isxdigit(static_cast<unsigned char>(c)) == 0 ||
                std::isxdigit(static_cast<unsigned char>(text[i + 1])) == 0)
                return std::nullopt;
            bytes += static_cast<char>(std::stoi(std::string(text.substr(i++, 2)), nullptr, 16));
        }
    }
    if (hex) return std::nullopt;
    return bytes;
}

/// The end of an option that begins at `at`: its semicolon, outside quotes.
std::size_t option_end(std::string_view line, std::size_t at) {
    bool quoted = false;
    for (; at < line.size(); ++at) {
        if (line[at] == '\\') {
            ++at;
        } else if (line[at] == '"') {
            quoted = !quoted;
        } else if (line[at] == ';' && !quoted) {
            break;
        }
    }
    return std::min(at, line.size());
}

std::optional<Literal> longest_content(std::string_view line) {
    const std::size_t open = line.find('(');
    if (open == std::string_view::npos) return std::nullopt;
    std::vector<Literal> contents;
    bool last_counts = false;  // the modifiers that follow are of contents.back()
    for (std::size_t at = open + 1; at < line.size();) {
        const std::size_t end = option_end(line, at);
        std::string_view option = line.substr(at, end - at);
        option.remove_prefix(std::min(option.find_first_not_of(' '), option.size()));
        at = end + 1;
        if (option.starts_with("content:")) {
            const std::size_t quote = option.find('"');
            const bool whole = quote != std::string_view::npos && option.back() == '"' &&
                               quote + 1 < option.size() &&
                               option.substr(0, quote).find('!') == std::string_view::npos;
            last_counts = false;
            if (!whole) continue;
            if (auto bytes = content_bytes(option.substr(quote + 1, option.size() - quote - 2))) {
                contents.push_back({std::move(*bytes), false});
                last_counts = true;
            }
        } else if (option == "nocase" && last_counts) {
            contents.back().caseless = true;
        }
    }
    const auto longest =
        std::ranges::max_element(contents, {}, [](const Literal& content) { return content.bytes.size(); });
    if (longest == contents.end() || longest->bytes.size() < Literal::kShortest) return std::nullopt;
    return *longest;
}

}  // namespace

std::string Words::next() {
    state_ += base::kHashA;
    std::uint64_t random = base::mix(state_, base::kHashB);
    std::string word;
    for (std::uint64_t length = 3 + random % 10; length > 0; --length) {
        random = base::mix(random, base::kHashA);
        word += static_cast<char>('a' + random % 26);
    }
    return word;
}

base::Result<std::vector<Literal>> read_literals(const std::string& folder) {
    std::set<std::filesystem::path> files;
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
        if (entry.path().extension() == ".rules") files.insert(entry.path());
    }
    if (error) return base::Error{fmt::format("{}: {}", folder, error.message())};
    std::vector<Literal> literals;
    std::set<Literal> known;
    for (const std::filesystem::path& path : files) {
        std::ifstream file(path);
        for (std::string line; std::getline(file, line);) {
            const auto literal = longest_content(line);
            if (literal && known.insert(*literal).second) literals.push_back(*literal);
        }
    }
    if (literals.empty()) return base::Error{fmt::format("{}: no *.rules with a content in it", folder)};
    return literals;
}

std::vector<Literal> make_literals(std::size_t count) {
    std::vector<Literal> literals;
    Words words(2);
    for (std::size_t i = 0; i < count; ++i) {
        literals.push_back({words.next() + ' ' + words.next() + ' ' + words.next(), i % 3 != 0});
    }
    return literals;
}

void remove_found(std::vector<Literal>& literals, const Conversations& conversations) {
    using Prefix = std::array<char, Literal::kShortest>;
    const auto prefix_at = [](const std::string& text, std::size_t at) {
        std::uint32_t prefix = 0;
        for (std::size_t i = 0; i < sizeof(Prefix); ++i)
            prefix = prefix << 8 | static_cast<unsigned char>(text[at + i]);
        return prefix;
    };
    std::unordered_multimap<std::uint32_t, std::size_t> by_prefix;
    std::size_t longest = 0;
    for (std::size_t i = 0; i < literals.size(); ++i) {
        by_prefix.emplace(prefix_at(lower(literals[i].bytes), 0), i);
        longest = std::max(longest, literals[i].bytes.size());
    }
    std::vector<std::string> said(conversations.directions());
    for (const Conversations::Segment& segment : conversations.segments)
        said[segment.direction].append(segment.payload.begin(), segment.payload.end());
    std::vector<bool> found(literals.size());
    for (std::string& text : said) {
        if (text.empty()) continue;
        const std::size_t once = text.size();
        while (text.size() < once + longest) text += text.substr(0, once);
        const std::string small = lower(text);
        for (std::size_t at = 0; at + sizeof(Prefix) <= text.size(); ++at) {
            const auto [begin, end] = by_prefix.equal_range(prefix_at(small, at));
            for (auto i = begin; i != end; ++i) {
                const Literal& literal = literals[i->second];
                const std::string wanted = literal.caseless ? lower(literal.bytes) : literal.bytes;
                if ((literal.caseless ? small : text).compare(at, wanted.size(), wanted) == 0)
                    found[i->second] = true;
            }
        }
    }
    std::size_t place = 0;
    std::erase_if(literals, [&](const Literal&) { return found[place++]; });
}

std::string pattern_text(const Literal& literal) {
    std::string text = "/";
    for (const char c : literal.bytes) {
        const auto byte = static_cast<unsigned char>(c);
        text += std::isalnum(byte) != 0 ? std::string(1, c) : fmt::format("\\x{:02x}", byte);
    }
    return text + (literal.caseless ? "/i" : "/");
}

base::Result<std::shared_ptr<const select::PolicySnapshot>> policy_of_literals(
    std::span<const Literal> literals, std::size_t count) {
    using Json = nlohmann::ordered_json;
    Json rules = Json::array();
    for (std::size_t i = 0; i < count; ++i) {
        rules.push_back({{"id", i + 1},
                         {"filter", "tcp"},
                         {"payload", pattern_text(literals[i * literals.size() / count])},
                         {"forward", {"tool0"}}});
    }
    const Json config = {{"ports",
                          {{"net0", {{"role", "network"}, {"device", "loop:"}}},
                           {"tool0", {{"role", "tool"}, {"device", "loop:"}}}}},
                         {"rules", std::move(rules)}};
    const broker::LoadedConfig loaded =
        broker::compile_config(rules::parse_config(config.dump()), net::LinkType::kEthernet);
    if (!loaded.ok()) return base::Error{broker::error_report("built rules", loaded.errors)};
    return select::make_policy(loaded.config, loaded.compiled);
}

}  // namespace yagura::bench
