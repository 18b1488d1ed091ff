// SPDX-License-Identifier: BSD-3-Clause
#include "app/bench/end_traffic.h"

#include <chrono>
#include <thread>

namespace yagura::bench {

base::Result<void> end_traffic(dataplane::Pipeline& pipeline, MemorySource& source) {
    pipeline.stop_sources();
    while (!pipeline.drained()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    pipeline.stop();
    source.close();
    const dataplane::Stats stats = pipeline.stats();
    if (!stats.balanced() || stats.lost() != 0) return base::Error{"the ledger does not balance"};
    return {};
}

}  // namespace yagura::bench
