// SPDX-License-Identifier: BSD-3-Clause
#include "flow/block_store.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>

namespace yagura::flow {
namespace {

/// Blocks have 32-bit numbers, one of which means none.
constexpr std::uint64_t kMostBlocks = 0xffffffff;

std::uint64_t whole_blocks(std::uint64_t bytes) {
    return std::min(bytes / BlockStore::kBlockSize, kMostBlocks);
}

int open_unnamed(const std::string& folder) {
    const int file = open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (file >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL)) return file;
    // A file system (overlay, NFS) or kernel without O_TMPFILE.
    std::string name = folder + "/yagura-hold-XXXXXX";
    const int named = mkostemp(name.data(), O_CLOEXEC);
    if (named >= 0) unlink(name.c_str());
    return named;
}

int fallocate_all(int file, std::uint64_t from, std::uint64_t size) {
    int error;
    do {
        error = posix_fallocate(file, static_cast<off_t>(from), static_cast<off_t>(size));
    } while (error == EINTR);
    return error;
}

}  // namespace

BlockStore::BlockStore(std::uint64_t bytes)
    : memory_(whole_blocks(bytes)), blocks_(memory_.data()), backed_(memory_.size()) {
    capacity_.add(backed_);
}

base::Result<std::unique_ptr<BlockStore>> BlockStore::in_file(const std::string& folder,
                                                              std::uint64_t max_bytes) {
    std::unique_ptr<BlockStore> store{new BlockStore};
    store->file_ = open_unnamed(folder);
    if (store->file_ < 0) {
        return base::Error{
            fmt::format("{}: no temporary file can be made here: {}", folder, std::strerror(errno))};
    }
    const std::uint64_t blocks = whole_blocks(max_bytes);
    if (blocks > 0) {
        // Addresses for all of it; only what has room on the disk is ever touched.
        void* memory = mmap(nullptr, blocks * kBlockSize, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE,
                            store->file_, 0);
        if (memory == MAP_FAILED) {
            return base::Error{fmt::format("{}: {} bytes of a temporary file cannot be mapped: {}", folder,
                                           blocks * kBlockSize, std::strerror(errno))};
        }
        store->blocks_ = static_cast<Block*>(memory);
        store->mapped_ = blocks * kBlockSize;
    }
    store->capacity_.add(blocks);
    return store;
}

BlockStore::~BlockStore() {
    if (mapped_ > 0) munmap(blocks_, mapped_);
    if (file_ >= 0) close(file_);
}

bool BlockStore::grow(std::uint64_t blocks) {
    const std::uint64_t capacity = capacity_.get();
    if (blocks > capacity) return false;
    while (backed_ < blocks) {
        const std::uint64_t size = std::min(kFileStep, (capacity - backed_) * kBlockSize);
        if (fallocate_all(file_, backed_ * kBlockSize, size) != 0) {
            // What a failed attempt has taken goes back to the disk: others need it.
            [[maybe_unused]] const int ignored = ftruncate(file_, static_cast<off_t>(backed_ * kBlockSize));
            capacity_.add(backed_ - capacity);
            return false;
        }
        backed_ += size / kBlockSize;
    }
    return true;
}

std::uint32_t BlockStore::take() {
    if (free_ == kNone) return fresh_++;
    const std::uint32_t index = free_;
    free_ = blocks_[index].next;
    return index;
}

/// The blocks that the next append of as many will take, as far as they lie behind each other. They mostly
/// do: blocks that were taken together are given back together. They come from memory while the next packet
/// is looked at; fetched when they are needed, they would be waited for.
void BlockStore::prefetch(std::uint64_t count) const {
    constexpr std::uint64_t kMost = 8;
    const std::uint64_t first = free_ == kNone ? fresh_ : free_;
    const std::uint64_t end = std::min(first + std::min(count, kMost), backed_);
    for (std::uint64_t i = first; i < end; ++i) {
        const auto* block = reinterpret_cast<const std::uint8_t*>(&blocks_[i]);
        for (std::size_t line = 0; line < kBlockSize; line += 64) __builtin_prefetch(block + line, 1);
    }
}

bool BlockStore::append(Chain& chain, std::span<const base::Bytes> parts) {
    std::size_t size = 0;
    for (const base::Bytes part : parts) size += part.size();
    if (size == 0) return true;
    const std::size_t room = chain.empty() ? 0 : kDataSize - blocks_[chain.tail].used;
    const std::uint64_t fresh = size <= room ? 0 : (size - room + kDataSize - 1) / kDataSize;
    const std::uint64_t used = used_.get() + fresh;
    if (used > backed_ && !grow(used)) return false;
    if (fresh > 0) {
        used_.add(fresh);
        if (used > peak_.get()) peak_.add(used - peak_.get());
    }

    for (base::Bytes part : parts) {
        while (!part.empty()) {
            if (chain.empty() || blocks_[chain.tail].used == kDataSize) {
                const std::uint32_t index = take();
                std::uint32_t length = 1;
                if (chain.empty()) {
                    chain.head = index;
                } else {
                    length += blocks_[chain.tail].next;
                    blocks_[chain.tail].next = index;
                }
                blocks_[index].next = length;
                blocks_[index].used = 0;
                chain.tail = index;
            }
            Block& block = blocks_[chain.tail];
            if (block.used == 0 && part.size() >= kDataSize) {
                // A copy of known size takes no call.
                std::memcpy(block.data.data(), part.data(), kDataSize);
                block.used = kDataSize;
                part = part.subspan(kDataSize);
                continue;
            }
            const std::size_t n = std::min(part.size(), kDataSize - block.used);
            std::memcpy(block.data.data() + block.used, part.data(), n);
            block.used = static_cast<std::uint16_t>(block.used + n);
            part = part.subspan(n);
        }
    }
    prefetch(fresh);
    return true;
}

void BlockStore::splice(Chain& to, Chain& from) {
    if (from.empty()) return;
    if (to.empty()) {
        to = from;
        from = {};
        return;
    }
    Block& left = blocks_[to.tail];
    Block& right = blocks_[from.head];
    std::uint32_t length = left.next + blocks_[from.tail].next;
    if (left.used + right.used <= static_cast<int>(kDataSize)) {
        std::memcpy(left.data.data() + left.used, right.data.data(), right.used);
        left.used = static_cast<std::uint16_t>(left.used + right.used);
        --length;
        const std::uint32_t emptied = from.head;
        const bool last = from.head == from.tail;
        if (!last) {
            left.next = right.next;
            to.tail = from.tail;
        }
        right.next = free_;
        free_ = emptied;
        give_back(1);
    } else {
        left.next = from.head;
        to.tail = from.tail;
    }
    blocks_[to.tail].next = length;
    from = {};
}

void BlockStore::free(Chain& chain) {
    if (chain.empty()) return;
    const std::uint32_t length = blocks_[chain.tail].next;
    blocks_[chain.tail].next = free_;
    free_ = chain.head;
    give_back(length);
    chain = {};
}

bool BlockStore::Cursor::read(void* to, std::size_t size) {
    auto* out = static_cast<std::uint8_t*>(to);
    while (size > 0) {
        const auto piece = step(size);
        if (piece.empty()) return false;
        std::memcpy(out, piece.data(), piece.size());
        out += piece.size();
        size -= piece.size();
    }
    return true;
}

bool BlockStore::Cursor::write(const void* from, std::size_t size) {
    const auto* in = static_cast<const std::uint8_t*>(from);
    while (size > 0) {
        const auto piece = step(size);
        if (piece.empty()) return false;
        std::memcpy(piece.data(), in, piece.size());
        in += piece.size();
        size -= piece.size();
    }
    return true;
}

bool BlockStore::Cursor::skip(std::size_t size) {
    while (size > 0) {
        const auto piece = step(size);
        if (piece.empty()) return false;
        size -= piece.size();
    }
    return true;
}

}  // namespace yagura::flow
