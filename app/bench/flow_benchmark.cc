// SPDX-License-Identifier: BSD-3-Clause
// flow::FlowTable beside DPDK's rte_hash, and the select stage over both's sizes: what the number of flows
// costs.
//
// Every look-up is of a flow chosen at random, in either direction, in bursts of 32 with the hashes at hand,
// and brings the flow's entry up to date. rte_hash does the same: it is asked for a burst of canonical keys
// with rte_hash_lookup_with_hash_bulk(), then the entries that it names are fetched and written.
#include <fmt/format.h>
#include <rte_cycles.h>
#include <rte_hash.h>

#include <CLI/CLI.hpp>
#include <array>
#include <memory>

#include "app/bench/benchmarks.h"
#include "app/bench/driver_part.h"
#include "app/bench/frame_set.h"
#include "app/bench/rule_texts.h"
#include "base/hash.h"
#include "dataplane/select_stage.h"
#include "flow/flow_table.h"
#include "net/packet_builder.h"

namespace yagura::bench {
namespace {

constexpr unsigned kBurst = 32;
/// For the stage in a row: it fetches for one while it deals with another.
constexpr unsigned kRow = 8;
constexpr std::uint64_t kNow = 1'700'000'000'000'000'000;
constexpr std::uint64_t kHashSeed = 1;

struct FlowChoice {
    std::vector<std::uint32_t> flows{1'000, 100'000, 1'000'000, 4'000'000};
};

struct Asked {
    net::FlowKey key;
    std::uint64_t hash;
    bool reversed;  ///< as in port::PacketMeta
};

Asked numbered(std::uint32_t n) {
    net::FlowKey key;
    key.ip_version = 4;
    key.proto = net::ip_proto::kTcp;
    key.src = {10, static_cast<std::uint8_t>(n >> 16), static_cast<std::uint8_t>(n >> 8),
               static_cast<std::uint8_t>(n)};
    key.dst = {192, 0, 2, 1};
    key.sport = 40000;
    key.dport = 80;
    return {.key = key, .hash = key.symmetric_hash(kHashSeed), .reversed = !key.is_canonical()};
}

/// Flows and directions at random.
class Traffic {
  public:
    explicit Traffic(std::uint32_t flows) : flows_(flows) {}

    Asked next() {
        state_ += base::kHashA;
        const std::uint64_t r = base::mix(state_, base::kHashB);
        Asked asked = numbered(static_cast<std::uint32_t>((r >> 32) * flows_ >> 32));
        if ((r & 1) != 0) {
            asked.key = asked.key.reversed();
            asked.reversed = !asked.key.is_canonical();
        }
        return asked;
    }
    std::array<Asked, kBurst> burst() {
        std::array<Asked, kBurst> asked;
        for (Asked& a : asked) a = next();
        return asked;
    }

  private:
    std::uint64_t flows_;
    std::uint64_t state_ = 0;
};

class OwnTable {
  public:
    explicit OwnTable(std::uint32_t flows) : table_(flows, {}, false) {
        for (std::uint32_t n = 0; n < flows; ++n) {
            const Asked asked = numbered(n);
            missed_ += table_.find_or_insert(asked.key, asked.hash, kArrival).index == flow::FlowTable::kNone;
        }
    }
    void look_up(const std::array<Asked, kBurst>& burst) {
        // As the select stage does.
        for (const Asked& a : burst) table_.prefetch(a.hash);
        std::array<std::uint32_t, kBurst> candidates;
        for (unsigned i = 0; i < kBurst; ++i) candidates[i] = table_.candidate(burst[i].hash);
        for (unsigned i = 0; i < kBurst; ++i) {
            if (candidates[i] == flow::FlowTable::kElsewhere)
                candidates[i] = table_.second_candidate(burst[i].hash);
        }
        for (unsigned i = 0; i < kBurst; ++i) {
            const Asked& a = burst[i];
            if (candidates[i] != flow::FlowTable::kNone &&
                table_.goes_on(candidates[i], a.key, a.reversed, kArrival)) {
                continue;
            }
            const flow::FlowTable::Found found = table_.find_or_insert(a.key, a.hash, kArrival);
            missed_ += found.index == flow::FlowTable::kNone || found.inserted;
        }
    }
    std::uint64_t missed() const { return missed_; }

  private:
    static constexpr flow::Arrival kArrival{
        .now_ns = kNow, .tcp_flags = net::tcp_flag::kAck, .has_payload = true};
    flow::FlowTable table_;
    std::uint64_t missed_ = 0;
};

class PeerTable {
  public:
    static base::Result<std::unique_ptr<PeerTable>> create(std::uint32_t flows) {
        const std::string name = fmt::format("flows_{}", flows);
        rte_hash_parameters parameters{};
        parameters.name = name.c_str();
        parameters.entries = std::max<std::uint32_t>(flows, 8);
        parameters.key_len = sizeof(net::FlowKey);
        parameters.extra_flag = RTE_HASH_EXTRA_FLAGS_EXT_TABLE;  // so that all find room
        rte_hash* hash = rte_hash_create(&parameters);
        if (hash == nullptr) return base::Error{fmt::format("no memory for an rte_hash of {}", flows)};
        std::unique_ptr<PeerTable> table(new PeerTable(hash, flows));
        for (std::uint32_t n = 0; n < flows; ++n) {
            const Asked asked = numbered(n);
            const net::FlowKey key = asked.key.canonical();
            table->missed_ +=
                rte_hash_add_key_with_hash(hash, &key, static_cast<hash_sig_t>(asked.hash)) < 0 ? 1u : 0u;
        }
        return table;
    }
    ~PeerTable() { rte_hash_free(hash_); }
    PeerTable(const PeerTable&) = delete;
    PeerTable& operator=(const PeerTable&) = delete;

    void look_up(const std::array<Asked, kBurst>& burst) {
        std::array<net::FlowKey, kBurst> keys;
        std::array<const void*, kBurst> pointers;
        std::array<hash_sig_t, kBurst> signatures;
        std::array<std::int32_t, kBurst> places;
        for (unsigned i = 0; i < kBurst; ++i) {
            keys[i] = burst[i].key.canonical();
            pointers[i] = &keys[i];
            signatures[i] = static_cast<hash_sig_t>(burst[i].hash);
        }
        rte_hash_lookup_with_hash_bulk(hash_, pointers.data(), signatures.data(), kBurst, places.data());
        for (const std::int32_t place : places) {
            if (place >= 0) __builtin_prefetch(&entries_[static_cast<std::size_t>(place)], 1);
        }
        for (const std::int32_t place : places) {
            if (place < 0) {
                ++missed_;
            } else {
                ++entries_[static_cast<std::size_t>(place)].last_seen;
            }
        }
    }
    std::uint64_t missed() const { return missed_; }

  private:
    PeerTable(rte_hash* hash, std::uint32_t flows)
        : hash_(hash), entries_(std::size_t{flows} + 1, base::Filled::kInOrder) {}
    rte_hash* hash_;
    base::ZeroedArray<flow::FlowEntry> entries_;
    std::uint64_t missed_ = 0;
};

/// The select stage between its rings, with packets whose flows change from turn to turn.
class SelectRig {
  public:
    static base::Result<std::unique_ptr<SelectRig>> create(const FrameSet& set, std::uint32_t flows) {
        auto input = dataplane::PacketRing::create(kRing);
        if (!input) return input.error();
        auto output = dataplane::PacketRing::create(kRing);
        if (!output) return output.error();
        auto policy = policy_of_port_80(1);
        if (!policy) return policy.error();
        std::unique_ptr<SelectRig> rig(
            new SelectRig(set, flows, std::move(*input), std::move(*output), std::move(*policy)));
        // Every flow is known, its verdict made, before anything is measured.
        std::array<Asked, kBurst> asked;
        for (std::uint32_t n = 0; n < flows; n += kBurst) {
            for (std::uint32_t i = 0; i < kBurst; ++i) asked[i] = numbered(std::min(n + i, flows - 1));
            rig->put(asked);
            rig->select(1);
            rig->take();
        }
        return rig;
    }

    /// Room for kRow bursts between two calls of take().
    void put(const std::array<Asked, kBurst>& burst) {
        std::array<rte_mbuf*, kBurst> packets;
        for (unsigned i = 0; i < kBurst; ++i) {
            packets[i] = set_.frames()[next_].packet;
            next_ = (next_ + 1) % set_.frames().size();
            port::PacketMeta& m = port::meta(packets[i]);
            m.parsed.key = burst[i].key;
            m.flow_hash = burst[i].hash;
            m.reversed = burst[i].reversed;
        }
        lost_ += kBurst - input_->put(packets);
        inside_ += kBurst;
    }
    /// A burst is dealt with one turn after it was taken.
    void select(unsigned bursts) {
        for (unsigned turn = 0; turn <= bursts; ++turn) select_.turn();
    }
    void take() {
        std::array<rte_mbuf*, kBurst> packets;
        while (const unsigned taken = output_->take(packets)) inside_ -= taken;
    }
    std::uint64_t lost() const { return lost_ + inside_ + select_.flow_counters().untracked.get(); }

  private:
    static constexpr unsigned kRing = 4096;
    SelectRig(const FrameSet& set, std::uint32_t flows, std::unique_ptr<dataplane::PacketRing> input,
              std::unique_ptr<dataplane::PacketRing> output,
              std::shared_ptr<const select::PolicySnapshot> policy)
        : set_(set),
          input_(std::move(input)),
          output_(std::move(output)),
          store_(std::uint64_t{1} << 20),
          selector_(std::move(policy), {}, store_),
          select_({.feeders = {},
                   .inputs = {input_.get()},
                   .ports = 1,
                   .burst = kBurst,
                   .pressure = dataplane::Pressure::kDrop,
                   .flows = flows,
                   .timeouts = {},
                   .hold_bytes = 0,
                   .hash_seed = 1,
                   .keep_details = false,
                   .log = nullptr},
                  {.tools = {output_.get()},
                   .pressure = dataplane::Pressure::kDrop,
                   .burst = kBurst,
                   .release_pool = nullptr},
                  store_, &selector_) {
        for (const FrameSet::Frame& frame : set.frames()) {
            fill_driver_part(frame.packet, frame.wire_length, kNow);
            port::meta(frame.packet).parsed =
                net::parse(frame.bytes, frame.wire_length, net::LinkType::kEthernet);
        }
    }

    const FrameSet& set_;
    std::size_t next_ = 0;
    std::uint64_t lost_ = 0;
    std::uint64_t inside_ = 0;
    std::unique_ptr<dataplane::PacketRing> input_;
    std::unique_ptr<dataplane::PacketRing> output_;
    flow::BlockStore store_;
    select::Selector selector_;
    dataplane::SelectStage select_;
};

struct Size {
    std::uint32_t flows;
    std::unique_ptr<OwnTable> own;
    std::unique_ptr<PeerTable> peer;
    std::unique_ptr<SelectRig> select;
    std::unique_ptr<Traffic> traffic;

    Group group() {
        const auto table = [this](auto* subject) -> Subject {
            return {.run =
                        [this, subject](std::size_t items, std::span<std::uint64_t> parts) {
                            for (std::size_t i = 0; i < items; i += kBurst) {
                                const auto burst = traffic->burst();
                                const std::uint64_t start = rte_rdtsc();
                                subject->look_up(burst);
                                parts[0] += rte_rdtsc() - start;
                            }
                        },
                    .parts = 1};
        };
        const Subject stage{.run =
                                [this](std::size_t items, std::span<std::uint64_t> parts) {
                                    for (std::size_t i = 0; i < items; i += std::size_t{kRow} * kBurst) {
                                        for (unsigned n = 0; n < kRow; ++n) select->put(traffic->burst());
                                        const std::uint64_t start = rte_rdtsc();
                                        select->select(kRow);
                                        parts[0] += rte_rdtsc() - start;
                                        select->take();
                                    }
                                },
                            .parts = 1};
        constexpr std::size_t kWarmUp = 32'768;
        return {.subjects = {table(own.get()), table(peer.get()), stage},
                .unit = kRow * kBurst,
                .warm_up = kWarmUp};
    }
};

base::Result<std::vector<Size>> make_sizes(const FlowChoice& choice, const FrameSet& set) {
    std::vector<Size> sizes;
    for (const std::uint32_t flows : choice.flows) {
        auto peer = PeerTable::create(flows);
        if (!peer) return peer.error();
        auto select = SelectRig::create(set, flows);
        if (!select) return select.error();
        sizes.push_back({.flows = flows,
                         .own = std::make_unique<OwnTable>(flows),
                         .peer = std::move(*peer),
                         .select = std::move(*select),
                         .traffic = std::make_unique<Traffic>(flows)});
    }
    return sizes;
}

base::Result<Report> run_flow(const FlowChoice& choice, const Common& common) {
    constexpr std::size_t kFrames = 512;
    constexpr std::uint64_t kPeerBytesPerFlow = 192;
    std::uint64_t all = 0;
    for (const std::uint32_t flows : choice.flows) all += flows;
    const auto memory = static_cast<unsigned>(memory_for(kFrames) + (kPeerBytesPerFlow * all >> 20));
    if (auto started = start(common.cpu, memory); !started) return started.error();
    ask_for_huge_pages();
    RawFrames raw;
    for (std::size_t i = 0; i < kFrames; ++i) {
        auto bytes = net::PacketBuilder()
                         .ethernet()
                         .ipv4("10.0.0.1", "192.0.2.1")
                         .tcp(40000, 80)
                         .payload(std::string(10, 'y'))
                         .build();
        const auto size = static_cast<std::uint32_t>(bytes.size());
        raw.frames.push_back({.bytes = std::move(bytes), .wire_length = size});
    }
    auto set = FrameSet::create(raw);
    if (!set) return set.error();
    auto sizes = make_sizes(choice, **set);
    if (!sizes) return sizes.error();
    std::vector<Group> groups;
    for (Size& size : *sizes) groups.push_back(size.group());
    const Measurement measurement = measure(groups, common.measure);

    Report report{.benchmark = "flow", .tables = {}, .interrupted_share = measurement.interrupted_share};
    report.tables.push_back(
        {.title = "A flow among so many, at random, in bursts of 32",
         .labels = {"flows"},
         .columns = {{"FlowTable", "cycles per look-up"},
                     {"FlowTable, to the first", "", 2},
                     {"rte_hash", "cycles per look-up"},
                     {"rte_hash / FlowTable", "", 2},
                     {"select stage", "cycles per packet"},
                     {"select stage, to the first", "", 2}},
         .rows = {},
         .notes = {
             "The tables are as large as their flows, which is when they are fullest; all flows are "
             "there. \"To the first\" is the ratio to the first line, repeat by repeat.",
             "Both tables are asked with hashes at hand, find a flow from either direction, and write "
             "its entry. rte_hash has its keys in a table of its own, canonical, so that it reads one "
             "line more for each look-up.",
             "The select stage takes packets from a ring, of decided flows, and puts them on the ring of "
             "one tool; without flow records."}});
    for (std::size_t i = 0; i < sizes->size(); ++i) {
        const Size& size = (*sizes)[i];
        if (size.own->missed() + size.peer->missed() + size.select->lost() != 0) {
            return base::Error{fmt::format("of {} flows some were not found", size.flows)};
        }
        const auto figure = [&](std::size_t group, std::size_t subject) -> const Spread& {
            return measurement.groups[group].subjects[subject].parts[0];
        };
        report.tables[0].rows.push_back(
            {.labels = {std::to_string(size.flows)},
             .figures = {figure(i, 0), ratio_by_repeat(figure(i, 0), figure(0, 0)), figure(i, 1),
                         ratio_by_repeat(figure(i, 1), figure(i, 0)), figure(i, 2),
                         ratio_by_repeat(figure(i, 2), figure(0, 2))}});
    }
    return report;
}

}  // namespace

void add_flow(CLI::App& app, Benchmark& chosen) {
    auto choice = std::make_shared<FlowChoice>();
    CLI::App* command =
        app.add_subcommand("flow", "Cycles per look-up and per packet by the number of flows");
    command->add_option("--flows", choice->flows, "Flows at the same time")
        ->delimiter(',')
        ->check(CLI::Range(kBurst, 1u << 24))
        ->capture_default_str();
    command->callback(
        [choice, &chosen] { chosen = [choice](const Common& common) { return run_flow(*choice, common); }; });
}

}  // namespace yagura::bench
