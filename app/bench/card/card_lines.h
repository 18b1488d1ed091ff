// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <string>
#include <vector>

#include "app/bench/card/card_choice.h"
#include "app/bench/card/card_study.h"
#include "rules/config.h"

namespace yagura::bench {

/// What a line of the card says, and in what it is counted.
struct CardLine {
    Feature feature;
    std::string name;
    std::string each;
    std::string here;                 ///< in this configuration, when it was measured
    std::string absent = "not used";  ///< the same, when it was not
};

/// All lines whose figures make the sum, in the order of the card.
std::vector<CardLine> card_lines(const broker::LoadedConfig& loaded, const CardChoice& choice,
                                 const CardFigures& figures);

}  // namespace yagura::bench
