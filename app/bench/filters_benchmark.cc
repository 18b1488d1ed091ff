// SPDX-License-Identifier: BSD-3-Clause
// Rules in number: what it costs to load them, and what a new flow (or, for filters that are asked of each
// packet, a packet) costs with so many. Beside it, in the same run, the same question with one rule.
#include <fmt/format.h>
#include <malloc.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <fstream>
#include <memory>

#include "app/bench/benchmarks.h"
#include "app/bench/frame_set.h"
#include "app/bench/rule_texts.h"
#include "match/compiled_rules.h"
#include "net/packet_builder.h"

namespace yagura::bench {
namespace {

/// Flows that are asked about, in turn. Every second one satisfies a rule.
constexpr std::uint32_t kFlows = 1024;

struct FiltersOptions {
    std::vector<std::uint32_t> plain{1, 100, 10'000, 100'000};
    std::vector<std::uint32_t> arbitrary{1, 100, 10'000};
};

/// A kind of filter, and what it is asked of.
struct Kind {
    const char* name;
    std::string (*text)(std::uint32_t n);
    bool per_flow;
};
constexpr Kind kPlain{"plain 5-tuples", plain_filter, true};
constexpr Kind kFlow{"arbitrary, of the flow", flow_filter, true};
constexpr Kind kPacket{"arbitrary, of the packet", packet_filter, false};

std::uint64_t resident_bytes() {
    std::uint64_t total = 0;
    std::uint64_t resident = 0;
    std::ifstream("/proc/self/statm") >> total >> resident;
    return resident * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
}

struct Loaded {
    std::shared_ptr<const match::CompiledRules> rules;
    double seconds = 0;
    double mib = 0;
};

base::Result<Loaded> load(const Kind& kind, std::uint32_t count) {
    std::vector<rules::Rule> rules(count);
    for (std::uint32_t n = 0; n < count; ++n) {
        rules[n].id = n;
        rules[n].filter = kind.text(n);
        rules[n].forward = {0};
    }
    malloc_trim(0);
    const std::uint64_t before = resident_bytes();
    const auto start = std::chrono::steady_clock::now();
    auto outcome = match::CompiledRules::compile(rules, net::LinkType::kEthernet);
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    if (!outcome.errors.empty()) return base::Error{outcome.errors[0].reason};
    for (const match::RuleSummary& summary : outcome.summaries) {
        if (summary.per_flow != kind.per_flow)
            return base::Error{fmt::format("{}: it is not asked so", kind.name)};
    }
    outcome.summaries = {};
    malloc_trim(0);
    const std::uint64_t after = resident_bytes();
    return Loaded{.rules = std::move(outcome.rules),
                  .seconds = took.count(),
                  .mib = static_cast<double>(after - std::min(before, after)) / (1 << 20)};
}

/// A packet of each flow that is asked about, as select sees it.
struct Questions {
    std::vector<std::vector<std::uint8_t>> frames;
    std::vector<net::ParsedPacket> parsed;
    std::vector<match::PacketView> views;
};

Questions make_questions(std::uint32_t rules) {
    Questions questions;
    for (std::uint32_t i = 0; i < kFlows; ++i) {
        // Rules from all over the list; flows that come after the last rule's satisfy none.
        const auto satisfied = static_cast<std::uint32_t>(std::uint64_t{i} * rules / kFlows);
        const net::FlowKey key = nth_flow(i % 2 == 0 ? satisfied : (1u << 18) + 7 * i);
        questions.frames.push_back(net::PacketBuilder()
                                       .ethernet()
                                       .ipv4(key.src, key.dst)
                                       .tcp(key.sport, key.dport, net::tcp_flag::kSyn)
                                       .payload("0123456789")
                                       .build());
    }
    questions.parsed.reserve(kFlows);
    for (const std::vector<std::uint8_t>& frame : questions.frames) {
        questions.parsed.push_back(net::parse(frame, frame.size(), net::LinkType::kEthernet));
        const auto size = static_cast<std::uint32_t>(frame.size());
        questions.views.push_back(
            {.frame = frame, .wire_length = size, .parsed = &questions.parsed.back(), .captured = size});
    }
    return questions;
}

Subject ask(const Kind& kind, const match::CompiledRules& rules, match::MatchScratch& scratch,
            const Questions& questions) {
    if (kind.per_flow) {
        return {.run = [&rules, &scratch, &questions, next = std::size_t{0}](
                           std::size_t items, std::span<std::uint64_t>) mutable {
            for (std::size_t i = 0; i < items; ++i) {
                keep(rules.flow_rules(questions.parsed[next].key, scratch));
                if (++next == kFlows) next = 0;
            }
        }};
    }
    return {.run = [&rules, &scratch, &questions, next = std::size_t{0}](std::size_t items,
                                                                         std::span<std::uint64_t>) mutable {
        const auto limit = static_cast<match::RuleIndex>(rules.size());
        for (std::size_t i = 0; i < items; ++i) {
            keep(rules.packet_rules(questions.views[next], limit, scratch));
            if (++next == kFlows) next = 0;
        }
    }};
}

/// Half of the flows satisfy exactly one rule, or the figures are of something else.
base::Result<void> check_answers(const Kind& kind, const match::CompiledRules& rules,
                                 match::MatchScratch& scratch, const Questions& questions) {
    for (std::size_t i = 0; i < kFlows; ++i) {
        const auto limit = static_cast<match::RuleIndex>(rules.size());
        const std::size_t answers = kind.per_flow
                                        ? rules.flow_rules(questions.parsed[i].key, scratch).size()
                                        : rules.packet_rules(questions.views[i], limit, scratch).size();
        if (answers != (i % 2 == 0 ? 1u : 0u)) {
            return base::Error{
                fmt::format("{} of {}: flow {} satisfies {} rules", rules.size(), kind.name, i, answers)};
        }
    }
    return {};
}

/// So many rules of a kind, beside one of them.
struct Setting {
    const Kind* kind;
    Loaded one;
    Loaded all;
    match::MatchScratchPtr one_scratch;
    match::MatchScratchPtr all_scratch;
    Questions questions;

    static base::Result<std::unique_ptr<Setting>> create(const Kind& kind, std::uint32_t count) {
        auto one = load(kind, 1);
        if (!one) return one.error();
        auto all = load(kind, count);
        if (!all) return all.error();
        auto setting = std::make_unique<Setting>(Setting{.kind = &kind,
                                                         .one = std::move(*one),
                                                         .all = std::move(*all),
                                                         .one_scratch = nullptr,
                                                         .all_scratch = nullptr,
                                                         .questions = make_questions(count)});
        setting->one_scratch = setting->one.rules->make_scratch();
        setting->all_scratch = setting->all.rules->make_scratch();
        auto right = check_answers(kind, *setting->all.rules, *setting->all_scratch, setting->questions);
        if (!right) return right.error();
        return setting;
    }

    Group group() const {
        return {.subjects = {ask(*kind, *all.rules, *all_scratch, questions),
                             ask(*kind, *one.rules, *one_scratch, questions)},
                .same_items = false};
    }
};

base::Result<Report> run_filters(const FiltersOptions& options, const Common& common) {
    if (auto started = start(common.cpu, memory_for(0)); !started) return started.error();
    std::vector<std::unique_ptr<Setting>> settings;
    std::vector<Group> groups;
    const std::pair<const Kind*, const std::vector<std::uint32_t>*> wanted[] = {
        {&kPlain, &options.plain}, {&kFlow, &options.arbitrary}, {&kPacket, &options.arbitrary}};
    for (const auto& [kind, counts] : wanted) {
        for (const std::uint32_t count : *counts) {
            auto setting = Setting::create(*kind, count);
            if (!setting) return setting.error();
            groups.push_back((*setting)->group());
            settings.push_back(std::move(*setting));
        }
    }
    const Measurement measurement = measure(groups, common.measure);

    Report report{.benchmark = "filters", .tables = {}, .interrupted_share = measurement.interrupted_share};
    report.tables.push_back(
        {.title = "Rules in number: a new flow's questions, or a packet's",
         .labels = {"filters", "rules"},
         .columns = {{"all rules", "cycles", 0},
                     {"one rule", "cycles", 0},
                     {"all / one", "", 2},
                     {"loading", "seconds", 3},
                     {"memory", "MiB", 1}},
         .rows = {},
         .notes = {fmt::format("{} TCP flows are asked about in turn, every second one satisfies exactly one "
                               "rule. A flow is asked in both directions, once in its life.",
                               kFlows),
                   "\"arbitrary, of the packet\" is asked of every packet (flags, bytes, lengths).",
                   "Loading is CompiledRules::compile(), once; memory is what the process has more after it. "
                   "\"one rule\" is asked of the same flows in the same run."}});
    for (std::size_t i = 0; i < settings.size(); ++i) {
        const Comparison& c = measurement.groups[i];
        const Loaded& loaded = settings[i]->all;
        report.tables[0].rows.push_back(
            {.labels = {settings[i]->kind->name, std::to_string(loaded.rules->size())},
             .figures = {c.subjects[0].cycles, c.subjects[1].cycles, c.ratio(0, 1),
                         spread_of({loaded.seconds}), spread_of({loaded.mib})}});
    }
    return report;
}

}  // namespace

void add_filters(CLI::App& app, Benchmark& chosen) {
    auto options = std::make_shared<FiltersOptions>();
    CLI::App* command = app.add_subcommand("filters", "Cycles per new flow by the number of rules");
    command->add_option("--plain", options->plain, "Numbers of plain 5-tuple rules")
        ->delimiter(',')
        ->check(CLI::Range(1u, 1u << 17))
        ->capture_default_str();
    command->add_option("--arbitrary", options->arbitrary, "Numbers of rules with arbitrary filters")
        ->delimiter(',')
        ->check(CLI::Range(1u, 1u << 17))
        ->capture_default_str();
    command->callback([options, &chosen] {
        chosen = [options](const Common& common) { return run_filters(*options, common); };
    });
}

}  // namespace yagura::bench
