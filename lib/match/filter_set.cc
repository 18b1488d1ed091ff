// SPDX-License-Identifier: BSD-3-Clause
#include "match/filter_set.h"

#include <fmt/core.h>

#include <algorithm>

namespace yagura::match {
namespace {

/// About 1,000 addresses, which take libpcap some seconds.
constexpr std::size_t kMaxTokens = 3000;

}  // namespace

FilterSet::FilterSet(net::LinkType link_type)
    : compilers_(new Compilers{BpfCompiler(net::LinkType::kRaw), BpfCompiler(link_type)}) {}

std::variant<FilterIndex, FilterError> FilterSet::add(const std::string& text,
                                                      std::optional<rules::Layer> layer) {
    const auto [known, is_new] = known_.try_emplace(Name(text, layer), FilterIndex{0});
    if (is_new) known->second = compile(text, layer);
    return known->second;
}

void FilterSet::seal() {
    programs_.seal();
    compilers_.reset();
    known_.clear();
}

FilterSet::Answer FilterSet::compile(const std::string& text, std::optional<rules::Layer> wanted) {
    const std::vector<Token> tokens = tokenize(text);
    const base::Result<rules::Layer> layer = choose_layer(tokens, wanted);
    if (!layer) return FilterError{"/layer", layer.error().message, "leave \"layer\" out or write \"frame\""};
    const std::string_view name = name_to_resolve(tokens);
    if (!name.empty()) {
        return FilterError{
            "/filter",
            fmt::format("\"{}\" is neither a keyword nor an address; host names are not looked up", name),
            "write an address"};
    }
    if (tokens.size() > kMaxTokens) {
        return FilterError{
            "/filter",
            fmt::format("it has {} words and signs; libpcap, whose time grows with their square, is "
                        "given {} at most",
                        tokens.size(), kMaxTokens),
            "divide it among several rules with the same \"forward\" or \"drop\""};
    }
    Filter filter;
    filter.layer = layer.value();
    const std::optional<PlainFilter> plain = parse_plain_filter(tokens);
    if (plain && !plain->has_or) {
        filter.kind = plain->ways.empty() ? FilterKind::kNever : FilterKind::kPlain;
        filter.per_flow = filter.layer == rules::Layer::kInner;
        add_ways(filter, plain->ways);
    } else {
        if (plain && filter.layer == rules::Layer::kInner) {
            filter.per_flow = filter.keys_by_ways = true;
            add_ways(filter, plain->ways);
        }
        const auto fragment_tests =
            has_byte_access(tokens) ? FragmentTests::kMeantToBe : FragmentTests::kOfPorts;
        if (const auto error = add_programs(filter, text, fragment_tests)) return *error;
        if (plain && plain->ways.empty()) filter.kind = FilterKind::kNever;
    }
    filters_.push_back(filter);
    return static_cast<FilterIndex>(filters_.size() - 1);
}

void FilterSet::add_ways(Filter& filter, std::span<const PlainConjunction> ways) {
    filter.first_way = static_cast<std::uint32_t>(ways_.size());
    filter.way_count = static_cast<std::uint32_t>(ways.size());
    ways_.insert(ways_.end(), ways.begin(), ways.end());
}

std::optional<FilterError> FilterSet::add_programs(Filter& filter, const std::string& text,
                                                   FragmentTests fragment_tests) {
    // The ways mean what the words say; so must the programs that stand in for them.
    const Optimize optimize = filter.keys_by_ways ? Optimize::kNo : Optimize::kUnlessLong;
    BpfCode ip;
    if (filter.layer != rules::Layer::kFrame) {
        base::Result<BpfCode> compiled = compilers_->ip.compile(text, optimize);
        if (!compiled) return FilterError{"/filter", compiled.error().message, ""};
        ip = std::move(compiled).value();
    }
    base::Result<BpfCode> frame = compilers_->frame.compile(text, optimize);
    if (!frame) return FilterError{"/filter", frame.error().message, ""};
    filter.kind = never_accepts(ip) && never_accepts(*frame) ? FilterKind::kNever : FilterKind::kProgram;
    if (filter.layer == rules::Layer::kInner && !filter.per_flow) {
        filter.per_flow = ip.empty() || depends_on_flow_only(ip, fragment_tests);
    }
    filter.ip_program = programs_.add(std::move(ip));
    filter.frame_program = programs_.add(std::move(*frame));
    return {};
}

bool FilterSet::holds(FilterIndex index, const KeyQuestion& key) const {
    const Filter& filter = filters_[index];
    if (filter.kind == FilterKind::kProgram && !filter.keys_by_ways) {
        return programs_.run(filter.ip_program, key.bytes(), key.header.size);
    }
    const auto all = ways(index);
    return std::any_of(all.begin(), all.end(),
                       [&](const PlainConjunction& way) { return way.matches(key.fields); });
}

bool FilterSet::holds(FilterIndex index, PacketQuestion& packet) const {
    const Filter& filter = filters_[index];
    if (filter.kind == FilterKind::kProgram) {
        const ProgramIndex program = packet.is_frame(filter.layer) ? filter.frame_program : filter.ip_program;
        return programs_.run(program, packet.bytes(filter.layer), packet.wire_length());
    }
    const auto all = ways(index);
    if (all.empty()) return false;
    const HeaderFields& fields = packet.fields(filter.layer);
    return std::any_of(all.begin(), all.end(),
                       [&](const PlainConjunction& way) { return way.matches(fields); });
}

}  // namespace yagura::match
