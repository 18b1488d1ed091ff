// SPDX-License-Identifier: BSD-3-Clause
// Responder: ports and tools that have been removed, of which no flow may know any more before others get
// their numbers.
#include <utility>

#include "dataplane/responder.h"

namespace yagura::dataplane {
namespace {

/// Flows that are gone through in a turn.
constexpr std::uint32_t kForgottenPerTurn = 64;

}  // namespace

void Responder::forget_port(base::PortId port) noexcept {
    outlets_[port.index()].removed = true;
    begin_to_forget();
}

void Responder::forget_tool(base::ToolId tool) noexcept {
    removed_tools_ |= std::uint64_t{1} << tool.value();
    sought_.tools &= ~removed_tools_;
    begin_to_forget();
}

void Responder::begin_to_forget() noexcept {
    to_forget_.begin(flows_.indices());
    forgetting_.store(true, std::memory_order_relaxed);
}

/// A turn's share.
unsigned Responder::forget_some() {
    unsigned looks = 0;
    for (; looks < kForgottenPerTurn && !to_forget_.over(); ++looks) {
        const std::uint32_t index = to_forget_.next();
        State& state = states_[index];
        for (Way& way : state.ways) forget_removed(way);
        given_[index] &= ~removed_tools_;
        if ((state.shunted & removed_tools_) == 0) continue;
        state.shunted &= ~removed_tools_;
        unwatch(index);
    }
    if (!to_forget_.over()) return looks;
    forget_in_verdicts();
    for (Outlet& outlet : outlets_) outlet.removed = false;
    removed_tools_ = 0;
    forgetting_.store(false, std::memory_order_release);
    return looks + 1;
}

/// What was learned by a port goes with it, and the next frame teaches it anew.
void Responder::forget_removed(Way& way) {
    const auto removed = [this](std::uint16_t port) { return port != 0 && outlets_[port - 1u].removed; };
    if (removed(way.second)) way.second = 0;
    if (!removed(way.port)) return;
    way.port = std::exchange(way.second, std::uint16_t{0});
    if (way.port != 0) return;
    fronts_.release(way.front);
    way = {};
}

/// After the flows: those that have ended meanwhile have left their ways to what is being cut.
void Responder::forget_in_verdicts() {
    const auto forget = [this](ResponseCause cause, std::uint64_t& source) {
        if (cause == ResponseCause::kTool && source < base::kMaxTools && (removed_tools_ >> source & 1) != 0)
            source = ResponseReport::kRemovedTool;
    };
    for (Case& known : cases_) {
        if (!known.kill) continue;
        for (Way& way : known.ways) forget_removed(way);
        forget(known.verdict.cause, known.verdict.source);
    }
    for (Waiter& waiter : waiters_) forget(waiter.verdict.cause, waiter.verdict.source);
    for (std::size_t i = 0; i < report_count_; ++i) {
        ResponseReport& report = reports_[(first_report_ + i) % reports_.size()];
        forget(report.cause, report.source);
    }
}

}  // namespace yagura::dataplane
