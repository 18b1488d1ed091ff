// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "app/alerts/input.h"

namespace yagura::alerts {

/// Standard input, or what else is open already: read until it ends. The descriptor stays the caller's.
class StreamInput : public Input {
  public:
    explicit StreamInput(int fd) : fd_(fd) {}

    std::optional<LineSplitter::Line> next() override;
    void add_to(std::vector<pollfd>& polled) const override;
    bool ended() const override { return ended_; }

  private:
    bool read();

    int fd_;
    LineSplitter lines_;
    bool ended_ = false;
};

}  // namespace yagura::alerts
