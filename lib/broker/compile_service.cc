// SPDX-License-Identifier: BSD-3-Clause
// CompileProcess: the side that compiles, in a process of its own.
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "base/diagnostics.h"
#include "broker/capabilities.h"
#include "broker/compile_process.h"
#include "broker/compile_wire.h"
#include "broker/exit_status.h"

namespace yagura::broker {
namespace {

using compile_wire::Io;

/// A quarter of a CPU beside an lcore that spins there: with the lowest priority it would never be done.
constexpr int kNice = 5;

/// Never in the way of anybody, and gone when nobody asks any more. What of this is not allowed is left out.
void be_modest() {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    prctl(PR_SET_NAME, "yagura-compile");
    setpriority(PRIO_PROCESS, 0, kNice);
    const sched_param none{};
    sched_setscheduler(0, SCHED_BATCH, &none);
    // If memory runs out, it is this process that goes.
    const int file = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (file >= 0) {
        [[maybe_unused]] const ssize_t written = write(file, "1000", 4);
        close(file);
    }
    [[maybe_unused]] const auto none_left = keep_capabilities(0);
}

std::string answer_to(const std::string& message) {
    match::DatabaseAnswer answer{{}, -1, "the order was not understood"};
    if (const auto order = match::decode(message)) answer = match::compile_database(*order);
    return compile_wire::encode(answer);
}

}  // namespace

int serve_compile_orders(int socket) {
    struct stat status {};
    if (fstat(socket, &status) != 0 || !S_ISSOCK(status.st_mode)) {
        base::diagnose("yagura: this command is yagura's own: it compiles patterns for another yagura\n");
        return static_cast<int>(ExitStatus::kUsage);
    }
    be_modest();
    const compile_wire::Wait wait = [socket](short events) {
        pollfd wanted{.fd = socket, .events = events, .revents = 0};
        return poll(&wanted, 1, -1) >= 0 || errno == EINTR;
    };
    if (compile_wire::send(socket, compile_wire::hello(), wait) != Io::kDone) return 1;
    std::string message;
    while (compile_wire::receive(socket, message, wait) == Io::kDone) {
        if (compile_wire::send(socket, answer_to(message), wait) != Io::kDone) return 1;
    }
    return 0;
}

}  // namespace yagura::broker
