// SPDX-License-Identifier: BSD-3-Clause
#include "broker/tool_switch.h"

#include <fmt/format.h>

#include <new>
#include <utility>

#include "broker/utc.h"
#include "rules/switch_tool.h"

namespace yagura::broker {
namespace {

using control::Json;
using control::RpcCode;
using control::RpcError;

/// Until a mirror is ended again for which there was no memory.
constexpr std::chrono::seconds kAgain{1};

RpcError overtaken() {
    return {.code = RpcCode::kConflict,
            .message = "another version came into effect meanwhile, and nothing was switched: ask again"};
}

RpcError given_up() {
    return {.code = RpcCode::kConflict, .message = "yagura is ending: nothing was switched"};
}

double milliseconds(ToolSwitch::Clock::duration time) {
    return static_cast<double>(std::chrono::duration_cast<std::chrono::microseconds>(time).count()) / 1000;
}

}  // namespace

/// What the worker made ready.
struct ToolSwitch::Prepared {
    std::uint64_t version;  ///< of the configuration that it was made from
    rules::Config config;
    std::string refusal;  ///< why there is nothing else
    rules::SwitchedTool switched;
    select::SwitchPolicies policies;
};

void ToolSwitch::begin(const Wish& wish, ConfigOrigin origin, Done done) {
    if (mirrors(wish)) {
        worker_.submit([this, wish, done = std::move(done)] {
            return [this, wish, done] { done(mirrors(wish) ? set_end(wish) : overtaken()); };
        });
        return;
    }
    auto prepared = std::make_shared<Prepared>(Prepared{
        .version = run_.version, .config = run_.config, .refusal = {}, .switched = {}, .policies = {}});
    worker_.submit([this, wish, prepared, rules = run_.pipeline->policy().rules, origin = std::move(origin),
                    done = std::move(done)] {
        try {
            const rules::Config before = prepared->config;
            const auto switched = rules::switch_tool(prepared->config, wish.from, wish.to);
            if (switched.ok()) {
                prepared->switched = *switched;
                prepared->policies = select::make_switch_policies(before, prepared->config,
                                                                  {.from = wish.from, .to = wish.to}, rules);
            } else {
                prepared->refusal = switched.error().message;
            }
        } catch (const std::bad_alloc&) {
            prepared->refusal = "there is no memory for it";
        }
        return [this, wish, prepared, origin, done] {
            queue_.add([this, wish, prepared, origin, done, asked = Clock::now()](bool carry_out) {
                done(carry_out ? bring_into_effect(wish, *prepared, origin, asked) : given_up());
            });
        };
    });
}

control::Outcome ToolSwitch::bring_into_effect(const Wish& wish, Prepared& prepared,
                                               const ConfigOrigin& origin, Clock::time_point asked) {
    if (!prepared.refusal.empty()) return RpcError{.code = RpcCode::kConflict, .message = prepared.refusal};
    if (prepared.version != run_.version) return overtaken();
    const bool mirrors_it = wish.mirror.count() != 0;
    const std::uint64_t lost_before = run_.pipeline->stats().lost();
    const auto begin = Clock::now();
    try {
        run_.pipeline->swap_policy(mirrors_it ? prepared.policies.mirrored : prepared.policies.switched);
    } catch (const std::bad_alloc&) {
        return RpcError{.code = RpcCode::kInternal,
                        .message = "no memory for the new policy; what runs is not concerned"};
    }
    const auto now = Clock::now();
    const dataplane::Stats after = run_.pipeline->stats();
    Json answer{{"old_version", run_.version}};
    run_.take_effect(std::move(prepared.config), origin);
    const auto taken_up = run_.versions().all().back().since;
    answer["new_version"] = run_.version;
    answer["groups"] = prepared.switched.groups;
    answer["rules"] = prepared.switched.rules;
    answer["waited_ms"] = milliseconds(begin - asked);
    answer["swap_ms"] = milliseconds(now - begin);
    answer["taken_up"] = utc_ms(taken_up);
    answer["packets_lost"] = after.lost() - lost_before;
    answer["flows_on_old"] = after.inspected_before;
    answer["ended_mirror"] =
        mirroring_ ? Json{{"from", mirroring_->from}, {"to", mirroring_->to}} : Json(nullptr);
    mirroring_.reset();
    run_.mirrored.reset();
    answer["mirror_ends"] = nullptr;
    if (!mirrors_it) return answer;
    mirroring_ = Mirroring{
        .wish = wish,
        .from = run_.config.tool(wish.from)->name,
        .to = run_.config.tool(wish.to)->name,
        .epoch = run_.pipeline->epoch(),
        .ends = now + wish.mirror,
        .ends_at = taken_up + std::chrono::duration_cast<std::chrono::system_clock::duration>(wish.mirror),
        .policy = std::move(prepared.policies.switched)};
    run_.mirrored = wish.from;
    answer["mirror_ends"] = utc_ms(mirroring_->ends_at);
    return answer;
}

bool ToolSwitch::mirrors(const Wish& wish) const {
    return mirroring_ && mirroring_->epoch == run_.pipeline->epoch() && mirroring_->wish.from == wish.from &&
           mirroring_->wish.to == wish.to;
}

control::Outcome ToolSwitch::set_end(const Wish& wish) {
    mirroring_->ends = Clock::now() + wish.mirror;
    mirroring_->ends_at = std::chrono::system_clock::now() +
                          std::chrono::duration_cast<std::chrono::system_clock::duration>(wish.mirror);
    return Json{{"old_version", run_.version},
                {"new_version", run_.version},
                {"groups", Json::array()},
                {"rules", Json::array()},
                {"waited_ms", 0},
                {"swap_ms", 0},
                {"taken_up", utc_ms(std::chrono::system_clock::now())},
                {"packets_lost", 0},
                {"flows_on_old", run_.stats().inspected_before},
                {"ended_mirror", Json(nullptr)},
                {"mirror_ends", utc_ms(mirroring_->ends_at)}};
}

std::optional<ToolSwitch::End> ToolSwitch::tick(Clock::time_point now) {
    if (!mirroring_ || run_.draining) return std::nullopt;
    End end{.object = fmt::format("{} to {}", mirroring_->from, mirroring_->to), .outcome = {}};
    if (mirroring_->epoch != run_.pipeline->epoch()) {
        end.outcome = fmt::format("the mirror has ended: version {} is in effect", run_.version);
    } else {
        if (now < mirroring_->ends || queue_.busy() || !run_.pipeline->retire_policy()) return std::nullopt;
        try {
            run_.pipeline->swap_policy(mirroring_->policy);
        } catch (const std::bad_alloc&) {
            mirroring_->ends = now + kAgain;
            return std::nullopt;
        }
        end.outcome =
            fmt::format("the mirror has ended: {} has what was {}'s alone", mirroring_->to, mirroring_->from);
    }
    mirroring_.reset();
    run_.mirrored.reset();
    return end;
}

}  // namespace yagura::broker
