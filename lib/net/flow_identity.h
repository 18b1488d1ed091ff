// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "net/parser.h"

namespace yagura::net {

/// What, besides addresses, protocol and ports, tells flows apart.
struct FlowIdentity {
    bool vlan = false;
    bool tunnel = false;

    bool any() const { return vlan || tunnel; }
};

/// Fills key.domain of a packet that has a flow.
///
/// VLAN: the two outermost VLAN ids of the frame, of whatever layer, without id 0 (a priority tag, IEEE
/// 802.1Q). A third tag tells nothing apart. Both directions of a flow have to bear the same ids: where they
/// do not (one tag for each direction of a tapped link, a router seen on both its sides), they are two flows.
///
/// Tunnel: the low 24 bits of the innermost tunnel's id, where both directions share it: VNI of VXLAN and
/// GENEVE (all of it), key of GRE (its low three bytes), session of ERSPAN. The ids of GTP-U and PPTP, which
/// each end chooses for what it receives, count as 0, and 0 is as good as no tunnel. Neither the tunnel's
/// type nor its addresses tell anything apart.
///
/// All fragments of a datagram have the same domain: what is in a fragment's payload is never looked at.
void set_domain(ParsedPacket& packet, FlowIdentity identity);

}  // namespace yagura::net
