// SPDX-License-Identifier: BSD-3-Clause
#include "broker/reload.h"

#include <fmt/format.h>

#include <chrono>
#include <exception>
#include <utility>

#include "broker/live.h"
#include "broker/utc.h"
#include "rules/port_changes.h"

namespace yagura::broker {
namespace {

using control::Json;
using Clock = std::chrono::steady_clock;

/// Errors that are told; the rest is counted.
constexpr std::size_t kToldErrors = 100;
constexpr const char* kOfConfig = "params/config";

double milliseconds_since(Clock::time_point begin) {
    const auto micros = std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - begin).count();
    return static_cast<double>(micros) / 1000;
}

/// A configuration that has been read and compiled, on the worker.
struct Prepared {
    LoadedConfig loaded;
    std::shared_ptr<const select::PolicySnapshot> policy;  ///< null when there are errors
    std::shared_ptr<const std::string> canonical;          ///< likewise
    double compile_ms = 0;
    unsigned from_cache = 0;  ///< pattern databases
    unsigned compiled = 0;
};

/// `text`: null when the file is to be read.
Prepared prepare(const std::string* text, const std::string& path, const rules::Config& running,
                 DatabaseMaker& maker, const Cancellation& cancellation) {
    const auto begin = Clock::now();
    Prepared prepared;
    DatabaseSession databases(maker, cancellation);
    if (cancellation.cancelled()) return prepared;
    try {
        prepared.loaded =
            compile_live_config(text ? rules::parse_config(*text) : read_trusted_config(path), &databases);
        // What cannot be understood is not held against what runs: it would bring other errors with it.
        if (prepared.loaded.ok()) {
            rules::adopt_places(running, prepared.loaded.config);
            prepared.loaded.errors = unchangeable(running, prepared.loaded.config);
        }
        if (prepared.loaded.ok()) {
            prepared.policy = select::make_policy(prepared.loaded.config, prepared.loaded.compiled);
            prepared.canonical =
                std::make_shared<const std::string>(rules::canonical_json(prepared.loaded.config));
        }
    } catch (const match::CompileCancelled&) {
        // Whoever has the cancellation says so.
    } catch (const std::exception& error) {
        // No memory for it. What runs is not concerned.
        prepared.loaded.errors = {{"", fmt::format("cannot be compiled: {}", error.what()), ""}};
    }
    prepared.compile_ms = milliseconds_since(begin);
    prepared.from_cache = databases.from_cache();
    prepared.compiled = databases.compiled();
    return prepared;
}

/// `field`: of the request, where what is wrong came from.
control::RpcError wrong(const std::vector<rules::ConfigError>& errors, double compile_ms, const char* field) {
    Json list = Json::array();
    for (const rules::ConfigError& error : errors) {
        if (list.size() == kToldErrors) break;
        Json entry{{"pointer", error.pointer}, {"reason", error.reason}};
        if (!error.fix.empty()) entry["fix"] = error.fix;
        list.push_back(std::move(entry));
    }
    return {
        .code = control::RpcCode::kConfiguration,
        .message = fmt::format("the configuration has {} error{}: {}", errors.size(),
                               errors.size() == 1 ? "" : "s", errors.front().to_string()),
        .field = field,
        .details = {{"errors", std::move(list)}, {"error_count", errors.size()}, {"compile_ms", compile_ms}}};
}

control::RpcError cancelled() {
    return {.code = control::RpcCode::kConflict, .message = "cancelled: nothing has changed"};
}

Json verdict(const Prepared& prepared) {
    Json warnings = Json::array();
    for (std::size_t i = 0; i < prepared.loaded.summaries.size() && warnings.size() < kToldErrors; ++i) {
        for (const std::string& warning : prepared.loaded.summaries[i].warnings) {
            warnings.push_back({{"pointer", fmt::format("/rules/{}", i)}, {"reason", warning}});
        }
    }
    return {{"rules", prepared.loaded.config.rules.size()},
            {"compile_ms", prepared.compile_ms},
            {"databases", prepared.from_cache + prepared.compiled},
            {"cached", prepared.from_cache != 0 && prepared.compiled == 0},
            {"warnings", std::move(warnings)}};
}

control::Outcome bring_into_effect(LiveRun& run, Prepared& prepared, const ConfigOrigin& origin,
                                   const char* field, double waited_ms) {
    // What runs may have changed while this was compiled.
    if (const auto errors = unchangeable(run.config, prepared.loaded.config); !errors.empty()) {
        return wrong(errors, prepared.compile_ms, field);
    }
    const Json compiled = verdict(prepared);
    const std::uint64_t lost_before = run.pipeline->stats().lost();
    const auto begin = Clock::now();
    try {
        run.pipeline->swap_policy(std::move(prepared.policy));
    } catch (const std::bad_alloc&) {
        return control::RpcError{.code = control::RpcCode::kInternal,
                                 .message = "no memory for the new policy; what runs is not concerned"};
    }
    const double swap_ms = milliseconds_since(begin);
    const dataplane::Stats after = run.pipeline->stats();
    const std::uint64_t old_version = run.version;
    run.take_effect(std::move(prepared.loaded.config), origin, std::move(prepared.canonical));
    Json answer{{"old_version", old_version}, {"new_version", run.version}};
    answer.update(compiled);
    answer["waited_ms"] = waited_ms;
    answer["swap_ms"] = swap_ms;
    answer["taken_up"] = utc_ms(run.versions().all().back().since);
    answer["packets_lost"] = after.lost() - lost_before;
    answer["flows_on_old"] = after.inspected_before;
    return answer;
}

}  // namespace

std::vector<rules::ConfigError> unchangeable(const rules::Config& running, const rules::Config& wanted) {
    std::vector<rules::ConfigError> errors;
    const auto must_be = [&](bool same, const char* pointer) {
        if (same) return;
        errors.push_back(
            {.pointer = pointer,
             .reason = "differs from what runs, and cannot change in a run",
             .fix = "leave it as it is, or start yagura anew; rules and tool_groups can change, and ports by "
                    "ports.add and ports.remove"});
    };
    must_be(running.lcores.rx == wanted.lcores.rx && running.lcores.select == wanted.lcores.select &&
                running.lcores.tx == wanted.lcores.tx,
            "/lcores");
    must_be(rules::same_ports(running, wanted), "/ports");
    must_be(running.hotplug == wanted.hotplug, "/hotplug");
    must_be(running.inspect == wanted.inspect, "/inspect");
    must_be(running.control == wanted.control, "/control");
    must_be(running.audit == wanted.audit, "/audit");
    must_be(running.cache == wanted.cache, "/cache");
    must_be(running.response == wanted.response, "/response");
    must_be(running.disabled_features == wanted.disabled_features, "/disabled_features");
    return errors;
}

std::shared_ptr<Cancellation> Reloader::begin() {
    std::erase_if(begun_, [](const auto& one) { return one.expired(); });
    auto cancellation = std::make_shared<Cancellation>();
    begun_.push_back(cancellation);
    return cancellation;
}

std::size_t Reloader::cancel() {
    std::size_t count = 0;
    for (const auto& one : begun_) {
        const auto cancellation = one.lock();
        if (cancellation == nullptr || cancellation->cancelled()) continue;
        cancellation->cancel();
        ++count;
    }
    return count;
}

void Reloader::check(std::string text, Done done) {
    worker_.submit([this, text = std::move(text), running = run_.config, cancellation = begin(),
                    done = std::move(done)] {
        auto prepared = std::make_shared<Prepared>(prepare(&text, {}, running, maker_, *cancellation));
        return [prepared, cancellation, done] {
            if (cancellation->cancelled()) return done(cancelled());
            if (!prepared->loaded.ok())
                return done(wrong(prepared->loaded.errors, prepared->compile_ms, kOfConfig));
            done(verdict(*prepared));
        };
    });
}

void Reloader::load(std::optional<std::string> text, ConfigOrigin origin, Done done) {
    std::shared_ptr<const std::string> given;
    if (text) given = std::make_shared<const std::string>(*std::move(text));
    bring(std::move(given), std::move(origin), kOfConfig, std::move(done));
}

void Reloader::roll_back(const ConfigVersion& version, ConfigOrigin origin, Done done) {
    origin.rolled_back_to = version.version;
    bring(version.text, std::move(origin), "params/version", std::move(done));
}

void Reloader::bring(std::shared_ptr<const std::string> text, ConfigOrigin origin, const char* field,
                     Done done) {
    worker_.submit([this, text = std::move(text), path = run_.config_path, running = run_.config,
                    origin = std::move(origin), field, cancellation = begin(), done = std::move(done)] {
        auto prepared = std::make_shared<Prepared>(prepare(text.get(), path, running, maker_, *cancellation));
        return [this, prepared, origin, field, cancellation, done] {
            if (cancellation->cancelled()) return done(cancelled());
            if (!prepared->loaded.ok()) {
                return done(wrong(prepared->loaded.errors, prepared->compile_ms, field));
            }
            const auto begin = Clock::now();
            queue_.add(
                [this, prepared, origin, field, begin, done](bool carry_out) {
                    done(carry_out
                             ? bring_into_effect(run_, *prepared, origin, field, milliseconds_since(begin))
                             : cancelled());
                },
                cancellation);
        };
    });
}

}  // namespace yagura::broker
