// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <termios.h>

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "app/yaguractl/top_screen.h"

namespace yagura::ctl {

/// The terminal's other screen, without echo, until it is gone; plain ANSI sequences. On no terminal (or a
/// dumb one) it prints plain lines and has no keys. One at a time: it takes the process's signals.
class TopTerminal {
  public:
    /// `wanted`: use a terminal if there is one.
    explicit TopTerminal(bool wanted);
    ~TopTerminal();
    TopTerminal(const TopTerminal&) = delete;
    TopTerminal& operator=(const TopTerminal&) = delete;

    bool is_one() const { return is_one_; }
    std::size_t columns() const;
    /// Shows the lines: the first always, of the others as many as there is room for from `first` on, which
    /// is brought to where there are lines. `keys` stands at the bottom.
    void show(const std::vector<Line>& lines, std::size_t& first, const std::string& keys) const;
    /// How far one page is.
    std::size_t page() const;

    enum class Key : std::uint8_t { kNone, kEnd, kUp, kDown, kPageUp, kPageDown, kLetter };
    struct Event {
        Key key = Key::kNone;
        char letter = 0;        ///< of kLetter
        bool readable = false;  ///< the file has something
        bool redraw = false;    ///< the terminal has another size, or is ours again
    };
    /// Waits for a key, for the file (-1: none), for another size, or so long (negative: for ever).
    Event wait(int file, std::chrono::milliseconds timeout);

  private:
    void enter();
    void leave();
    bool read_keys();
    Event next_key();

    bool is_one_;
    bool has_keys_ = false;
    bool has_colours_ = false;
    termios before_{};
    std::string keys_;  ///< that were pressed and not dealt with: some come together
};

}  // namespace yagura::ctl
