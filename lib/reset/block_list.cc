// SPDX-License-Identifier: BSD-3-Clause
#include "reset/block_list.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

namespace yagura::reset {
namespace {

/// So many others are used before an entry's number is used again: who was told of it asks for it by then, or
/// finds it gone, not another.
constexpr std::uint32_t kResting = 4096;
/// Places that are looked at for one that has expired, when the list is full.
constexpr std::uint32_t kLooksWhenFull = 1u << 16;

bool is_continuation(char c) {
    return (static_cast<unsigned char>(c) & 0xc0) == 0x80;
}

/// UTF-8 in its shortest forms, without control characters.
bool is_text(std::string_view text) {
    for (std::size_t at = 0; at < text.size();) {
        const auto lead = static_cast<unsigned char>(text[at]);
        const std::size_t size = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
        if (lead < 0x20 || lead == 0x7f || (lead >= 0x80 && lead < 0xc2) || lead > 0xf4) return false;
        if (at + size > text.size()) return false;
        if (!std::all_of(text.begin() + static_cast<std::ptrdiff_t>(at + 1),
                         text.begin() + static_cast<std::ptrdiff_t>(at + size), is_continuation)) {
            return false;
        }
        const auto second = size > 1 ? static_cast<unsigned char>(text[at + 1]) : 0;
        if ((lead == 0xc2 && second < 0xa0) || (lead == 0xe0 && second < 0xa0) ||
            (lead == 0xed && second > 0x9f) || (lead == 0xf0 && second < 0x90) ||
            (lead == 0xf4 && second > 0x8f)) {
            return false;
        }
        at += size;
    }
    return true;
}

}  // namespace

BlockList::BlockList(std::uint32_t capacity, std::uint64_t seed)
    : capacity_(capacity),
      slot_count_(capacity + kResting),
      hash_(seed),
      table_(capacity),
      slots_(slot_count_, base::Filled::kInOrder),
      records_(slot_count_, base::Filled::kInOrder) {}

double BlockList::bytes_per_entry() const {
    const double slots = static_cast<double>(slot_count_) * (sizeof(Slot) + sizeof(Record));
    return (slots + static_cast<double>(table_.bytes())) / capacity_;
}

BlockList::Words BlockList::name_of(const BlockTarget& target) {
    Words words;
    std::memcpy(words.data(), &target, sizeof target);
    return words;
}

BlockTarget BlockList::target_of(const Slot& slot) {
    Words words;
    for (std::size_t i = 0; i < kWords; ++i) words[i] = slot.words[i].load(std::memory_order_relaxed);
    BlockTarget target;
    std::memcpy(static_cast<void*>(&target), words.data(), sizeof target);
    return target;
}

BlockList::Found BlockList::find(const Words& name, std::uint64_t hash) const {
    Found found;
    table_.find(hash, [&](std::uint32_t entry) {
        const Slot& slot = slots_[entry];
        const std::uint32_t version = slot.version.load(std::memory_order_acquire);
        bool equal = (version & 1) == 0;
        for (std::size_t i = 0; equal && i < kWords; ++i) {
            equal = slot.words[i].load(std::memory_order_relaxed) == name[i];
        }
        const std::uint64_t expires = slot.expires.load(std::memory_order_relaxed);
        std::atomic_thread_fence(std::memory_order_acquire);
        // What is written meanwhile was not there all the time.
        if (!equal || slot.version.load(std::memory_order_relaxed) != version) return false;
        found = {entry, expires};
        return true;
    });
    return found;
}

template <class Visit>
void BlockList::for_each_length(std::uint8_t ip_version, Visit&& visit) const {
    const unsigned first = ip_version == 4 ? 0 : 1;
    const unsigned last = ip_version == 4 ? 0 : 3;
    for (unsigned word = first; word <= last; ++word) {
        // The lowest bit of a word is cheap to find and to take away on any CPU, the highest is not.
        std::uint64_t bits = lengths_[word].load(std::memory_order_relaxed);
        for (; bits != 0; bits &= bits - 1) {
            const unsigned bit = 64 * (word - first) + static_cast<unsigned>(std::countr_zero(bits));
            if (visit(static_cast<std::uint8_t>((ip_version == 4 ? 32 : 128) - bit))) return;
        }
    }
}

/// For one of some dozen lengths, and kept out of the others' way.
[[gnu::noinline]] std::optional<BlockList::Hit> BlockList::look_closer(const net::FlowKey& key,
                                                                       std::uint8_t length,
                                                                       std::uint64_t src_hash,
                                                                       std::uint64_t dst_hash,
                                                                       std::uint64_t now) const {
    const TargetHash::Cut& cut = hash_.cut(key.ip_version, length);
    Words name = name_of(BlockTarget::prefix({}, key.ip_version, length));
    for (const bool by_source : {true, false}) {
        const TargetHash::Address address(by_source ? key.src : key.dst);
        name[0] = address.first & cut.first_mask;
        name[1] = address.second & cut.second_mask;
        const Found found = find(name, by_source ? src_hash : dst_hash);
        if (found.blocks(now)) return Hit{found.entry, BlockTarget::Kind::kPrefix, by_source};
    }
    return {};
}

/// Nearly all lengths have nothing: no branch depends on an address until something is there, so that words
/// of many lengths are on their way at once.
template <class A>
std::optional<BlockList::Hit> BlockList::lookup_prefixes(const net::FlowKey& key, std::uint64_t now) const {
    const A src(key.src);
    const A dst(key.dst);
    std::optional<Hit> hit;
    for_each_length(key.ip_version, [&](std::uint8_t length) {
        const TargetHash::Cut& cut = hash_.cut(key.ip_version, length);
        const std::uint64_t src_hash = hash_.prefix(cut, src);
        const std::uint64_t dst_hash = hash_.prefix(cut, dst);
        if (!table_.may_have(src_hash, dst_hash)) [[likely]]
            return false;
        hit = look_closer(key, length, src_hash, dst_hash, now);
        return hit.has_value();
    });
    return hit;
}

std::optional<BlockList::Hit> BlockList::lookup(const net::FlowKey& key, std::uint64_t now) const {
    if (size() == 0 || key.ip_version == 0) return {};
    if (connections_.load(std::memory_order_relaxed) != 0) {
        const std::uint64_t hash = hash_.connection(key);
        if (table_.may_have(hash, hash)) [[unlikely]] {
            const Found found = find(name_of(BlockTarget::connection(key)), hash);
            if (found.blocks(now)) return Hit{found.entry, BlockTarget::Kind::kConnection, false};
        }
    }
    return key.ip_version == 4 ? lookup_prefixes<TargetHash::Ipv4Address>(key, now)
                               : lookup_prefixes<TargetHash::Address>(key, now);
}

std::uint32_t BlockList::take_free() {
    if (untouched_ < slot_count_) return untouched_++;
    // There are always kResting more.
    return std::exchange(first_free_, slots_[first_free_].next);
}

void BlockList::count(const BlockTarget& target, bool more) {
    const auto change = [more](auto& number) {
        number.store(number.load(std::memory_order_relaxed) + (more ? 1u : ~0u), std::memory_order_relaxed);
    };
    change(size_);
    if (target.kind == BlockTarget::Kind::kConnection) {
        change(connections_);
        return;
    }
    std::uint32_t& entries = length_counts_[target.ip_version == 4 ? 0 : 1][target.length];
    entries += more ? 1u : ~0u;
    const unsigned shorter = (target.ip_version == 4 ? 32u : 128u) - target.length;
    std::atomic<std::uint64_t>& word = lengths_[target.ip_version == 4 ? 0 : 1 + shorter / 64];
    const std::uint64_t bit = std::uint64_t{1} << (shorter % 64);
    const std::uint64_t bits = word.load(std::memory_order_relaxed);
    word.store(entries != 0 ? bits | bit : bits & ~bit, std::memory_order_release);
}

BlockList::Added BlockList::add(const Block& block, std::uint64_t now) {
    if (block.reason.size() > kMaxReason || !is_text(block.reason)) return Added::kBadReason;
    const std::uint64_t hash = hash_(block.target);
    const Words name = name_of(block.target);
    std::uint32_t index = find(name, hash).entry;
    const bool is_new = index == kNone;
    if (is_new) {
        if (size() == capacity_ && earliest_ <= now) expire(now, std::min(slot_count_, kLooksWhenFull));
        if (size() == capacity_) return Added::kFull;
        index = take_free();
    }
    Record& record = records_[index];
    record.created = block.created;
    record.reason_size = static_cast<std::uint8_t>(block.reason.size());
    std::copy(block.reason.begin(), block.reason.end(), record.reason.begin());
    earliest_ = std::min(earliest_, block.expires);

    Slot& slot = slots_[index];
    if (!is_new) {
        slot.expires.store(block.expires, std::memory_order_relaxed);
        return Added::kChanged;
    }
    const std::uint32_t version = slot.version.load(std::memory_order_relaxed);
    slot.version.store(version + 1, std::memory_order_relaxed);
    std::atomic_thread_fence(std::memory_order_release);
    for (std::size_t i = 0; i < kWords; ++i) slot.words[i].store(name[i], std::memory_order_relaxed);
    slot.expires.store(block.expires, std::memory_order_relaxed);
    slot.version.store(version + 2, std::memory_order_release);
    slot.used = 1;
    slot.place = table_.add(hash, index);
    count(block.target, true);
    return Added::kNew;
}

BlockList::Added BlockList::extend(const Block& block, std::uint64_t now) {
    const std::uint32_t index = find(name_of(block.target), hash_(block.target)).entry;
    if (index == kNone) return add(block, now);
    const std::uint64_t expires = slots_[index].expires.load(std::memory_order_relaxed);
    if (expires <= now) return add(block, now);
    if (expires >= block.expires) return Added::kKept;
    slots_[index].expires.store(block.expires, std::memory_order_relaxed);
    return Added::kChanged;
}

bool BlockList::remove(const BlockTarget& target) {
    const std::uint32_t index = find(name_of(target), hash_(target)).entry;
    if (index == kNone) return false;
    take_out(index);
    return true;
}

void BlockList::take_out(std::uint32_t index) {
    Slot& slot = slots_[index];
    const BlockTarget target = target_of(slot);
    table_.remove(hash_(target), slot.place);
    slot.used = 0;
    count(target, false);
    slot.next = kNone;
    (first_free_ == kNone ? first_free_ : slots_[last_free_].next) = index;
    last_free_ = index;
}

void BlockList::clear() {
    for (std::uint32_t index = 0; index < untouched_; ++index) {
        if (slots_[index].used != 0) take_out(index);
    }
    earliest_ = Block::kForever;
}

std::uint32_t BlockList::expire(std::uint64_t now, std::uint32_t most) {
    if (earliest_ > now) return 0;
    std::uint32_t expired = 0;
    std::uint64_t earliest = Block::kForever;
    const std::uint32_t looked = std::min(most, untouched_);
    for (std::uint32_t n = 0; n < looked; ++n) {
        if (hand_ >= untouched_) hand_ = 0;
        const std::uint32_t index = hand_++;
        if (slots_[index].used == 0) continue;
        const std::uint64_t expires = slots_[index].expires.load(std::memory_order_relaxed);
        if (expires <= now) {
            take_out(index);
            ++expired;
        } else {
            earliest = std::min(earliest, expires);
        }
    }
    // Known again only when all were looked at.
    if (looked == untouched_) earliest_ = earliest;
    return expired;
}

Block BlockList::block_at(std::uint32_t index) const {
    const Record& record = records_[index];
    return {.target = target_of(slots_[index]),
            .created = record.created,
            .expires = slots_[index].expires.load(std::memory_order_relaxed),
            .reason = std::string(record.reason.data(), record.reason_size)};
}

std::optional<Block> BlockList::find(const BlockTarget& target) const {
    const std::uint32_t index = find(name_of(target), hash_(target)).entry;
    if (index == kNone) return {};
    return block_at(index);
}

std::optional<Block> BlockList::get(std::uint32_t entry) const {
    if (entry >= untouched_ || slots_[entry].used == 0) return {};
    return block_at(entry);
}

std::vector<Block> BlockList::covering(const net::IpAddress& address, std::uint8_t ip_version,
                                       std::uint64_t now) const {
    std::vector<Block> blocks;
    for_each_length(ip_version, [&](std::uint8_t length) {
        const BlockTarget target = BlockTarget::prefix(address, ip_version, length);
        const Found found = find(name_of(target), hash_(target));
        if (found.blocks(now)) blocks.push_back(block_at(found.entry));
        return false;
    });
    return blocks;
}

BlockList::Page BlockList::list(std::uint32_t from, std::size_t most, std::uint64_t now, const Query& query,
                                std::uint32_t places) const {
    Page page;
    std::uint32_t index = from;
    for (std::uint32_t looked = 0; index < untouched_; ++index, ++looked) {
        if (page.blocks.size() == most || looked == places) {
            page.next = index;
            break;
        }
        const Slot& slot = slots_[index];
        if (slot.used == 0 || slot.expires.load(std::memory_order_relaxed) <= now) {
            continue;
        }
        if (query.within) {
            const BlockTarget target = target_of(slot);
            const bool is_inside = target.kind == BlockTarget::Kind::kConnection
                                       ? query.within->covers(target.a, target.ip_version) ||
                                             query.within->covers(target.b, target.ip_version)
                                       : target.length >= query.within->length &&
                                             query.within->covers(target.a, target.ip_version);
            if (!is_inside) continue;
        }
        const std::string_view reason(records_[index].reason.data(), records_[index].reason_size);
        if (reason.find(query.reason) == std::string_view::npos) continue;
        page.blocks.push_back(block_at(index));
    }
    return page;
}

}  // namespace yagura::reset
