// SPDX-License-Identifier: BSD-3-Clause
#include "net/layer_walker.h"

namespace yagura::net {

void LayerWalker::walk(LinkType link_type) {
    Next next = first_header(link_type);
    while (next != Next::kStop) {
        switch (next) {
            case Next::kEthernet:
                next = ethernet();
                break;
            case Next::kEthertype:
                next = by_ethertype();
                break;
            case Next::kIp:
                next = ip_by_nibble();
                break;
            case Next::kIpv4:
                next = ipv4();
                break;
            case Next::kIpv6:
                next = ipv6();
                break;
            case Next::kTransport:
                next = transport();
                break;
            case Next::kStop:
                break;
        }
    }
    leave_unfinished_tunnel();
}

bool LayerWalker::descend() {
    if (++layers_ <= kMaxLayers) return true;
    too_deep();
    return false;
}

bool LayerWalker::position_fits() {
    if (cursor_.position() < kNoOffset) return true;
    too_deep();
    return false;
}

void LayerWalker::too_deep() {
    guessed_ = false;  // however it was found, the rest of the packet was not seen
    note(Malformed::kTooDeep);
}

void LayerWalker::note(Malformed reason) {
    if (guessed_ || out_.malformed != Malformed::kNone) return;
    out_.malformed = reason;
}

void LayerWalker::leave_unfinished_tunnel() {
    if (pending_tunnel_ == Tunnel::kNone) return;
    while (out_.vlan_count > vlans_before_tunnel_) out_.vlans[--out_.vlan_count] = 0;
}

}  // namespace yagura::net
