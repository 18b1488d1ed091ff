// SPDX-License-Identifier: BSD-3-Clause
#include <sys/mman.h>

#include <bit>
#include <cstring>

#include "match/bpf_jit.h"

namespace yagura::match {

std::unique_ptr<ExecutableMemory> ExecutableMemory::create(std::span<const std::uint8_t> code) {
#if defined(__x86_64__)
    if (code.empty()) return nullptr;
    void* start = mmap(nullptr, code.size(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (start == MAP_FAILED) return nullptr;
    std::memcpy(start, code.data(), code.size());
    if (mprotect(start, code.size(), PROT_READ | PROT_EXEC) != 0) {
        munmap(start, code.size());
        return nullptr;
    }
    return std::unique_ptr<ExecutableMemory>(new ExecutableMemory(start, code.size()));
#else
    static_cast<void>(code);
    return nullptr;
#endif
}

ExecutableMemory::~ExecutableMemory() {
    munmap(start_, size_);
}

BpfFunction ExecutableMemory::function_at(std::size_t offset) const {
    return std::bit_cast<BpfFunction>(static_cast<char*>(start_) + offset);
}

}  // namespace yagura::match
