// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "app/bench/card/traffic_shares.h"
#include "flow/block_store.h"
#include "net/flow_key.h"
#include "rules/config.h"
#include "select/selector.h"

namespace yagura::bench {

/// Flows that are alike: what they have in common, what they may choose, and what they say first.
struct FlowClass {
    net::FlowKey key;           ///< client to server; of what is free, the least value
    std::uint8_t src_bits = 0;  ///< low bits of the client's address that are free
    std::uint8_t dst_bits = 0;
    std::uint16_t sport_range = 1;  ///< so many ports from key.sport on
    std::uint16_t dport_range = 1;
    std::vector<std::uint16_t> vlans;
    Wrapping wrapping = Wrapping::kNone;  ///< behind these
    std::string to_server;  ///< what the client's bytes begin with; then come words that mean nothing
    std::string to_client;

    /// The n-th flow's key. Flows with the same key are the same flow; there are flows() of them.
    net::FlowKey nth(std::uint64_t n) const;
    std::uint64_t flows() const;
};

/// The packets of a flow's first exchange: SYN, SYN/ACK, the client's bytes, the server's. Of other protocols
/// two packets.
std::vector<std::vector<std::uint8_t>> first_packets(const FlowClass& flow_class);

/// Asks a policy about one flow of a class at a time, from its first packet to its end.
class FlowAsker {
  public:
    explicit FlowAsker(std::shared_ptr<const select::PolicySnapshot> policy);

    struct Answer {
        std::vector<match::RuleIndex> rules;  ///< that were in effect for a packet of it; ascending
        bool selected = false;                ///< a tool gets packets of it
        bool inspected = false;               ///< its payload is looked into
    };
    Answer ask(const FlowClass& flow_class);

  private:
    std::shared_ptr<const select::PolicySnapshot> policy_;
    flow::BlockStore store_;
    select::Selector selector_;
    std::vector<select::DecisionTable::RuleCount> before_;
};

/// The traffic that exercises a configuration.
struct ClassPlan {
    /// Of a rule that forwards, or of several; by rule in turn, so that every rule has its share.
    std::vector<FlowClass> selected;
    /// Which no rule forwards. Where there are payload rules, flows that these have to look into.
    std::vector<FlowClass> others;
    bool others_selected = false;  ///< none could be found that nothing selects
};

/// Made from the rules: plain filters (addresses, networks, protocols, ports) are met by construction, others
/// by trying packets made of the addresses and numbers that stand in them; payloads by what their patterns
/// say. Rules that are not met this way get no flows of their own. At most `most` classes are selected.
ClassPlan plan_classes(const rules::Config& config, std::shared_ptr<const select::PolicySnapshot> policy,
                       std::size_t most = 256);

}  // namespace yagura::bench
