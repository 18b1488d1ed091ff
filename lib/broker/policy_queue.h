// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <utility>

#include "broker/cancellation.h"

namespace yagura::broker {

/// Changes of the policy, one after the other. Two policies are alive at most: each change waits until
/// nothing is inspected any more under the policy before the one in effect, and nobody else waits with it.
/// The control thread's.
class PolicyQueue {
  public:
    static constexpr std::size_t kMost = 8;  ///< that wait
    /// Carries it out: Pipeline::swap_policy() does not wait then. False: it is given up, and says so to
    /// whoever asked for it.
    using Change = std::function<void(bool carry_out)>;

    /// `ready`: Pipeline::ready_for_policy(); asked while somebody waits.
    explicit PolicyQueue(std::function<bool()> ready) : ready_(std::move(ready)) {}

    bool has_room() const { return waiting_.size() < kMost; }
    bool busy() const { return !waiting_.empty(); }
    /// At once, if nothing stands in the way; otherwise in go_on(). A cancellation gives it up; null: none
    /// will.
    void add(Change change, std::shared_ptr<const Cancellation> cancellation = nullptr);
    /// Looks whether the next one can be carried out. Often, while busy.
    void go_on();
    /// Gives up all that wait.
    void end();

  private:
    struct Waiting {
        Change change;
        std::shared_ptr<const Cancellation> cancellation;
    };
    void give_up_cancelled();

    std::function<bool()> ready_;
    std::deque<Waiting> waiting_;
};

}  // namespace yagura::broker
