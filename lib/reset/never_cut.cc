// SPDX-License-Identifier: BSD-3-Clause
#include "reset/never_cut.h"

#include <algorithm>

#include "net/protocol_numbers.h"

namespace yagura::reset {

NeverCut::NeverCut(std::span<const BlockTarget> prefixes, std::span<const std::uint16_t> ports)
    : prefixes_(prefixes.begin(), prefixes.end()) {
    for (const std::uint16_t port : ports) ports_.set(port);
}

bool NeverCut::covers(const net::FlowKey& key) const {
    const bool has_ports = key.proto == net::ip_proto::kTcp || key.proto == net::ip_proto::kUdp ||
                           key.proto == net::ip_proto::kSctp;
    if (has_ports && (ports_.test(key.sport) || ports_.test(key.dport))) return true;
    return std::any_of(prefixes_.begin(), prefixes_.end(),
                       [&key](const BlockTarget& prefix) { return prefix.covers(key); });
}

bool NeverCut::forbids(const BlockTarget& target) const {
    if (target.kind == BlockTarget::Kind::kConnection) {
        net::FlowKey key;
        key.src = target.a;
        key.dst = target.b;
        key.sport = target.a_port;
        key.dport = target.b_port;
        key.proto = target.proto;
        key.ip_version = target.ip_version;
        return covers(key);
    }
    return std::any_of(prefixes_.begin(), prefixes_.end(), [&target](const BlockTarget& prefix) {
        return prefix.covers(target.a, target.ip_version) || target.covers(prefix.a, prefix.ip_version);
    });
}

}  // namespace yagura::reset
