// SPDX-License-Identifier: BSD-3-Clause
#include "broker/database_cache.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

namespace yagura::broker {
namespace {

namespace fs = std::filesystem;

class Folder {
  public:
    Folder() {
        std::string name = fs::temp_directory_path() / "yagura-cache-XXXXXX";
        REQUIRE(mkdtemp(name.data()) != nullptr);
        path = name;
    }
    ~Folder() { fs::remove_all(path); }
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;
    std::vector<fs::path> files() const { return {fs::directory_iterator(path), fs::directory_iterator()}; }
    fs::path path;
};

struct Rig {
    Folder folder;
    std::vector<std::string> said;

    std::unique_ptr<DatabaseCache> open(std::uint64_t max_size = 1u << 20, std::string below = {}) {
        return DatabaseCache::open({.enabled = true, .folder = folder.path / below, .max_size = max_size},
                                   [this](const std::string& line) { said.push_back(line); });
    }
};

match::DatabaseOrder order_of(const std::string& text, bool streams = false) {
    return {.streams = streams,
            .expressions = {{.text = text, .flags = 0, .id = 0, .min_offset = 0, .max_offset = {}}}};
}

std::string bytes_of(const fs::path& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

void write_bytes(const fs::path& path, const std::string& bytes) {
    std::ofstream(path, std::ios::binary) << bytes;
}

TEST_CASE("what is kept is found again, by another process too") {
    Rig rig;
    const match::DatabaseOrder order = order_of("a+b");
    const auto key = DatabaseCache::key_of(order);
    const std::string database = match::compile_database(order).bytes;
    {
        const auto cache = rig.open();
        REQUIRE(cache != nullptr);
        CHECK_FALSE(cache->find(key, false));
        cache->store(key, database);
    }
    const auto cache = rig.open();
    CHECK(cache->find(key, false) == database);
    CHECK(rig.said.empty());
    REQUIRE(rig.folder.files().size() == 1);
    CHECK((fs::status(rig.folder.files()[0]).permissions() & fs::perms::mask) ==
          (fs::perms::owner_read | fs::perms::owner_write));
}

TEST_CASE("a key is of everything that a database depends on") {
    std::vector<match::DatabaseOrder> orders(9, order_of("a+b"));
    orders[1].streams = true;
    orders[2].expressions[0].text = "a+c";
    orders[3].expressions[0].flags = 1;
    orders[4].expressions[0].id = 1;
    orders[5].expressions[0].min_offset = 1;
    orders[6].expressions[0].max_offset = 0;
    orders[7].expressions.push_back(orders[7].expressions[0]);
    orders[8].expressions[0].text = "a";
    for (std::size_t i = 0; i < orders.size(); ++i) {
        CHECK(match::decode(match::encode(orders[i])) == orders[i]);
        for (std::size_t j = 0; j < i; ++j)
            CHECK(DatabaseCache::key_of(orders[i]) != DatabaseCache::key_of(orders[j]));
    }
    const std::string bytes = match::encode(orders[7]);
    for (std::size_t size = 0; size < bytes.size(); ++size) {
        const auto cut = match::decode(bytes.substr(0, size));
        CHECK((!cut || cut->expressions.size() < 2));
    }
    CHECK_FALSE(match::decode(std::string(8, '\2')));
}

TEST_CASE("a file that is not as it was left is not used, and replaced") {
    Rig rig;
    const match::DatabaseOrder order = order_of("a+b");
    const auto key = DatabaseCache::key_of(order);
    const std::string database = match::compile_database(order).bytes;
    const auto cache = rig.open();
    cache->store(key, database);
    const fs::path file = rig.folder.files()[0];
    const std::string good = bytes_of(file);
    const auto is_refused = [&](const char* why) {
        CAPTURE(why);
        rig.said.clear();
        CHECK_FALSE(cache->find(key, false));
        REQUIRE(rig.said.size() == 1);
        CHECK(rig.said[0].find(why) != std::string::npos);
        cache->store(key, database);
        CHECK(cache->find(key, false) == database);
        CHECK(rig.said.size() == 1);
    };
    for (std::size_t place = 0; place < good.size(); place += place < 100 ? 1 : 97) {
        CAPTURE(place);
        std::string bad = good;
        bad[place] = static_cast<char>(bad[place] ^ 0x10);
        write_bytes(file, bad);
        is_refused(place < 48 || place >= 80 ? (place < 88 ? "head" : "damaged") : "damaged");
    }
    for (const std::size_t size : {std::size_t{0}, std::size_t{10}, std::size_t{88}, good.size() - 1}) {
        write_bytes(file, good.substr(0, size));
        is_refused(size <= 88 ? "size" : "head");
    }
    write_bytes(file, good + "x");
    is_refused("head");
    write_bytes(file, std::string(2u << 20, 'x'));
    is_refused("size");
    fs::permissions(file, fs::perms::group_write, fs::perm_options::add);
    is_refused("can write it");
    if (geteuid() == 0) {
        REQUIRE(chown(file.c_str(), 65534, 65534) == 0);
        is_refused("another user");
    }
    // Another's database in its place.
    const match::DatabaseOrder streams = order_of("a+b", true);
    cache->store(key, match::compile_database(streams).bytes);
    is_refused("no database for this machine");
    // What is no file.
    fs::remove(file);
    fs::create_symlink(rig.folder.path / "elsewhere", file);
    is_refused("symbolic links");
    fs::remove(file);
    REQUIRE(mkfifo(file.c_str(), 0600) == 0);
    is_refused("it is no file");
}

TEST_CASE("when there is no more room, those go that were not used for longest") {
    Rig rig;
    const auto cache = rig.open(1000);
    const std::string bytes(150, 'x');  // 238 with the head: four of them have room
    const auto key = [](int i) { return DatabaseCache::key_of(order_of(std::to_string(i))); };
    const auto name_of_newest = [&](std::vector<fs::path> before) {
        for (const fs::path& path : rig.folder.files()) {
            if (std::find(before.begin(), before.end(), path) == before.end()) return path;
        }
        FAIL("nothing was kept");
        return fs::path();
    };
    std::vector<fs::path> names;
    for (int i = 0; i < 4; ++i) {
        const auto before = rig.folder.files();
        cache->store(key(i), bytes);
        names.push_back(name_of_newest(before));
        // As if they had been used long ago, the later ones later.
        const timespec used[2]{{.tv_sec = 1000 + i, .tv_nsec = 0}, {.tv_sec = 1000 + i, .tv_nsec = 0}};
        REQUIRE(utimensat(AT_FDCWD, names.back().c_str(), used, 0) == 0);
    }
    const timespec used[2]{{.tv_sec = 5000, .tv_nsec = 0}, {.tv_sec = 5000, .tv_nsec = 0}};
    REQUIRE(utimensat(AT_FDCWD, names[0].c_str(), used, 0) == 0);
    write_bytes(rig.folder.path / "of somebody else", std::string(5000, 'y'));
    cache->store(key(4), bytes);
    CHECK(fs::exists(names[0]));
    CHECK_FALSE(fs::exists(names[1]));
    CHECK(fs::exists(names[2]));
    CHECK(fs::exists(rig.folder.path / "of somebody else"));
    // What would have no room even alone is not begun.
    cache->store(key(5), std::string(1000, 'x'));
    CHECK(fs::exists(names[0]));
    CHECK(rig.said.empty());
}

TEST_CASE("to be found is to be used") {
    Rig rig;
    const auto cache = rig.open();
    const match::DatabaseOrder order = order_of("a");
    cache->store(DatabaseCache::key_of(order), match::compile_database(order).bytes);
    const fs::path file = rig.folder.files()[0];
    const timespec used[2]{{.tv_sec = 1000, .tv_nsec = 0}, {.tv_sec = 1000, .tv_nsec = 0}};
    REQUIRE(utimensat(AT_FDCWD, file.c_str(), used, 0) == 0);
    REQUIRE(cache->find(DatabaseCache::key_of(order), false));
    struct stat status {};
    REQUIRE(stat(file.c_str(), &status) == 0);
    CHECK(status.st_mtime > 5000);
}

TEST_CASE("a folder that others could write to is not used") {
    Rig rig;
    for (const fs::perms others : {fs::perms::group_write, fs::perms::others_write}) {
        fs::permissions(rig.folder.path, fs::perms::owner_all | others);
        CHECK(rig.open() == nullptr);
        REQUIRE(rig.said.size() == 1);
        CHECK(rig.said[0].find("chmod go-w") != std::string::npos);
        rig.said.clear();
    }
    fs::permissions(rig.folder.path, fs::perms::owner_all);
    if (geteuid() == 0) {
        REQUIRE(chown(rig.folder.path.c_str(), 65534, 65534) == 0);
        CHECK(rig.open() == nullptr);
        CHECK(rig.said[0].find("another user") != std::string::npos);
        REQUIRE(chown(rig.folder.path.c_str(), 0, 0) == 0);
    }
    rig.said.clear();
    // One that is missing is made; what is below a missing one is not.
    REQUIRE(rig.open(1u << 20, "new") != nullptr);
    CHECK((fs::status(rig.folder.path / "new").permissions() & fs::perms::mask) == fs::perms::owner_all);
    CHECK(rig.open(1u << 20, "a/b") == nullptr);
    write_bytes(rig.folder.path / "file", "x");
    CHECK(rig.open(1u << 20, "file") == nullptr);
    CHECK(rig.said.size() == 2);
    CHECK(DatabaseCache::open({.enabled = false}, nullptr) == nullptr);
}

}  // namespace
}  // namespace yagura::broker
