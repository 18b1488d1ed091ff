// SPDX-License-Identifier: BSD-3-Clause
#include "match/bpf_program.h"

#include <catch2/catch.hpp>

#include "match/bpf_analysis.h"
#include "match/bpf_jit.h"
#include "match/filter_text.h"
#include "match/program_set.h"

using namespace yagura;
using namespace yagura::match;

TEST_CASE("compiling gives libpcap's message, or a program that never matches") {
    BpfCompiler compiler(net::LinkType::kEthernet);
    CHECK(compiler.compile("tcp port 80").ok());
    CHECK(compiler.compile("tcp and and").error().message.find("syntax error") != std::string::npos);
    CHECK(compiler.compile("port 99999").error().message.find("illegal port number") == 0);
    CHECK(compiler.compile(std::string("tcp\0 and udp", 12)).error().message.find("NUL") !=
          std::string::npos);
    CHECK(compiler.compile("ip broadcast").error().message.find("netmask") != std::string::npos);
    CHECK(compiler.compile("tcp and udp").value().empty());
    CHECK_FALSE(compiler.compile("  ").value().empty());
}

TEST_CASE("every link type compiles, as for a capture file") {
    for (const net::LinkType type :
         {net::LinkType::kNull, net::LinkType::kEthernet, net::LinkType::kRaw, net::LinkType::kLoop,
          net::LinkType::kLinuxSll, net::LinkType::kIpv4, net::LinkType::kIpv6, net::LinkType::kLinuxSll2}) {
        INFO(static_cast<int>(type));
        CHECK(BpfCompiler(type).compile("ip6 or len > 5").ok());
    }
    // The address families of IPv6 in captures of other systems.
    const auto code = BpfCompiler(net::LinkType::kNull).compile("ip6").value();
    for (const std::uint8_t family : std::initializer_list<std::uint8_t>{24, 28, 30}) {
        const std::uint8_t bytes[] = {family, 0, 0, 0, 0x60};
        CHECK(bpf_filter(code.data(), bytes, 5, 5) != 0);
    }
    CHECK_FALSE(BpfCompiler(net::LinkType::kEthernet).compile("inbound").ok());
}

TEST_CASE("what depends on the flow alone is told from what does not") {
    const struct {
        const char* text;
        bool per_flow;
    } rows[] = {
        {"tcp", true},
        {"not udp", true},
        {"icmp", true},
        {"ip6", true},
        {"host 10.0.0.1", true},
        {"net 10.0.0.0/8 and not host 10.0.0.1", true},
        {"ip6 net 2001:db8::/33", true},
        {"tcp port 80", true},
        {"port 80", true},
        {"not port 80", true},
        {"tcp port 80 or tcp port 443", true},
        {"udp src portrange 100-200", true},
        {"src host 10.0.0.1 and (tcp dst port 80 or udp)", true},
        {"ip multicast", true},
        {"ip proto 47", true},
        {"ip[9] = 6", true},
        {"ip[12:4] & 0xff000000 = 0x0a000000", true},
        {"tcp[tcpflags] & tcp-rst != 0", false},
        {"ip[6:2] & 0x1fff != 0", false},
        {"ip[6:2] & 0x1fff = 0", false},
        {"tcp port 80 or ip[6:2] & 0x1fff != 0", false},
        {"tcp and (ip[6:2] & 0x1fff != 0 or tcp port 80)", false},
        {"len > 1000", false},
        {"less 100", false},
        {"tcp and len > 1000", false},
        {"ip[8] < 5", false},
        {"ip[0] & 0xf > 5", false},
        {"ip[2:2] > 100", false},
        {"ip[1] = 0", false},
        {"icmp[icmptype] = icmp-echo", false},
        {"udp[4:2] > 20", false},
        {"ip6 protochain 6", false},
        {"ip[ip[1]] = 0", false},
        {"ip[20] = 0", false},
        {"ip[19] = 0", true},
        {"ip6[39] = 0", true},
        {"ip6[44] = 0", false},
    };
    BpfCompiler compiler(net::LinkType::kRaw);
    for (const auto& row : rows) {
        INFO(row.text);
        const auto code = compiler.compile(row.text).value();
        const bool bytes = has_byte_access(tokenize(row.text));
        CHECK(depends_on_flow_only(code, bytes ? FragmentTests::kMeantToBe : FragmentTests::kOfPorts) ==
              row.per_flow);
    }
}

TEST_CASE("programs by hand that reach beyond the flow are refused") {
    const auto refused = [](std::vector<bpf_insn> code) {
        REQUIRE(bpf_validate(code.data(), static_cast<int>(code.size())) != 0);
        return !depends_on_flow_only(code, FragmentTests::kOfPorts);
    };
    const bpf_insn accept = BPF_STMT(BPF_RET | BPF_K, 1);
    const bpf_insn return_a = BPF_STMT(BPF_RET | BPF_A, 0);
    CHECK(refused({BPF_STMT(BPF_LD | BPF_LEN, 0), return_a}));
    CHECK(refused({BPF_STMT(BPF_LDX | BPF_LEN, 0), BPF_STMT(BPF_MISC | BPF_TXA, 0), return_a}));
    // A load that only some packets are long enough for decides by itself.
    CHECK(refused({BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 60), accept}));
    CHECK(refused({BPF_STMT(BPF_LDX | BPF_MSH | BPF_B, 60), accept}));
    CHECK(refused({BPF_STMT(BPF_LDX | BPF_MSH | BPF_B, 0), BPF_STMT(BPF_LD | BPF_B | BPF_IND, 0), accept}));
    // Scratch memory that was never written.
    CHECK(refused({BPF_STMT(BPF_LD | BPF_MEM, 3), return_a}));
    // Through scratch memory, and division by what may be zero.
    CHECK(refused({BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 8), BPF_STMT(BPF_ST, 1), BPF_STMT(BPF_LDX | BPF_MEM, 1),
                   BPF_STMT(BPF_ALU | BPF_DIV | BPF_X, 0), accept}));
    CHECK_FALSE(refused({BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 9), BPF_STMT(BPF_ST, 1),
                         BPF_STMT(BPF_LDX | BPF_MEM, 1), BPF_STMT(BPF_ALU | BPF_DIV | BPF_X, 0), accept}));
    // A jump over a packet's bit matters only when its ways differ.
    CHECK_FALSE(refused(
        {BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 8), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 5, 0, 0), accept}));
    CHECK(refused({BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 8), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 5, 0, 1),
                   accept, BPF_STMT(BPF_RET | BPF_K, 0)}));
}

namespace {

std::uint32_t run_native(const BpfCode& code, base::Bytes bytes, std::uint32_t wire_length) {
    std::vector<std::uint8_t> machine_code;
    REQUIRE(translate_bpf(code, machine_code));
    const auto memory = ExecutableMemory::create(machine_code);
    REQUIRE(memory);
    return memory->function_at(0)(bytes.data(), wire_length, static_cast<std::uint32_t>(bytes.size()));
}

}  // namespace

TEST_CASE("native code at the edges of its operations") {
    const std::uint8_t bytes[] = {0x12, 0x34, 0x56, 0x78, 0x9a};
    const bpf_insn return_a = BPF_STMT(BPF_RET | BPF_A, 0);
    const auto imm = [](std::uint32_t a, std::uint32_t x, std::uint16_t operation) {
        return BpfCode{BPF_STMT(BPF_LD | BPF_IMM, a), BPF_STMT(BPF_LDX | BPF_IMM, x), BPF_STMT(operation, 0),
                       BPF_STMT(BPF_RET | BPF_A, 0)};
    };
    const struct {
        const char* what;
        BpfCode code;
        std::uint32_t result;
    } rows[] = {
        {"word", {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 1), return_a}, 0x3456789a},
        {"word beyond the end", {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 2), return_a}, 0},
        {"half", {BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 3), return_a}, 0x789a},
        {"half beyond the end", {BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 4), return_a}, 0},
        {"byte", {BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 4), return_a}, 0x9a},
        {"byte beyond the end", {BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 5), return_a}, 0},
        {"the largest offset", {BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 0xffffffff), return_a}, 0},
        {"length", {BPF_STMT(BPF_LD | BPF_LEN, 0), return_a}, 1500},
        {"indexed",
         {BPF_STMT(BPF_LDX | BPF_IMM, 2), BPF_STMT(BPF_LD | BPF_H | BPF_IND, 1), return_a},
         0x789a},
        {"an index that would wrap to 1",
         {BPF_STMT(BPF_LDX | BPF_IMM, 0xffffffff), BPF_STMT(BPF_LD | BPF_B | BPF_IND, 2), return_a},
         0},
        {"an offset that would wrap to 1",
         {BPF_STMT(BPF_LDX | BPF_IMM, 2), BPF_STMT(BPF_LD | BPF_B | BPF_IND, 0xffffffff), return_a},
         0},
        {"header length",
         {BPF_STMT(BPF_LDX | BPF_MSH | BPF_B, 1), BPF_STMT(BPF_MISC | BPF_TXA, 0), return_a},
         16},
        {"header length beyond the end",
         {BPF_STMT(BPF_LDX | BPF_MSH | BPF_B, 5), BPF_STMT(BPF_RET | BPF_K, 7)},
         0},
        {"divide", imm(100, 7, BPF_ALU | BPF_DIV | BPF_X), 14},
        {"divide unsigned", imm(0x80000000, 2, BPF_ALU | BPF_DIV | BPF_X), 0x40000000},
        {"divide by zero", imm(100, 0, BPF_ALU | BPF_DIV | BPF_X), 0},
        {"modulo", imm(100, 7, BPF_ALU | BPF_MOD | BPF_X), 2},
        {"modulo zero", imm(100, 0, BPF_ALU | BPF_MOD | BPF_X), 0},
        {"shift left by 31", imm(3, 31, BPF_ALU | BPF_LSH | BPF_X), 0x80000000},
        {"shift left by 32", imm(3, 32, BPF_ALU | BPF_LSH | BPF_X), 0},
        {"shift right by 31", imm(0x80000000, 31, BPF_ALU | BPF_RSH | BPF_X), 1},
        {"shift right by 4294967295", imm(0x80000000, 0xffffffff, BPF_ALU | BPF_RSH | BPF_X), 0},
        {"multiply wraps", imm(0x10001, 0x10001, BPF_ALU | BPF_MUL | BPF_X), 0x20001},
        {"subtract wraps", imm(1, 2, BPF_ALU | BPF_SUB | BPF_X), 0xffffffff},
        {"negate", imm(1, 0, BPF_ALU | BPF_NEG), 0xffffffff},
        {"compare unsigned",
         {BPF_STMT(BPF_LD | BPF_IMM, 0x80000000), BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, 1, 0, 1),
          BPF_STMT(BPF_RET | BPF_K, 1), BPF_STMT(BPF_RET | BPF_K, 2)},
         1},
        {"test a bit",  // the small mask that rte_bpf cannot do
         {BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 0), BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, 2, 0, 1),
          BPF_STMT(BPF_RET | BPF_K, 1), BPF_STMT(BPF_RET | BPF_K, 2)},
         1},
        {"memory starts as zero", {BPF_STMT(BPF_LD | BPF_MEM, 15), return_a}, 0},
        {"memory keeps its words apart",
         {BPF_STMT(BPF_LD | BPF_IMM, 5), BPF_STMT(BPF_ST, 0), BPF_STMT(BPF_LDX | BPF_IMM, 6),
          BPF_STMT(BPF_STX, 15), BPF_STMT(BPF_LD | BPF_MEM, 0), BPF_STMT(BPF_LDX | BPF_MEM, 15),
          BPF_STMT(BPF_ALU | BPF_MUL | BPF_X, 0), return_a},
         30},
    };
    for (const auto& row : rows) {
        INFO(row.what);
        REQUIRE(bpf_validate(row.code.data(), static_cast<int>(row.code.size())) != 0);
        CHECK(run_native(row.code, bytes, 1500) == row.result);
    }
}

TEST_CASE("a loop over extension headers ends") {
    const auto code = BpfCompiler(net::LinkType::kRaw).compile("ip6 protochain 6").value();
    std::vector<std::uint8_t> packet(2000);
    packet[0] = 0x60;
    packet[6] = 60;
    for (std::size_t at = 40; at + 8 <= packet.size(); at += 8) packet[at] = 60;
    CHECK(run_native(code, packet, 2000) == 0);
    packet[1992] = 6;
    CHECK(run_native(code, packet, 2000) ==
          bpf_filter(code.data(), packet.data(), 2000, static_cast<unsigned>(packet.size())));
}

TEST_CASE("a program set answers the same natively and interpreted") {
    BpfCompiler compiler(net::LinkType::kRaw);
    const std::uint8_t tcp[] = {0x45, 0, 0, 40, 0, 0, 0, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2};
    for (const auto native : {ProgramSet::Native::kIfPossible, ProgramSet::Native::kNever}) {
        ProgramSet set;
        const ProgramIndex never = set.add(BpfCode{});
        const ProgramIndex yes = set.add(compiler.compile("tcp").value());
        const ProgramIndex no = set.add(compiler.compile("udp").value());
        set.seal(native);
        CHECK(never == kRejectsAll);
        CHECK_FALSE(set.run(never, tcp, 40));
        CHECK(set.run(yes, tcp, 40));
        CHECK_FALSE(set.run(no, tcp, 40));
        CHECK(set.jit_active() == (native == ProgramSet::Native::kIfPossible));
    }
}
