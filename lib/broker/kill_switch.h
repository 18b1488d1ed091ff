// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <string>

#include "control/json_rpc.h"

namespace yagura::broker {

/// response.disable: who said it and why, and the file by which a restart knows. The control thread's.
class KillSwitch {
  public:
    /// `file`: of this run and the one before; empty: what is said ends with the run. One that is there
    /// disables, whatever is in it.
    void open(std::string file);

    void disable(const std::string& by, const std::string& reason);
    void enable();
    /// Who disabled it, when and why; empty: nobody has.
    std::string why() const;
    /// What is wrong with the file: the next run does not begin as this one ends. Empty: nothing.
    const std::string& trouble() const { return trouble_; }
    /// For a program; null when nobody has disabled it.
    control::Json to_json() const;

  private:
    std::string file_;
    std::string by_;  ///< empty: nobody
    std::string reason_;
    std::string since_;
    bool of_earlier_run_ = false;
    bool kept_ = false;  ///< the next run begins disabled
    std::string trouble_;
};

}  // namespace yagura::broker
