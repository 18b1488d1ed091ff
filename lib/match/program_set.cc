// SPDX-License-Identifier: BSD-3-Clause
#include "match/program_set.h"

namespace yagura::match {
namespace {

constexpr std::size_t kAlignment = 16;
constexpr std::uint8_t kTrap = 0xcc;  // int3

}  // namespace

ProgramIndex ProgramSet::add(BpfCode code) {
    if (code.empty()) return kRejectsAll;
    entries_.push_back({nullptr, std::move(code)});
    return static_cast<ProgramIndex>(entries_.size() - 1);
}

void ProgramSet::seal(Native native) {
    interpreted_ = entries_.size();
    if (native == Native::kNever) return;
    constexpr std::size_t kNotNative = ~std::size_t{0};
    std::vector<std::uint8_t> code;
    std::vector<std::size_t> starts;
    starts.reserve(entries_.size());
    for (const Entry& entry : entries_) {
        code.resize((code.size() + kAlignment - 1) / kAlignment * kAlignment, kTrap);
        const std::size_t start = code.size();
        starts.push_back(translate_bpf(entry.code, code) ? start : kNotNative);
    }
    memory_ = ExecutableMemory::create(code);
    if (!memory_) return;
    for (std::size_t i = 0; i < entries_.size(); ++i) {
        if (starts[i] == kNotNative) continue;
        entries_[i].native = memory_->function_at(starts[i]);
        entries_[i].code = BpfCode();
        --interpreted_;
    }
}

}  // namespace yagura::match
