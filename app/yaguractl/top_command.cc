// SPDX-License-Identifier: BSD-3-Clause
// A live screen. Plain ANSI sequences; on no terminal, plain lines.
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <array>
#include <atomic>
#include <cstdio>
#include <memory>

#include "app/yaguractl/commands.h"
#include "app/yaguractl/top_screen.h"

namespace yagura::ctl {
namespace {

constexpr const char* kOtherScreen = "\x1b[?1049h\x1b[?25l";  ///< and no cursor
constexpr const char* kUsualScreen = "\x1b[?25h\x1b[?1049l";
constexpr const char* kHome = "\x1b[H";
constexpr const char* kClearLine = "\x1b[K";
constexpr const char* kClearRest = "\x1b[J";
constexpr std::size_t kPlainColumns = 120;

std::atomic<bool> ended{false};

/// The other screen and single keys, until it is gone.
class Terminal {
  public:
    explicit Terminal(bool wanted)
        : is_one_(wanted && isatty(STDOUT_FILENO) == 1), has_keys_(isatty(STDIN_FILENO) == 1) {
        if (!is_one_) return;
        struct sigaction action {};
        action.sa_handler = [](int) { ended.store(true); };
        for (const int number : {SIGINT, SIGTERM, SIGHUP}) sigaction(number, &action, nullptr);
        if (has_keys_ && tcgetattr(STDIN_FILENO, &before_) == 0) {
            termios keys = before_;
            keys.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);
            tcsetattr(STDIN_FILENO, TCSANOW, &keys);
        }
        fmt::print("{}", kOtherScreen);
    }
    ~Terminal() {
        if (!is_one_) return;
        if (has_keys_) tcsetattr(STDIN_FILENO, TCSANOW, &before_);
        fmt::print("{}", kUsualScreen);
        std::fflush(stdout);
    }
    Terminal(const Terminal&) = delete;
    Terminal& operator=(const Terminal&) = delete;

    void show(const TopScreen& screen) const {
        if (!is_one_) {
            for (const std::string& line : screen.lines(kPlainColumns)) fmt::print("{}\n", line);
            fmt::print("\n");
            std::fflush(stdout);
            return;
        }
        winsize size{};
        if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) size = {24, 80, 0, 0};
        std::string text = kHome;
        unsigned row = 0;
        for (const std::string& line : screen.lines(size.ws_col)) {
            if (++row >= size.ws_row) break;
            text += line + kClearLine + "\n";
        }
        text += std::string("q ends") + kClearRest;
        fmt::print("{}", text);
        std::fflush(stdout);
    }

    /// Waits until the session has something. False when the user wants to end.
    bool wait(const Session& session) const {
        while (!ended.load() && !session.has_line()) {
            std::array<pollfd, 2> files{{{session.fd(), POLLIN, 0}, {STDIN_FILENO, POLLIN, 0}}};
            if (poll(files.data(), is_one_ && has_keys_ ? 2 : 1, -1) < 0) continue;
            if (files[1].revents != 0 && wants_end()) return false;
            if (files[0].revents != 0) return true;
        }
        return !ended.load();
    }

  private:
    static bool wants_end() {
        char key = 0;
        const ssize_t n = read(STDIN_FILENO, &key, 1);
        return n <= 0 || key == 'q' || key == 'Q' || key == 4;
    }

    bool is_one_;
    bool has_keys_;
    termios before_{};
};

struct TopOptions {
    std::uint64_t interval_ms = 1000;
    std::uint64_t count = 0;  ///< screens; 0: until the user ends it
};

void top(const Options& options, const TopOptions& wanted) {
    Session session(options.socket);
    session.call("stats.subscribe", {{"interval_ms", wanted.interval_ms}});
    TopScreen screen;
    screen.update(session.call("stats.get"));
    const Terminal terminal(!options.json);
    for (std::uint64_t shown = 0; (wanted.count == 0 || shown < wanted.count) && terminal.wait(session);) {
        const Json message = session.next();
        if (message.value("method", "") != "stats") continue;
        if (options.json) {
            fmt::print("{}\n", message["params"].dump());
            std::fflush(stdout);
        } else {
            screen.update(message["params"]);
            terminal.show(screen);
        }
        ++shown;
    }
}

}  // namespace

void add_top(CLI::App& app, const Options& options) {
    auto wanted = std::make_shared<TopOptions>();
    CLI::App* command =
        app.add_subcommand("top", "A live screen: rates of ports and tools, drops by reason, lcores");
    command->add_option("--interval", wanted->interval_ms, "Milliseconds between two updates")
        ->check(CLI::Range(std::uint64_t{100}, std::uint64_t{3'600'000}))
        ->capture_default_str()
        ->type_name("MS");
    command->add_option("--count", wanted->count, "End after so many updates")->type_name("N");
    command->fallthrough()->callback([&options, wanted] { top(options, *wanted); });
}

}  // namespace yagura::ctl
