// SPDX-License-Identifier: BSD-3-Clause
#include "app/bench/forward_options.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string_view>

#include "app/bench/ring_loop.h"
#include "app/bench/rule_texts.h"

namespace yagura::bench {
namespace {

constexpr std::string_view kCapture = "capture:";
/// More flows than this are written into the packets as they are handed out: packets of their own would not
/// fit the caches.
constexpr std::uint32_t kMostFlowsInMemory = 4096;

base::Error refuse(std::string message) {
    return base::Error{std::move(message)};
}

bool is_foreign(std::string_view source) {
    return source != "memory" && source != "ring";
}

base::Result<ForwardTraffic> traffic_of(const ForwardOptions& options) {
    ForwardTraffic traffic;
    traffic.flows = options.flows.value_or(1000);
    traffic.rules = options.rules.value_or(options.patterns == 0 ? 1 : 0);
    traffic.patterns = options.patterns;
    traffic.tool_devices = options.tool_devices;
    if (traffic.tool_devices.empty()) traffic.tool_devices.assign(options.tools.value_or(1), "loop:");
    if (options.size.starts_with(kCapture)) {
        traffic.capture = options.size.substr(kCapture.size());
    } else {
        auto sizes = parse_frame_sizes(options.size);
        if (!sizes) return sizes.error();
        traffic.sizes = std::move(*sizes);
    }
    if (is_foreign(options.source)) {
        traffic.source = SourceKind::kDevice;
        traffic.device = options.source;
    } else if (options.source == "ring") {
        traffic.source = SourceKind::kRing;
        traffic.tool_devices = {RingLoop::kToolDevice};
    } else if (options.patterns != 0 || (options.fresh && !traffic.capture.empty())) {
        traffic.source = SourceKind::kTape;
    } else if (traffic.capture.empty() && (options.fresh || traffic.flows > kMostFlowsInMemory)) {
        traffic.source = SourceKind::kManyFlows;
    }
    const bool by_header = traffic.rules != 0 && options.patterns == 0;
    traffic.hits = options.hits.value_or(by_header ? 100 : 0);
    return traffic;
}

/// What the source of the packets rules out.
base::Result<void> check_source(const ForwardOptions& options, const ForwardTraffic& traffic) {
    const bool memory = options.source == "memory";
    if (!memory && options.fresh)
        return refuse("--fresh is for --source memory: others repeat their packets");
    if (!memory && options.patterns != 0) {
        return refuse(
            "--patterns needs --source memory, whose flows are new in each lap: a source that repeats its "
            "packets brings flows that are decided already");
    }
    if (is_foreign(options.source) && options.flows) {
        return refuse("--flows is for --source memory and ring: the packets of others are not made");
    }
    if (is_foreign(options.source) && options.size != "64" && options.source != "null") {
        return refuse("--size is for --source memory, ring and null: the packets of others are not made");
    }
    if (options.source == "null" && traffic.sizes.turn.size() != 1) {
        return refuse("--source null has frames of one size");
    }
    if (!traffic.capture.empty() && options.flows) {
        return refuse("--flows is for made frames: a capture has its own");
    }
    if (traffic.source == SourceKind::kRing) {
        if (options.tools.value_or(1) != 1 || !options.tool_devices.empty()) {
            return refuse("--source ring has one tool, the other end of the ring");
        }
        if (traffic.rules == 0 || traffic.hits != 100) {
            return refuse("--source ring needs a rule and --hits 100: what is not sent does not come round");
        }
    }
    return {};
}

base::Result<void> check_rules(const ForwardOptions& options, const ForwardTraffic& traffic) {
    if (options.tools && !options.tool_devices.empty()) {
        return refuse("--tools is for tools in memory; with --tool there are as many as are named");
    }
    if (!options.literals.empty() && options.patterns == 0) return refuse("--literals needs --patterns");
    const bool reads = !traffic.capture.empty() || options.source.starts_with("pcap:");
    if (options.most && !reads) return refuse("--most needs a capture");
    if (traffic.hits == 0) return {};
    if (traffic.rules == 0 && options.patterns == 0) return refuse("--hits needs --rules or --patterns");
    if (!traffic.made()) {
        if (options.patterns != 0) {
            return refuse("--hits with --patterns is for made frames: what a capture says is its own");
        }
        if (traffic.hits != 100) {
            return refuse("--hits is 0 or 100 (a rule without filter) where the packets are not made");
        }
        return {};
    }
    if (traffic.flows < 100 && traffic.hits != 100) {
        return refuse("--hits other than 0 and 100 needs at least 100 --flows");
    }
    return {};
}

}  // namespace

base::Result<ForwardTraffic> resolve(const ForwardOptions& options) {
    auto traffic = traffic_of(options);
    if (!traffic) return traffic.error();
    if (auto checked = check_source(options, *traffic); !checked) return checked.error();
    if (auto checked = check_rules(options, *traffic); !checked) return checked.error();
    return traffic;
}

base::Result<broker::LoadedConfig> make_config(const ForwardTraffic& traffic,
                                               const std::string& network_device,
                                               std::span<const Literal> literals) {
    using Json = nlohmann::ordered_json;
    Json ports = {{"net0", {{"role", "network"}, {"device", network_device}}}};
    Json tools = Json::array();
    for (const std::string& device : traffic.tool_devices) {
        const std::string name = fmt::format("tool{}", tools.size());
        ports[name] = {{"role", "tool"}, {"device", device}};
        tools.push_back(name);
    }
    Json rules = Json::array();
    const auto add = [&](Json rule) {
        rule["id"] = rules.size() + 1;
        rule["forward"] = tools;
        rules.push_back(std::move(rule));
    };
    const bool selects = traffic.patterns == 0 && traffic.hits != 0;
    for (std::uint32_t n = 1; n <= traffic.rules; ++n) {
        if (n < traffic.rules || !selects) {
            add({{"filter", plain_filter(n)}});
        } else if (traffic.made()) {
            add({{"filter", "tcp port 80"}});
        } else {
            add(Json::object());
        }
    }
    for (std::uint32_t i = 0; i < traffic.patterns; ++i) {
        add({{"filter", "tcp"},
             {"payload", pattern_text(literals[std::size_t{i} * literals.size() / traffic.patterns])}});
    }
    constexpr std::uint32_t kDefaultFlows = 1u << 20;
    const Json config = {{"ports", std::move(ports)},
                         {"rules", std::move(rules)},
                         {"inspect", {{"flows", std::max(kDefaultFlows, traffic.flows)}}}};
    broker::LoadedConfig loaded =
        broker::compile_config(rules::parse_config(config.dump()), net::LinkType::kEthernet);
    if (!loaded.ok()) return base::Error{broker::error_report("built rules", loaded.errors)};
    return loaded;
}

}  // namespace yagura::bench
