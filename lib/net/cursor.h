// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "base/bytes.h"

namespace yagura::net {

/// N bytes that are known to be there, or nothing. The one run-time check is made where it comes from
/// (Cursor::header); the fields are then checked against N by the compiler.
template <std::size_t N>
class Header {
  public:
    Header() = default;
    /// `bytes`: not null, which the compiler need not ask again.
    explicit Header(const std::uint8_t* bytes) : bytes_(bytes) {
        if (bytes == nullptr) __builtin_unreachable();
    }

    explicit operator bool() const { return bytes_ != nullptr; }

    template <std::size_t At>
    std::uint8_t u8() const {
        static_assert(At + 1 <= N);
        return bytes_[At];
    }
    template <std::size_t At>
    std::uint16_t be16() const {
        static_assert(At + 2 <= N);
        return base::load_be16(bytes_ + At);
    }
    template <std::size_t At>
    std::uint32_t be32() const {
        static_assert(At + 4 <= N);
        return base::load_be32(bytes_ + At);
    }
    /// Size bytes at At.
    template <std::size_t At, std::size_t Size>
    const std::uint8_t* bytes() const {
        static_assert(At + Size <= N);
        return bytes_ + At;
    }

  private:
    const std::uint8_t* bytes_ = nullptr;
};

/// A place in a frame, with two ends: how far bytes may be read (captured, and inside every packet around
/// this place), and where the packet that is being read says that it ends, which may lie beyond the captured
/// bytes, or be a lie. Never reads; never goes beyond the readable end.
class Cursor {
  public:
    Cursor(base::Bytes frame, std::size_t wire_length)
        : data_(frame.data()), end_(frame.size()), claimed_end_(std::max(wire_length, frame.size())) {}

    std::size_t position() const { return at_; }
    std::size_t readable() const { return end_ - at_; }
    /// Bytes from here to where the packet says that it ends.
    std::size_t claimed() const { return claimed_end_ > at_ ? claimed_end_ - at_ : 0; }

    /// The N bytes that begin `skip` bytes from here, if all of them may be read.
    template <std::size_t N>
    Header<N> header(std::size_t skip = 0) const {
        if (readable() < N || readable() - N < skip) return {};
        return Header<N>(data_ + at_ + skip);
    }

    /// False, and nothing moves, if fewer bytes may be read.
    [[nodiscard]] bool advance(std::size_t size) {
        if (size > readable()) return false;
        at_ += size;
        return true;
    }

    /// From here the packet has `size` bytes: sets the claimed end, and never widens the readable one.
    void claim(std::size_t size) {
        claimed_end_ = at_ + size;
        end_ = std::min(end_, claimed_end_);
    }

  private:
    const std::uint8_t* data_;
    std::size_t at_ = 0;
    std::size_t end_;
    std::size_t claimed_end_;
};

}  // namespace yagura::net
