// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <pcap/pcap.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace yagura::match {

/// What bpf_filter() is: non-zero accepts. `captured` bytes are readable at `packet`, fewer than 2^31.
using BpfFunction = std::uint32_t (*)(const std::uint8_t* packet, std::uint32_t wire_length,
                                      std::uint32_t captured);

/// Appends the x86-64 machine code (System V ABI, position independent) of a program that has passed
/// bpf_validate(). It does what libpcap's bpf_filter() does, in every case that C defines: a load beyond the
/// captured bytes and a division by zero return 0, shifts by 32 or more give 0. Scratch memory starts as
/// zero. False, with nothing appended, for an instruction that libpcap does not generate.
bool translate_bpf(std::span<const bpf_insn> program, std::vector<std::uint8_t>& code);

/// Machine code that can run and cannot be written.
class ExecutableMemory {
  public:
    /// Null when the system does not allow it, or is not an x86-64.
    static std::unique_ptr<ExecutableMemory> create(std::span<const std::uint8_t> code);
    ~ExecutableMemory();
    ExecutableMemory(const ExecutableMemory&) = delete;
    ExecutableMemory& operator=(const ExecutableMemory&) = delete;

    BpfFunction function_at(std::size_t offset) const;

  private:
    ExecutableMemory(void* start, std::size_t size) : start_(start), size_(size) {}
    void* start_;
    std::size_t size_;
};

}  // namespace yagura::match
