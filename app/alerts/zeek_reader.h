// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "app/alerts/alert.h"

namespace yagura::alerts {

/// Lines of Zeek's notice.log: JSON objects, or rows with tabs between their columns below a header. Which
/// columns there are says the header that came last, so each log has a reader of its own.
class ZeekReader {
  public:
    Reading read(std::string_view line);

  private:
    /// Where the columns stand that are asked for.
    struct Columns {
        std::size_t count = 0;
        std::optional<std::size_t> ts, uid, source, source_port, destination, destination_port, proto, note,
            msg, src, dst;
    };

    void read_header(std::string_view line);
    Reading read_row(std::string_view line) const;
    std::string_view cell(const std::vector<std::string_view>& row, std::optional<std::size_t> column) const;

    char separator_ = '\t';
    std::string unset_ = "-";
    std::optional<Columns> columns_;
};

}  // namespace yagura::alerts
