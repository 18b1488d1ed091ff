// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "flow/flow_table.h"
#include "select/selector.h"

namespace yagura::dataplane {

/// Is told of the flows of one select lcore when they end.
class FlowLog {
  public:
    virtual ~FlowLog() = default;
    /// On the select lcore. The flow is over, or the input is; a packet of it was offered to a tool. The
    /// references end with the call.
    virtual void flow_ended(const flow::FlowEntry& flow, const flow::FlowDetails& details,
                            const select::Selector& selector) = 0;
};

}  // namespace yagura::dataplane
