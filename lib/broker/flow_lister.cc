// SPDX-License-Identifier: BSD-3-Clause
#include "broker/flow_lister.h"

#include <algorithm>
#include <utility>

#include "broker/flow_name.h"

namespace yagura::broker {
namespace {

using control::Json;

/// A cursor is a select stage, and an entry of its table.
constexpr unsigned kIndexBits = 32;

Json flow_entry(const dataplane::FlowSample& flow, const LiveRun& run, std::size_t select) {
    Json entry{{"flow", flow_name(flow.key)}, {"lcore", run.plan.select[select]}};
    if (flow.key.proto == net::ip_proto::kTcp) entry["state"] = flow_state_name(flow.state);
    entry["answered"] = flow.answered;
    entry["decided"] = flow.decided;
    if (flow.shed != 0) entry["shed_tools"] = tool_names(run.config, flow.shed);
    if (flow.cut != 0) entry["cut_tools"] = tool_names(run.config, flow.cut);
    if (flow.shunted != 0) entry["shunted_tools"] = tool_names(run.config, flow.shunted);
    if (!flow.current) return entry;
    entry["tools"] = tool_names(run.config, flow.tools);
    return entry;
}

}  // namespace

Json tool_names(const rules::Config& config, std::uint64_t tools) {
    Json names = Json::array();
    for (const rules::Port* tool : config.tool_ports()) {
        if ((tools >> tool->place & 1) != 0) names.push_back(tool->name);
    }
    return names;
}

void FlowLister::ask(Question question) {
    questions_.push_back(std::move(question));
}

bool FlowLister::finished() const {
    return select_ >= run_.pipeline->select_stages() || looked_ >= kMaxLooks ||
           flows_.size() >= questions_.front().limit;
}

void FlowLister::go_on() {
    if (questions_.empty()) return;
    const Question& question = questions_.front();
    if (flows_.is_null()) {
        flows_ = Json::array();
        select_ = static_cast<std::size_t>(question.cursor >> kIndexBits);
        index_ = static_cast<std::uint32_t>(question.cursor);
        looked_ = 0;
    }
    if (asked_) {
        if (!page_.done.load(std::memory_order_acquire)) return;
        take_page();
    }
    if (!finished()) {
        page_.filter = question.filter;
        page_.begin = index_;
        page_.wanted = static_cast<unsigned>(
            std::min<std::size_t>(dataplane::FlowPage::kSamples, question.limit - flows_.size()));
        asked_ = run_.pipeline->ask_flows(select_, page_);
        return;
    }
    const bool more = select_ < run_.pipeline->select_stages();
    const std::uint64_t next = std::uint64_t{select_} << kIndexBits | index_;
    const Json answer{{"flows", std::exchange(flows_, Json())}, {"next", more ? Json(next) : Json(nullptr)}};
    const Done done = question.done;
    questions_.pop_front();
    done(answer);
}

void FlowLister::take_page() {
    asked_ = false;
    for (unsigned i = 0; i < page_.count; ++i) flows_.push_back(flow_entry(page_.samples[i], run_, select_));
    looked_ += page_.next - index_;
    index_ = page_.next;
    if (!page_.at_end) return;
    ++select_;
    index_ = 0;
}

}  // namespace yagura::broker
