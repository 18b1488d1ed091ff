// SPDX-License-Identifier: BSD-3-Clause
#include "flow/block_store.h"

#include <sys/resource.h>
#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <csignal>
#include <filesystem>
#include <numeric>
#include <random>
#include <string>
#include <vector>

using namespace yagura;
using flow::BlockStore;
using Chain = BlockStore::Chain;
using Cursor = BlockStore::Cursor;

namespace {

constexpr std::size_t kData = BlockStore::kDataSize;

std::vector<std::uint8_t> numbers(std::size_t size, std::size_t from = 0) {
    std::vector<std::uint8_t> bytes(size);
    for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::uint8_t>((from + i) * 7);
    return bytes;
}

std::vector<std::uint8_t> all_of(BlockStore& store, const Chain& chain) {
    std::vector<std::uint8_t> bytes;
    Cursor cursor(store, chain);
    while (!cursor.at_end()) {
        const base::Bytes piece = cursor.next_piece();
        bytes.insert(bytes.end(), piece.begin(), piece.end());
    }
    return bytes;
}

/// No file of this process may be larger: the next step of a file store fails as on a full disk.
class FileSizeLimit {
  public:
    explicit FileSizeLimit(rlim_t bytes) {
        old_handler_ = std::signal(SIGXFSZ, SIG_IGN);
        getrlimit(RLIMIT_FSIZE, &old_);
        const rlimit limit{bytes, old_.rlim_max};
        setrlimit(RLIMIT_FSIZE, &limit);
    }
    ~FileSizeLimit() {
        setrlimit(RLIMIT_FSIZE, &old_);
        std::signal(SIGXFSZ, old_handler_);
    }

  private:
    rlimit old_{};
    void (*old_handler_)(int);
};

}  // namespace

TEST_CASE("bytes come back as they were appended, in the blocks that they need") {
    struct Row {
        const char* what;
        std::vector<std::size_t> sizes;
        std::uint64_t blocks;
    };
    const Row row = GENERATE(values<Row>({
        {"nothing", {0}, 0},
        {"one byte", {1}, 1},
        {"a block", {kData}, 1},
        {"one byte more", {kData + 1}, 2},
        {"the tail is filled first", {100, 148, 1}, 2},
        {"an append that fills the tail and goes on", {200, kData}, 2},
        {"many blocks", {10 * kData}, 10},
    }));
    INFO(row.what);
    BlockStore store(64 << 10);
    Chain chain;
    std::size_t size = 0;
    for (const std::size_t n : row.sizes) {
        REQUIRE(store.append(chain, numbers(n, size)));
        size += n;
    }
    CHECK(all_of(store, chain) == numbers(size));
    CHECK(store.blocks_used() == row.blocks);
    CHECK(store.blocks_free() == store.capacity() - row.blocks);
    store.free(chain);
    CHECK(chain.empty());
    CHECK(store.blocks_used() == 0);
    CHECK(store.blocks_peak() == row.blocks);
}

TEST_CASE("an append that does not fit changes nothing") {
    BlockStore store(4 * BlockStore::kBlockSize + 255);
    REQUIRE(store.capacity() == 4);
    Chain chain;
    REQUIRE(store.append(chain, numbers(2 * kData + 8)));
    const auto head = numbers(200);
    const auto body = numbers(kData + 41);
    const base::Bytes too_much[] = {head, body};  // one byte more than there is room for
    CHECK_FALSE(store.append(chain, too_much));
    CHECK(all_of(store, chain) == numbers(2 * kData + 8));
    CHECK(store.blocks_used() == 3);

    const base::Bytes just[] = {head, base::Bytes(body).subspan(1)};
    CHECK(store.append(chain, just));
    CHECK(all_of(store, chain).size() == 4 * kData);
    Chain other;
    CHECK_FALSE(store.append(other, numbers(1)));
    CHECK(other.empty());
    store.free(chain);
    CHECK(store.append(other, numbers(4 * kData)));
    CHECK(all_of(store, other) == numbers(4 * kData));
}

TEST_CASE("a store without a block is full") {
    BlockStore store(255);
    Chain chain;
    CHECK(store.capacity() == 0);
    CHECK_FALSE(store.append(chain, numbers(1)));
    CHECK(store.append(chain, base::Bytes{}));
}

TEST_CASE("a cursor reads, skips and overwrites across blocks") {
    BlockStore store(64 << 10);
    Chain chain;
    REQUIRE(store.append(chain, numbers(1000)));
    Cursor writer(store, chain);
    CHECK(writer.skip(240));
    const std::string text = "across the border";
    CHECK(writer.write(text.data(), text.size()));

    auto expected = numbers(1000);
    std::copy(text.begin(), text.end(), expected.begin() + 240);
    CHECK(all_of(store, chain) == expected);

    Cursor reader(store, chain);
    std::vector<std::uint8_t> read(990);
    CHECK(reader.read(read.data(), read.size()));
    CHECK(std::equal(read.begin(), read.end(), expected.begin()));
    CHECK(reader.next_piece(4).size() == 2);  // the last block begins at 992
    CHECK(reader.next_piece(4).size() == 4);
    std::array<std::uint8_t, 8> rest{};
    CHECK_FALSE(reader.read(rest.data(), rest.size()));
    CHECK(rest[3] == expected[999]);
    CHECK(rest[4] == 0);
    CHECK(reader.at_end());
    CHECK(reader.next_piece().empty());
    CHECK_FALSE(reader.skip(1));
    CHECK(Cursor(store, Chain{}).at_end());
}

TEST_CASE("a splice moves all bytes and wastes less than half") {
    BlockStore store(1 << 20);
    SECTION("into nothing, and of nothing") {
        Chain to, from, none;
        REQUIRE(store.append(from, numbers(10)));
        store.splice(to, from);
        CHECK(from.empty());
        store.splice(to, none);
        CHECK(all_of(store, to) == numbers(10));
        store.free(to);
    }
    SECTION("a thousand single bytes, each put before the others") {
        Chain chain;
        for (int i = 999; i >= 0; --i) {
            Chain front;
            REQUIRE(store.append(front, numbers(1, static_cast<std::size_t>(i))));
            store.splice(front, chain);
            chain = front;
        }
        CHECK(all_of(store, chain) == numbers(1000));
        CHECK(store.blocks_used() <= 9);
        store.free(chain);
    }
    CHECK(store.blocks_used() == 0);
}

TEST_CASE("chains behave as vectors do") {
    const auto seed = GENERATE(range(1U, 41U));
    CAPTURE(seed);
    std::mt19937 random(seed);
    BlockStore store(300 * BlockStore::kBlockSize);
    std::vector<Chain> chains(8);
    std::vector<std::vector<std::uint8_t>> reference(8);
    for (int step = 0; step < 400; ++step) {
        const std::size_t a = random() % 8, b = random() % 8;
        switch (random() % 8) {
            case 0:
                store.free(chains[a]);
                reference[a].clear();
                break;
            case 1:
            case 2:
                if (a == b) break;
                store.splice(chains[a], chains[b]);
                reference[a].insert(reference[a].end(), reference[b].begin(), reference[b].end());
                reference[b].clear();
                break;
            default: {
                const auto head = numbers(random() % 40, random());
                const auto body = numbers(random() % (random() % 4 == 0 ? 9000 : 300), random());
                const base::Bytes parts[] = {head, body};
                if (!store.append(chains[a], parts)) {
                    REQUIRE(store.blocks_free() * kData < head.size() + body.size());
                    break;
                }
                reference[a].insert(reference[a].end(), head.begin(), head.end());
                reference[a].insert(reference[a].end(), body.begin(), body.end());
            }
        }
        REQUIRE(all_of(store, chains[a]) == reference[a]);
        REQUIRE(all_of(store, chains[b]) == reference[b]);
        std::uint64_t most = 0;
        for (const auto& bytes : reference) most += bytes.empty() ? 0 : 2 * bytes.size() / kData + 1;
        REQUIRE(store.blocks_used() <= most);
        REQUIRE(store.blocks_used() + store.blocks_free() == store.capacity());
    }
    for (Chain& chain : chains) store.free(chain);
    CHECK(store.blocks_used() == 0);
    Chain all;
    CHECK(store.append(all, numbers(300 * kData)));  // no block was lost
}

TEST_CASE("blocks that were never used cost no memory") {
    const auto resident = [] {
        rusage usage{};
        getrusage(RUSAGE_SELF, &usage);
        return usage.ru_maxrss;  // KiB
    };
    const long before = resident();
    BlockStore store(std::uint64_t{8} << 30);
    for (int i = 0; i < 100'000; ++i) {
        Chain chain;
        REQUIRE(store.append(chain, numbers(500)));
        store.free(chain);
    }
    CHECK(store.capacity() == (std::uint64_t{8} << 30) / 256);
    CHECK(resident() - before < 1 << 20);  // of 8 GiB
}

TEST_CASE("a file holds what memory does not") {
    const auto folder = std::filesystem::temp_directory_path().string();
    auto made = BlockStore::in_file(folder, BlockStore::kFileStep + (4 << 20));
    REQUIRE(made.ok());
    BlockStore& store = **made;
    const auto piece = numbers(1 << 20);
    SECTION("it grows beyond its first step, up to its maximum") {
        Chain chain;
        std::size_t appended = 0;
        while (store.append(chain, piece)) ++appended;
        CHECK(appended == 65);  // 68 MiB less the blocks' headers
        Cursor cursor(store, chain);
        std::vector<std::uint8_t> read(piece.size());
        bool same = true;
        for (std::size_t i = 0; i < appended; ++i)
            same = cursor.read(read.data(), read.size()) && read == piece && same;
        CHECK(same);
        CHECK(cursor.at_end());
        CHECK(store.capacity() == (BlockStore::kFileStep + (4 << 20)) / 256);
    }
    SECTION("a full disk is a full store") {
        Chain chain;
        {
            const FileSizeLimit limit(BlockStore::kFileStep);
            REQUIRE(store.append(chain, piece));
            std::size_t appended = 1;
            while (store.append(chain, piece)) ++appended;
            CHECK(appended == 62);
            CHECK(store.capacity() == BlockStore::kFileStep / 256);
        }
        CHECK_FALSE(store.append(chain, piece));
        store.free(chain);
        CHECK(store.append(chain, piece));  // what it has stays usable
        CHECK(all_of(store, chain) == piece);
    }
}

TEST_CASE("a file that cannot be made is an error with its folder") {
    const auto made = BlockStore::in_file("/nonexistent/folder", 1 << 20);
    REQUIRE_FALSE(made.ok());
    CHECK(made.error().message.find("/nonexistent/folder") != std::string::npos);
}
