// SPDX-License-Identifier: BSD-3-Clause
#include "app/yaguractl/top_terminal.h"

#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <string_view>

namespace yagura::ctl {
namespace {

constexpr const char* kOtherScreen = "\x1b[?1049h\x1b[?25l";  ///< and no cursor
constexpr const char* kUsualScreen = "\x1b[?25h\x1b[?1049l";
constexpr const char* kHome = "\x1b[H";
constexpr const char* kClearLine = "\x1b[K";
constexpr const char* kClearRest = "\x1b[J";
constexpr std::size_t kPlainColumns = 120;
constexpr char kEndOfText = 4;  ///< control D

std::atomic<bool> ended{false};
std::atomic<bool> resized{false};
std::atomic<bool> stopped{false};

std::string_view variable(const char* name) {
    const char* const value = std::getenv(name);
    return value == nullptr ? "" : value;
}

/// How long a terminal may take to read the last words.
constexpr int kLastWordsMs = 200;

enum class Words { kAny, kLast };

/// Writes to the terminal, past signals and a terminal that does not read for now. Gives up when the end is
/// wanted, and wants it when the terminal is gone.
void put(std::string_view text, Words words) {
    while (!text.empty()) {
        if (words == Words::kAny && ended.load()) return;
        pollfd out{STDOUT_FILENO, POLLOUT, 0};
        const int ready = poll(&out, 1, words == Words::kLast ? kLastWordsMs : -1);
        if (ready < 0 && errno == EINTR) continue;
        if (ready <= 0) return;
        const ssize_t n = write(STDOUT_FILENO, text.data(), text.size());
        if (n > 0) {
            text.remove_prefix(static_cast<std::size_t>(n));
        } else if (errno != EINTR && errno != EAGAIN) {
            return ended.store(true);
        }
    }
}

winsize size_of_terminal() {
    winsize size{};
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0 || size.ws_row == 0)
        size = {24, 80, 0, 0};
    return size;
}

std::string coloured(const Line& line) {
    switch (line.tone) {
        case Tone::kTitle:
            return "\x1b[1m" + line.text + "\x1b[0m";
        case Tone::kLoss:
            return "\x1b[31m" + line.text + "\x1b[0m";
        case Tone::kPlain:
            break;
    }
    return line.text;
}

}  // namespace

TopTerminal::TopTerminal(bool wanted)
    : is_one_(wanted && isatty(STDOUT_FILENO) == 1 && variable("TERM") != "dumb") {
    if (!is_one_) return;
    has_colours_ = variable("NO_COLOR").empty();
    has_keys_ = isatty(STDIN_FILENO) == 1 && tcgetattr(STDIN_FILENO, &before_) == 0;
    const auto on = [](int number, void (*handler)(int)) {
        struct sigaction action {};
        action.sa_handler = handler;
        sigaction(number, &action, nullptr);
    };
    for (const int number : {SIGINT, SIGTERM, SIGHUP}) on(number, [](int) { ended.store(true); });
    on(SIGWINCH, [](int) { resized.store(true); });
    on(SIGTSTP, [](int) { stopped.store(true); });
    enter();
}

TopTerminal::~TopTerminal() {
    if (is_one_) leave();
}

void TopTerminal::enter() {
    if (has_keys_) {
        termios keys = before_;
        keys.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);
        tcsetattr(STDIN_FILENO, TCSANOW, &keys);
    }
    put(kOtherScreen, Words::kAny);
}

void TopTerminal::leave() {
    if (has_keys_) tcsetattr(STDIN_FILENO, TCSANOW, &before_);
    put(kUsualScreen, Words::kLast);
}

std::size_t TopTerminal::columns() const {
    return is_one_ ? size_of_terminal().ws_col : kPlainColumns;
}

std::size_t TopTerminal::page() const {
    // All rows but the first line, the keys, and one that both pages show.
    return std::max(4, int{size_of_terminal().ws_row}) - 3u;
}

void TopTerminal::show(const std::vector<Line>& lines, std::size_t& first, const std::string& keys) const {
    if (!is_one_) {
        for (const Line& line : lines) fmt::print("{}\n", line.text);
        fmt::print("\n");
        std::fflush(stdout);
        return;
    }
    const std::size_t rows = size_of_terminal().ws_row;
    const std::size_t room = rows > 2 ? rows - 2 : 0;
    const std::size_t rest = lines.size() - 1;
    first = std::min(first, rest > room ? rest - room : 0);
    std::string text = kHome;
    const auto add = [&](const Line& line) {
        text += (has_colours_ ? coloured(line) : line.text) + kClearLine + "\n";
    };
    if (rows > 1) add(lines[0]);
    for (std::size_t i = first; i < std::min(rest, first + room); ++i) add(lines[1 + i]);
    std::string bottom = keys;
    if (rest > room)
        bottom = fmt::format("{}-{} of {}   ", first + 1, std::min(rest, first + room), rest) + keys;
    text += bottom.substr(0, columns() - 1) + kClearRest;
    put(text, Words::kAny);
}

/// False at the end of the input.
bool TopTerminal::read_keys() {
    std::array<char, 256> bytes;
    const ssize_t n = read(STDIN_FILENO, bytes.data(), bytes.size());
    if (n > 0) keys_.append(bytes.data(), static_cast<std::size_t>(n));
    return n > 0;
}

/// Takes one key of those that were pressed: a character, or a sequence from ESC [ or ESC O to a letter or ~.
TopTerminal::Event TopTerminal::next_key() {
    std::size_t size = 1;
    if (keys_.size() > 2 && keys_[0] == '\x1b' && (keys_[1] == '[' || keys_[1] == 'O')) {
        size = 3;
        while (size < keys_.size() && keys_[size - 1] < '@') ++size;
    }
    const std::string key = keys_.substr(0, size);
    keys_.erase(0, size);
    if (key == "\x1b[A" || key == "\x1bOA") return {.key = Key::kUp};
    if (key == "\x1b[B" || key == "\x1bOB") return {.key = Key::kDown};
    if (key == "\x1b[5~") return {.key = Key::kPageUp};
    if (key == "\x1b[6~") return {.key = Key::kPageDown};
    if (key == "q" || key == "Q" || key[0] == kEndOfText) return {.key = Key::kEnd};
    return key[0] == '\x1b' ? Event{} : Event{.key = Key::kLetter, .letter = key[0]};
}

TopTerminal::Event TopTerminal::wait(int file, std::chrono::milliseconds timeout) {
    if (ended.load()) return {.key = Key::kEnd};
    if (!keys_.empty()) return next_key();
    std::array<pollfd, 2> files{{{file, POLLIN, 0}, {has_keys_ ? STDIN_FILENO : -1, POLLIN, 0}}};
    // A signal that comes before poll() waits for the next update, which is soon there.
    const int ready = poll(files.data(), files.size(), static_cast<int>(timeout.count()));
    if (ended.load()) return {.key = Key::kEnd};
    if (stopped.exchange(false)) {
        leave();
        raise(SIGSTOP);
        enter();
        resized.store(true);
    }
    if (resized.exchange(false)) return {.redraw = true};
    if (ready <= 0) return {};
    Event event;
    if (files[1].revents != 0) event = read_keys() ? next_key() : Event{.key = Key::kEnd};
    event.readable = files[0].revents != 0;
    return event;
}

}  // namespace yagura::ctl
