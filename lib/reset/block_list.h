// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/zeroed_array.h"
#include "reset/block_target.h"
#include "reset/tag_table.h"
#include "reset/target_hash.h"

namespace yagura::reset {

/// An entry of the block list, as a value. Times in ns since the epoch.
struct Block {
    static constexpr std::uint64_t kForever = ~std::uint64_t{0};
    BlockTarget target;
    std::uint64_t created = 0;
    std::uint64_t expires = kForever;  ///< from then on it blocks nothing
    std::string reason;

    bool operator==(const Block&) const = default;
};

/// Who is blocked: connections, hosts and prefixes of both families, up to a capacity.
///
/// One thread writes (control); any thread asks, at any time, without locks and without waiting for the
/// writer: a change touches its own entry and one place of a table, and whoever reads that very entry
/// meanwhile takes it for another. An entry that is there all through a look-up is found; one that comes or
/// goes may or may not be.
///
/// What a look-up costs depends on the prefix lengths that are in use, not on how many entries there are: two
/// hashes and two words of a table for each length of the family, one more for connections, and an entry
/// only where there is one, but for one word in 80 that says so by chance.
class BlockList {
  public:
    static constexpr std::uint32_t kMaxCapacity = std::uint32_t{1} << 28;
    /// Of a reason: bytes of UTF-8.
    static constexpr std::size_t kMaxReason = 54;

    /// `capacity`: 1 to kMaxCapacity. `seed`: secret, for those who are blocked choose their addresses.
    /// Throws std::bad_alloc. Memory is taken as entries come, see bytes_per_entry().
    BlockList(std::uint32_t capacity, std::uint64_t seed);

    // Any thread

    struct Hit {
        std::uint32_t entry;  ///< for get(), if it is still the same
        BlockTarget::Kind kind;
        bool by_source;  ///< of a prefix: it covers the key's source
    };
    /// The connection itself, else the longest prefix that covers an end, the source's before the
    /// destination's of the same length. Once for each flow.
    std::optional<Hit> lookup(const net::FlowKey& key, std::uint64_t now) const;
    std::uint32_t size() const { return size_.load(std::memory_order_relaxed); }

    // The writer

    enum class Added : std::uint8_t { kNew, kChanged, kKept, kFull, kBadReason };
    /// A target that is there already gets the new times and reason. When the list is full, entries that have
    /// expired make room, of the next 65,536 places; else kFull. kBadReason: too long, no UTF-8, or with
    /// control characters.
    [[nodiscard]] Added add(const Block& block, std::uint64_t now);
    /// The same, but an entry that blocks already stays what it is, since when and why, and at most ends
    /// later: kChanged; or kKept, when it does not end before.
    [[nodiscard]] Added extend(const Block& block, std::uint64_t now);
    bool remove(const BlockTarget& target);
    void clear();
    /// Takes out what has expired, of the next `most` places; to be called now and then. How many there were.
    std::uint32_t expire(std::uint64_t now, std::uint32_t most);

    std::optional<Block> find(const BlockTarget& target) const;
    std::optional<Block> get(std::uint32_t entry) const;
    /// All that block this address by a prefix, the longest first.
    std::vector<Block> covering(const net::IpAddress& address, std::uint8_t ip_version,
                                std::uint64_t now) const;

    /// What a page has: of those that have not expired.
    struct Query {
        std::optional<BlockTarget> within;  ///< a prefix: entries of addresses inside it
        std::string_view reason;            ///< part of the reason
    };
    struct Page {
        std::vector<Block> blocks;
        std::uint32_t next = 0;  ///< where the next page begins; 0: there is none
    };
    /// At most `most` entries, of at most `places` places from `from` on (0: the first page). An entry that
    /// is there all the time is on exactly one page, whatever changes in between.
    Page list(std::uint32_t from, std::size_t most, std::uint64_t now, const Query& query,
              std::uint32_t places = kMaxCapacity) const;

    std::uint32_t capacity() const { return capacity_; }
    /// What an entry takes in a list that is full, all counted.
    double bytes_per_entry() const;

  private:
    static constexpr std::uint32_t kNone = 0xffffffff;
    static constexpr std::size_t kWords = sizeof(BlockTarget) / sizeof(std::uint64_t);
    using Words = std::array<std::uint64_t, kWords>;

    /// Version, words and expiry are what readers look at, the others are the writer's.
    struct alignas(64) Slot {
        std::atomic<std::uint32_t> version;  ///< odd while it is written
        std::uint32_t used;
        std::uint32_t place;  ///< in the table
        std::uint32_t next;   ///< of those that are free
        std::array<std::atomic<std::uint64_t>, kWords> words;
        std::atomic<std::uint64_t> expires;
    };
    static_assert(sizeof(Slot) == 64);
    /// What only the writer looks at.
    struct Record {
        std::uint64_t created;
        std::uint8_t reason_size;
        std::array<char, kMaxReason + 1> reason;
    };
    static_assert(sizeof(Record) == 64);

    static Words name_of(const BlockTarget& target);
    static BlockTarget target_of(const Slot& slot);
    struct Found {
        std::uint32_t entry = kNone;
        std::uint64_t expires = 0;
        bool blocks(std::uint64_t now) const { return entry != kNone && expires > now; }
    };
    /// Whether it has expired or not. `hash`: the target's.
    Found find(const Words& name, std::uint64_t hash) const;
    template <class A>
    std::optional<Hit> lookup_prefixes(const net::FlowKey& key, std::uint64_t now) const;
    std::optional<Hit> look_closer(const net::FlowKey& key, std::uint8_t length, std::uint64_t src_hash,
                                   std::uint64_t dst_hash, std::uint64_t now) const;
    void take_out(std::uint32_t index);
    void count(const BlockTarget& target, bool more);
    std::uint32_t take_free();
    Block block_at(std::uint32_t index) const;
    template <class Visit>
    void for_each_length(std::uint8_t ip_version, Visit&& visit) const;

    std::uint32_t capacity_;
    std::uint32_t slot_count_;  ///< more than the capacity: an entry's number rests before it is used again
    TargetHash hash_;
    TagTable table_;
    base::ZeroedArray<Slot> slots_;
    base::ZeroedArray<Record> records_;
    std::uint32_t first_free_ = kNone;  ///< those that were freed first are used first
    std::uint32_t last_free_ = kNone;
    std::uint32_t untouched_ = 0;               ///< from here on no place was ever used
    std::uint32_t hand_ = 0;                    ///< of expire()
    std::uint64_t earliest_ = Block::kForever;  ///< nothing expires before
    std::atomic<std::uint32_t> size_{0};
    std::atomic<std::uint32_t> connections_{0};
    /// A bit for each prefix length that is in use, from the longest on: IPv4's, then three words of IPv6's.
    std::array<std::atomic<std::uint64_t>, 4> lengths_{};
    std::array<std::array<std::uint32_t, 129>, 2> length_counts_{};
};

}  // namespace yagura::reset
