// SPDX-License-Identifier: BSD-3-Clause
// Payload through the select stage beside hs_scan_stream() alone: the same bytes in the same segments, the
// same databases. First with flows that all stay undecided, so that every byte is scanned, then with patterns
// in some of them, which are decided there. Beside it, what flows and held packets take of memory.
#include <fmt/format.h>
#include <rte_cycles.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <span>

#include "app/bench/benchmarks.h"
#include "app/bench/frame_sizes.h"
#include "app/bench/literals.h"
#include "app/bench/payload_hits.h"
#include "app/bench/payload_memory.h"
#include "app/bench/payload_rig.h"
#include "select/inspection.h"

namespace yagura::bench {
namespace {

constexpr std::size_t kMostSegment = 1460;  ///< of 1,500 bytes
constexpr std::size_t kHeaders = 54;        ///< of a frame: Ethernet, IPv4, TCP

struct PayloadChoice {
    std::string capture;
    std::string rules;
    std::vector<std::uint32_t> patterns{10, 1'000, 10'000};
    std::vector<std::string> sizes{"capture", "1448", "100"};
    std::vector<AtLap> sessions{AtLap::kGoesOn, AtLap::kIsNew};
    std::size_t segments = 1024;
    std::vector<std::uint32_t> hits{0, 1, 10, 100};
    std::uint32_t hit_at = 25;
};

struct Traffic {
    std::string cut;
    Conversations conversations;
    std::unique_ptr<Tape> tape;
    std::optional<std::uint32_t> hits;  ///< in a hundred sessions; none: of those that stay undecided
    std::uint32_t planted = 0;
};

/// `text`: bytes of payload, or "imix": what frames of these sizes carry.
std::vector<std::size_t> segment_sizes(const std::string& text) {
    if (text != "imix") return {std::stoul(text)};
    const FrameSizes frames = *parse_frame_sizes(text);
    std::vector<std::size_t> sizes;
    for (const std::uint32_t size : frames.turn) sizes.push_back(std::min(size - kHeaders, kMostSegment));
    return sizes;
}

base::Result<std::vector<Traffic>> make_traffic(const PayloadChoice& choice) {
    // Enough for as many segments of every size.
    const std::size_t most = choice.segments;
    Conversations whole = make_conversations(most);
    Conversations more = make_conversations(4 * most);
    if (!choice.capture.empty()) {
        auto read = read_conversations(choice.capture, most);
        if (!read) return read.error();
        whole = std::move(*read);
        auto read_more = read_conversations(choice.capture, 4 * most);
        if (!read_more) return read_more.error();
        more = std::move(*read_more);
    }
    std::vector<Traffic> traffic;
    for (const std::string& size : choice.sizes) {
        if (size == "capture") {
            traffic.push_back({choice.capture.empty() ? "as made" : "as captured", whole, nullptr});
        } else {
            traffic.push_back({size, recut(more, segment_sizes(size), most), nullptr});
        }
    }
    std::erase_if(traffic, [](const Traffic& t) { return t.conversations.segments.empty(); });
    if (traffic.empty()) return base::Error{"no connection fills a segment"};
    return traffic;
}

base::Result<std::vector<Literal>> make_patterns(const PayloadChoice& choice,
                                                 const std::vector<Traffic>& traffic) {
    // What stands in the traffic is left out, so more are made than are wanted.
    std::vector<Literal> literals =
        make_literals(2 * *std::max_element(choice.patterns.begin(), choice.patterns.end()));
    if (!choice.rules.empty()) {
        auto read = read_literals(choice.rules);
        if (!read) return read.error();
        literals = std::move(*read);
    }
    for (const Traffic& t : traffic) remove_found(literals, t.conversations);
    if (literals.empty()) return base::Error{"every pattern stands in the traffic"};
    return literals;
}

/// The same traffic with a pattern in some sessions, which every policy looks for.
void add_hits(const PayloadChoice& choice, std::span<const Literal> literals, std::vector<Traffic>& traffic) {
    const std::size_t plain = traffic.size();
    for (std::size_t i = 0; i < plain; ++i) {
        for (const std::uint32_t percent : choice.hits) {
            Planted planted = plant(traffic[i].conversations, literals.front().bytes, percent, choice.hit_at);
            traffic.push_back(
                {traffic[i].cut, std::move(planted.conversations), nullptr, percent, planted.hits});
        }
    }
}

struct Row {
    std::size_t patterns;
    const Traffic* traffic;
    AtLap at_lap;
    std::unique_ptr<PayloadRig> rig;
};

/// Gbit/s of payload, from cycles per packet.
Spread throughput(const Spread& cycles, const Tape& tape) {
    const double bits = 8.0 * static_cast<double>(tape.bytes()) / static_cast<double>(tape.packets().size());
    std::vector<double> values;
    for (const double c : cycles.repeats)
        values.push_back(bits * static_cast<double>(rte_get_tsc_hz()) / c / 1e9);
    return spread_of(std::move(values));
}

Spread quotient(const Spread& a, const Spread& b) {
    std::vector<double> values;
    for (std::size_t i = 0; i < a.repeats.size(); ++i) values.push_back(a.repeats[i] / b.repeats[i]);
    return spread_of(std::move(values));
}

Spread difference(const Spread& a, const Spread& b) {
    std::vector<double> values;
    for (std::size_t i = 0; i < a.repeats.size(); ++i) values.push_back(a.repeats[i] - b.repeats[i]);
    return spread_of(std::move(values));
}

Spread once(double value) {
    return spread_of({value});
}

/// By row: what the bare scan of no patterns gives is no figure.
std::optional<Spread> unless_none(const Row& row, Spread spread) {
    return row.patterns == 0 ? std::nullopt : std::optional(std::move(spread));
}

Table hits_table(const PayloadChoice& choice, const std::vector<Row>& rows, const Measurement& measurement) {
    Table table{.title = "Payload of flows that are decided by what is found in them",
                .labels = {"patterns", "segments", "sessions with a hit, %"},
                .columns = {{"yagura", "Gbit/s on the wire", 2},
                            {"hs_scan_stream", "Gbit/s", 2},
                            {"yagura / hs_scan_stream", "", 3},
                            {"scanned", "% of bytes", 1}},
                .rows = {},
                .notes = {}};
    for (std::size_t i = 0; i < rows.size(); ++i) {
        if (!rows[i].traffic->hits) continue;
        const std::vector<Measured>& m = measurement.groups[i].subjects;
        const Spread& own = m[0].parts[0];
        const Spread& bare = m[1].parts[0];
        const Tape& tape = *rows[i].traffic->tape;
        table.rows.push_back({.labels = {std::to_string(rows[i].patterns), rows[i].traffic->cut,
                                         std::to_string(*rows[i].traffic->hits)},
                              .figures = {throughput(own, tape), throughput(bare, tape), quotient(bare, own),
                                          once(100 * rows[i].rig->scanned_share())}});
    }
    table.notes = {
        fmt::format("In so many sessions one of the patterns stands {} % into what is said, counted in bytes "
                    "of both directions. From there on the session goes to a tool, with all that was held of "
                    "it, and is not scanned any more. Its bytes count.",
                    choice.hit_at),
        "Sessions are new in each lap, between other addresses and ports; those of the lap before have timed "
        "out, and end meanwhile. Of each, 64 KiB are held. The bare scan goes over every byte.",
        "Copies of held packets for the tool are in the figure; what the tool does with packets is not."};
    for (const Row& row : rows) {
        if (!row.traffic->hits || row.patterns != rows.front().patterns) continue;
        table.notes.push_back(fmt::format(
            "Segments \"{}\", {} %: {} of {} sessions, the others are too short.", row.traffic->cut,
            *row.traffic->hits, row.traffic->planted, row.traffic->conversations.connections));
    }
    return table;
}

Table speed_table(const PayloadChoice& choice, const std::vector<Row>& rows, const Measurement& measurement) {
    Table table{.title = "Payload of undecided flows: the select stage, and hs_scan_stream() alone",
                .labels = {"patterns", "segments", "sessions"},
                .columns = {{"yagura", "Gbit/s", 2},
                            {"hs_scan_stream", "Gbit/s", 2},
                            {"yagura / hs_scan_stream", "", 3},
                            {"yagura's own", "cycles per packet", 0}},
                .rows = {},
                .notes = {}};
    for (std::size_t i = 0; i < rows.size(); ++i) {
        if (rows[i].traffic->hits) continue;
        const std::vector<Measured>& m = measurement.groups[i].subjects;
        const Spread& own = m[0].parts[0];
        const Spread& bare = m[1].parts[0];
        const Tape& tape = *rows[i].traffic->tape;
        table.rows.push_back({.labels = {std::to_string(rows[i].patterns), rows[i].traffic->cut,
                                         rows[i].at_lap == AtLap::kGoesOn ? "go on" : "new, held"},
                              .figures = {throughput(own, tape), unless_none(rows[i], throughput(bare, tape)),
                                          unless_none(rows[i], quotient(bare, own)), difference(own, bare)}});
    }
    table.notes = {
        choice.rules.empty() ? "The patterns are made of random letters, for want of a rule set (--rules)."
                             : "Patterns are the longest `content` of each rule in the rule set, from all "
                               "over it, but for those "
                               "that stand in the traffic.",
        "Each is a rule by itself, for all of TCP. None is ever found, so no flow is ever decided. The bare "
        "scan "
        "has the same databases, a stream of each direction that is always open, and the same packets, which "
        "are in the second-level cache for both.",
        "\"go on\": every session is endless, and its hold is full. \"new, held\": the sessions are new in "
        "each "
        "lap of the tape, and every packet of them is held until they end; their beginning and end are in "
        "the "
        "figure. The bare scan's streams never end.",
        "The stage takes the packets from a ring in bursts of 32 and frees them; looking up the flow, "
        "putting the "
        "stream in order, the rules, the flow's counts, holding are all in it. \"yagura's own\" is the "
        "difference."};
    return table;
}

std::string tape_note(const PayloadChoice& choice, const Traffic& traffic) {
    const double mean =
        static_cast<double>(traffic.tape->bytes()) / static_cast<double>(traffic.tape->packets().size());
    return fmt::format(
        "Segments \"{}\": {} of {}, {} connections, {:.0f} bytes on average.", traffic.cut,
        traffic.tape->packets().size(),
        choice.capture.empty() ? "made words, for want of a capture (--capture)" : traffic.conversations.name,
        traffic.conversations.connections, mean);
}

// ---- memory

Table memory_table(const std::vector<Row>& rows, const std::vector<const select::PolicySnapshot*>& policies) {
    constexpr std::uint32_t kMany = 1000;
    Table table{.title = "Memory",
                .labels = {"what", "of it"},
                .columns = {{"size", "bytes", 0}},
                .rows = {},
                .notes = {}};
    const auto add = [&table](std::string what, std::string of, double bytes) {
        table.rows.push_back({.labels = {std::move(what), std::move(of)}, .figures = {once(bytes)}});
    };
    add("idle flow", "its place in the flow table", bytes_per_flow(false));
    add("idle flow", "the same, with what its record needs", bytes_per_flow(true));
    add("inspected flow, besides", "where matching stands, what is held", sizeof(select::Inspection));
    for (std::size_t i = 0; i < policies.size(); ++i) {
        const match::CompiledRules& rules = *policies[i]->rules;
        const std::size_t stream = rows[i * (rows.size() / policies.size())].rig->stream_bytes();
        add("inspected flow, besides", fmt::format("{} patterns: streams and hits", rules.size()),
            static_cast<double>(rules.state_bytes()));
        add("stream", fmt::format("{} patterns: of one direction", rules.size()),
            static_cast<double>(stream));
    }
    for (const std::size_t size : {std::size_t{60}, std::size_t{1500}}) {
        add("held packet", fmt::format("{} bytes, the only one of its flow", size), bytes_per_held(size, 1));
        add("held packet", fmt::format("{} bytes, one of {}", size, kMany), bytes_per_held(size, kMany));
    }
    table.notes = {
        "A flow's place is what the process has more with a table of 1,048,576 that is full, by flow. Held "
        "packets are whole blocks of the hold budget, the rest is counted by the stream budget and "
        "inspect.flows. "
        "An inspected flow has the state of its streams from its first byte of payload on."};
    return table;
}

base::Result<Report> run_payload(const PayloadChoice& choice, const Common& common) {
    auto traffic = make_traffic(choice);
    if (!traffic) return traffic.error();
    auto literals = make_patterns(choice, *traffic);
    if (!literals) return literals.error();
    std::size_t mbufs = 0;
    add_hits(choice, *literals, *traffic);
    for (const Traffic& t : *traffic) mbufs += Tape::mbufs(t.conversations);
    const auto releases = static_cast<std::uint32_t>(2 * choice.segments);
    if (auto started = start(common.cpu, memory_for(mbufs + releases)); !started) return started.error();
    auto pool = port::PacketPool::create("bench-release", releases);
    if (!pool) return pool.error();
    for (Traffic& t : *traffic) {
        auto tape = Tape::create(t.conversations);
        if (!tape) return tape.error();
        t.tape = std::move(*tape);
    }

    std::vector<std::shared_ptr<const select::PolicySnapshot>> policies;
    std::vector<const select::PolicySnapshot*> policy_pointers;
    std::vector<Row> rows;
    std::vector<Group> groups;
    for (const std::uint32_t wanted : choice.patterns) {
        const std::size_t patterns = std::min<std::size_t>(wanted, literals->size());
        auto policy = policy_of_literals(*literals, patterns);
        if (!policy) return policy.error();
        policies.push_back(*policy);
        policy_pointers.push_back(policies.back().get());
        for (const Traffic& t : *traffic) {
            if (t.hits && patterns == 0) continue;
            const std::vector<AtLap> another{AtLap::kIsAnother};
            for (const AtLap at_lap : t.hits ? another : choice.sessions) {
                auto rig = PayloadRig::create(*t.tape, *policy, at_lap, (*pool)->get());
                if (!rig) return rig.error();
                groups.push_back((*rig)->group());
                rows.push_back(
                    {.patterns = patterns, .traffic = &t, .at_lap = at_lap, .rig = std::move(*rig)});
            }
        }
    }
    const Measurement measurement = measure(groups, common.measure);
    for (const Row& row : rows) {
        if (auto right = row.rig->check(); !right) {
            return base::Error{fmt::format("{} patterns, segments \"{}\": {}", row.patterns, row.traffic->cut,
                                           right.error().message)};
        }
    }
    Report report{.benchmark = "payload", .tables = {}, .interrupted_share = measurement.interrupted_share};
    report.tables.push_back(speed_table(choice, rows, measurement));
    for (const Traffic& t : *traffic)
        if (!t.hits) report.tables[0].notes.push_back(tape_note(choice, t));
    if (!choice.hits.empty()) report.tables.push_back(hits_table(choice, rows, measurement));
    report.tables.push_back(memory_table(rows, policy_pointers));
    return report;
}

}  // namespace

void add_payload(CLI::App& app, Benchmark& chosen) {
    auto choice = std::make_shared<PayloadChoice>();
    CLI::App* command = app.add_subcommand(
        "payload", "Gbit/s of payload through the select stage, and memory by flow and held packet");
    command->add_option("--capture", choice->capture, "Capture file of which the TCP payloads are taken")
        ->check(CLI::ExistingFile);
    command->add_option("--rules", choice->rules, "Folder with *.rules of Suricata or Snort")
        ->check(CLI::ExistingDirectory);
    command->add_option("--patterns", choice->patterns, "Patterns at the same time")
        ->delimiter(',')
        ->check(CLI::Range(0u, 1u << 17))
        ->capture_default_str();
    command
        ->add_option("--size", choice->sizes,
                     "Bytes of payload in a segment; imix: what frames carry, 7:4:1 of 64, 594 and 1518; "
                     "capture: as they were cut")
        ->delimiter(',')
        ->check(CLI::IsMember({"imix", "capture"}) | CLI::Range(std::size_t{1}, kMostSegment))
        ->capture_default_str();
    command->add_option("--sessions", choice->sessions, "Sessions that go on, or are new and held")
        ->delimiter(',')
        ->transform(CLI::CheckedTransformer(
                        std::map<std::string, AtLap>{{"go-on", AtLap::kGoesOn}, {"new", AtLap::kIsNew}})
                        .description("{go-on,new}"));
    command->add_option("--hits", choice->hits, "Share of sessions in which a pattern is found, in percent")
        ->delimiter(',')
        ->check(CLI::Range(0u, 100u))
        ->capture_default_str();
    command
        ->add_option("--hit-at", choice->hit_at,
                     "How far into the session it stands, in percent of its bytes")
        ->check(CLI::Range(0u, 99u))
        ->capture_default_str();
    command->add_option("--segments", choice->segments, "Segments in turn")
        ->check(CLI::Range(64u, 1u << 20))
        ->capture_default_str();
    command->callback([choice, &chosen] {
        chosen = [choice](const Common& common) { return run_payload(*choice, common); };
    });
}

}  // namespace yagura::bench
