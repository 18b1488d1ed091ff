// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "app/bench/card/card_choice.h"
#include "app/bench/card/packet_writer.h"
#include "broker/policy_loader.h"

namespace yagura::bench {

/// The traffic of a card, made or captured; gives each rig a writer of its own.
class TrafficMaker {
  public:
    static base::Result<TrafficMaker> create(const broker::LoadedConfig& loaded, const CardChoice& choice);

    bool is_made() const { return captured_ == nullptr; }
    /// The largest share of fragments that made traffic can have.
    double most_fragments() const { return TrafficPlan::most_fragments(classes_, options_); }
    std::size_t packets_of_lap() const { return captured_ ? captured_->frames.size() : flows_; }
    /// On the traffic, a sentence each.
    const std::vector<std::string>& notes() const { return notes_; }

    /// `shares`: of made traffic. `few`: with few flows; `ends`: flows end, and others begin.
    base::Result<std::unique_ptr<PacketWriter>> make(const TrafficShares& shares, bool few, bool ends);

  private:
    static base::Result<TrafficMaker> made(const broker::LoadedConfig& loaded, const CardChoice& choice);
    static base::Result<TrafficMaker> captured(const broker::LoadedConfig& loaded, const CardChoice& choice);

    ClassPlan classes_;
    TrafficPlan::Options options_;
    std::map<TrafficShares, std::shared_ptr<const TrafficPlan>> plans_;  ///< those that were asked for
    std::shared_ptr<const CapturePlan> captured_;                        ///< null: traffic is made
    std::uint32_t flows_ = 0;
    std::vector<std::string> notes_;
};

}  // namespace yagura::bench
