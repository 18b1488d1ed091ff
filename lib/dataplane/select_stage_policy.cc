// SPDX-License-Identifier: BSD-3-Clause
// SelectStage: how it goes over from one policy to the next.
#include "dataplane/select_stage.h"

namespace yagura::dataplane {
namespace {

/// Entries that one turn looks at to pass flows on to the new policy.
constexpr std::uint32_t kPassedPerTurn = 64;
/// Inspections that one turn ends when their time is over.
constexpr unsigned kEndedPerTurn = 16;

}  // namespace

void SelectStage::show_passing(select::Selector* passing) {
    passing_ = passing;
    passing_shown_.store(passing, std::memory_order_release);
}

/// Goes over to a policy that was published. What is open under the one before goes on; but not what was
/// left of the one before that, for two are alive at most.
bool SelectStage::adopt_policy() {
    select::Selector* const next = next_selector_.load(std::memory_order_acquire);
    if (next == selector_) return false;
    end_passing();
    select::Selector* const before = selector_;
    selector_ = next;
    show_passing(before);
    passing_ends_ns_ = now_ns_ + kPassingNs;
    passed_ = next->has_successors() ? 0 : flows_.indices();
    if (next->epoch() <= before->epoch()) {
        // Epochs begin anew: a flow that was idle over all of them must not be taken for one of the new ones.
        end_passing();
        flows_.for_each([this](std::uint32_t index) { flows_.entry(index).epoch = 0; });
    }
    outlet_.flush();
    return true;
}

/// Ends all that goes on under the old policy, in this turn: after it that one may be gone.
void SelectStage::end_passing() {
    if (passing_ == nullptr) return;
    for (;;) {
        const std::uint32_t index = passing_->oldest_inspected();
        if (index == flow::FlowTable::kNone) break;
        end_inspection(index, select::Selector::End::kPolicy);
    }
    for (; passed_ < flows_.indices(); ++passed_) {
        flow::FlowEntry& flow = flows_.entry(passed_);
        if (flow.used) pass_on(flow, passed_, flow.key.symmetric_hash(options_.hash_seed));
    }
    show_passing(nullptr);
}

/// The new policy learns what the old one has found out about the flow, if it is not at it still.
void SelectStage::pass_on(flow::FlowEntry& flow, std::uint32_t index, std::uint64_t hash) {
    if (flow.epoch == passing_->epoch() && !passing_->inspects(flow))
        selector_->succeed(flow, index, hash, *passing_);
}

/// A turn's share of the way to where the old policy is not needed any more.
void SelectStage::pass_some() {
    if (outlet_.waits()) return;
    for (std::uint32_t n = 0; n < kPassedPerTurn && passed_ < flows_.indices(); ++n, ++passed_) {
        flow::FlowEntry& flow = flows_.entry(passed_);
        if (flow.used) pass_on(flow, passed_, flow.key.symmetric_hash(options_.hash_seed));
    }
    std::uint32_t index = passing_->oldest_inspected();
    for (unsigned n = 0; n < kEndedPerTurn && index != flow::FlowTable::kNone && now_ns_ >= passing_ends_ns_;
         ++n) {
        end_inspection(index, select::Selector::End::kPolicy);
        index = passing_->oldest_inspected();
    }
    outlet_.flush();
    if (index == flow::FlowTable::kNone && passed_ >= flows_.indices()) show_passing(nullptr);
}

/// Whose turn it is to go when room is short.
std::uint32_t SelectStage::oldest_inspected() const {
    const std::uint32_t old = passing_ == nullptr ? flow::FlowTable::kNone : passing_->oldest_inspected();
    return old != flow::FlowTable::kNone ? old : selector_->oldest_inspected();
}

std::uint32_t SelectStage::oldest_one_sided() const {
    const std::uint32_t old = passing_ == nullptr ? flow::FlowTable::kNone : passing_->oldest_one_sided();
    return old != flow::FlowTable::kNone ? old : selector_->oldest_one_sided();
}

}  // namespace yagura::dataplane
