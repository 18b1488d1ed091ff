// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <type_traits>

#include "base/bytes.h"
#include "flow/block_store.h"

namespace yagura::flow {

/// Bytes at known places that wait for those before them: sorted runs without a common byte or border. A byte
/// that is there is never replaced (first wins). Bounded in runs, and in bytes by the caller; what it has is
/// in a BlockStore, its records too, so that an empty list is 16 bytes. As many blocks as kMostRuns and twice
/// its bytes take, at most, and 7 for the records.
class RunList {
  public:
    static constexpr std::uint32_t kMostRuns = 64;

    struct Run {
        std::uint64_t begin;
        std::uint64_t end;
        BlockStore::Chain bytes;
        std::uint64_t size() const { return end - begin; }
    };
    struct Added {
        /// Bytes from the front of what was offered that are in the list now. Fewer than offered: no room in
        /// the list or in the store for what comes next, which is not in the list.
        std::uint32_t taken = 0;
        std::uint32_t overlap = 0;  ///< of these, that were there before
    };

    /// Adds the bytes from `begin` on, unless more than `most` bytes would wait then. At most 4 GiB - 1.
    Added add(BlockStore& store, std::uint64_t begin, base::Bytes bytes, std::uint32_t most);

    bool empty() const { return runs_ == 0; }
    std::uint32_t runs() const { return runs_; }
    std::uint32_t bytes() const { return bytes_; }
    /// Where the first run begins. Not when empty().
    std::uint64_t first_begin(BlockStore& store) const;
    /// Takes the first run out; its chain is the caller's. Not when empty().
    Run pop_front(BlockStore& store);
    void clear(BlockStore& store);

  private:
    struct Records;

    BlockStore::Chain records_;  ///< places_ of them, the first runs_ in use
    std::uint32_t bytes_ = 0;
    std::uint8_t runs_ = 0;
    std::uint8_t places_ = 0;
};
static_assert(sizeof(RunList) == 16 && std::is_trivially_copyable_v<RunList>);

}  // namespace yagura::flow
