// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <ctime>

namespace yagura::base {

/// Nanoseconds since the epoch, by the system's clock. Not a system call where the kernel has a vDSO; once a
/// burst is often enough on the hot path.
inline std::uint64_t realtime_ns() {
    timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(now.tv_nsec);
}

}  // namespace yagura::base
