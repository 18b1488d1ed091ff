// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>

namespace yagura::base {

/// An index that cannot be taken for another kind of index.
template <class Tag, class Rep>
class StrongId {
  public:
    constexpr StrongId() = default;
    constexpr explicit StrongId(Rep value) : value_(value) {}
    constexpr Rep value() const { return value_; }
    constexpr std::size_t index() const { return value_; }
    constexpr auto operator<=>(const StrongId&) const = default;

  private:
    Rep value_{};
};

/// A network port: its place among the network ports, in the order of the configuration.
using PortId = StrongId<struct PortTag, std::uint16_t>;
/// A tool port: its place among the tool ports, in the order of the configuration. Also its bit in a Verdict.
using ToolId = StrongId<struct ToolTag, std::uint8_t>;

/// A verdict names tools by the bits of one word.
inline constexpr std::size_t kMaxTools = 64;

}  // namespace yagura::base
