// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "broker/cancellation.h"
#include "match/database_source.h"

namespace yagura::broker {

/// A process that compiles pattern databases for this one: it can be killed, and what it needs of memory goes
/// with it. It has a low priority and no capabilities, and dies with the thread that started it. One
/// thread's.
class CompileProcess {
  public:
    /// Starts the command, which is to call serve_compile_orders(), without copying a page of this process.
    /// Waits until it answers.
    static base::Result<std::unique_ptr<CompileProcess>> start(const std::vector<std::string>& command);
    ~CompileProcess();  ///< ends it
    CompileProcess(const CompileProcess&) = delete;
    CompileProcess& operator=(const CompileProcess&) = delete;

    /// If it dies, that is the answer. Throws match::CompileCancelled, and has ended it then. After either
    /// it must not be asked again: is_alive().
    match::DatabaseAnswer compile(const match::DatabaseOrder& order, const Cancellation& cancellation);
    bool is_alive() const { return pid_ > 0; }

  private:
    CompileProcess(pid_t pid, int socket) : pid_(pid), socket_(socket) {}
    /// Kills it if it lives. Its wait status.
    int end();

    pid_t pid_;
    int socket_;
};

/// The other side: takes orders from this socket and answers them, until it is closed. `socket` is the only
/// thing that the process has. Exit status.
int serve_compile_orders(int socket);

}  // namespace yagura::broker
