// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>

namespace yagura::dataplane {

/// Goes once round the entries of a flow table, some in each turn. Who begins another round before the end
/// has it go round once more from where it is: a stream of those starves no entry.
class FlowRound {
  public:
    /// `indices`: FlowTable::indices(). Flows in entries that are taken later may be left out.
    void begin(std::uint32_t indices) { size_ = left_ = indices; }
    bool over() const { return left_ == 0; }
    /// The next entry. Not when it is over.
    std::uint32_t next() {
        if (at_ >= size_) at_ = 0;
        --left_;
        return at_++;
    }

  private:
    std::uint32_t at_ = 0;
    std::uint32_t size_ = 0;
    std::uint32_t left_ = 0;
};

}  // namespace yagura::dataplane
