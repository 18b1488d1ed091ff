// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/result.h"
#include "control/json_rpc.h"
#include "reset/block_list.h"
#include "reset/never_cut.h"
#include "rules/response.h"

namespace yagura::broker {

/// Who is blocked in a live run: the list that the select stages look into, its file, and what is told of it.
/// The control thread's, but for what the stages read.
class BlockKeeper {
  public:
    /// `file`: where it is kept over a restart; what is there is loaded. Empty: nowhere. The error names the
    /// file.
    static base::Result<std::unique_ptr<BlockKeeper>> open(const rules::Response& settings,
                                                           const reset::NeverCut& never);

    const reset::BlockList& list() const { return list_; }
    /// One more with each change that may block somebody who was not.
    const std::atomic<std::uint64_t>& changes() const { return changes_; }

    enum class Added : std::uint8_t { kNew, kChanged, kFull, kNever, kBadReason };
    struct Entry {
        reset::BlockTarget target;
        std::optional<std::chrono::nanoseconds> ttl;  ///< none: for good
        std::string reason;
    };
    /// `cuts`: flows that are there already are asked anew.
    Added add(const Entry& entry, bool cuts = true);
    bool remove(const reset::BlockTarget& target);
    /// Flows that are there are asked anew.
    void ask_again() { changes_.fetch_add(1, std::memory_order_release); }

    /// An entry for a person; of a page of the list.
    static control::Json to_json(const reset::Block& block);
    /// "192.0.2.1", "10.0.0.0/8", "tcp 10.0.0.1:4000 192.0.2.2:80", and flows as flows.list names them.
    static std::optional<reset::BlockTarget> target_of(const std::string& text);

    /// Gives back what has expired, and saves what has changed: at once, but for a small part of the time at
    /// most. Several times a second. What went wrong, once; empty: nothing.
    std::string tick();
    /// For the last time.
    std::string save();

  private:
    BlockKeeper(const rules::Response& settings, const reset::NeverCut& never, std::uint64_t seed);
    void remove_forbidden();

    using Clock = std::chrono::steady_clock;
    std::string file_;
    const reset::NeverCut& never_;
    reset::BlockList list_;
    std::atomic<std::uint64_t> changes_{0};
    bool dirty_ = false;
    Clock::time_point save_at_{};
    std::string failed_;  ///< what was said last
};

}  // namespace yagura::broker
