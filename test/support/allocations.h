// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>

namespace yagura::test {

/// Counts every allocation of the process (malloc and its kin, operator new) while one of these lives. Link
/// allocations.cc.
class AllocationCount {
  public:
    AllocationCount();
    ~AllocationCount();
    std::uint64_t so_far() const;

    /// False under a sanitizer, which has an allocator of its own.
    static bool works();
};

}  // namespace yagura::test
