// SPDX-License-Identifier: BSD-3-Clause
#include "match/tuple_space.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <tuple>

#include "base/hash.h"

namespace yagura::match {
namespace {

void copy_words(const net::IpAddress& address, std::uint64_t (&words)[2]) {
    static_assert(sizeof words == sizeof address);
    std::memcpy(words, address.data(), sizeof words);
}

/// What a table remembers of a hash besides its place. Never 0.
std::uint32_t tag_of(std::uint64_t hash) {
    return static_cast<std::uint32_t>(hash >> 32) | 1;
}

void make_mask(unsigned length, std::uint64_t (&words)[2]) {
    net::IpAddress mask{};
    for (unsigned bit = 0; bit < length; ++bit) {
        mask[bit / 8] = static_cast<std::uint8_t>(mask[bit / 8] | 0x80u >> bit % 8);
    }
    copy_words(mask, words);
}

}  // namespace

TupleSpace::Shape TupleSpace::shape_of(const PlainConjunction& conjunction) {
    const bool asks_address = conjunction.src.length != 0 || conjunction.dst.length != 0;
    constexpr auto kIpv6 = static_cast<std::uint8_t>(Family::kIpv6);
    Shape shape{};
    // A conjunction with an address has either IPv6 or the families that have IPv4 addresses.
    shape.address_families = !asks_address                   ? std::uint8_t{7}
                             : conjunction.families == kIpv6 ? kIpv6
                                                             : static_cast<std::uint8_t>(7 - kIpv6);
    shape.src_length = conjunction.src.length;
    shape.dst_length = conjunction.dst.length;
    shape.protocol = conjunction.protocol >= 0;
    shape.sport = conjunction.sport.is_single();
    shape.dport = conjunction.dport.is_single();
    return shape;
}

TupleSpace::Key TupleSpace::key_of(const PlainConjunction& conjunction) {
    Key key{};
    copy_words(conjunction.src.address, key.src);
    copy_words(conjunction.dst.address, key.dst);
    if (conjunction.sport.is_single()) key.sport = conjunction.sport.low;
    if (conjunction.dport.is_single()) key.dport = conjunction.dport.low;
    if (conjunction.protocol >= 0) key.protocol = static_cast<std::uint32_t>(conjunction.protocol);
    return key;
}

std::uint64_t TupleSpace::hash(const Key& key) {
    using base::mix;
    const std::uint64_t ports =
        std::uint64_t{key.sport} << 48 | std::uint64_t{key.dport} << 32 | key.protocol;
    return mix(mix(key.src[0] ^ base::kHashA, key.src[1] ^ base::kHashB) ^ ports,
               mix(key.dst[0] ^ base::kHashC, key.dst[1] ^ base::kHashD) ^ base::kHashA);
}

void TupleSpace::add(const PlainConjunction& conjunction, std::uint32_t value) {
    unsealed_[shape_of(conjunction)].emplace_back(key_of(conjunction), Entry{conjunction, value});
}

void TupleSpace::seal() {
    tables_.reserve(unsealed_.size());
    for (auto& [shape, entries] : unsealed_) tables_.emplace_back(shape, std::move(entries));
    unsealed_.clear();
}

TupleSpace::Table::Table(const Shape& shape, std::vector<std::pair<Key, Entry>> entries) : shape_(shape) {
    make_mask(shape.src_length, src_mask_);
    make_mask(shape.dst_length, dst_mask_);
    const auto order = [](const std::pair<Key, Entry>& item) {
        const Key& k = item.first;
        return std::tuple(k.src[0], k.src[1], k.dst[0], k.dst[1], k.sport, k.dport, k.protocol,
                          item.second.value);
    };
    std::sort(entries.begin(), entries.end(),
              [&](const auto& a, const auto& b) { return order(a) < order(b); });
    buckets_.resize(std::bit_ceil(entries.size() * 2));
    tags_.resize(buckets_.size());
    entries_.reserve(entries.size());
    const std::size_t mask = buckets_.size() - 1;
    Bucket* last = nullptr;
    for (const auto& [key, entry] : entries) {
        if (last == nullptr || !(last->key == key)) {
            const std::uint64_t hashed = hash(key);
            std::size_t at = hashed & mask;
            while (tags_[at] != 0) at = (at + 1) & mask;
            tags_[at] = tag_of(hashed);
            last = &buckets_[at];
            *last = {key, static_cast<std::uint32_t>(entries_.size()), 0};
        }
        ++last->count;
        entries_.push_back(entry);
    }
}

unsigned TupleSpace::Table::lookups(const HeaderFields& fields) const {
    if ((shape_.address_families & static_cast<std::uint8_t>(fields.family)) == 0) return 0;
    if ((shape_.sport && !fields.has_sport) || (shape_.dport && !fields.has_dport)) return 0;
    return shape_.protocol ? fields.protocol_count : 1;
}

std::span<const TupleSpace::Entry> TupleSpace::Table::find(const HeaderFields& fields,
                                                           std::uint8_t protocol) const {
    Key key{};
    copy_words(fields.src, key.src);
    copy_words(fields.dst, key.dst);
    for (unsigned i = 0; i < 2; ++i) {
        key.src[i] &= src_mask_[i];
        key.dst[i] &= dst_mask_[i];
    }
    if (shape_.sport) key.sport = fields.sport;
    if (shape_.dport) key.dport = fields.dport;
    if (shape_.protocol) key.protocol = protocol;
    const std::size_t mask = buckets_.size() - 1;
    const std::uint64_t hashed = hash(key);
    const std::uint32_t tag = tag_of(hashed);
    for (std::size_t at = hashed & mask; tags_[at] != 0; at = (at + 1) & mask) {
        if (tags_[at] == tag && buckets_[at].key == key) {
            return {entries_.data() + buckets_[at].first, buckets_[at].count};
        }
    }
    return {};
}

}  // namespace yagura::match
