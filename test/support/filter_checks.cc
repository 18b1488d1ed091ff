// SPDX-License-Identifier: BSD-3-Clause
#include "support/filter_checks.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "match/bpf_analysis.h"
#include "match/bpf_jit.h"
#include "match/bpf_program.h"
#include "match/filter_text.h"
#include "match/header_fields.h"
#include "match/plain_filter.h"
#include "match/tuple_space.h"

namespace yagura::test {
namespace {

using match::BpfCode;

constexpr net::LinkType kLinkTypes[] = {
    net::LinkType::kEthernet,  net::LinkType::kEthernet, net::LinkType::kLinuxSll,
    net::LinkType::kLinuxSll2, net::LinkType::kNull,     net::LinkType::kLoop,
    net::LinkType::kRaw,       net::LinkType::kIpv4,     net::LinkType::kIpv6};
constexpr unsigned kPacketsPerFilter = 10;

std::string hex(base::Bytes bytes) {
    return fmt::format("{:02x}", fmt::join(bytes, ""));
}

bool reference(const BpfCode& code, base::Bytes bytes, std::uint32_t wire_length) {
    return !code.empty() &&
           bpf_filter(code.data(), bytes.data(), wire_length, static_cast<unsigned>(bytes.size())) != 0;
}

/// One program as native code, held where a read beyond the packet is a fault.
class NativeProgram {
  public:
    explicit NativeProgram(const BpfCode& code) {
        std::vector<std::uint8_t> machine_code;
        if (match::translate_bpf(code, machine_code)) memory_ = match::ExecutableMemory::create(machine_code);
    }
    bool ok() const { return memory_ != nullptr; }
    std::uint32_t run(base::Bytes bytes, std::uint32_t wire_length) {
        const base::Bytes held = guarded_.hold(bytes);
        return memory_->function_at(0)(held.data(), wire_length, static_cast<std::uint32_t>(held.size()));
    }

  private:
    std::unique_ptr<match::ExecutableMemory> memory_;
    GuardedBytes guarded_;
};

std::uint32_t some_wire_length(const Frame& bytes, Choices& choices) {
    return static_cast<std::uint32_t>(bytes.size()) + (choices.one_in(3) ? choices.below(2000) : 0);
}

net::LinkType some_link_type(Choices& choices) {
    return choices.any_of(kLinkTypes);
}

}  // namespace

std::string check_expression(Choices& choices, CheckCounts& counts) {
    const bool of_ip = choices.one_in(2);
    const net::LinkType link_type = of_ip ? net::LinkType::kRaw : some_link_type(choices);
    const bool ethernet = link_type == net::LinkType::kEthernet;
    const std::string text = ethernet ? frame_expression(choices) : ip_expression(choices);
    auto compiled = match::BpfCompiler(link_type).compile(text);
    if (!compiled) {
        ++counts.refused;
        return {};
    }
    if (compiled->empty()) return {};
    NativeProgram native(*compiled);
    if (!native.ok()) return "cannot translate: " + text;
    for (unsigned i = 0; i < kPacketsPerFilter; ++i) {
        const Frame bytes = of_ip ? random_ip_packet(choices) : random_frame(link_type, choices);
        const std::uint32_t wire_length = some_wire_length(bytes, choices);
        const bool expected = reference(*compiled, bytes, wire_length);
        ++counts.cases;
        counts.accepted += expected;
        if ((native.run(bytes, wire_length) != 0) != expected) {
            return fmt::format("native code of \"{}\" is wrong (expected {}): {}", text, expected,
                               hex(bytes));
        }
    }
    return {};
}

std::string check_program(Choices& choices, CheckCounts& counts) {
    const BpfCode code = random_program(choices);
    if (bpf_validate(code.data(), static_cast<int>(code.size())) == 0)
        return "the generator made a wrong program";
    NativeProgram native(code);
    if (!native.ok()) return "cannot translate a random program";
    for (unsigned i = 0; i < kPacketsPerFilter; ++i) {
        const Frame bytes = random_ip_packet(choices);
        const std::uint32_t wire_length = some_wire_length(bytes, choices);
        const std::uint32_t expected =
            bpf_filter(code.data(), bytes.data(), wire_length, static_cast<unsigned>(bytes.size()));
        ++counts.cases;
        counts.accepted += expected != 0;
        const std::uint32_t got = native.run(bytes, wire_length);
        if (got != expected) {
            std::string listing;
            for (std::size_t at = 0; at < code.size(); ++at) {
                listing += fmt::format("  {}\n", bpf_image(&code[at], static_cast<int>(at)));
            }
            return fmt::format("native code gives {}, bpf_filter {}, for {}:\n{}", got, expected, hex(bytes),
                               listing);
        }
    }
    return {};
}

std::string check_per_flow(Choices& choices, CheckCounts& counts) {
    const std::string text = ip_expression(choices);
    const auto fragment_tests = match::has_byte_access(match::tokenize(text))
                                    ? match::FragmentTests::kMeantToBe
                                    : match::FragmentTests::kOfPorts;
    auto compiled = match::BpfCompiler(net::LinkType::kRaw).compile(text);
    if (!compiled) {
        ++counts.refused;
        return {};
    }
    if (compiled->empty() || !match::depends_on_flow_only(*compiled, fragment_tests)) return {};
    ++counts.per_flow;
    for (unsigned i = 0; i < kPacketsPerFilter; ++i) {
        const net::FlowKey key = random_key(choices);
        const match::SyntheticHeader header = match::synthetic_header(key);
        const bool of_key = reference(*compiled, {header.bytes.data(), header.size}, header.size);
        for (unsigned j = 0; j < 3; ++j) {
            const Frame packet = packet_of_flow(key, choices);
            ++counts.cases;
            counts.accepted += of_key;
            if (reference(*compiled, packet, some_wire_length(packet, choices)) != of_key) {
                return fmt::format(
                    "\"{}\" was said to depend on the flow alone; its key gives {}, this packet not: {}",
                    text, of_key, hex(packet));
            }
        }
    }
    return {};
}

std::string check_plain(Choices& choices, CheckCounts& counts) {
    struct Programs {
        BpfCode plain;
        BpfCode optimized;
    };
    struct Plain {
        std::string text;
        Programs ip;
        Programs frame;
        match::PlainFilter filter;
        bool holds(const match::HeaderFields& fields) const {
            return std::any_of(filter.ways.begin(), filter.ways.end(),
                               [&](const auto& way) { return way.matches(fields); });
        }
    };
    const auto compile = [](match::BpfCompiler& compiler, const std::string& text, Programs& programs) {
        auto plain = compiler.compile(text, match::Optimize::kNo);
        auto optimized = compiler.compile(text);
        if (!plain || !optimized) return false;
        programs = {std::move(*plain), std::move(*optimized)};
        return true;
    };
    const net::LinkType link_type = some_link_type(choices);
    match::BpfCompiler ip_compiler(net::LinkType::kRaw);
    match::BpfCompiler frame_compiler(link_type);
    std::vector<Plain> filters;
    match::TupleSpace space;
    for (std::uint32_t i = 0; i < 6; ++i) {
        Plain plain;
        plain.text = choices.one_in(3) ? plain_expression_with_or(choices) : plain_expression(choices);
        auto parsed = match::parse_plain_filter(match::tokenize(plain.text));
        if (!compile(ip_compiler, plain.text, plain.ip) ||
            !compile(frame_compiler, plain.text, plain.frame)) {
            ++counts.refused;
            if (parsed) return fmt::format("\"{}\" is plain to us, and an error to libpcap", plain.text);
            continue;
        }
        if (!parsed) continue;
        plain.filter = std::move(*parsed);
        for (const auto& way : plain.filter.ways) space.add(way, static_cast<std::uint32_t>(filters.size()));
        filters.push_back(std::move(plain));
    }
    space.seal();

    enum class Of { kKey, kPacket, kFrame };
    const auto compare = [&](const match::HeaderFields& fields, base::Bytes bytes, Of of) -> std::string {
        std::set<std::uint32_t> found;
        space.visit(fields, [&found](std::uint32_t value) {
            found.insert(value);
            return false;
        });
        const auto wire_length = static_cast<std::uint32_t>(bytes.size());
        for (std::uint32_t i = 0; i < filters.size(); ++i) {
            const Plain& plain = filters[i];
            if (plain.filter.has_or && of != Of::kKey) continue;
            const Programs& programs = of == Of::kFrame ? plain.frame : plain.ip;
            const bool expected = reference(programs.plain, bytes, wire_length);
            const bool other = of == Of::kKey ? expected : reference(programs.optimized, bytes, wire_length);
            const bool holds = plain.holds(fields);
            ++counts.cases;
            counts.accepted += expected;
            if ((holds != expected && holds != other) || found.contains(i) != holds) {
                return fmt::format(
                    "plain \"{}\" of {} (link type {}): libpcap gives {}, one by one {}, together {}: {}",
                    plain.text,
                    of == Of::kKey      ? "a key"
                    : of == Of::kPacket ? "an IP packet"
                                        : "a frame",
                    static_cast<int>(link_type), expected, holds, found.contains(i), hex(bytes));
            }
        }
        return {};
    };
    for (unsigned i = 0; i < kPacketsPerFilter; ++i) {
        const net::FlowKey key = random_key(choices);
        const match::SyntheticHeader header = match::synthetic_header(key);
        std::string wrong = compare(match::fields_of_key(key), {header.bytes.data(), header.size}, Of::kKey);
        const Frame packet = random_ip_packet(choices);
        if (wrong.empty()) wrong = compare(match::fields_of_ip(packet), packet, Of::kPacket);
        const Frame frame = random_frame(link_type, choices);
        if (wrong.empty()) wrong = compare(match::fields_of_frame(frame, link_type), frame, Of::kFrame);
        if (!wrong.empty()) return wrong;
    }
    return {};
}

}  // namespace yagura::test
