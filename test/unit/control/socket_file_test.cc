// SPDX-License-Identifier: BSD-3-Clause
#include "control/socket_file.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>

#include "folder.h"

namespace yagura::control {
namespace {

mode_t mode_of(const std::string& path) {
    struct stat status {};
    REQUIRE(lstat(path.c_str(), &status) == 0);
    return status.st_mode & 07777;
}

TEST_CASE("a socket gets its mode whatever the umask is, and goes with its object") {
    const Folder folder;
    const std::string path = folder.file("new/control.sock");
    const mode_t before = umask(0);
    {
        const auto socket = SocketFile::listen(path, 0600);
        REQUIRE(socket.ok());
        CHECK(mode_of(path) == 0600);
        CHECK(mode_of(folder.file("new")) == 0755);
    }
    CHECK_FALSE(std::filesystem::exists(path));
    umask(077);
    CHECK(SocketFile::listen(path, 0666).ok());
    umask(before);
}

TEST_CASE("a socket that was left behind is replaced, one that is served is not") {
    const Folder folder;
    const std::string path = folder.file("control.sock");
    {
        const int left = socket(AF_UNIX, SOCK_STREAM, 0);
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        path.copy(address.sun_path, path.size());
        REQUIRE(bind(left, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
        close(left);
    }
    const auto first = SocketFile::listen(path, 0600);
    REQUIRE(first.ok());
    const auto second = SocketFile::listen(path, 0600);
    REQUIRE_FALSE(second.ok());
    CHECK_THAT(second.error().message, Catch::Contains("another yagura serves it"));
    CHECK(std::filesystem::exists(path));
}

TEST_CASE("what is no socket stays") {
    const Folder folder;
    const std::string path = folder.file("control.sock");
    std::ofstream(path) << "precious";
    const auto socket = SocketFile::listen(path, 0600);
    REQUIRE_FALSE(socket.ok());
    CHECK_THAT(socket.error().message, Catch::Contains("something else stands there"));
    CHECK(std::filesystem::file_size(path) == 8);
    std::filesystem::remove(path);
    std::filesystem::create_symlink(folder.file("elsewhere"), path);
    CHECK_FALSE(SocketFile::listen(path, 0600).ok());
}

TEST_CASE("what another has put in its place stays") {
    const Folder folder;
    const std::string path = folder.file("control.sock");
    {
        const auto socket = SocketFile::listen(path, 0600);
        REQUIRE(socket.ok());
        std::filesystem::remove(path);
        std::ofstream(path) << "precious";
    }
    CHECK(std::filesystem::exists(path));
}

TEST_CASE("a path that cannot be is an error") {
    const Folder folder;
    CHECK_FALSE(SocketFile::listen("", 0600).ok());
    CHECK_THAT(SocketFile::listen(folder.file(std::string(108, 'x')), 0600).error().message,
               Catch::Contains("1 to 107 bytes"));
    CHECK_FALSE(SocketFile::listen(folder.file("a/b/c.sock"), 0600).ok());
}

}  // namespace
}  // namespace yagura::control
