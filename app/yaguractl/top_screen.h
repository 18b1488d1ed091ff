// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "app/yaguractl/session.h"

namespace yagura::ctl {

/// Turns updates of stats into lines for a screen: rates between the last two updates, bars, and a small plot
/// of each row's past. It knows no terminal.
class TopScreen {
  public:
    void update(const Json& stats);
    /// Plain lines of at most so many columns, without their ends. Rates need two updates.
    std::vector<std::string> lines(std::size_t columns) const;

  private:
    /// A number that only grows, and how fast it did.
    struct Rate {
        std::uint64_t last = 0;
        double per_second = 0;
        void update(std::uint64_t now, double seconds);
    };
    struct Row {
        std::string name;
        Rate packets;
        Rate bytes;
        std::map<std::string, Rate> lost;  ///< packets by reason of drop or shed
        std::deque<double> past;           ///< packets a second, the latest last
    };
    struct Lcore {
        std::uint64_t id = 0;
        Rate busy;
        Rate empty;
    };
    using Rows = std::vector<Row>;

    void update_rows(Rows& rows, const Json& list, const char* count, const char* reasons, double seconds);
    static void show_rows(std::vector<std::string>& out, const std::string& title, const Rows& rows,
                          std::size_t columns);

    Json stats_ = Json::object();
    std::uint64_t uptime_ms_ = 0;
    unsigned updates_ = 0;
    Rows ports_;
    Rows tools_;
    std::vector<Lcore> lcores_;
};

/// A bar of `width` columns, filled to `share` (0 to 1) in eighths of a column.
std::string bar(double share, std::size_t width);
/// One character for each value, as high as its share of the largest; the latest on the right.
std::string plot(const std::deque<double>& values, std::size_t width);

}  // namespace yagura::ctl
