// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstddef>
#include <vector>

#include "base/result.h"
#include "drivers/pcap/capture_record.h"
#include "drivers/pcap/file_input.h"

namespace yagura::pcap {

/// Classic pcap, version 2.4 (draft-ietf-opsawg-pcap): both byte orders, micro- and nanoseconds, and the
/// longer record header of Kuznetzov's modified format (magic a1b2cd34; its extra fields are ignored).
class ClassicFormat {
  public:
    static bool recognises(base::Bytes first_four);

    /// Reads the file header. The error lacks the file's name.
    static base::Result<ClassicFormat> open(FileInput& in);

    ReadStatus next(FileInput& in, Record& record, Problem& problem);

    std::vector<Interface>& interfaces() { return interfaces_; }
    const std::vector<Interface>& interfaces() const { return interfaces_; }

  private:
    FileOrder order_;
    std::size_t record_header_ = 16;
    std::uint64_t ns_per_fraction_ = 1000;
    std::vector<Interface> interfaces_;
};

}  // namespace yagura::pcap
