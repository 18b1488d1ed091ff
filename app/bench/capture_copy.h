// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/result.h"

namespace yagura::bench {

/// The frames of a capture that fit one buffer, in a file of its own: net_pcap with infinite_rx refuses a
/// file in which a larger one is. The file goes with the object.
class CaptureCopy {
  public:
    static base::Result<std::unique_ptr<CaptureCopy>> create(const std::string& capture, std::size_t most);
    ~CaptureCopy();
    CaptureCopy(const CaptureCopy&) = delete;
    CaptureCopy& operator=(const CaptureCopy&) = delete;

    const std::string& path() const { return path_; }
    double share_left_out() const { return share_left_out_; }  ///< of the packets

  private:
    CaptureCopy() = default;
    std::string path_;
    double share_left_out_ = 0;
};

}  // namespace yagura::bench
