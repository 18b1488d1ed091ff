// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "app/bench/frame_sizes.h"
#include "app/bench/literals.h"
#include "base/result.h"
#include "broker/policy_loader.h"

namespace yagura::bench {

/// What is asked of `forward` on the command line.
struct ForwardOptions {
    std::string config;  ///< a configuration; empty: the rest says what is run
    std::string source = "memory";
    std::vector<std::string> tool_devices;  ///< empty: memory
    std::optional<unsigned> tools;
    std::optional<std::uint32_t> flows;
    std::string size = "64";
    std::optional<std::uint32_t> rules;
    std::uint32_t patterns = 0;
    std::string literals;          ///< folder of *.rules; empty: made ones
    std::optional<unsigned> hits;  ///< percent
    bool fresh = false;
    std::optional<std::size_t> most;  ///< frames of a capture
    unsigned burst = 32;
    std::string lcores;
    double seconds = 10;
    double warm_up = 2;
    std::optional<std::uint64_t> packets;  ///< end when so many have been received
};

inline constexpr std::size_t kMostFrames = 100'000;

enum class SourceKind : std::uint8_t {
    kRepeating,  ///< packets in memory as they are
    kManyFlows,  ///< few packets that stand for many flows
    kTape,       ///< packets that belong together, new flows each lap
    kRing,       ///< net_ring
    kDevice,     ///< as yagura run opens it
};

/// What is run without a configuration file, checked: what the combination of options means.
struct ForwardTraffic {
    SourceKind source = SourceKind::kRepeating;
    std::string device;          ///< of kDevice; "pcap:FILE" is net_pcap over a copy of the file
    std::string capture;         ///< path; empty: made frames
    FrameSizes sizes;            ///< of made frames
    std::uint32_t flows = 1000;  ///< of made frames
    std::uint32_t rules = 1;
    std::uint32_t patterns = 0;
    unsigned hits = 100;  ///< percent of the flows (of foreign traffic: 0 or 100) that are selected
    std::vector<std::string> tool_devices;

    bool made() const { return capture.empty() && source != SourceKind::kDevice; }
};

/// Says what is wrong where a combination means nothing.
base::Result<ForwardTraffic> resolve(const ForwardOptions& options);

/// The rules and ports of a run, as the text of a configuration: `rules` plain 5-tuples that match nothing,
/// the last of which selects the hits instead if there are any and no patterns, and a payload rule for each
/// pattern. All forward to every tool.
base::Result<broker::LoadedConfig> make_config(const ForwardTraffic& traffic,
                                               const std::string& network_device,
                                               std::span<const Literal> literals);

}  // namespace yagura::bench
