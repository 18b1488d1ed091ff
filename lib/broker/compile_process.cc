// SPDX-License-Identifier: BSD-3-Clause
// CompileProcess: the side that asks.
#include "broker/compile_process.h"

#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <utility>

#include "broker/compile_wire.h"

namespace yagura::broker {
namespace {

using compile_wire::Io;

constexpr std::chrono::seconds kPatience{60};  // with the start of a program
constexpr int kLookAgainMs = 50;
constexpr int kEndLooks = 40;

/// Starts the program with the socket as its standard input and nothing else of ours. The error: errno's.
int spawn(const std::vector<std::string>& command, int socket, pid_t& pid) {
    std::vector<char*> arguments;
    for (const std::string& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
    arguments.push_back(nullptr);
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_init(&files);
    posix_spawnattr_init(&attributes);
    posix_spawn_file_actions_adddup2(&files, socket, STDIN_FILENO);
    // Of what DPDK and drivers have opened, not everything closes by itself.
    posix_spawn_file_actions_addclosefrom_np(&files, STDERR_FILENO + 1);
    sigset_t none;
    sigset_t all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    const int error = posix_spawn(&pid, command[0].c_str(), &files, &attributes, arguments.data(), environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&files);
    return error;
}

std::string words_of(int status) {
    if (WIFSIGNALED(status)) {
        const int number = WTERMSIG(status);
        return fmt::format("ended by signal {} ({}){}", number, strsignal(number),
                           number == SIGKILL ? ": there may have been no memory left for it" : "");
    }
    return fmt::format("ended with status {}", WEXITSTATUS(status));
}

}  // namespace

base::Result<std::unique_ptr<CompileProcess>> CompileProcess::start(const std::vector<std::string>& command) {
    int sockets[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) != 0) {
        return base::Error{fmt::format("no socket for it: {}", std::strerror(errno))};
    }
    pid_t pid = -1;
    const int error = spawn(command, sockets[1], pid);
    close(sockets[1]);
    if (error != 0) {
        close(sockets[0]);
        return base::Error{fmt::format("{}: {}", command[0], std::strerror(error))};
    }
    std::unique_ptr<CompileProcess> process(new CompileProcess(pid, sockets[0]));
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    std::string greeting;
    const Io heard = compile_wire::receive(process->socket_, greeting, [&](short events) {
        pollfd wanted{.fd = process->socket_, .events = events, .revents = 0};
        poll(&wanted, 1, kLookAgainMs);
        return std::chrono::steady_clock::now() < deadline;
    });
    if (heard == Io::kDone && greeting == compile_wire::hello()) return process;
    if (heard == Io::kDone) return base::Error{"another program answers"};
    if (heard == Io::kGivenUp) return base::Error{"it does not answer"};
    return base::Error{"it " + words_of(process->end())};
}

CompileProcess::~CompileProcess() {
    end();
    close(socket_);
}

int CompileProcess::end() {
    const pid_t pid = std::exchange(pid_, -1);
    if (pid <= 0) return 0;
    int status = 0;
    pollfd ended{.fd = socket_, .events = 0, .revents = 0};
    if (poll(&ended, 1, 0) == 1 && (ended.revents & POLLHUP) != 0) {
        // It is about to end by itself, and its status says more than that we killed it.
        for (int i = 0; i < kEndLooks; ++i) {
            if (waitpid(pid, &status, WNOHANG) == pid) return status;
            usleep(kLookAgainMs * 1000);
        }
    }
    kill(pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    return status;
}

match::DatabaseAnswer CompileProcess::compile(const match::DatabaseOrder& order,
                                              const Cancellation& cancellation) {
    const auto wait = [&](short events) {
        pollfd wanted[2]{{.fd = socket_, .events = events, .revents = 0},
                         {.fd = cancellation.fd(), .events = POLLIN, .revents = 0}};
        poll(wanted, 2, kLookAgainMs);
        return !cancellation.cancelled();
    };
    std::string answer;
    Io done = compile_wire::send(socket_, match::encode(order), wait);
    if (done == Io::kDone) done = compile_wire::receive(socket_, answer, wait);
    if (done == Io::kGivenUp) {
        end();
        throw match::CompileCancelled();
    }
    if (done == Io::kDone) {
        if (auto decoded = compile_wire::decode(std::move(answer))) return *std::move(decoded);
    }
    return {{}, -1, "the process that compiled them " + words_of(end())};
}

}  // namespace yagura::broker
