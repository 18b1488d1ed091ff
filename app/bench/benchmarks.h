// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <functional>

#include "app/bench/report.h"
#include "base/result.h"

namespace CLI {
class App;
}

namespace yagura::bench {

/// Options that all benchmarks have.
struct Common {
    unsigned cpu = 0;
    MeasureOptions measure;
};
using Benchmark = std::function<base::Result<Report>(const Common&)>;

/// Each adds a subcommand, which leaves what is to be run in `chosen`. A new benchmark is a file and a line.
void add_parse(CLI::App& app, Benchmark& chosen);
void add_forward(CLI::App& app, Benchmark& chosen);
void add_rings(CLI::App& app, Benchmark& chosen);
void add_stages(CLI::App& app, Benchmark& chosen);
void add_filters(CLI::App& app, Benchmark& chosen);
void add_bpf(CLI::App& app, Benchmark& chosen);
void add_flow(CLI::App& app, Benchmark& chosen);
void add_blocks(CLI::App& app, Benchmark& chosen);
void add_payload(CLI::App& app, Benchmark& chosen);
void add_reload(CLI::App& app, Benchmark& chosen);
void add_reset(CLI::App& app, Benchmark& chosen);
void add_card(CLI::App& app, Benchmark& chosen);

}  // namespace yagura::bench
