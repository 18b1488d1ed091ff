// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/flow_page.h"

#include <algorithm>

#include "dataplane/select_stage.h"

namespace yagura::dataplane {

bool FlowFilter::matches(const net::FlowKey& key) const noexcept {
    if (protocol && key.proto != *protocol) return false;
    if (port && key.sport != *port && key.dport != *port) return false;
    return !host ||
           (key.ip_version == host->ip_version && (key.src == host->address || key.dst == host->address));
}

std::uint64_t SelectStage::tools_of(const select::Selector& selector, const flow::FlowEntry& flow) const {
    return reached(selector, selector.flow_rules(flow), selector.flow_tools(flow),
                   flow.key.symmetric_hash(options_.hash_seed), &flow);
}

void SelectStage::copy_flows(FlowPage& page) const noexcept {
    const std::uint32_t indices = flows_.indices();
    const std::uint32_t end =
        std::min(indices, page.begin + std::min(FlowPage::kLooks, UINT32_MAX - page.begin));
    std::uint32_t index = page.begin;
    page.count = 0;
    for (; index < end && page.count < page.wanted; ++index) {
        const flow::FlowEntry& entry = flows_.entry(index);
        if (!entry.used || !page.filter.matches(entry.key)) continue;
        const FlowShedder::Shed shed = shedder_.shed(index);
        if (page.filter.shed && (shed.all >> page.filter.shed->value() & 1) == 0) continue;
        const std::uint64_t shunted = responder_ == nullptr ? 0 : responder_->shunted(index);
        if (page.filter.shunted && (shunted >> page.filter.shunted->value() & 1) == 0) continue;
        const select::Selector& selector = knower_of(entry);
        const bool current = entry.epoch == selector.epoch();
        page.samples[page.count++] = {.key = entry.key,
                                      .tools = current ? tools_of(selector, entry) : 0,
                                      .shed = shed.all,
                                      .cut = shed.cut,
                                      .shunted = shunted,
                                      .state = static_cast<flow::TcpState>(entry.tcp_state),
                                      .answered = entry.answered != 0,
                                      .decided = current && entry.decided != 0,
                                      .current = current};
    }
    page.next = index;
    page.at_end = index >= indices;
}

}  // namespace yagura::dataplane
