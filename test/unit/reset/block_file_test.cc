// SPDX-License-Identifier: BSD-3-Clause
#include "reset/block_file.h"

#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "support/random.h"

using namespace yagura;
using reset::Block;
using reset::BlockList;
using reset::BlockTarget;

namespace {

class Folder {
  public:
    Folder() {
        std::string name = (std::filesystem::temp_directory_path() / "yagura-blocks-XXXXXX").string();
        REQUIRE(mkdtemp(name.data()) != nullptr);
        path_ = name;
    }
    ~Folder() { std::filesystem::remove_all(path_); }
    std::string file(const char* name = "blocks") const { return (path_ / name).string(); }
    const std::filesystem::path& path() const { return path_; }

  private:
    std::filesystem::path path_;
};

std::string read(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}
void write(const std::string& path, const std::string& text) {
    std::ofstream(path, std::ios::binary) << text;
    chmod(path.c_str(), 0600);
}

void fill(BlockList& list) {
    const char* const targets[] = {"10.0.0.0/8",
                                   "192.0.2.1",
                                   "2001:db8::/32",
                                   "tcp 10.0.0.1:4000 192.0.2.2:80",
                                   "udp [2001:db8::1]:53 [2001:db8::2]:5353",
                                   "0.0.0.0/0"};
    std::uint64_t n = 0;
    for (const char* text : targets) {
        ++n;
        REQUIRE(list.add({.target = *reset::parse_block_target(text),
                          .created = n,
                          .expires = n % 2 != 0 ? Block::kForever : 1000 * n,
                          .reason = n == 1 ? "" : "reason " + std::to_string(n)},
                         1) == BlockList::Added::kNew);
    }
}

std::vector<Block> all(const BlockList& list) {
    return list.list(0, 1'000'000, 1, {}).blocks;
}

}  // namespace

TEST_CASE("what is saved is what is loaded, but for what has expired") {
    const Folder folder;
    BlockList list(100, 1);
    fill(list);
    const auto saved = reset::save_blocks(folder.file(), list, 1);
    REQUIRE(saved.ok());
    CHECK(saved->entries == 6);
    BlockList loaded(6, 2);
    const auto result = reset::load_blocks(folder.file(), loaded, 1);
    REQUIRE(result.ok());
    CHECK(result->entries == 6);
    CHECK(all(loaded) == all(list));
    struct stat status {};
    REQUIRE(stat(folder.file().c_str(), &status) == 0);
    CHECK((status.st_mode & 07777) == 0600);

    BlockList later(100, 2);
    const auto partly = reset::load_blocks(folder.file(), later, 3000);
    REQUIRE(partly.ok());
    CHECK(partly->entries == 5);
    CHECK(partly->expired == 1);
    CHECK(reset::save_blocks(folder.file(), later, 5000)->entries == 4);
}

TEST_CASE("the file is text that says what it has") {
    const Folder folder;
    BlockList list(100, 1);
    REQUIRE(
        list.add({.target = *reset::parse_block_target("192.0.2.0/24"), .created = 5, .reason = "scanner"},
                 1) == BlockList::Added::kNew);
    REQUIRE(reset::save_blocks(folder.file(), list, 1).ok());
    const std::string text = read(folder.file());
    CHECK(text.starts_with("yagura-blocks 1\n192.0.2.0/24\t5\t-\tscanner\nend 1 "));
    CHECK(text.size() ==
          std::string("yagura-blocks 1\n192.0.2.0/24\t5\t-\tscanner\nend 1 12345678\n").size());
}

TEST_CASE("many entries go through many buffers") {
    const Folder folder;
    constexpr std::uint32_t kMany = 20'000;
    BlockList list(kMany, 1);
    test::Random random(1);
    while (list.size() < kMany) {
        net::IpAddress address{};
        for (std::uint8_t& byte : address) byte = static_cast<std::uint8_t>(random.word());
        const Block block{.target = BlockTarget::host(address, 6),
                          .created = random.word(),
                          .reason = std::string(random.below(50), 'r')};
        REQUIRE(list.add(block, 1) == BlockList::Added::kNew);
    }
    REQUIRE(reset::save_blocks(folder.file(), list, 1).ok());
    BlockList loaded(kMany, 7);
    const auto result = reset::load_blocks(folder.file(), loaded, 1);
    REQUIRE(result.ok());
    CHECK(all(loaded) == all(list));

    BlockList small(kMany - 1, 7);
    const auto too_many = reset::load_blocks(folder.file(), small, 1);
    REQUIRE_FALSE(too_many.ok());
    CHECK(too_many.error().message.find("raise its capacity") != std::string::npos);
    CHECK(small.size() == 0);
}

TEST_CASE("any damage is found, and leaves an empty list") {
    const Folder folder;
    BlockList list(100, 1);
    fill(list);
    REQUIRE(reset::save_blocks(folder.file(), list, 1).ok());
    const std::string good = read(folder.file());
    const auto refused = [&](const std::string& text) {
        write(folder.file(), text);
        BlockList loaded(100, 2);
        const auto result = reset::load_blocks(folder.file(), loaded, 1);
        return !result.ok() && loaded.size() == 0;
    };
    for (std::size_t at = 0; at < good.size(); ++at) {
        INFO(at);
        std::string text = good;
        text[at] = static_cast<char>(text[at] ^ 1);
        CHECK(refused(text));
        CHECK(refused(good.substr(0, at)));
    }
    CHECK(refused(good + "\n"));
    CHECK(refused(good + good));
    CHECK(refused(""));
    CHECK(refused(std::string(100'000, 'x')));
    CHECK(refused(std::string(100'000, '\n')));
    CHECK_FALSE(refused(good));
}

TEST_CASE("a file that others could have written is refused, with what to do") {
    const Folder folder;
    BlockList list(100, 1);
    fill(list);
    REQUIRE(reset::save_blocks(folder.file(), list, 1).ok());
    const auto error = [&](const std::string& path) {
        BlockList loaded(100, 2);
        const auto result = reset::load_blocks(path, loaded, 1);
        CHECK(loaded.size() == (result.ok() ? 6 : 0));
        return result.ok() ? std::string() : result.error().message;
    };
    CHECK(error(folder.file()).empty());
    for (const mode_t mode : {0620, 0602, 0666}) {
        REQUIRE(chmod(folder.file().c_str(), mode) == 0);
        CHECK(error(folder.file()).find("chmod go-w") != std::string::npos);
    }
    REQUIRE(chmod(folder.file().c_str(), 0644) == 0);
    CHECK(error(folder.file()).empty());
    REQUIRE(chmod(folder.path().c_str(), 0777) == 0);
    CHECK(error(folder.file()).find("folder") != std::string::npos);
    REQUIRE(chmod(folder.path().c_str(), 01777) == 0);
    CHECK(error(folder.file()).empty());
    REQUIRE(chmod(folder.path().c_str(), 0700) == 0);
    REQUIRE(symlink(folder.file().c_str(), folder.file("link").c_str()) == 0);
    CHECK_FALSE(error(folder.file("link")).empty());
    REQUIRE(mkfifo(folder.file("pipe").c_str(), 0600) == 0);
    CHECK(error(folder.file("pipe")).find("not a regular file") != std::string::npos);
    CHECK(error(folder.file("none")).find("No such file") != std::string::npos);
    if (geteuid() == 0) {
        REQUIRE(chown(folder.file().c_str(), 65534, 65534) == 0);
        CHECK(error(folder.file()).find("chown") != std::string::npos);
    }
}

TEST_CASE("a draft of an earlier run is in nobody's way, and the old file stays until the new one is whole") {
    const Folder folder;
    BlockList list(100, 1);
    fill(list);
    write(folder.file("blocks.new"), "half a li");
    REQUIRE(reset::save_blocks(folder.file(), list, 1).ok());
    CHECK_FALSE(std::filesystem::exists(folder.file("blocks.new")));
    const std::string before = read(folder.file());
    const auto failed = reset::save_blocks(folder.file("none/blocks"), list, 1);
    REQUIRE_FALSE(failed.ok());
    CHECK(read(folder.file()) == before);
}
