// SPDX-License-Identifier: BSD-3-Clause
// SelectStage: how it goes over from one policy to the next.
#include "dataplane/select_stage.h"

namespace yagura::dataplane {
namespace {

/// Entries that one turn looks at to pass flows on to the new policy.
constexpr std::uint32_t kPassedPerTurn = 64;
/// The same when the next policy waits for it.
constexpr std::uint32_t kPassedInHurry = 512;
/// Inspections that one turn ends when their time is over.
constexpr std::uint32_t kEndedPerTurn = 16;

}  // namespace

void SelectStage::show_passing(select::Selector* passing) {
    passing_ = passing;
    taken_over_ = passing != nullptr ? selector_->policy().takeover.from : 0;
    passing_shown_.store(passing, std::memory_order_release);
}

std::uint64_t SelectStage::redirected(const select::Selector& selector,
                                      std::span<const match::RuleIndex> rules, std::uint64_t tools,
                                      std::uint64_t hash, const flow::FlowEntry* flow) const {
    if ((tools & down_) != 0) tools = selector.redirect(rules, tools, hash, flow, down_);
    if (&selector != passing_ || (tools & taken_over_) == 0) return tools;
    return (tools & ~taken_over_) | selector_->policy().takeover.to;
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
    passing_hurries_.store(false, std::memory_order_relaxed);
    // A tool's verdict counts on what it was given before, however long ago.
    const bool keeps = next->has_successors() || options_.feedback != nullptr;
    passed_ = keeps ? finished_flows_ : flows_.indices();
    if (next->epoch() <= before->epoch()) {
        // Epochs begin anew: a flow that was idle over all of them must not be taken for one of the new ones,
        // nor for one of the old when they come to its number.
        forget_others();
        end_passing();
        for (std::uint32_t index = 0; index < flows_.indices(); ++index) {
            flow::FlowEntry& flow = flows_.entry(index);
            if (flow.epoch == before->epoch()) flow.epoch = 0;
        }
    }
    outlet_.flush();
    return true;
}

/// Flows of any policy but the old one begin anew.
void SelectStage::forget_others() {
    for (std::uint32_t index = 0; index < flows_.indices(); ++index) {
        flow::FlowEntry& flow = flows_.entry(index);
        if (flow.epoch != passing_->epoch()) flow.epoch = 0;
    }
}

/// Ends all that goes on under the old policy, in this turn: after it that one may be gone.
void SelectStage::end_passing() {
    if (passing_ == nullptr) return;
    end_inspections(UINT32_MAX);
    pass_entries(UINT32_MAX);
    show_passing(nullptr);
}

/// Ends so many inspections of the old policy at most; their flows go on. False when there are more.
bool SelectStage::end_inspections(std::uint32_t most) {
    for (std::uint32_t n = 0;; ++n) {
        const std::uint32_t index = passing_->oldest_inspected();
        if (index == flow::FlowTable::kNone) return true;
        if (n == most) return false;
        end_inspection(index, select::Selector::End::kPolicy);
        flow::FlowEntry& flow = flows_.entry(index);
        pass_on(flow, index, flow.key.symmetric_hash(options_.hash_seed));
    }
}

/// Passes on flows that are idle.
void SelectStage::pass_entries(std::uint32_t looks) {
    for (; looks != 0 && passed_ < flows_.indices(); --looks, ++passed_) {
        flow::FlowEntry& flow = flows_.entry(passed_);
        if (flow.used) pass_on(flow, passed_, flow.key.symmetric_hash(options_.hash_seed));
    }
}

/// A turn's share of the way to where the old policy is not needed any more.
void SelectStage::pass_some() {
    if (outlet_.waits()) return;
    const bool hurries = passing_hurries_.load(std::memory_order_relaxed);
    pass_entries(hurries ? kPassedInHurry : kPassedPerTurn);
    const bool over = hurries || now_ns_ >= passing_ends_ns_;
    const bool ended = end_inspections(over ? kEndedPerTurn : 0);
    outlet_.flush();
    if (ended && passed_ >= flows_.indices()) show_passing(nullptr);
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
