// SPDX-License-Identifier: BSD-3-Clause
#include "broker/flow_watcher.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <unordered_map>
#include <utility>

#include "broker/flow_lister.h"
#include "broker/flow_name.h"

namespace yagura::broker {
namespace {

using control::Json;

struct KeyHash {
    std::size_t operator()(const net::FlowKey& key) const { return key.symmetric_hash(net::HashSeed(seed)); }
    std::uint64_t seed;
};

}  // namespace

void FlowWatcher::ask(Question question) {
    questions_.push_back(std::move(question));
    asked_at_ = Clock::now();
}

void FlowWatcher::go_on() {
    const auto now = Clock::now();
    switch (phase_) {
        case Phase::kIdle:
            if (!questions_.empty()) exchange(true);
            break;
        case Phase::kDrawing:
            if (now >= window_ends_) exchange(!questions_.empty() || now < asked_at_ + kLinger);
            break;
        case Phase::kExchanging:
            break;
    }
    if (phase_ == Phase::kExchanging && exchanged()) {
        take_picture();
        phase_ = goes_on_ ? Phase::kDrawing : Phase::kIdle;
        window_ends_ = Clock::now() + kWindow;
        if (!goes_on_) {
            stages_.clear();
            picture_.reset();
        }
    }
    if (picture_ != nullptr) answer_all();
}

/// Begins to take what was drawn from every stage, and gives each something new to draw into, or nothing.
void FlowWatcher::exchange(bool go_on) {
    if (stages_.empty()) {
        for (std::size_t i = 0; i < run_.pipeline->select_stages(); ++i) {
            stages_.push_back(std::make_unique<Stage>());
            stages_.back()->spare = std::make_unique<dataplane::FlowDraws>();
        }
    }
    for (auto& stage : stages_) {
        stage->asked = false;
        if (go_on && stage->spare == nullptr) stage->spare = std::make_unique<dataplane::FlowDraws>();
        if (go_on)
            stage->spare->reset(++seed_ ^ static_cast<std::uint64_t>(Clock::now().time_since_epoch().count()),
                                stage->one_in);
        stage->exchange.draws = go_on ? stage->spare.get() : nullptr;
    }
    goes_on_ = go_on;
    phase_ = Phase::kExchanging;
}

/// Every stage has exchanged.
bool FlowWatcher::exchanged() {
    bool all = true;
    for (std::size_t i = 0; i < stages_.size(); ++i) {
        Stage& stage = *stages_[i];
        if (!stage.asked) stage.asked = run_.pipeline->exchange_draws(i, stage.exchange);
        all = all && stage.asked && stage.exchange.done.load(std::memory_order_acquire);
    }
    return all;
}

/// Adds the flows of a stage's draws. Its packets weigh what has passed to each that was kept.
void FlowWatcher::count(std::size_t select, const dataplane::FlowDraws& draws, std::vector<Flow>& flows) {
    const double seconds = static_cast<double>(draws.ended_ns - draws.began_ns) / 1e9;
    if (draws.count() == 0 || seconds <= 0) return;
    const double weight = static_cast<double>(draws.seen()) / draws.count() / seconds;
    std::unordered_map<net::FlowKey, Flow, KeyHash> found(draws.count(), KeyHash{seed_});
    for (std::uint32_t i = 0; i < draws.count(); ++i) {
        const dataplane::DrawnPacket& drawn = draws[i];
        if (drawn.key.ip_version == 0) continue;
        Flow& flow = found[drawn.key.canonical()];
        // The latest that is known: of its first packets it is not.
        if (drawn.current || flow.draws == 0) {
            flow.key = drawn.key;
            flow.select = select;
            flow.tools = drawn.tools;
            flow.current = drawn.current;
        }
        ++flow.draws;
        flow.packets_per_second += weight;
        flow.bytes_per_second += weight * drawn.length;
    }
    for (auto& [key, flow] : found) flows.push_back(flow);
}

void FlowWatcher::take_picture() {
    auto picture = std::make_unique<Picture>();
    std::vector<Flow> flows;
    std::uint64_t longest_ns = 0;
    bool any = false;
    for (std::size_t i = 0; i < stages_.size(); ++i) {
        Stage& stage = *stages_[i];
        if (stage.exchange.draws != nullptr) {
            any = true;
            const dataplane::FlowDraws& draws = *stage.exchange.draws;
            count(i, draws, flows);
            picture->packets += draws.seen();
            picture->drawn += draws.count();
            longest_ns = std::max(longest_ns, draws.ended_ns - draws.began_ns);
            // So that next time as many pass as lead to few halvings, and none are left out that had room.
            stage.one_in = std::bit_floor(static_cast<std::uint32_t>(
                std::clamp<std::uint64_t>(draws.seen() / dataplane::FlowDraws::kMost, 1, 1u << 20)));
        }
        // What it draws into now was ours, and what it drew into is.
        std::swap(stage.drawing, stage.spare);
    }
    if (!any) return;
    picture->window_ms = static_cast<double>(longest_ns) / 1e6;
    picture->version = run_.version;
    const auto best = [&](auto rate) {
        std::vector<Flow> some = flows;
        const auto end = some.begin() + static_cast<std::ptrdiff_t>(std::min(kMostFlows, some.size()));
        std::ranges::partial_sort(some, end, [&](const Flow& a, const Flow& b) {
            return rate(a) != rate(b) ? rate(a) > rate(b) : a.key < b.key;
        });
        some.erase(end, some.end());
        return some;
    };
    picture->by_bytes = best([](const Flow& flow) { return flow.bytes_per_second; });
    picture->by_packets = best([](const Flow& flow) { return flow.packets_per_second; });
    picture_ = std::move(picture);
}

Json FlowWatcher::answer(const Question& question) const {
    const auto& flows = question.order == Order::kBytes ? picture_->by_bytes : picture_->by_packets;
    Json list = Json::array();
    for (std::size_t i = 0; i < std::min(question.limit, flows.size()); ++i) {
        const Flow& flow = flows[i];
        Json entry{{"flow", flow_name(flow.key)},
                   {"lcore", run_.plan.select[flow.select]},
                   {"packets_per_second", std::llround(flow.packets_per_second)},
                   {"bytes_per_second", std::llround(flow.bytes_per_second)},
                   {"drawn", flow.draws}};
        if (flow.current && picture_->version == run_.version)
            entry["tools"] = tool_names(run_.config, flow.tools);
        list.push_back(std::move(entry));
    }
    return {{"window_ms", std::llround(picture_->window_ms)},
            {"packets", picture_->packets},
            {"drawn", picture_->drawn},
            {"flows", std::move(list)}};
}

void FlowWatcher::answer_all() {
    for (; !questions_.empty(); questions_.pop_front()) {
        const Question& question = questions_.front();
        question.done(answer(question));
    }
}

}  // namespace yagura::broker
