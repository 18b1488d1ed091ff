// SPDX-License-Identifier: BSD-3-Clause
#include "broker/compile_process.h"

#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <fstream>
#include <set>
#include <string>
#include <thread>

#include "broker/compile_wire.h"
#include "broker/database_maker.h"

namespace yagura::broker {
namespace {

match::DatabaseOrder order_of(const std::vector<std::string>& texts, bool streams = false) {
    match::DatabaseOrder order{.streams = streams, .expressions = {}};
    for (const std::string& text : texts) {
        const auto id = static_cast<unsigned>(order.expressions.size());
        order.expressions.push_back({.text = text, .flags = 0, .id = id, .min_offset = 0, .max_offset = {}});
    }
    return order;
}

/// Takes the compiler far longer than a test may last.
match::DatabaseOrder endless_order() {
    std::vector<std::string> texts;
    for (int i = 0; i < 60'000; ++i)
        texts.push_back("w" + std::to_string(i) + "[a-f0-9]{2,9}x.*y[0-9]+" + std::to_string(i * 7919));
    return order_of(texts, true);
}

std::vector<std::string> server(const char* argument = nullptr) {
    const char* path = std::getenv("YAGURA_COMPILE_SERVER");
    REQUIRE(path != nullptr);
    std::vector<std::string> command{path};
    if (argument != nullptr) command.emplace_back(argument);
    return command;
}

/// Of this process.
std::set<pid_t> children() {
    std::set<pid_t> found;
    std::ifstream list("/proc/self/task/" + std::to_string(gettid()) + "/children");
    for (pid_t pid = 0; list >> pid;) found.insert(pid);
    return found;
}

TEST_CASE("a process compiles what would be compiled here") {
    auto process = CompileProcess::start(server());
    REQUIRE(process);
    const Cancellation never;
    for (const bool streams : {false, true}) {
        const match::DatabaseAnswer answer = (*process)->compile(order_of({"abc", "d+e"}, streams), never);
        CHECK(answer.reason.empty());
        CHECK(match::is_database(answer.bytes, streams));
        CHECK_FALSE(match::is_database(answer.bytes, !streams));
    }
    const match::DatabaseAnswer wrong = (*process)->compile(order_of({"abc", "d(e"}), never);
    CHECK(wrong.bytes.empty());
    CHECK(wrong.expression == 1);
    CHECK(wrong.reason == match::compile_database(order_of({"abc", "d(e"})).reason);
    CHECK((*process)->is_alive());
    process->reset();
    CHECK(children().empty());
}

TEST_CASE("what is compiled can be given up, and the process is gone") {
    auto process = CompileProcess::start(server());
    REQUIRE(process);
    Cancellation cancellation;
    std::thread somebody([&] {
        usleep(50'000);
        cancellation.cancel();
    });
    CHECK_THROWS_AS((*process)->compile(endless_order(), cancellation), match::CompileCancelled);
    somebody.join();
    CHECK_FALSE((*process)->is_alive());
    CHECK(children().empty());
}

TEST_CASE("a process that dies is an answer") {
    auto process = CompileProcess::start(server());
    REQUIRE(process);
    const std::set<pid_t> mine = children();
    REQUIRE(mine.size() == 1);
    std::thread somebody([&] {
        usleep(50'000);
        kill(*mine.begin(), SIGKILL);
    });
    const Cancellation never;
    const match::DatabaseAnswer answer = (*process)->compile(endless_order(), never);
    somebody.join();
    CHECK(answer.bytes.empty());
    CHECK(answer.reason.find("signal 9") != std::string::npos);
    CHECK_FALSE((*process)->is_alive());
}

TEST_CASE("what is no compiler is not taken for one") {
    const auto error_of = [](const std::vector<std::string>& command) {
        auto started = CompileProcess::start(command);
        REQUIRE_FALSE(started);
        return started.error().message;
    };
    CHECK(error_of({"/no/such/program"}).find("No such file") != std::string::npos);
    CHECK(error_of(server("ends")).find("status 7") != std::string::npos);
    CHECK(error_of(server("dies")).find("signal 6") != std::string::npos);
    CHECK(error_of(server("is another")).find("another program") != std::string::npos);
    CHECK(children().empty());
}

TEST_CASE("without a process it is compiled here, and that is said once") {
    std::vector<std::string> said;
    DatabaseMaker maker({.enabled = false, .folder = {}, .max_size = 0}, {"/no/such/program"},
                        [&](const std::string& line) { said.push_back(line); });
    const Cancellation never;
    for (int i = 0; i < 2; ++i) {
        DatabaseSession session(maker, never);
        CHECK(match::is_database(session.get(order_of({"abc"})).bytes, false));
        CHECK(match::is_database(session.get(order_of({"abc"}, true)).bytes, true));
        CHECK(session.compiled() == 2);
        CHECK(session.from_cache() == 0);
    }
    REQUIRE(said.size() == 1);
    CHECK(said[0].find("/no/such/program") != std::string::npos);
    Cancellation cancelled;
    cancelled.cancel();
    DatabaseSession session(maker, cancelled);
    CHECK_THROWS_AS(session.get(order_of({"abc"})), match::CompileCancelled);
}

TEST_CASE("messages that are cut are no answers") {
    int sockets[2];
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets) == 0);
    const auto wait = [](short) { return true; };
    std::string message;
    REQUIRE(compile_wire::send(sockets[0], "whole", wait) == compile_wire::Io::kDone);
    REQUIRE(compile_wire::receive(sockets[1], message, wait) == compile_wire::Io::kDone);
    CHECK(message == "whole");
    // A length without end, and then nothing.
    REQUIRE(write(sockets[0],
                  "\xff\xff\xff\xff\xff\xff\xff\x7f"
                  "abc",
                  11) == 11);
    close(sockets[0]);
    CHECK(compile_wire::receive(sockets[1], message, wait) == compile_wire::Io::kEnded);
    close(sockets[1]);
    CHECK_FALSE(compile_wire::decode("abc"));
}

}  // namespace
}  // namespace yagura::broker
