// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/lcore_plan.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sched.h>

#include <algorithm>
#include <charconv>
#include <iterator>
#include <map>
#include <set>

namespace yagura::dataplane {
namespace {

constexpr std::string_view kForm = "write auto, or for instance 'rx=0;select=1,2;tx=0'";

/// Calls `each` with the parts between the separators; false ends it.
template <class F>
bool split(std::string_view text, char separator, F each) {
    for (;;) {
        const std::size_t end = text.find(separator);
        if (!each(text.substr(0, end))) return false;
        if (end == std::string_view::npos) return true;
        text.remove_prefix(end + 1);
    }
}

}  // namespace

base::Result<rules::LcoreSpec> parse_lcores(std::string_view text) {
    rules::LcoreSpec spec;
    if (text == "auto") return spec;
    std::string error;
    const std::map<std::string_view, std::vector<unsigned>*> stages{
        {"rx", &spec.rx}, {"select", &spec.select}, {"tx", &spec.tx}};
    split(text, ';', [&](std::string_view part) {
        const std::size_t equals = part.find('=');
        const auto stage = stages.find(part.substr(0, equals));
        if (equals == std::string_view::npos || stage == stages.end()) {
            error = fmt::format("\"{}\" names no stage", part);
            return false;
        }
        if (!stage->second->empty()) {
            error = fmt::format("{} is given twice", stage->first);
            return false;
        }
        return split(part.substr(equals + 1), ',', [&](std::string_view number) {
            unsigned lcore = 0;
            const auto [end, failed] = std::from_chars(number.data(), number.data() + number.size(), lcore);
            if (failed != std::errc{} || end != number.data() + number.size() || lcore >= kMaxLcores) {
                error = fmt::format("\"{}\" is not an lcore (0 to {})", number, kMaxLcores - 1);
                return false;
            }
            if (std::ranges::find(*stage->second, lcore) != stage->second->end()) {
                error = fmt::format("{} names lcore {} twice", stage->first, lcore);
                return false;
            }
            stage->second->push_back(lcore);
            return true;
        });
    });
    if (error.empty()) {
        for (const auto& [name, list] : stages) {
            if (list->empty()) error = fmt::format("{} has no lcore", name);
        }
    }
    if (!error.empty()) return base::Error{fmt::format("--lcores: {}; {}", error, kForm)};
    return spec;
}

LcorePlan LcorePlan::make(const rules::LcoreSpec& spec, const std::vector<unsigned>& cpus) {
    LcorePlan plan;
    if (spec.is_auto()) {
        const auto last = static_cast<unsigned>(std::min<std::size_t>(cpus.size(), kMaxLcores)) - 1;
        plan.rx = {0};
        if (last <= 1) {
            plan.select = {last};
            plan.tx = {0};
        } else {
            for (unsigned i = 1; i < last; ++i) plan.select.push_back(i);
            plan.tx = {last};
        }
    } else {
        plan.rx = spec.rx;
        plan.select = spec.select;
        plan.tx = spec.tx;
    }

    std::set<unsigned> ids;
    for (const auto* stage : {&plan.rx, &plan.select, &plan.tx}) ids.insert(stage->begin(), stage->end());
    // In "auto" lcore n is the n-th usable CPU, whatever its number.
    const auto owns = [&](unsigned cpu) { return !spec.is_auto() && ids.contains(cpu); };
    std::vector<unsigned> spare;
    std::ranges::copy_if(cpus, std::back_inserter(spare), [&](unsigned cpu) { return !owns(cpu); });
    std::ranges::copy_if(cpus, std::back_inserter(spare), owns);
    std::map<unsigned, unsigned> users;
    std::size_t next = 0;
    for (const unsigned id : ids) {
        const bool own = owns(id) && std::ranges::find(cpus, id) != cpus.end();
        const unsigned cpu = own ? id : spare[next++ % spare.size()];
        plan.lcores.push_back({.id = id, .cpu = cpu, .shares_cpu = false});
        ++users[cpu];
    }
    for (Lcore& lcore : plan.lcores) lcore.shares_cpu = users[lcore.cpu] > 1;
    return plan;
}

std::string LcorePlan::eal_lcores(const std::vector<unsigned>& cpus) const {
    std::string text;
    for (const Lcore& lcore : lcores) text += fmt::format("{}@{},", lcore.id, lcore.cpu);
    std::vector<unsigned> free;
    std::ranges::copy_if(cpus, std::back_inserter(free), [this](unsigned cpu) {
        return std::ranges::find(lcores, cpu, &Lcore::cpu) == lcores.end();
    });
    return text + fmt::format("{}@({})", kMaxLcores, fmt::join(free.empty() ? cpus : free, ","));
}

std::string LcorePlan::to_string() const {
    return fmt::format("rx={};select={};tx={}", fmt::join(rx, ","), fmt::join(select, ","),
                       fmt::join(tx, ","));
}

std::vector<unsigned> usable_cpus() {
    cpu_set_t set;
    CPU_ZERO(&set);
    sched_getaffinity(0, sizeof set, &set);
    std::vector<unsigned> cpus;
    for (unsigned cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
        if (CPU_ISSET(cpu, &set)) cpus.push_back(cpu);
    }
    return cpus;
}

}  // namespace yagura::dataplane
