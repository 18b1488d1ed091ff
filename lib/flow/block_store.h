// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "base/bytes.h"
#include "base/counter.h"
#include "base/result.h"
#include "base/zeroed_array.h"

namespace yagura::flow {

/// Bounded memory for bytes that wait: chains of 256-byte blocks. Owned by one thread; the counts may be read
/// by any.
///
/// Blocks that were never used are handed out in order and freed ones before them, so that memory which is
/// never needed is never committed. In a chain every two neighbouring blocks hold more bytes than one could:
/// whatever is appended and spliced, at least half of a chain's memory is bytes, but for one block.
class BlockStore {
  public:
    static constexpr std::uint32_t kNone = 0xffffffff;
    static constexpr std::size_t kBlockSize = 256;
    static constexpr std::size_t kDataSize = 248;  ///< bytes that a block holds
    /// By how much a file grows at once. Divides into blocks.
    static constexpr std::uint64_t kFileStep = std::uint64_t{64} << 20;

    /// Bytes in order. Whoever holds it owns the blocks, and gives them back by free(). Empty: no blocks.
    struct Chain {
        std::uint32_t head = kNone;
        std::uint32_t tail = kNone;
        bool empty() const { return head == kNone; }
    };
    class Cursor;

    /// `bytes` of blocks (rounded down to whole ones, 1 TiB at most) in memory, taken as it is used. Throws
    /// std::bad_alloc.
    explicit BlockStore(std::uint64_t bytes);
    /// Blocks in a file in `folder` that has no name and vanishes with the store. Memory is only what the
    /// kernel keeps of it. Appending may make a system call, every kFileStep: for replay only. When the disk
    /// is full the store is full, for good: its capacity is what it has by then.
    static base::Result<std::unique_ptr<BlockStore>> in_file(const std::string& folder,
                                                             std::uint64_t max_bytes);
    ~BlockStore();
    BlockStore(const BlockStore&) = delete;
    BlockStore& operator=(const BlockStore&) = delete;

    /// Adds bytes to the end: all of them, or, without room for all, none (false).
    [[nodiscard]] bool append(Chain& chain, base::Bytes bytes) { return append(chain, {&bytes, 1}); }
    /// As one append() of the parts one after the other.
    [[nodiscard]] bool append(Chain& chain, std::span<const base::Bytes> parts);
    /// Moves `from`'s bytes to the end of `to`. O(1): at most one block's bytes are copied.
    void splice(Chain& to, Chain& from);
    /// Gives the blocks back. O(1).
    void free(Chain& chain);

    std::uint64_t capacity() const { return capacity_.get(); }  ///< in blocks
    std::uint64_t blocks_used() const { return used_.get(); }   ///< in chains
    std::uint64_t blocks_free() const { return capacity_.get() - used_.get(); }
    /// The most that were ever used at once.
    std::uint64_t blocks_peak() const { return peak_.get(); }

  private:
    struct Block {
        /// In a chain's last block: the chain's number of blocks. In a free block: the next free one.
        std::uint32_t next;
        std::uint16_t used;
        std::uint16_t spare;
        std::array<std::uint8_t, kDataSize> data;
    };
    static_assert(sizeof(Block) == kBlockSize && kFileStep % kBlockSize == 0);

    BlockStore() = default;
    std::uint32_t take();
    void prefetch(std::uint64_t count) const;
    void give_back(std::uint64_t count) { used_.add(std::uint64_t{0} - count); }
    bool grow(std::uint64_t blocks);

    base::ZeroedArray<Block> memory_;
    Block* blocks_ = nullptr;
    std::uint64_t backed_ = 0;  ///< blocks that have memory, or room on the disk
    std::uint32_t fresh_ = 0;   ///< blocks from here on were never used
    std::uint32_t free_ = kNone;
    int file_ = -1;
    std::size_t mapped_ = 0;  ///< bytes, of a file
    base::Counter capacity_;
    base::Counter used_;
    base::Counter peak_;
};

/// Walks a chain from its first byte. Ends with any change to the chain but its own writes.
class BlockStore::Cursor {
  public:
    Cursor(BlockStore& store, const Chain& chain)
        : blocks_(store.blocks_), at_(chain.head), tail_(chain.tail) {}

    bool at_end() const { return at_ == kNone; }
    /// The next bytes up to the end of the block, `most` of them at most, and moves behind them. Empty at the
    /// end only (or if `most` is 0).
    base::Bytes next_piece(std::size_t most = kDataSize);
    /// Each moves on by `size` bytes. False when there are fewer: the cursor is then at the end, and only the
    /// bytes that are there were read or overwritten.
    bool read(void* to, std::size_t size);
    bool write(const void* from, std::size_t size);
    bool skip(std::size_t size);

  private:
    std::span<std::uint8_t> step(std::size_t most);

    Block* blocks_;
    std::uint32_t at_;
    std::uint32_t tail_;
    std::uint32_t offset_ = 0;
};

inline std::span<std::uint8_t> BlockStore::Cursor::step(std::size_t most) {
    if (at_ == kNone) return {};
    Block& block = blocks_[at_];
    const std::size_t left = block.used - offset_;
    const std::span<std::uint8_t> piece{block.data.data() + offset_, left < most ? left : most};
    offset_ += static_cast<std::uint32_t>(piece.size());
    if (offset_ == block.used) {
        at_ = at_ == tail_ ? kNone : block.next;
        offset_ = 0;
        if (at_ != kNone) __builtin_prefetch(&blocks_[at_]);
    }
    return piece;
}

inline base::Bytes BlockStore::Cursor::next_piece(std::size_t most) {
    return step(most);
}

}  // namespace yagura::flow
