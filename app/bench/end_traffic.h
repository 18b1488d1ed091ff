// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "app/bench/memory_source.h"
#include "base/result.h"
#include "dataplane/pipeline.h"

namespace yagura::bench {

/// Ends a run: no more packets, until all have come to their end; then the threads are stopped. An error when
/// the ledger does not balance, or packets were lost.
base::Result<void> end_traffic(dataplane::Pipeline& pipeline, MemorySource& source);

}  // namespace yagura::bench
