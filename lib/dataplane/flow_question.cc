// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/flow_question.h"

#include <algorithm>

#include "dataplane/select_stage.h"

namespace yagura::dataplane {
namespace {

bool is_between(const net::FlowKey& flow, net::FlowKey wanted) {
    wanted.domain = flow.domain;
    return flow == wanted || flow == wanted.reversed();
}

}  // namespace

FlowFacts SelectStage::facts_of(std::uint32_t index) noexcept {
    const flow::FlowEntry& entry = flows_.entry(index);
    FlowFacts facts{.key = entry.key,
                    .state = static_cast<flow::TcpState>(entry.tcp_state),
                    .answered = entry.answered != 0,
                    .late_drop = entry.late_drop != 0,
                    .incomplete = entry.incomplete != 0,
                    .idle_ns = flows_.idle_ns(index),
                    .epoch = 0,
                    .standing = {},
                    .response = {}};
    if (responder_ != nullptr) facts.response = responder_->response_of(index);
    select::Selector& selector =
        passing_ != nullptr && passing_->epoch() == entry.epoch ? *passing_ : *selector_;
    if (entry.epoch != selector.epoch()) return facts;
    facts.epoch = selector.epoch();
    facts.standing = selector.standing(entry);
    return facts;
}

void SelectStage::answer(FlowQuestion& question) noexcept {
    question.count = 0;
    if (!question.any_domain) {
        const std::uint32_t index =
            flows_.look_up(question.key, question.key.symmetric_hash(options_.hash_seed));
        if (index != flow::FlowTable::kNone) question.facts[question.count++] = facts_of(index);
        question.at_end = true;
        return;
    }
    const std::uint32_t indices = flows_.indices();
    std::uint32_t index = std::min(question.begin, indices);
    const std::uint32_t end = index + std::min(FlowQuestion::kLooks, indices - index);
    for (; index < end && question.count < FlowQuestion::kMost; ++index) {
        const flow::FlowEntry& entry = flows_.entry(index);
        if (entry.used && is_between(entry.key, question.key))
            question.facts[question.count++] = facts_of(index);
    }
    question.next = index;
    question.at_end = index >= indices;
}

}  // namespace yagura::dataplane
