// SPDX-License-Identifier: BSD-3-Clause
// What a CompileProcess starts; or, with an argument, a program that is something else.
#include <signal.h>
#include <unistd.h>

#include <cstdlib>
#include <string_view>

#include "broker/compile_process.h"

int main(int argc, char** argv) {
    if (argc == 1) return yagura::broker::serve_compile_orders(STDIN_FILENO);
    if (argv[1] == std::string_view("ends")) return 7;
    if (argv[1] == std::string_view("dies")) std::abort();
    [[maybe_unused]] const ssize_t written = write(STDIN_FILENO, "\5\0\0\0\0\0\0\0hello", 13);
    pause();
    return 0;
}
