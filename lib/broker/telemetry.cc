// SPDX-License-Identifier: BSD-3-Clause
#include "broker/telemetry.h"

#include <rte_telemetry.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "broker/report.h"

namespace yagura::broker {
namespace {

/// What an answer may have: DPDK's buffer is 16 KiB of text.
constexpr std::size_t kNamesOfPage = 200;
constexpr std::size_t kNumbersOfPage = 500;

struct Snapshot {
    dataplane::Stats stats;
    std::shared_ptr<const rules::Config> config;
    Json info;
    Json health;
    Json totals;
};

/// Where the control thread leaves what telemetry's threads answer with.
struct Board {
    std::mutex mutex;
    std::shared_ptr<const Snapshot> latest;

    void put(std::shared_ptr<const Snapshot> snapshot) {
        // What was there may be the last of it: it goes outside of the lock.
        const std::lock_guard lock(mutex);
        latest.swap(snapshot);
    }
    std::shared_ptr<const Snapshot> get() {
        const std::lock_guard lock(mutex);
        return latest;
    }
};
Board& board() {
    // Telemetry's threads are not waited for at the end of the process.
    static Board* const one = new Board;
    return *one;
}

std::optional<std::uint64_t> number(std::string_view text) {
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size() || text.empty()) return std::nullopt;
    return value;
}

/// The numbers, words and truth values of an object, one below the other: {"a": {"b": 1}} is a_b.
void flatten(const Json& object, const std::string& above, rte_tel_data* out) {
    for (const auto& [key, value] : object.items()) {
        const std::string name = above.empty() ? key : above + "_" + key;
        if (value.is_object()) {
            flatten(value, name, out);
        } else if (value.is_number_unsigned() || value.is_number_integer()) {
            rte_tel_data_add_dict_u64(out, name.c_str(), value.get<std::uint64_t>());
        } else if (value.is_boolean()) {
            rte_tel_data_add_dict_u64(out, name.c_str(), value.get<bool>() ? 1 : 0);
        } else if (const auto* text = value.get_ptr<const std::string*>();
                   text != nullptr && text->size() < RTE_TEL_MAX_STRING_LEN) {
            rte_tel_data_add_dict_string(out, name.c_str(), text->c_str());
        }
    }
}

int answer(const Json& object, rte_tel_data* out) {
    rte_tel_data_start_dict(out);
    flatten(object, {}, out);
    return 0;
}

/// The place where a page begins, of a list of so many. Nothing: the parameter is wrong.
std::optional<std::size_t> page_begin(std::string_view params, std::size_t size) {
    if (params.empty()) return 0;
    const auto begin = number(params);
    if (!begin || *begin > size) return std::nullopt;
    return static_cast<std::size_t>(*begin);
}

int names(const std::vector<const rules::Port*>& ports, std::string_view params, rte_tel_data* out) {
    const auto begin = page_begin(params, ports.size());
    if (!begin) return -EINVAL;
    rte_tel_data_start_array(out, RTE_TEL_STRING_VAL);
    for (std::size_t i = *begin; i < std::min(*begin + kNamesOfPage, ports.size()); ++i)
        rte_tel_data_add_array_string(out, ports[i]->name.c_str());
    return 0;
}

template <class NumberAt>
int numbers(std::size_t size, std::string_view params, rte_tel_data* out, NumberAt number_at) {
    const auto begin = page_begin(params, size);
    if (!begin) return -EINVAL;
    rte_tel_data_start_array(out, RTE_TEL_U64_VAL);
    for (std::size_t i = *begin; i < std::min(*begin + kNumbersOfPage, size); ++i)
        rte_tel_data_add_array_u64(out, number_at(i));
    return 0;
}

int port_of(const std::vector<const rules::Port*>& ports, std::string_view name, rte_tel_data* out,
            const std::function<Json(std::size_t)>& ledger) {
    const auto found = std::ranges::find(ports, name, &rules::Port::name);
    if (found == ports.end()) return -ENOENT;
    Json json{{"name", (*found)->name}};
    json.update(ledger((*found)->place));
    return answer(json, out);
}

struct TelemetryCommand {
    const char* name;
    const char* help;
    int (*answer)(const Snapshot&, std::string_view params, rte_tel_data*);
};

constexpr TelemetryCommand kCommands[] = {
    {"/yagura/info", "What runs. No parameters",
     [](const Snapshot& now, std::string_view params, rte_tel_data* out) {
         return params.empty() ? answer(now.info, out) : -EINVAL;
     }},
    {"/yagura/health", "Whether all is well. No parameters",
     [](const Snapshot& now, std::string_view params, rte_tel_data* out) {
         return params.empty() ? answer(now.health, out) : -EINVAL;
     }},
    {"/yagura/stats", "Counters of no port, tool, rule or lcore. No parameters",
     [](const Snapshot& now, std::string_view params, rte_tel_data* out) {
         return params.empty() ? answer(now.totals, out) : -EINVAL;
     }},
    {"/yagura/ports", "Names of network ports, up to 200. Parameters: how many to leave out",
     [](const Snapshot& now, std::string_view params, rte_tel_data* out) {
         return names(now.config->network_ports(), params, out);
     }},
    {"/yagura/port", "The ledger of a network port. Parameters: its name",
     [](const Snapshot& now, std::string_view params, rte_tel_data* out) {
         return port_of(now.config->network_ports(), params, out,
                        [&](std::size_t i) { return port_json(now.stats.ports.at(i)); });
     }},
    {"/yagura/tools", "Names of tool ports, up to 200. Parameters: how many to leave out",
     [](const Snapshot& now, std::string_view params, rte_tel_data* out) {
         return names(now.config->tool_ports(), params, out);
     }},
    {"/yagura/tool", "The ledger of a tool port. Parameters: its name",
     [](const Snapshot& now, std::string_view params, rte_tel_data* out) {
         return port_of(now.config->tool_ports(), params, out,
                        [&](std::size_t i) { return tool_json(now.stats.tools.at(i)); });
     }},
    {"/yagura/rules", "Ids of rules, up to 500. Parameters: how many to leave out",
     [](const Snapshot& now, std::string_view params, rte_tel_data* out) {
         return numbers(now.config->rules.size(), params, out,
                        [&](std::size_t i) { return now.config->rules[i].id; });
     }},
    {"/yagura/rule", "What a rule has selected. Parameters: its id",
     [](const Snapshot& now, std::string_view params, rte_tel_data* out) {
         const auto id = number(params);
         const std::vector<rules::Rule>& all = now.config->rules;
         const auto found = id ? std::ranges::find(all, *id, &rules::Rule::id) : all.end();
         if (found == all.end()) return -ENOENT;
         Json json{{"id", found->id}};
         if (!found->name.empty()) json["name"] = found->name;
         json.update(rule_json(now.stats.rules.at(static_cast<std::size_t>(found - all.begin()))));
         return answer(json, out);
     }},
    {"/yagura/lcores", "Numbers of lcores, up to 500. Parameters: how many to leave out",
     [](const Snapshot& now, std::string_view params, rte_tel_data* out) {
         return numbers(now.stats.threads.size(), params, out,
                        [&](std::size_t i) { return now.stats.threads[i].lcore; });
     }},
    {"/yagura/lcore", "The turns of an lcore. Parameters: its number",
     [](const Snapshot& now, std::string_view params, rte_tel_data* out) {
         const auto lcore = number(params);
         const auto found =
             std::ranges::find_if(now.stats.threads, [&](const auto& t) { return t.lcore == lcore; });
         if (found == now.stats.threads.end()) return -ENOENT;
         return answer(thread_json(*found), out);
     }},
};

/// On a thread of telemetry's. Must not throw into DPDK.
int answer_command(const char* name, const char* params, rte_tel_data* out) noexcept {
    const auto command = std::ranges::find(kCommands, std::string_view(name), &TelemetryCommand::name);
    const std::shared_ptr<const Snapshot> now = board().get();
    if (command == std::end(kCommands) || now == nullptr) return -EAGAIN;
    try {
        return command->answer(*now, params == nullptr ? "" : params, out);
    } catch (const std::exception&) {
        return -ENOMEM;
    }
}

}  // namespace

Telemetry::~Telemetry() {
    board().put(nullptr);
}

void Telemetry::open() {
    // It cannot fail but for want of memory; then a command is missing.
    for (const TelemetryCommand& command : kCommands)
        rte_telemetry_register_cmd(command.name, answer_command, command.help);
    open_ = true;
}

void Telemetry::publish(LiveRun& run, control::Json info, control::Json health, control::Json stats) {
    if (config_version_ != run.version) {
        config_ = std::make_shared<const rules::Config>(run.config);
        config_version_ = run.version;
    }
    for (const char* const list : {"ports", "tools", "threads"}) stats.erase(list);
    health["reasons"] = health["reasons"].size();
    board().put(std::make_shared<const Snapshot>(Snapshot{.stats = run.stats(),
                                                          .config = config_,
                                                          .info = std::move(info),
                                                          .health = std::move(health),
                                                          .totals = std::move(stats)}));
}

}  // namespace yagura::broker
