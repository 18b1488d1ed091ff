// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "app/bench/card/flow_classes.h"
#include "app/bench/card/flow_script.h"
#include "app/bench/card/traffic_shares.h"
#include "base/result.h"

namespace yagura::bench {

/// What all made traffic of a run has in common.
class TrafficPlan {
  public:
    struct Options {
        std::vector<std::uint32_t> sizes;  ///< of frames, in turn
        double hits = 0;                   ///< share of flows that are of the selected classes
        std::uint32_t packets_per_flow = 0;
        std::uint64_t lap_ns = 0;  ///< from one packet of a flow to its next
    };
    /// The largest share of fragments that there can be: begin and end of a TCP flow are none.
    static double most_fragments(const ClassPlan& classes, const Options& options);
    /// Flows of the classes, in so many of which packets are wrapped or fragmented that the shares come out.
    /// An error when there are to be too many fragments.
    static base::Result<std::shared_ptr<const TrafficPlan>> create(const ClassPlan& classes,
                                                                   const Options& options,
                                                                   const TrafficShares& shares);

    std::uint32_t packets_per_flow() const { return options_.packets_per_flow; }
    std::uint64_t lap_ns() const { return options_.lap_ns; }
    const FlowScript& script_of(std::uint64_t flow) const;

  private:
    /// Flows that are alike in what their packets are wrapped in, and in whether these are fragments.
    struct Part {
        double flows = 0;  ///< share of all
        std::vector<FlowScript> selected;
        std::vector<FlowScript> others;
    };
    explicit TrafficPlan(const Options& options) : options_(options) {}
    static Part make_part(const ClassPlan& classes, const Options& options, Wrapping wrapping,
                          bool fragmented);

    Options options_;
    std::vector<Part> parts_;
};

}  // namespace yagura::bench
