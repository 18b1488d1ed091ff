// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "control/json_rpc.h"
#include "reset/block_list.h"
#include "reset/never_cut.h"
#include "reset/state_file.h"
#include "rules/response.h"

namespace yagura::broker {

/// Who is blocked in a live run: the list that the select stages look into, its file, and what is told of it.
/// The control thread's, but for what the stages read.
class BlockKeeper {
  public:
    /// rules::Response::blocks_file: where it is kept over a restart; what is there is loaded. Empty:
    /// nowhere. Errors name the file: another yagura has it, its folder cannot be written, it is damaged.
    static base::Result<std::unique_ptr<BlockKeeper>> open(const rules::Response& settings,
                                                           const reset::NeverCut& never);

    const reset::BlockList& list() const { return list_; }
    /// One more with each change that may block somebody who was not.
    const std::atomic<std::uint64_t>& changes() const { return changes_; }

    enum class Added : std::uint8_t { kNew, kChanged, kKept, kFull, kNever, kBadReason };
    static bool is_blocked(Added added) {
        return added == Added::kNew || added == Added::kChanged || added == Added::kKept;
    }
    struct Entry {
        reset::BlockTarget target;
        std::optional<std::chrono::nanoseconds> ttl;  ///< none: for good
        std::string reason;
        /// Nobody's own decision: an entry that is there stays what it is, and at most ends later (kKept: it
        /// does not).
        bool extends = false;
    };
    /// `cuts`: flows that are there already are asked anew.
    Added add(const Entry& entry, bool cuts = true);
    /// What add() would say of it, as far as the list's room and never_cut go.
    Added would_add(const Entry& entry) const;
    bool remove(const reset::BlockTarget& target);
    /// Flows that are there are asked anew.
    void ask_again() { changes_.fetch_add(1, std::memory_order_release); }

    /// An entry for a person; of a page of the list.
    static control::Json to_json(const reset::Block& block);
    /// "192.0.2.1", "10.0.0.0/8", "tcp 10.0.0.1:4000 192.0.2.2:80", and flows as flows.list names them. The
    /// error says what to write instead.
    static base::Result<reset::BlockTarget> target_of(const std::string& text);
    /// All entries that block this: of a connection its own and those of its ends, of an address or prefix
    /// those that have all of it, the longest first.
    std::vector<reset::Block> covering(const reset::BlockTarget& target) const;
    std::vector<reset::Block> covering(const net::FlowKey& flow) const {
        return covering(reset::BlockTarget::connection(flow));
    }

    /// Gives back what has expired, and saves what has changed: at once, but for a small part of the time at
    /// most. Several times a second. What went wrong, once; empty: nothing.
    std::string tick();
    /// For the last time.
    std::string save();
    /// Where it is kept, when it was last saved, and what is wrong with that; null: it is not kept.
    control::Json saving() const;
    /// Why what has changed is not on the disk; empty: it is, or will be in a moment.
    const std::string& unsaved() const { return failed_; }

  private:
    BlockKeeper(const rules::Response& settings, const reset::NeverCut& never, std::uint64_t seed);
    void remove_forbidden();

    using Clock = std::chrono::steady_clock;
    std::string file_;
    const reset::NeverCut& never_;
    reset::BlockList list_;
    std::atomic<std::uint64_t> changes_{0};
    std::optional<reset::FileLock> lock_;
    bool dirty_ = false;
    std::uint64_t saved_ = 0;  ///< when, ns since the epoch; 0: not yet in this run
    Clock::time_point save_at_{};
    std::string failed_;  ///< why it could not be saved the last time
};

}  // namespace yagura::broker
