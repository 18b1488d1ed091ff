// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "app/bench/card/card_choice.h"
#include "app/bench/card/card_rig.h"
#include "app/bench/card/used_features.h"
#include "app/bench/measure.h"
#include "broker/policy_loader.h"

namespace yagura::bench {

/// What was measured of a configuration.
struct CardFigures {
    std::vector<Observations> parts;       ///< by repeat
    std::vector<Observation> whole;        ///< by repeat
    std::vector<Observation> whole_apart;  ///< by repeat, with select on another CPU; empty: not asked for
    double interrupted_share = 0;
    double bytes_per_packet = 0;
    double payload_scanned_share = 0;  ///< of the frames' bytes
    std::vector<std::uint64_t>
        rules_not_met;               ///< ids: no packet of the traffic was selected or dropped by them
    std::vector<std::string> notes;  ///< on the traffic, a sentence each
};

/// Measures the configuration, whole and feature by feature. EAL must have been started with memory for
/// card_mbufs() packets.
/// `select_cpu`: another than the caller's, to measure what it costs to have select there.
base::Result<CardFigures> study(const broker::LoadedConfig& loaded, const CardChoice& choice,
                                const MeasureOptions& options, std::optional<unsigned> select_cpu);
std::size_t card_mbufs();

}  // namespace yagura::bench
