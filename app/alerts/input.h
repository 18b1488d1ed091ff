// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <poll.h>

#include <optional>
#include <vector>

#include "app/alerts/line_splitter.h"

namespace yagura::alerts {

/// Where lines come from. Never waits; for one thread.
class Input {
  public:
    virtual ~Input() = default;
    /// The next line that is there; nothing for now. Reads a bounded amount at most.
    virtual std::optional<LineSplitter::Line> next() = 0;
    /// Adds what poll() shall look at for there being more.
    virtual void add_to(std::vector<pollfd>& polled) const = 0;
    /// No more comes, ever.
    virtual bool ended() const = 0;
};

/// Bytes that are read at a time.
inline constexpr std::size_t kReadAtOnce = 64u << 10;

}  // namespace yagura::alerts
