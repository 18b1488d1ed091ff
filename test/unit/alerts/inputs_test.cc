// SPDX-License-Identifier: BSD-3-Clause
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "app/alerts/file_input.h"
#include "app/alerts/socket_input.h"
#include "app/alerts/source.h"
#include "app/alerts/stream_input.h"

namespace yagura::alerts {
namespace {

using Lines = std::vector<std::string>;

/// A folder of the test's own.
struct Folder {
    Folder() {
        std::string name = (std::filesystem::temp_directory_path() / "yagura-alerts-XXXXXX").string();
        REQUIRE(mkdtemp(name.data()) != nullptr);
        path = name;
    }
    ~Folder() { std::filesystem::remove_all(path); }
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;
    std::string file(const std::string& name) const { return path + "/" + name; }
    std::string path;
};

void append(const std::string& path, const std::string& text) {
    std::ofstream(path, std::ios::app) << text;
}

Lines there(Input& input) {
    Lines lines;
    while (const auto line = input.next())
        lines.push_back(line->too_long ? "<too long>" : std::string(line->text));
    return lines;
}

/// Until so many lines have come.
Lines wait_for(Input& input, std::size_t count) {
    Lines lines;
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (lines.size() < count && std::chrono::steady_clock::now() < end) {
        for (std::string& line : there(input)) lines.push_back(std::move(line));
        std::vector<pollfd> polled;
        input.add_to(polled);
        poll(polled.data(), polled.size(), 20);
    }
    return lines;
}

std::unique_ptr<FileInput> follow(const std::string& path,
                                  FileInput::Begin begin = FileInput::Begin::kAtEnd) {
    auto input = FileInput::open(path, begin, FileInput::Then::kFollow, {});
    REQUIRE(input.ok());
    return std::move(*input);
}

TEST_CASE("a file is read to its end, its last line too") {
    Folder folder;
    append(folder.file("log"), "one\ntwo");
    auto input = FileInput::open(folder.file("log"), FileInput::Begin::kAtStart, FileInput::Then::kEnd, {});
    REQUIRE(input.ok());
    CHECK_FALSE((*input)->ended());
    CHECK(there(**input) == Lines{"one", "two"});
    CHECK((*input)->ended());
    CHECK(there(**input).empty());
}

TEST_CASE("a file is followed as it grows, from its end or its beginning") {
    Folder folder;
    const std::string path = folder.file("log");
    append(path, "old\nha");
    const auto from_end = follow(path);
    const auto from_start = follow(path, FileInput::Begin::kAtStart);
    CHECK(there(*from_end).empty());
    CHECK(there(*from_start) == Lines{"old"});
    append(path, "lf\nnew\n");
    CHECK(wait_for(*from_end, 2) == Lines{"lf", "new"});
    CHECK(wait_for(*from_start, 2) == Lines{"half", "new"});
    CHECK_FALSE(from_end->ended());
}

TEST_CASE("whoever waits for a file is woken when it grows") {
    Folder folder;
    const std::string path = folder.file("log");
    append(path, "old\n");
    const auto input = follow(path);
    CHECK(there(*input).empty());
    std::vector<pollfd> polled;
    input->add_to(polled);
    REQUIRE(polled.size() == 1);
    CHECK(poll(polled.data(), 1, 0) == 0);
    append(path, "new\n");
    CHECK(poll(polled.data(), 1, 0) == 1);
    CHECK(there(*input) == Lines{"new"});
    CHECK(poll(polled.data(), 1, 0) == 0);
}

TEST_CASE("a file is followed over rotation: the old one to its end, the new one from its beginning") {
    Folder folder;
    const std::string path = folder.file("log");
    append(path, "a\n");
    const auto input = follow(path, FileInput::Begin::kAtStart);
    CHECK(there(*input) == Lines{"a"});
    std::filesystem::rename(path, path + ".1");
    append(path + ".1", "b\nlast");  // its writer has not noticed yet
    CHECK(wait_for(*input, 1) == Lines{"b"});
    append(path, "c\n");
    CHECK(wait_for(*input, 2) == Lines{"last", "c"});
    append(path, "d\n");
    CHECK(wait_for(*input, 1) == Lines{"d"});
    std::filesystem::remove(path);
    append(path, "e\n");
    CHECK(wait_for(*input, 1) == Lines{"e"});
}

TEST_CASE("a file that is cut is read from its beginning") {
    Folder folder;
    const std::string path = folder.file("log");
    append(path, "a long first line\nha");
    const auto input = follow(path, FileInput::Begin::kAtStart);
    CHECK(there(*input) == Lines{"a long first line"});
    std::filesystem::resize_file(path, 0);
    append(path, "b\n");
    CHECK(wait_for(*input, 1) == Lines{"b"});
    // And when it is as long again before anybody looks, or longer.
    for (const std::string line : {"c", "d and more"}) {
        std::filesystem::resize_file(path, 0);
        append(path, line + "\n");
        CHECK(wait_for(*input, 1) == Lines{line});
    }
    const std::string end_alike(200, 'e');
    for (const std::string line : {"f", "g"}) {
        std::filesystem::resize_file(path, 0);
        append(path, line + end_alike + "\n");
        CHECK(wait_for(*input, 1) == Lines{line + end_alike});
    }
    const auto from_end = follow(path);
    std::filesystem::resize_file(path, 0);
    append(path, "a line that is longer than what stood there before it was cut, by far\n");
    CHECK(wait_for(*from_end, 1) ==
          Lines{"a line that is longer than what stood there before it was cut, by far"});
}

TEST_CASE("a file that is not there is waited for, or is an error") {
    Folder folder;
    const std::string path = folder.file("log");
    const auto input = follow(path);
    CHECK(there(*input).empty());
    append(path, "a\n");
    CHECK(wait_for(*input, 1) == Lines{"a"});
    const auto missing =
        FileInput::open(folder.file("no"), FileInput::Begin::kAtStart, FileInput::Then::kEnd, {});
    REQUIRE_FALSE(missing.ok());
    CHECK_THAT(missing.error().message, Catch::Contains("no such file"));
    for (const std::string& other : {folder.path, std::string("/dev/null")}) {
        const auto wrong = FileInput::open(other, FileInput::Begin::kAtEnd, FileInput::Then::kFollow, {});
        REQUIRE_FALSE(wrong.ok());
        CHECK_THAT(wrong.error().message, Catch::Contains("it is no file"));
    }
    REQUIRE(mkfifo(folder.file("pipe").c_str(), 0600) == 0);
    CHECK_FALSE(
        FileInput::open(folder.file("pipe"), FileInput::Begin::kAtEnd, FileInput::Then::kFollow, {}).ok());
}

TEST_CASE("a line of a file that is too long is passed over in bounded steps") {
    Folder folder;
    append(folder.file("log"), std::string(5 * kMaxLine, 'x') + "\ny\n");
    auto input = FileInput::open(folder.file("log"), FileInput::Begin::kAtStart, FileInput::Then::kEnd, {});
    REQUIRE(input.ok());
    Lines lines;
    unsigned steps = 0;
    for (; !(*input)->ended() && steps < 100; ++steps) {
        for (std::string& line : there(**input)) lines.push_back(std::move(line));
    }
    CHECK(lines == Lines{"<too long>", "y"});
    CHECK(steps > 2);
}

TEST_CASE("a pipe is read until it ends") {
    int ends[2];
    REQUIRE(pipe(ends) == 0);
    StreamInput input(ends[0]);
    CHECK(there(input).empty());
    REQUIRE(write(ends[1], "a\nb", 3) == 3);
    CHECK(there(input) == Lines{"a"});
    CHECK_FALSE(input.ended());
    close(ends[1]);
    CHECK(there(input) == Lines{"b"});
    CHECK(input.ended());
    close(ends[0]);
}

/// Somebody who writes to a socket.
class Writer {
  public:
    Writer(const std::string& path, int type) : fd_(socket(AF_UNIX, type | SOCK_NONBLOCK, 0)) {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        path.copy(address.sun_path, path.size());
        connected = connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
    }
    ~Writer() { close(fd_); }
    Writer(const Writer&) = delete;
    Writer& operator=(const Writer&) = delete;
    bool say(const std::string& text) {
        return send(fd_, text.data(), text.size(), MSG_NOSIGNAL) == ssize_t(text.size());
    }
    bool connected = false;

  private:
    int fd_;
};

std::unique_ptr<SocketInput> listen_at(const std::string& path, SocketInput::Kind kind) {
    auto input = SocketInput::open(path, kind, 0600);
    REQUIRE(input.ok());
    return std::move(*input);
}

TEST_CASE("several write to a stream socket, and each one's lines come whole") {
    Folder folder;
    const auto input = listen_at(folder.file("s"), SocketInput::Kind::kStream);
    auto first = std::make_unique<Writer>(folder.file("s"), SOCK_STREAM);
    Writer second(folder.file("s"), SOCK_STREAM);
    REQUIRE(first->connected);
    CHECK(there(*input).empty());
    CHECK(first->say("on"));
    CHECK(second.say("two\n"));
    CHECK(there(*input) == Lines{"two"});
    CHECK(first->say("e\nrest"));
    first.reset();
    CHECK(there(*input) == Lines{"one", "rest"});
    CHECK(second.say("three\n"));
    CHECK(there(*input) == Lines{"three"});
    CHECK_FALSE(input->ended());
}

TEST_CASE("who floods a socket does not hold up another") {
    Folder folder;
    const auto input = listen_at(folder.file("s"), SocketInput::Kind::kStream);
    Writer flood(folder.file("s"), SOCK_STREAM);
    Writer other(folder.file("s"), SOCK_STREAM);
    std::string lines;
    for (int i = 0; i < 10'000; ++i) lines += "x\n";
    CHECK(flood.say(lines));
    CHECK(other.say("other\n"));
    unsigned before = 0;
    while (const auto line = input->next()) {
        if (line->text == "other") break;
        ++before;
    }
    CHECK(before <= 1);
}

TEST_CASE("as many write to a socket as may, and one that goes makes room") {
    Folder folder;
    const auto input = listen_at(folder.file("s"), SocketInput::Kind::kStream);
    std::vector<std::unique_ptr<Writer>> writers;
    for (std::size_t i = 0; i < SocketInput::kMaxWriters + 1; ++i) {
        writers.push_back(std::make_unique<Writer>(folder.file("s"), SOCK_STREAM));
        REQUIRE(writers.back()->say(std::to_string(i) + "\n"));
    }
    CHECK(there(*input).size() == SocketInput::kMaxWriters);
    writers.front().reset();
    CHECK(there(*input).empty());  // and sees that it has gone
    CHECK(there(*input) == Lines{std::to_string(SocketInput::kMaxWriters)});
}

TEST_CASE("datagrams are lines, or several, or nothing") {
    Folder folder;
    const auto input = listen_at(folder.file("s"), SocketInput::Kind::kDatagram);
    Writer writer(folder.file("s"), SOCK_DGRAM);
    CHECK(writer.say("one"));
    CHECK(writer.say("two\nthree\n"));
    CHECK(writer.say(""));
    CHECK(writer.say("four\n"));
    CHECK(there(*input) == Lines{"one", "two", "three", "four"});
    for (int i = 0; i < 5; ++i) CHECK(writer.say("x"));
    CHECK(there(*input).size() == 5);
}

TEST_CASE("the place of a socket is taken when nobody serves it, and given up") {
    Folder folder;
    const std::string path = folder.file("s");
    for (const auto kind : {SocketInput::Kind::kStream, SocketInput::Kind::kDatagram}) {
        {
            const auto input = listen_at(path, kind);
            struct stat status {};
            REQUIRE(stat(path.c_str(), &status) == 0);
            CHECK((status.st_mode & 0777u) == 0600);
            const auto second = SocketInput::open(path, SocketInput::Kind::kStream, 0600);
            REQUIRE_FALSE(second.ok());
            CHECK_THAT(second.error().message, Catch::Contains("another program serves it"));
        }
        CHECK_FALSE(std::filesystem::exists(path));
        // Left behind.
        const int fd = socket(AF_UNIX, kind == SocketInput::Kind::kStream ? SOCK_STREAM : SOCK_DGRAM, 0);
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        path.copy(address.sun_path, path.size());
        REQUIRE(bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
        close(fd);
        listen_at(path, kind);
    }
    append(path, "x");
    CHECK_THAT(SocketInput::open(path, SocketInput::Kind::kStream, 0600).error().message,
               Catch::Contains("something else stands there"));
    CHECK_FALSE(SocketInput::open(folder.file("no/s"), SocketInput::Kind::kStream, 0600).ok());
    CHECK_FALSE(SocketInput::open(folder.file(std::string(200, 's')), SocketInput::Kind::kStream, 0600).ok());
}

TEST_CASE("a Zeek log that is begun at its end has the columns of its beginning") {
    Folder folder;
    const std::string path = folder.file("notice.log");
    append(path, "#separator \\x09\n#fields\tnote\tsrc\nA::Old\t10.0.0.1\n");
    auto source = Source::open(path, Format::kZeek, {});
    REQUIRE(source.ok());
    std::vector<std::string> troubles;
    const auto complain = [&](const std::string& words) { troubles.push_back(words); };
    CHECK_FALSE(source->next(complain));
    append(path, "A::New\t10.0.0.2\nbroken\nbroken\n");
    const auto reading = source->next(complain);
    REQUIRE(reading);
    REQUIRE(std::holds_alternative<Alert>(*reading));
    CHECK(std::get<Alert>(*reading).note == "A::New");
    CHECK(troubles.empty());
    while (source->next(complain)) {
    }
    CHECK(source->lines() == 3);
    CHECK(source->not_understood() == 2);
    REQUIRE(troubles.size() == 1);  // once for each kind
    CHECK_THAT(troubles[0],
               Catch::Contains("notice.log: line 2 has other columns") && Catch::Contains("\"broken\""));
}

}  // namespace
}  // namespace yagura::alerts
