// SPDX-License-Identifier: BSD-3-Clause
#include "reset/state_file.h"

#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string>

using namespace yagura;

namespace {

class Folder {
  public:
    Folder() {
        std::string name = (std::filesystem::temp_directory_path() / "yagura-state-XXXXXX").string();
        REQUIRE(mkdtemp(name.data()) != nullptr);
        path_ = name;
    }
    ~Folder() { std::filesystem::remove_all(path_); }
    std::string file(const char* name = "state") const { return (path_ / name).string(); }

  private:
    std::filesystem::path path_;
};

std::optional<std::string> read(const std::string& path) {
    auto text = reset::read_file(path, 100);
    REQUIRE(text.ok());
    return *text;
}

}  // namespace

TEST_CASE("a file is replaced whole or stays, and goes when it is removed") {
    const Folder folder;
    CHECK_FALSE(read(folder.file()));
    REQUIRE(reset::replace_file(folder.file(), "one").ok());
    REQUIRE(reset::replace_file(folder.file(), "two").ok());
    CHECK(read(folder.file()) == "two");
    {
        auto draft = reset::Draft::make(folder.file());
        REQUIRE(draft.ok());
        CHECK(draft->write("three"));
        CHECK(read(folder.file("state.new")) == "three");
    }
    CHECK_FALSE(read(folder.file("state.new")));
    CHECK(read(folder.file()) == "two");
    REQUIRE(reset::remove_file(folder.file()).ok());
    CHECK_FALSE(read(folder.file()));
    CHECK(reset::remove_file(folder.file()).ok());
    REQUIRE(reset::replace_file(folder.file(), std::string(200, 'x')).ok());
    CHECK(read(folder.file()) == std::string(100, 'x'));
}

TEST_CASE("a place that cannot be written is an error that names it") {
    const Folder folder;
    const std::string path = folder.file("none/state");
    for (const auto& result : {reset::replace_file(path, "x"), reset::remove_file(folder.file() + "/x/y")}) {
        if (!result.ok()) CHECK(result.error().message.find(folder.file("")) != std::string::npos);
    }
    REQUIRE_FALSE(reset::Draft::make(path).ok());
    CHECK(reset::Draft::make(path).error().message.find("none/state.new: cannot be made") !=
          std::string::npos);
    REQUIRE_FALSE(reset::FileLock::take(path).ok());
    CHECK(reset::FileLock::take(path).error().message.find("none/state.lock") != std::string::npos);
    CHECK_FALSE(reset::read_file(folder.file(""), 100).ok());
}

TEST_CASE("a file is one process' at a time, and who has it is said") {
    const Folder folder;
    {
        auto lock = reset::FileLock::take(folder.file());
        REQUIRE(lock.ok());
        const auto other = reset::FileLock::take(folder.file());
        REQUIRE_FALSE(other.ok());
        CHECK(other.error().message.find("(pid " + std::to_string(getpid()) + ")") != std::string::npos);
        CHECK(reset::FileLock::take(folder.file("other")).ok());
        const reset::FileLock moved = std::move(*lock);
        CHECK_FALSE(reset::FileLock::take(folder.file()).ok());
    }
    // However a process ends, what it had is free.
    const pid_t child = fork();
    if (child == 0) {
        const auto lock = reset::FileLock::take(folder.file());
        _exit(lock.ok() ? 0 : 1);
    }
    int status = 1;
    REQUIRE(waitpid(child, &status, 0) == child);
    CHECK(status == 0);
    CHECK(reset::FileLock::take(folder.file()).ok());
}
