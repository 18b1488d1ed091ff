// SPDX-License-Identifier: BSD-3-Clause
#include "app/alerts/verdict.h"

#include <fmt/format.h>

#include <array>

#include "control/sha256.h"
#include "rules/report.h"

namespace yagura::alerts {
namespace {

struct Name {
    std::string_view method;
    std::string_view list;
    std::string_view brief;
};
constexpr std::array<Name, 3> kNames{{{"flows.reset", "flows", "reset"},
                                      {"flows.block", "flows", "block"},
                                      {"blocks.add", "targets", "block"}}};

const Name& name_of(Method method) {
    return kNames[static_cast<std::size_t>(method)];
}

}  // namespace

std::string_view method_name(Method method) {
    return name_of(method).method;
}

std::string_view list_name(Method method) {
    return name_of(method).list;
}

std::string_view short_name(Method method) {
    return name_of(method).brief;
}

std::optional<Verdict> make_verdict(const Alert& alert, const Decision& decision) {
    if (decision.action == Action::kNone) return std::nullopt;
    Verdict verdict;
    if (decision.what == What::kConnection) {
        if (!alert.connection) return std::nullopt;
        verdict.method = decision.action == Action::kReset ? Method::kReset : Method::kBlock;
        verdict.item = flow_text(*alert.connection);
    } else {
        const auto& host = decision.what == What::kSource ? alert.source : alert.destination;
        if (!host) return std::nullopt;
        verdict.method = Method::kAddBlocks;
        verdict.item = host->text;
    }
    const std::string origin = origin_of(alert);
    verdict.ttl = decision.ttl;
    verdict.reason = cut_text(decision.reason.empty() ? origin : decision.reason, kMaxReason);
    verdict.why = fmt::format(
        "{} {}", alert.note.empty() ? origin : fmt::format("{} {}", alert.tool, rules::in_quotes(alert.note)),
        rules::in_quotes(alert.text));
    // Each part in quotes, so that none can be taken for another.
    verdict.identity =
        fmt::format("{} {} {} {} {} {}", origin_of(alert), rules::in_quotes(alert.id),
                    rules::in_quotes(alert.time), method_name(verdict.method), verdict.item, verdict.ttl);
    return verdict;
}

std::string key_of(std::span<const Verdict> verdicts) {
    std::string all;
    for (const Verdict& verdict : verdicts) all += verdict.identity + "\n";
    const control::Sha256 hash = control::sha256_of(all);
    std::string key = "alerts-";
    for (std::size_t i = 0; i < 16; ++i) key += fmt::format("{:02x}", hash[i]);
    return key;
}

}  // namespace yagura::alerts
