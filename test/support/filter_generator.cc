// SPDX-License-Identifier: BSD-3-Clause
#include "support/filter_generator.h"

#include <fmt/core.h>

namespace yagura::test {
namespace {

constexpr const char* kHosts[] = {"10.0.0.1",    "10.0.0.2",    "10.0.1.1", "192.168.1.1",  "224.0.0.5",
                                  "2001:db8::1", "2001:db8::2", "fe80::1",  "2001:db8:1::1"};
constexpr const char* kHosts4[] = {"10.0.0.1", "10.0.0.2", "10.0.1.1", "192.168.1.1"};
constexpr const char* kHosts6[] = {"2001:db8::1", "2001:db8::2", "fe80::1"};
constexpr const char* kNets[] = {"10.0.0.0/8",  "10.0.0.0/24",   "10.0.0.0/31",     "192.168.0.0/16",
                                 "128.0.0.0/1", "2001:db8::/32", "2001:db8::/47",   "fe80::/10",
                                 "10.0.0.1/32", "2000::/3",      "2001:db8::1/128", "2001:db8::/64"};
constexpr const char* kDirections[] = {"", "", "", "src ", "dst "};
constexpr unsigned kPorts[] = {0, 53, 80, 81, 443, 1000, 1500, 2000, 65535};
constexpr const char* kPortProtocols[] = {"", "", "tcp ", "udp ", "sctp "};

std::string range(Choices& choices) {
    const unsigned a = choices.any_of(kPorts);
    const unsigned b = choices.any_of(kPorts);
    return fmt::format("{}-{}", std::min(a, b), std::max(a, b));
}

std::string plain_term(Choices& choices) {
    switch (choices.below(11)) {
        case 0:
            return choices.any_of({"ip", "ip6", "tcp", "udp", "sctp", "icmp", "icmp6", "igmp", "esp"});
        case 1:
            return fmt::format("{}proto {}", choices.any_of({"", "ip ", "ip6 "}),
                               choices.any_of({0, 1, 6, 17, 44, 47, 58, 132, 255}));
        case 2:
        case 3:
            return fmt::format("{}host {}", choices.any_of(kDirections), choices.any_of(kHosts));
        case 4:
            return fmt::format("ip {}host {}", choices.any_of(kDirections), choices.any_of(kHosts4));
        case 5:
            return fmt::format("ip6 {}host {}", choices.any_of(kDirections), choices.any_of(kHosts6));
        case 6:
            return fmt::format("{} {}", choices.any_of({"src", "dst"}), choices.any_of(kHosts));
        case 7:
            return fmt::format("{}net {}", choices.any_of(kDirections), choices.any_of(kNets));
        case 8:
            return fmt::format("{}{}portrange {}", choices.any_of(kPortProtocols),
                               choices.any_of(kDirections), range(choices));
        default:
            return fmt::format("{}{}port {}", choices.any_of(kPortProtocols), choices.any_of(kDirections),
                               choices.any_of(kPorts));
    }
}

std::string arithmetic(Choices& choices, bool frame, unsigned depth) {
    if (depth > 0 && choices.one_in(3)) {
        return fmt::format("({} {} {})", arithmetic(choices, frame, depth - 1),
                           choices.any_of({"+", "-", "*", "/", "%", "&", "|", "^", "<<", ">>"}),
                           arithmetic(choices, frame, depth - 1));
    }
    switch (choices.below(6)) {
        case 0:
            return "len";
        case 1:
            return fmt::format("{}", choices.below(2000));
        case 2:
            // A computed offset.
            return fmt::format("ip[{} & 0xf]", arithmetic(choices, frame, 0));
        default:
            return fmt::format("{}[{}:{}]",
                               frame && choices.one_in(3)
                                   ? "ether"
                                   : choices.any_of({"ip", "ip", "ip6", "tcp", "udp", "icmp", "sctp"}),
                               choices.below(choices.one_in(4) ? 60 : 20), choices.any_of({1, 2, 4}));
    }
}

std::string other_term(Choices& choices, bool frame) {
    switch (choices.below(frame ? 13 : 8)) {
        case 0:
            return choices.any_of({"tcp[tcpflags] & tcp-rst != 0", "tcp[13] == 2", "ip[6:2] & 0x1fff != 0",
                                   "icmp[icmptype] = icmp-echo", "ip[8] < 5", "ip[0] & 0xf != 5",
                                   "ip6[6] = 44", "icmp6[icmp6type] = 128"});
        case 1:
            return choices.any_of({"len > 100", "less 60", "greater 200", "ip multicast", "ip6 multicast"});
        case 2:
            return fmt::format("{} {} {}", arithmetic(choices, frame, 2),
                               choices.any_of({"=", "!=", "<", ">", "<=", ">="}),
                               arithmetic(choices, frame, 1));
        case 3:
            return fmt::format("src or dst port {}", choices.any_of(kPorts));
        case 4:
            return fmt::format("src and dst net {}", choices.any_of(kNets));
        case 5:
            return choices.any_of({"ip protochain 6", "ip6 protochain 17", "ah", "pim", "vrrp", "carp"});
        case 6:
            return fmt::format("port {} or {}", choices.any_of(kPorts), choices.any_of(kPorts));
        case 7:
            return fmt::format("host {} or {}", choices.any_of(kHosts4), choices.any_of(kHosts4));
        case 8:
            return choices.any_of({"arp", "rarp", "ether broadcast", "ether multicast", "broadcast"});
        case 9:
            return choices.any_of(
                {"ether host 02:00:00:00:00:01", "ether proto 0x0806", "ether src 2:0:0:0:0:2"});
        case 10:
            return choices.any_of({"vlan", "vlan 5", "vlan 5 and vlan 7", "mpls", "pppoes"});
        case 11:
            return fmt::format("arp host {}", choices.any_of(kHosts4));
        default:
            return choices.any_of({"llc", "stp", "ether[12:2] > 1500"});
    }
}

std::string expression(Choices& choices, bool frame, unsigned depth) {
    if (depth == 0 || choices.one_in(4)) {
        return choices.one_in(3) ? other_term(choices, frame) : plain_term(choices);
    }
    switch (choices.below(4)) {
        case 0:
            return fmt::format("not ({})", expression(choices, frame, depth - 1));
        case 1:
            return fmt::format("({}) or ({})", expression(choices, frame, depth - 1),
                               expression(choices, frame, depth - 1));
        default:
            return fmt::format("({}) and ({})", expression(choices, frame, depth - 1),
                               expression(choices, frame, depth - 1));
    }
}

bpf_insn insn(int code, std::uint32_t k, unsigned jt = 0, unsigned jf = 0) {
    return {static_cast<std::uint16_t>(code), static_cast<std::uint8_t>(jt), static_cast<std::uint8_t>(jf),
            k};
}

/// Mostly small, sometimes at an edge.
std::uint32_t operand(Choices& choices) {
    switch (choices.below(6)) {
        case 0:
            return choices.word();
        case 1:
            return choices.any_of(
                {0u, 1u, 31u, 32u, 33u, 0x7fffffffu, 0x80000000u, 0xfffffffcu, 0xffffffffu});
        default:
            return choices.below(70);
    }
}

}  // namespace

std::string plain_expression(Choices& choices) {
    std::string text = plain_term(choices);
    for (std::uint32_t more = choices.below(4); more > 0; --more) {
        text += choices.any_of({" and ", " && "}) + plain_term(choices);
    }
    return text;
}

std::string plain_expression_with_or(Choices& choices) {
    std::string text;
    for (std::uint32_t more = 1 + choices.below(4); more > 0; --more) {
        if (!text.empty()) text += choices.any_of({" and ", " or ", " || "});
        text += choices.one_in(3) ? "(" + plain_expression(choices) + choices.any_of({" or ", " and "}) +
                                        plain_expression(choices) + ")"
                                  : plain_term(choices);
    }
    return text;
}

std::string ip_expression(Choices& choices) {
    return expression(choices, false, 3);
}

std::string frame_expression(Choices& choices) {
    return expression(choices, true, 3);
}

std::vector<bpf_insn> random_program(Choices& choices) {
    std::vector<bpf_insn> program;
    const std::uint32_t size = 2 + choices.below(40);
    // All scratch memory is written first.
    for (unsigned slot = 0; slot < BPF_MEMWORDS; ++slot) {
        if (slot % 2 == 0) program.push_back(insn(BPF_LD | BPF_IMM, operand(choices)));
        program.push_back(insn(slot % 3 == 0 ? BPF_STX : BPF_ST, slot));
    }
    const int widths[] = {BPF_W, BPF_H, BPF_B};
    const int operations[] = {BPF_ADD, BPF_SUB, BPF_MUL, BPF_DIV, BPF_MOD, BPF_OR,
                              BPF_AND, BPF_XOR, BPF_LSH, BPF_RSH, BPF_NEG};
    for (std::uint32_t left = size; left > 0; --left) {
        const std::uint32_t k = operand(choices);
        switch (choices.below(12)) {
            case 0:
            case 1:
                program.push_back(insn(BPF_LD | BPF_ABS | choices.any_of(widths), k));
                break;
            case 2:
                program.push_back(insn(BPF_LD | BPF_IND | choices.any_of(widths), k));
                break;
            case 3:
                program.push_back(insn(choices.any_of({BPF_LD | BPF_LEN, BPF_LDX | BPF_LEN}), 0));
                break;
            case 4:
                program.push_back(insn(choices.any_of({BPF_LD | BPF_IMM, BPF_LDX | BPF_IMM}), k));
                break;
            case 5:
                program.push_back(insn(choices.any_of({BPF_LD | BPF_MEM, BPF_LDX | BPF_MEM, BPF_ST, BPF_STX}),
                                       k % BPF_MEMWORDS));
                break;
            case 6:
                program.push_back(insn(BPF_LDX | BPF_MSH | BPF_B, k));
                break;
            case 7:
            case 8: {
                const int operation = choices.any_of(operations);
                const bool shift = operation == BPF_LSH || operation == BPF_RSH;
                const bool divides = operation == BPF_DIV || operation == BPF_MOD;
                const bool with_x = choices.one_in(2) && operation != BPF_NEG;
                const std::uint32_t constant = shift ? k % 32 : divides && k == 0 ? 1 : k;
                program.push_back(insn(BPF_ALU | operation | (with_x ? BPF_X : BPF_K), constant));
                break;
            }
            case 9:
                program.push_back(insn(BPF_MISC | choices.any_of({BPF_TAX, BPF_TXA}), 0));
                break;
            default: {
                const int jump = choices.any_of({BPF_JEQ, BPF_JGT, BPF_JGE, BPF_JSET, BPF_JA});
                const int source = choices.any_of({BPF_X, BPF_K, BPF_K});
                if (jump == BPF_JA) {
                    program.push_back(insn(BPF_JMP | BPF_JA, choices.below(left)));
                } else {
                    program.push_back(
                        insn(BPF_JMP | jump | source, k, choices.below(left), choices.below(left)));
                }
            }
        }
    }
    program.push_back(choices.one_in(2) ? insn(BPF_RET | BPF_A, 0) : insn(BPF_RET | BPF_K, operand(choices)));
    return program;
}

}  // namespace yagura::test
