// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/bytes.h"
#include "match/bpf_jit.h"
#include "match/bpf_program.h"

namespace yagura::match {

/// A program by its place in a ProgramSet.
using ProgramIndex = std::uint32_t;
/// The program that accepts nothing.
inline constexpr ProgramIndex kRejectsAll = ~ProgramIndex{0};

/// Programs as native code in one block of memory; interpreted by libpcap's bpf_filter() where native code is
/// not to be had. Filled and sealed by one thread, then run by any number.
class ProgramSet {
  public:
    enum class Native : bool { kIfPossible, kNever };

    /// Empty code is kRejectsAll.
    ProgramIndex add(BpfCode code);
    /// After the last add() and before the first run().
    void seal(Native native = Native::kIfPossible);

    /// Whether the program accepts; `bytes` are what was captured.
    bool run(ProgramIndex program, base::Bytes bytes, std::uint32_t wire_length) const {
        if (program == kRejectsAll) return false;
        const Entry& entry = entries_[program];
        const auto captured = static_cast<std::uint32_t>(bytes.size());
        if (entry.native != nullptr) return entry.native(bytes.data(), wire_length, captured) != 0;
        return bpf_filter(entry.code.data(), bytes.data(), wire_length, captured) != 0;
    }

    /// True when every program is native code.
    bool jit_active() const { return interpreted_ == 0; }
    std::size_t size() const { return entries_.size(); }

  private:
    struct Entry {
        BpfFunction native = nullptr;
        BpfCode code;  ///< empty once it is native
    };
    std::vector<Entry> entries_;
    std::size_t interpreted_ = 0;
    std::unique_ptr<ExecutableMemory> memory_;
};

}  // namespace yagura::match
