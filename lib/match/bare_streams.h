// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "base/bytes.h"
#include "match/compiled_rules.h"

namespace yagura::match {

/// Streams of the patterns that CompiledRules::scan_stream() looks for, in the very same databases, scanned
/// by hs_scan_stream() and nothing around it: no state by flow, no rule, no header. The ceiling that
/// benchmarks compare with; hits are counted and forgotten. Belongs to one thread.
class BareStreams {
  public:
    /// So many streams, all open. With rules that have no stream to scan, scan() does nothing. Throws
    /// std::bad_alloc.
    BareStreams(std::shared_ptr<const CompiledRules> rules, std::size_t streams);
    ~BareStreams();
    BareStreams(const BareStreams&) = delete;
    BareStreams& operator=(const BareStreams&) = delete;

    /// The next bytes of a stream. Below 4 GiB.
    void scan(std::size_t stream, base::Bytes bytes);
    std::uint64_t hits() const;
    /// Of one stream, of one direction of a flow.
    std::size_t stream_bytes() const;

  private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace yagura::match
