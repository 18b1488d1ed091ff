// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <cstdint>
#include <new>
#include <type_traits>
#include <utility>

namespace yagura::base {

/// How a table's elements come into use.
enum class Filled : std::uint8_t {
    kInOrder,   ///< from the first on: huge pages cost one page at most
    kAtRandom,  ///< an element may be the only one of its huge page
};

/// A large table of zeroed elements straight from the kernel: pages are taken when they are first written, so
/// that capacity which is never used costs nothing (but see take_pages()). Throws std::bad_alloc.
template <class T>
class ZeroedArray {
    static_assert(std::is_trivially_destructible_v<T>);

    /// Of tables that are filled at random: with a page for every element they would take all of it at once.
    static constexpr std::size_t kHugeLimit = std::size_t{64} << 20;

  public:
    ZeroedArray() = default;
    explicit ZeroedArray(std::size_t size, Filled filled = Filled::kAtRandom) : size_(size) {
        if (size == 0) return;
        void* memory = mmap(nullptr, bytes(), PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (memory == MAP_FAILED) throw std::bad_alloc();
        // Huge pages spare a large table most of its misses in the TLB.
        if (filled == Filled::kInOrder || bytes() <= kHugeLimit) madvise(memory, bytes(), MADV_HUGEPAGE);
        data_ = static_cast<T*>(memory);
    }
    ~ZeroedArray() {
        if (data_ != nullptr) munmap(data_, bytes());
    }
    ZeroedArray(ZeroedArray&& other) noexcept
        : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
    ZeroedArray& operator=(ZeroedArray&& other) noexcept {
        std::swap(data_, other.data_);
        std::swap(size_, other.size_);
        return *this;
    }

    /// Takes all its pages now, from the calling thread's NUMA node, so that no write has to wait until the
    /// kernel has cleared one. Where the kernel cannot (before Linux 5.14) they come as they are written.
    void take_pages() const noexcept {
        if (data_ == nullptr) return;
        madvise(data_, bytes(), MADV_HUGEPAGE);
        madvise(data_, bytes(), MADV_POPULATE_WRITE);
    }

    T& operator[](std::size_t i) { return data_[i]; }
    const T& operator[](std::size_t i) const { return data_[i]; }
    T* data() { return data_; }
    std::size_t size() const { return size_; }

  private:
    std::size_t bytes() const { return size_ * sizeof(T); }
    T* data_ = nullptr;
    std::size_t size_ = 0;
};

}  // namespace yagura::base
