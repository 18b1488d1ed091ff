// SPDX-License-Identifier: BSD-3-Clause
#include "match/bpf_jit.h"

#include <initializer_list>

namespace yagura::match {
namespace {

// Registers: rdi packet, esi wire length, r8 captured length, eax A, r9d X; rcx, rdx, r10 hold nothing
// between instructions. All writes are 32 bits wide, so the upper halves of r8 and r9 stay zero. M[] lies in
// the red zone below rsp: the code calls nothing.
constexpr std::uint8_t kMemoryStart = 256 - 4 * BPF_MEMWORDS;

/// Second byte of a near conditional jump.
enum Condition : std::uint8_t {
    kBelow = 0x82,
    kAboveOrEqual = 0x83,
    kEqual = 0x84,
    kNotEqual = 0x85,
    kBelowOrEqual = 0x86,
    kAbove = 0x87,
};
/// Conditions come in pairs that differ in the last bit.
Condition inverse(Condition condition) {
    return static_cast<Condition>(condition ^ 1);
}

class Translator {
  public:
    Translator(std::span<const bpf_insn> program, std::vector<std::uint8_t>& code)
        : program_(program), code_(code), starts_(program.size() + 1) {}

    bool translate() {
        prologue();
        for (std::size_t at = 0; at < program_.size(); ++at) {
            starts_[at] = code_.size();
            if (!instruction(at)) return false;
        }
        starts_[reject()] = code_.size();
        emit({0x31, 0xc0, 0xc3});  // xor eax, eax; ret
        for (const Fixup& fixup : fixups_) {
            put32(fixup.place, static_cast<std::uint32_t>(starts_[fixup.target] - (fixup.place + 4)));
        }
        return true;
    }

  private:
    struct Fixup {
        std::size_t place;   ///< of a 32-bit displacement in the code
        std::size_t target;  ///< index of an instruction
    };

    std::size_t reject() const { return program_.size(); }

    void emit(std::initializer_list<std::uint8_t> bytes) { code_.insert(code_.end(), bytes); }
    void emit32(std::uint32_t value) {
        code_.resize(code_.size() + 4);
        put32(code_.size() - 4, value);
    }
    void put32(std::size_t place, std::uint32_t value) {
        for (unsigned i = 0; i < 4; ++i) code_[place + i] = static_cast<std::uint8_t>(value >> (8 * i));
    }
    void emit_with_k(std::initializer_list<std::uint8_t> bytes, std::uint32_t k) {
        emit(bytes);
        emit32(k);
    }

    void jump_to(std::size_t target) {
        emit({0xe9});
        fixups_.push_back({code_.size(), target});
        emit32(0);
    }
    void jump_if(Condition condition, std::size_t target) {
        emit({0x0f, condition});
        fixups_.push_back({code_.size(), target});
        emit32(0);
    }

    void prologue() {
        emit({0x41, 0x89, 0xd0});  // mov r8d, edx
        emit({0x31, 0xc0});        // xor eax, eax
        emit({0x45, 0x31, 0xc9});  // xor r9d, r9d
        std::uint32_t cleared = 0;
        for (const bpf_insn& op : program_) {
            const unsigned kind = BPF_CLASS(op.code);
            const bool reads = (kind == BPF_LD || kind == BPF_LDX) && BPF_MODE(op.code) == BPF_MEM;
            if (!reads || (cleared >> op.k & 1) != 0) continue;
            cleared |= 1u << op.k;
            emit({0xc7, 0x44, 0x24, slot(op.k)});  // mov dword [rsp + slot], 0
            emit32(0);
        }
    }

    static std::uint8_t slot(std::uint32_t k) {
        return static_cast<std::uint8_t>(kMemoryStart + 4 * (k % BPF_MEMWORDS));
    }

    bool instruction(std::size_t at) {
        const bpf_insn& op = program_[at];
        switch (BPF_CLASS(op.code)) {
            case BPF_LD:
                return load(op);
            case BPF_LDX:
                return load_x(op);
            case BPF_ST:
                emit({0x89, 0x44, 0x24, slot(op.k)});  // mov [rsp + slot], eax
                return true;
            case BPF_STX:
                emit({0x44, 0x89, 0x4c, 0x24, slot(op.k)});  // mov [rsp + slot], r9d
                return true;
            case BPF_ALU:
                return BPF_SRC(op.code) == BPF_X ? alu_x(op) : alu_k(op);
            case BPF_JMP:
                return jump(at, op);
            case BPF_RET:
                if (BPF_RVAL(op.code) != BPF_A) emit_with_k({0xb8}, op.k);  // mov eax, k
                emit({0xc3});
                return BPF_RVAL(op.code) != BPF_X;
            default:
                if (BPF_MISCOP(op.code) == BPF_TAX) {
                    emit({0x41, 0x89, 0xc1});  // mov r9d, eax
                } else {
                    emit({0x44, 0x89, 0xc8});  // mov eax, r9d
                }
                return true;
        }
    }

    static std::uint32_t width(const bpf_insn& op) {
        return BPF_SIZE(op.code) == BPF_W ? 4 : BPF_SIZE(op.code) == BPF_H ? 2 : 1;
    }

    /// False when no packet is that long.
    bool check_bounds(std::uint32_t offset, std::uint32_t size) {
        if (offset > 0x7fffffffu - size) {
            jump_to(reject());
            return false;
        }
        emit_with_k({0x41, 0x81, 0xf8}, offset + size);  // cmp r8d, offset + size
        jump_if(kBelow, reject());
        return true;
    }

    /// Network to host order of the 16 or 32 bits in eax.
    void swap_bytes(std::uint32_t size) {
        if (size == 4) emit({0x0f, 0xc8});              // bswap eax
        if (size == 2) emit({0x66, 0xc1, 0xc0, 0x08});  // rol ax, 8
    }

    bool load(const bpf_insn& op) {
        const std::uint32_t size = width(op);
        switch (BPF_MODE(op.code)) {
            case BPF_IMM:
                emit_with_k({0xb8}, op.k);  // mov eax, k
                return true;
            case BPF_LEN:
                emit({0x89, 0xf0});  // mov eax, esi
                return true;
            case BPF_MEM:
                emit({0x8b, 0x44, 0x24, slot(op.k)});  // mov eax, [rsp + slot]
                return true;
            case BPF_ABS:
                if (!check_bounds(op.k, size)) return true;
                if (size == 4) emit_with_k({0x8b, 0x87}, op.k);        // mov eax, [rdi + k]
                if (size == 2) emit_with_k({0x0f, 0xb7, 0x87}, op.k);  // movzx eax, word [rdi + k]
                if (size == 1) emit_with_k({0x0f, 0xb6, 0x87}, op.k);  // movzx eax, byte [rdi + k]
                swap_bytes(size);
                return true;
            case BPF_IND:
                // In 64 bits X + k + size cannot wrap.
                emit_with_k({0x41, 0xba}, op.k);                            // mov r10d, k
                emit({0x4d, 0x01, 0xca});                                   // add r10, r9
                emit({0x49, 0x8d, 0x4a, static_cast<std::uint8_t>(size)});  // lea rcx, [r10 + size]
                emit({0x4c, 0x39, 0xc1});                                   // cmp rcx, r8
                jump_if(kAbove, reject());
                if (size == 4) emit({0x42, 0x8b, 0x04, 0x17});        // mov eax, [rdi + r10]
                if (size == 2) emit({0x42, 0x0f, 0xb7, 0x04, 0x17});  // movzx eax, word [rdi + r10]
                if (size == 1) emit({0x42, 0x0f, 0xb6, 0x04, 0x17});  // movzx eax, byte [rdi + r10]
                swap_bytes(size);
                return true;
            default:
                return false;
        }
    }

    bool load_x(const bpf_insn& op) {
        switch (BPF_MODE(op.code)) {
            case BPF_IMM:
                emit_with_k({0x41, 0xb9}, op.k);  // mov r9d, k
                return true;
            case BPF_LEN:
                emit({0x41, 0x89, 0xf1});  // mov r9d, esi
                return true;
            case BPF_MEM:
                emit({0x44, 0x8b, 0x4c, 0x24, slot(op.k)});  // mov r9d, [rsp + slot]
                return true;
            case BPF_MSH:
                if (!check_bounds(op.k, 1)) return true;
                emit_with_k({0x44, 0x0f, 0xb6, 0x8f}, op.k);  // movzx r9d, byte [rdi + k]
                emit({0x41, 0x83, 0xe1, 0x0f});               // and r9d, 15
                emit({0x41, 0xc1, 0xe1, 0x02});               // shl r9d, 2
                return true;
            default:
                return false;
        }
    }

    bool alu_k(const bpf_insn& op) {
        switch (BPF_OP(op.code)) {
            case BPF_ADD:
                emit_with_k({0x05}, op.k);
                return true;
            case BPF_SUB:
                emit_with_k({0x2d}, op.k);
                return true;
            case BPF_AND:
                emit_with_k({0x25}, op.k);
                return true;
            case BPF_OR:
                emit_with_k({0x0d}, op.k);
                return true;
            case BPF_XOR:
                emit_with_k({0x35}, op.k);
                return true;
            case BPF_MUL:
                emit_with_k({0x69, 0xc0}, op.k);  // imul eax, eax, k
                return true;
            case BPF_DIV:
            case BPF_MOD:
                if (op.k == 0) {
                    jump_to(reject());
                    return true;
                }
                emit({0x31, 0xd2});                                  // xor edx, edx
                emit_with_k({0xb9}, op.k);                           // mov ecx, k
                emit({0xf7, 0xf1});                                  // div ecx
                if (BPF_OP(op.code) == BPF_MOD) emit({0x89, 0xd0});  // mov eax, edx
                return true;
            case BPF_LSH:
            case BPF_RSH:
                if (op.k > 31) {
                    emit({0x31, 0xc0});  // xor eax, eax
                } else {                 // shl / shr eax, k
                    emit({0xc1, static_cast<std::uint8_t>(BPF_OP(op.code) == BPF_LSH ? 0xe0 : 0xe8),
                          static_cast<std::uint8_t>(op.k)});
                }
                return true;
            case BPF_NEG:
                emit({0xf7, 0xd8});  // neg eax
                return true;
            default:
                return false;
        }
    }

    bool alu_x(const bpf_insn& op) {
        switch (BPF_OP(op.code)) {
            case BPF_ADD:
                emit({0x44, 0x01, 0xc8});
                return true;
            case BPF_SUB:
                emit({0x44, 0x29, 0xc8});
                return true;
            case BPF_AND:
                emit({0x44, 0x21, 0xc8});
                return true;
            case BPF_OR:
                emit({0x44, 0x09, 0xc8});
                return true;
            case BPF_XOR:
                emit({0x44, 0x31, 0xc8});
                return true;
            case BPF_MUL:
                emit({0x41, 0x0f, 0xaf, 0xc1});  // imul eax, r9d
                return true;
            case BPF_DIV:
            case BPF_MOD:
                emit({0x45, 0x85, 0xc9});  // test r9d, r9d
                jump_if(kEqual, reject());
                emit({0x31, 0xd2});                                  // xor edx, edx
                emit({0x41, 0xf7, 0xf1});                            // div r9d
                if (BPF_OP(op.code) == BPF_MOD) emit({0x89, 0xd0});  // mov eax, edx
                return true;
            case BPF_LSH:
            case BPF_RSH:
                emit({0x44, 0x89, 0xc9});  // mov ecx, r9d
                emit({0xd3, static_cast<std::uint8_t>(BPF_OP(op.code) == BPF_LSH ? 0xe0 : 0xe8)});
                emit({0x83, 0xf9, 0x1f});  // cmp ecx, 31
                emit({0x76, 0x02});        // jbe over the next
                emit({0x31, 0xc0});        // xor eax, eax
                return true;
            default:
                return false;
        }
    }

    bool jump(std::size_t at, const bpf_insn& op) {
        // Unsigned wrap-around: protochain jumps backward.
        const auto target = [at](std::uint32_t distance) {
            return std::size_t{static_cast<std::uint32_t>(at) + 1 + distance};
        };
        if (BPF_OP(op.code) == BPF_JA) {
            if (target(op.k) >= program_.size()) return false;
            jump_to(target(op.k));
            return true;
        }
        Condition condition;
        switch (BPF_OP(op.code)) {
            case BPF_JEQ:
                condition = kEqual;
                break;
            case BPF_JGT:
                condition = kAbove;
                break;
            case BPF_JGE:
                condition = kAboveOrEqual;
                break;
            case BPF_JSET:
                condition = kNotEqual;
                break;
            default:
                return false;
        }
        const bool with_x = BPF_SRC(op.code) == BPF_X;
        if (BPF_OP(op.code) == BPF_JSET) {
            with_x ? emit({0x44, 0x85, 0xc8}) : emit_with_k({0xa9}, op.k);  // test eax, r9d / k
        } else {
            with_x ? emit({0x44, 0x39, 0xc8}) : emit_with_k({0x3d}, op.k);  // cmp eax, r9d / k
        }
        if (target(op.jt) >= program_.size() || target(op.jf) >= program_.size()) return false;
        if (op.jt == 0) {
            jump_if(inverse(condition), target(op.jf));
        } else {
            jump_if(condition, target(op.jt));
            if (op.jf != 0) jump_to(target(op.jf));
        }
        return true;
    }

    std::span<const bpf_insn> program_;
    std::vector<std::uint8_t>& code_;
    std::vector<std::size_t> starts_;  ///< place of each instruction's code, then that of "return 0"
    std::vector<Fixup> fixups_;
};

}  // namespace

bool translate_bpf(std::span<const bpf_insn> program, std::vector<std::uint8_t>& code) {
    const std::size_t before = code.size();
    if (Translator(program, code).translate()) return true;
    code.resize(before);
    return false;
}

}  // namespace yagura::match
