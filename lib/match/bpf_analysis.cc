// SPDX-License-Identifier: BSD-3-Clause
#include "match/bpf_analysis.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "match/header_fields.h"

namespace yagura::match {
namespace {

/// A 32-bit value of which each bit is known, or depends on the flow alone, or on more of the packet.
struct Value {
    std::uint32_t known = 0;        ///< bits with a known value
    std::uint32_t bits = 0;         ///< their values; 0 elsewhere
    std::uint32_t packet = ~0u;     ///< bits that depend on more than the flow; disjoint from known
    bool is_header_length = false;  ///< the IPv4 header's length: X of a transport load

    static Value constant(std::uint32_t k) { return {~0u, k, 0}; }
    static Value of_flow() { return {0, 0, 0}; }
    static Value of_packet() { return {0, 0, ~0u}; }
    bool is_constant() const { return known == ~0u; }
    bool is_of_flow() const { return packet == 0; }
    bool operator==(const Value&) const = default;
};

/// What holds on either of two paths. Both are taken only as the flow decides, so a value that differs
/// between them is still the flow's.
Value join(const Value& a, const Value& b) {
    if (a == b) return a;
    const std::uint32_t packet = a.packet | b.packet;
    const std::uint32_t known = a.known & b.known & ~(a.bits ^ b.bits) & ~packet;
    return {known, a.bits & known, packet};
}

struct State {
    bool reached = false;
    Value a = Value::constant(0);
    Value x = Value::constant(0);
};

/// The header bytes of an exact packet of one IP version and protocol.
class HeaderModel {
  public:
    HeaderModel(unsigned version, std::uint8_t protocol, FragmentTests fragment_tests)
        : version_(version), protocol_(protocol), fragment_tests_(fragment_tests) {}

    unsigned version() const { return version_; }

    /// True when every exact packet has these bytes: a load elsewhere may end the program, as the length
    /// will.
    bool has(std::uint64_t offset, unsigned size) const {
        const std::uint64_t fixed = version_ == 4 ? 20 : has_ports(protocol_) ? 44 : 40;
        return offset + size <= fixed;
    }
    bool has_transport(std::uint64_t offset, unsigned size) const {
        return has_ports(protocol_) && offset + size <= 4;
    }

    Value load(std::uint64_t offset, unsigned size) const {
        Value value = Value::constant(0);
        for (unsigned i = 0; i < size; ++i) append(value, byte(offset + i));
        return widen(value, size);
    }

    /// Ports: bytes of the transport header, whose place in IPv4 the options decide.
    static Value load_ports(unsigned size) { return widen(Value::of_flow(), size); }

  private:
    static Value widen(Value value, unsigned size) {
        const std::uint32_t mask = size == 4 ? ~0u : (1u << (8 * size)) - 1;
        value.known |= ~mask;
        value.bits &= mask;
        value.packet &= mask;
        return value;
    }
    static void append(Value& value, const Value& low) {
        value.known = value.known << 8 | (low.known & 0xff);
        value.bits = value.bits << 8 | (low.bits & 0xff);
        value.packet = value.packet << 8 | (low.packet & 0xff);
    }

    Value byte(std::uint64_t at) const {
        if (at == 0) return {0xf0, version_ << 4, 0x0f};
        if (version_ == 4) {
            if (at == 9) return Value::constant(protocol_);
            if (at >= 12 && at < 20) return Value::of_flow();
            if (fragment_tests_ == FragmentTests::kOfPorts) {
                if (at == 6) return {0x1f, 0, 0xe0};
                if (at == 7) return Value::constant(0);
            }
        } else {
            if (at == 6) return Value::constant(protocol_);
            if (at >= 8 && at < 40) return Value::of_flow();
            if (at >= 40 && at < 44 && has_ports(protocol_)) return Value::of_flow();
        }
        return Value::of_packet();
    }

    unsigned version_;
    std::uint8_t protocol_;
    FragmentTests fragment_tests_;
};

std::uint32_t compute(std::uint16_t operation, std::uint32_t a, std::uint32_t b) {
    switch (operation) {
        case BPF_ADD:
            return a + b;
        case BPF_SUB:
            return a - b;
        case BPF_MUL:
            return a * b;
        case BPF_OR:
            return a | b;
        case BPF_AND:
            return a & b;
        case BPF_XOR:
            return a ^ b;
        case BPF_LSH:
            return b < 32 ? a << b : 0;
        case BPF_RSH:
            return b < 32 ? a >> b : 0;
        case BPF_DIV:
            return a / b;
        default:
            return a % b;
    }
}

/// One ALU operation on abstract values. A divisor that may be zero ends the program when it is, which is as
/// much the flow's doing as its value; a divisor that is zero for certain is the caller's affair.
Value alu(std::uint16_t operation, const Value& a, const Value& b) {
    const bool divides = operation == BPF_DIV || operation == BPF_MOD;
    if (a.is_constant() && b.is_constant() && !(divides && b.bits == 0)) {
        return Value::constant(compute(operation, a.bits, b.bits));
    }
    if (operation == BPF_AND) {
        const std::uint32_t zero = (a.known & ~a.bits) | (b.known & ~b.bits);
        const std::uint32_t packet = (a.packet | b.packet) & ~zero;
        return {zero | (a.known & b.known), a.bits & b.bits, packet};
    }
    if (operation == BPF_OR) {
        const std::uint32_t one = a.bits | b.bits;
        const std::uint32_t packet = (a.packet | b.packet) & ~one;
        return {one | (a.known & b.known), one, packet};
    }
    if ((operation == BPF_LSH || operation == BPF_RSH) && b.is_constant() && b.bits < 32) {
        const bool left = operation == BPF_LSH;
        const auto shift = [&](std::uint32_t word) { return left ? word << b.bits : word >> b.bits; };
        return {shift(a.known) | ~shift(~0u), shift(a.bits), shift(a.packet)};
    }
    return a.is_of_flow() && b.is_of_flow() ? Value::of_flow() : Value::of_packet();
}

/// Runs a program over header models. Jumps only go forward, so that an instruction's state is complete when
/// its turn comes.
class Interpreter {
  public:
    explicit Interpreter(std::span<const bpf_insn> program)
        : program_(program), states_(program.size()), memory_words_(memory_words(program)) {}

    bool answer_is_of_flow(const HeaderModel& header) {
        header_ = &header;
        states_.assign(program_.size(), State{});
        memory_.assign(program_.size() * memory_words_, Value::of_packet());
        states_[0].reached = true;
        for (std::size_t at = 0; at < program_.size(); ++at) {
            if (states_[at].reached && !step(at)) return false;
        }
        return true;
    }

  private:
    static std::size_t memory_words(std::span<const bpf_insn> program) {
        std::size_t words = 0;
        for (const bpf_insn& op : program) {
            const unsigned kind = BPF_CLASS(op.code);
            const bool loads = (kind == BPF_LD || kind == BPF_LDX) && BPF_MODE(op.code) == BPF_MEM;
            if (loads || kind == BPF_ST || kind == BPF_STX) words = std::max<std::size_t>(words, op.k + 1);
        }
        return words;
    }
    Value& memory(std::size_t at, std::uint32_t word) { return memory_[at * memory_words_ + word]; }

    /// False when the answer may depend on more than the flow.
    bool step(std::size_t at) {
        const bpf_insn& op = program_[at];
        State& state = states_[at];
        switch (BPF_CLASS(op.code)) {
            case BPF_LD:
            case BPF_LDX:
                if (!load(at, op, state)) return false;
                break;
            case BPF_ST:
                memory(at, op.k) = state.a;
                break;
            case BPF_STX:
                memory(at, op.k) = state.x;
                break;
            case BPF_ALU:
                if (BPF_OP(op.code) == BPF_NEG) {
                    state.a = alu(BPF_SUB, Value::constant(0), state.a);
                    break;
                }
                if (!arithmetic(op, state)) return false;
                if (!state.reached) return true;
                break;
            case BPF_JMP:
                return jump(at, op, state);
            case BPF_RET:
                return BPF_RVAL(op.code) != BPF_A || state.a.is_of_flow();
            default:
                if (BPF_MISCOP(op.code) == BPF_TAX) {
                    state.x = state.a;
                } else {
                    state.a = state.x;
                }
        }
        return go(at, 1);
    }

    /// Control may pass from an instruction to the one at a distance.
    bool go(std::size_t at, std::uint32_t distance) {
        // Unsigned wrap-around: protochain jumps backward.
        const std::uint32_t target = static_cast<std::uint32_t>(at) + distance;
        if (target <= at || target >= program_.size()) return false;
        const State& from = states_[at];
        State& to = states_[target];
        const bool first = !to.reached;
        to.a = first ? from.a : join(to.a, from.a);
        to.x = first ? from.x : join(to.x, from.x);
        to.reached = true;
        for (std::uint32_t i = 0; i < memory_words_; ++i) {
            memory(target, i) = first ? memory(at, i) : join(memory(target, i), memory(at, i));
        }
        return true;
    }

    /// False: see step().
    bool load(std::size_t at, const bpf_insn& op, State& state) {
        Value& to = BPF_CLASS(op.code) == BPF_LD ? state.a : state.x;
        const unsigned size = BPF_SIZE(op.code) == BPF_W ? 4 : BPF_SIZE(op.code) == BPF_H ? 2 : 1;
        switch (BPF_MODE(op.code)) {
            case BPF_IMM:
                to = Value::constant(op.k);
                return true;
            case BPF_MEM:
                to = memory(at, op.k);
                return true;
            case BPF_ABS:
                to = header_->load(op.k, size);
                return header_->has(op.k, size);
            case BPF_IND:
                if (state.x.is_header_length) {
                    to = HeaderModel::load_ports(size);
                    return header_->has_transport(op.k, size);
                }
                to = header_->load(std::uint64_t{state.x.bits} + op.k, size);
                return state.x.is_constant() && header_->has(std::uint64_t{state.x.bits} + op.k, size);
            case BPF_MSH:
                to = Value::of_packet();
                to.is_header_length = op.k == 0 && header_->version() == 4;
                return header_->has(op.k, 1);
            default:
                return false;
        }
    }

    /// Ends the path (reached = false) on a division by a zero that is certain. False: see step().
    static bool arithmetic(const bpf_insn& op, State& state) {
        const Value operand = BPF_SRC(op.code) == BPF_X ? state.x : Value::constant(op.k);
        const std::uint16_t operation = BPF_OP(op.code);
        if (operation == BPF_DIV || operation == BPF_MOD) {
            if (!operand.is_of_flow()) return false;
            if (operand.is_constant() && operand.bits == 0) {
                state.reached = false;
                return true;
            }
        }
        Value left = state.a;
        left.is_header_length = false;
        state.a = alu(operation, left, operand);
        state.a.is_header_length = false;
        return true;
    }

    bool jump(std::size_t at, const bpf_insn& op, const State& state) {
        if (BPF_OP(op.code) == BPF_JA) return go(at, op.k + 1);
        const Value operand = BPF_SRC(op.code) == BPF_X ? state.x : Value::constant(op.k);
        const std::uint32_t on_true = op.jt + 1u;
        const std::uint32_t on_false = op.jf + 1u;
        if (on_true == on_false) return go(at, on_true);
        if (BPF_OP(op.code) == BPF_JSET) {
            const Value common = alu(BPF_AND, state.a, operand);
            if (common.bits != 0) return go(at, on_true);
            if (common.is_constant()) return go(at, on_false);
            return common.is_of_flow() && go(at, on_true) && go(at, on_false);
        }
        if (state.a.is_constant() && operand.is_constant()) {
            return go(at, holds(BPF_OP(op.code), state.a.bits, operand.bits) ? on_true : on_false);
        }
        if (BPF_OP(op.code) == BPF_JEQ) {
            const std::uint32_t both = state.a.known & operand.known;
            if (((state.a.bits ^ operand.bits) & both) != 0) return go(at, on_false);
        }
        return state.a.is_of_flow() && operand.is_of_flow() && go(at, on_true) && go(at, on_false);
    }

    static bool holds(std::uint16_t comparison, std::uint32_t a, std::uint32_t b) {
        return comparison == BPF_JEQ ? a == b : comparison == BPF_JGT ? a > b : a >= b;
    }

    std::span<const bpf_insn> program_;
    const HeaderModel* header_ = nullptr;
    std::vector<State> states_;  ///< before each instruction
    std::size_t memory_words_;
    std::vector<Value> memory_;  ///< the words before each instruction
};

}  // namespace

bool depends_on_flow_only(std::span<const bpf_insn> program, FragmentTests fragment_tests) {
    Interpreter interpreter(program);
    for (unsigned protocol = 0; protocol < 256; ++protocol) {
        for (const unsigned version : {4u, 6u}) {
            // An exact key has no extension header: 44 is the fragment header, behind which libpcap looks.
            if (version == 6 && protocol == net::ip_proto::kFragment) continue;
            const HeaderModel header(version, static_cast<std::uint8_t>(protocol), fragment_tests);
            if (!interpreter.answer_is_of_flow(header)) return false;
        }
    }
    return true;
}

bool never_accepts(std::span<const bpf_insn> program) {
    return std::none_of(program.begin(), program.end(), [](const bpf_insn& op) {
        return BPF_CLASS(op.code) == BPF_RET && (BPF_RVAL(op.code) == BPF_A || op.k != 0);
    });
}

}  // namespace yagura::match
