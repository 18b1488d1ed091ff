// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "match/plain_filter.h"

namespace yagura::match {

/// Finds all conjunctions that a header satisfies, at a cost that grows with the number of different shapes
/// among them and not with their number: one hash table per combination of masks (tuple space search,
/// Srinivasan, Suri, Varghese, SIGCOMM 1999). Port ranges and the rest are checked on what the hash finds.
/// Filled and sealed by one thread, then asked by any number.
class TupleSpace {
  public:
    /// `value` is what visit() reports; several conjunctions may have the same.
    void add(const PlainConjunction& conjunction, std::uint32_t value);
    /// After the last add() and before the first visit().
    void seal();

    bool empty() const { return tables_.empty(); }
    std::size_t table_count() const { return tables_.size(); }

    /// Calls visitor(value) for each conjunction that holds, in no order, until one call returns true;
    /// returns whether one did.
    template <class Visitor>
    bool visit(const HeaderFields& fields, Visitor&& visitor) const {
        for (const Table& table : tables_) {
            for (unsigned i = 0; i < table.lookups(fields); ++i) {
                for (const Entry& entry : table.find(fields, fields.protocol[i])) {
                    if (entry.test.matches(fields) && visitor(entry.value)) return true;
                }
            }
        }
        return false;
    }

  private:
    /// The fields that are hashed. Without padding, so that it compares as words.
    struct Key {
        std::uint64_t src[2];
        std::uint64_t dst[2];
        std::uint16_t sport;
        std::uint16_t dport;
        std::uint32_t protocol;
        bool operator==(const Key&) const = default;
    };
    /// Which fields, and which bits of them.
    struct Shape {
        std::uint8_t address_families;  ///< sum of Family values; all of them when no address is asked for
        std::uint8_t src_length;
        std::uint8_t dst_length;
        bool protocol;
        bool sport;
        bool dport;
        auto operator<=>(const Shape&) const = default;
    };
    struct Entry {
        PlainConjunction test;
        std::uint32_t value;
    };
    struct Bucket {
        Key key;
        std::uint32_t first;
        std::uint32_t count;
    };

    class Table {
      public:
        Table(const Shape& shape, std::vector<std::pair<Key, Entry>> entries);

        /// How often the table is to be asked: not at all, once, or once for each protocol number.
        unsigned lookups(const HeaderFields& fields) const;
        std::span<const Entry> find(const HeaderFields& fields, std::uint8_t protocol) const;

      private:
        Shape shape_;
        std::uint64_t src_mask_[2];
        std::uint64_t dst_mask_[2];
        // Open addressing; a power of two, at most half full. The tags are what a miss touches: they stay in
        // the cache where the buckets do not.
        std::vector<std::uint32_t> tags_;  ///< of the hash; 0: free
        std::vector<Bucket> buckets_;
        std::vector<Entry> entries_;  ///< those of one bucket are together
    };

    static Shape shape_of(const PlainConjunction& conjunction);
    static Key key_of(const PlainConjunction& conjunction);
    static std::uint64_t hash(const Key& key);

    std::map<Shape, std::vector<std::pair<Key, Entry>>> unsealed_;
    std::vector<Table> tables_;
};

}  // namespace yagura::match
