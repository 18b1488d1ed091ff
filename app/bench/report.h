// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "app/bench/environment.h"
#include "app/bench/measure.h"
#include "base/result.h"

namespace yagura::bench {

/// Figures of one kind, a line for each thing measured.
struct Table {
    struct Column {
        std::string name;
        std::string unit;  ///< "" for a ratio
        int decimals = 1;
    };
    struct Row {
        std::vector<std::string> labels;
        std::vector<std::optional<Spread>> figures;  ///< by column; none where it cannot be had
    };
    std::string title;
    std::vector<std::string> labels;  ///< what the labels of a row are
    std::vector<Column> columns;
    std::vector<Row> rows;
    std::vector<std::string> notes;  ///< what must be known to read it, a sentence each
};

struct Report {
    std::string benchmark;
    std::vector<Table> tables;
    std::optional<double> interrupted_share;  ///< as in Measurement, where rounds are made again
};

/// Tables in Markdown, laid out so that they can be read as they stand, below where, when and how they came
/// about.
std::string to_markdown(const Report& report, const Environment& environment);
/// All figures, with every repeat.
std::string to_json(const Report& report, const Environment& environment);

/// Replaces what stands in `path` between the lines "<!-- yagura-bench: NAME -->" and "<!-- end -->", NAME
/// being the benchmark's, by `text`.
base::Result<void> write_into(const std::string& path, const std::string& name, const std::string& text);

}  // namespace yagura::bench
