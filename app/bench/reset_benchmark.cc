// SPDX-License-Identifier: BSD-3-Clause
// How fast a connection is cut: from the packet that triggers it to the RST that is handed to the driver,
// while the same lcore forwards as much as it can; and what so many cuts take from forwarding.
#include <fmt/format.h>
#include <rte_cycles.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstring>
#include <memory>
#include <optional>
#include <thread>

#include "app/bench/benchmarks.h"
#include "app/bench/driver_part.h"
#include "app/bench/end_traffic.h"
#include "app/bench/memory_source.h"
#include "app/bench/traffic.h"
#include "base/clock.h"
#include "broker/eal.h"
#include "broker/live.h"
#include "dataplane/pipeline.h"
#include "drivers/loop/loop.h"
#include "net/packet_builder.h"

namespace yagura::bench {
namespace {

constexpr std::uint16_t kTriggerPort = 7777;
constexpr std::uint32_t kConnections = 1u << 22;  ///< that differ, before they come again
constexpr unsigned kKills = 60'000;
constexpr std::chrono::milliseconds kMillisecond{1};

struct ResetChoice {
    std::vector<unsigned> rates{100, 1'000, 10'000};
    std::uint32_t flows = 1'000;
    unsigned size = 64;
    unsigned repeats = 5;
    unsigned phase_ms = 500;
};

/// Connections that are cut as soon as a packet of theirs comes, and their ends, who know of no connection
/// from the first RST on. All of it happens on the one data lcore; what others read is atomic.
class Victims {
  public:
    explicit Victims(rte_mempool* pool) : pool_(pool), stamps_(kConnections) {
        replies_.reserve(kReplies);
        net::PacketBuilder packet;
        packet.ethernet().ipv4("11.0.0.0", "192.0.2.99");
        packet.tcp(40000, kTriggerPort, net::tcp_flag::kAck | net::tcp_flag::kPsh,
                   {.seq = 1'000, .ack = 5'000});
        packet.payload("a request");
        trigger_ = packet.build();
        net::PacketBuilder end;
        end.ethernet().ipv4("11.0.0.0", "192.0.2.99").tcp(40000, kTriggerPort, net::tcp_flag::kRst);
        reply_ = end.build();
    }

    /// So many cuts a second from now on. Any thread.
    void set_rate(unsigned per_second) { rate_.store(per_second, std::memory_order_relaxed); }
    /// Cycles from trigger to RST of all that were cut since the last call; by the thread that set the rate
    /// to 0 a while ago.
    std::vector<std::uint64_t> take_latencies() {
        const std::size_t count = latency_count_.load(std::memory_order_acquire);
        std::vector<std::uint64_t> taken(latencies_.begin() + static_cast<std::ptrdiff_t>(taken_),
                                         latencies_.begin() + static_cast<std::ptrdiff_t>(count));
        taken_ = count;
        return taken;
    }

    /// Data lcore: at most one packet of theirs for each burst; null: there is none.
    rte_mbuf* next() {
        if (next_reply_ < replies_.size()) {
            rte_mbuf* const packet = make(reply_, replies_[next_reply_].index);
            if (packet == nullptr) return nullptr;
            const Reply& reply = replies_[next_reply_++];
            auto* const bytes = rte_pktmbuf_mtod(packet, std::uint8_t*);
            std::memcpy(bytes + 26, reply.ends.data(), reply.ends.size());
            base::store_be32(bytes + 38, reply.seq);
            if (next_reply_ == replies_.size()) {
                replies_.clear();
                next_reply_ = 0;
            }
            return packet;
        }
        const unsigned rate = rate_.load(std::memory_order_relaxed);
        const std::uint64_t now = rte_rdtsc();
        if (rate == 0 || now < due_) {
            if (rate == 0) due_ = now;
            return nullptr;
        }
        due_ += rte_get_tsc_hz() / rate;
        number_ = (number_ + 1) % kConnections;
        rte_mbuf* const packet = make(trigger_, number_);
        if (packet != nullptr) stamps_[number_] = rte_rdtsc();
        return packet;
    }
    /// Data lcore: a frame of yagura's to one of the ends.
    void take(const rte_mbuf* packet) {
        const std::uint64_t now = rte_rdtsc();
        const auto* const bytes = rte_pktmbuf_mtod(packet, const std::uint8_t*);
        const bool to_client = bytes[30] == 11;
        const std::uint32_t index = base::load_be32(bytes + (to_client ? 30 : 26)) & 0xffffff;
        const std::uint8_t flags = bytes[47];
        if ((flags & net::tcp_flag::kRst) != 0) {
            if (stamps_[index] == 0) return;
            const std::size_t at = latency_count_.load(std::memory_order_relaxed);
            if (at < latencies_.size()) {
                latencies_[at] = now - stamps_[index];
                latency_count_.store(at + 1, std::memory_order_release);
            }
            stamps_[index] = 0;
        } else if (replies_.size() < kReplies) {
            Reply reply{.index = index, .ends = {}, .seq = base::load_be32(bytes + 42)};
            std::memcpy(reply.ends.data(), bytes + 30, 4);
            std::memcpy(reply.ends.data() + 4, bytes + 26, 4);
            std::memcpy(reply.ends.data() + 8, bytes + 36, 2);
            std::memcpy(reply.ends.data() + 10, bytes + 34, 2);
            replies_.push_back(reply);
        }
    }

  private:
    static constexpr std::size_t kReplies = 1u << 16;
    struct Reply {
        std::uint32_t index;
        std::array<std::uint8_t, 12> ends;  ///< addresses and ports as they stand in the frame
        std::uint32_t seq;
    };
    rte_mbuf* make(const std::vector<std::uint8_t>& frame, std::uint32_t index) {
        rte_mbuf* const packet =
            port::PacketPool::make_packet(pool_, frame.data(), static_cast<std::uint32_t>(frame.size()));
        if (packet == nullptr) return nullptr;
        auto* const bytes = rte_pktmbuf_mtod(packet, std::uint8_t*);
        base::store_be32(bytes + 26, 11u << 24 | index);
        fill_driver_part(packet, static_cast<std::uint32_t>(frame.size()), 0);
        return packet;
    }

    rte_mempool* pool_;
    std::atomic<unsigned> rate_{0};
    std::uint64_t due_ = 0;
    std::uint32_t number_ = 0;
    std::vector<std::uint64_t>
        stamps_;  ///< by connection: when its packet was handed out; 0: it has been cut
    std::vector<std::uint64_t> latencies_ = std::vector<std::uint64_t>(1u << 20);
    std::atomic<std::size_t> latency_count_{0};
    std::size_t taken_ = 0;
    std::vector<Reply> replies_;
    std::size_t next_reply_ = 0;
    std::vector<std::uint8_t> trigger_;
    std::vector<std::uint8_t> reply_;
};

/// The traffic, and among it the victims'.
class MixedSource final : public port::RxQueue {
  public:
    MixedSource(MemorySource& source, Victims& victims) : source_(source), victims_(victims) {}
    [[nodiscard]] std::uint16_t receive(std::span<rte_mbuf*> burst) override {
        std::uint16_t n = source_.receive(burst.first(burst.size() - 1));
        if (rte_mbuf* const packet = victims_.next()) {
            port::PacketMeta& m = port::meta(packet);
            m.order_time = m.timestamp_ns =
                n != 0 ? port::meta(burst[n - 1u]).order_time : base::realtime_ns();
            burst[n++] = packet;
        }
        return n;
    }
    bool can_wait() const override { return true; }

  private:
    MemorySource& source_;
    Victims& victims_;
};

class Wire final : public port::TxQueue {
  public:
    explicit Wire(Victims& victims) : victims_(victims) {}
    [[nodiscard]] std::uint16_t send(std::span<rte_mbuf* const> burst) override {
        for (rte_mbuf* packet : burst) {
            victims_.take(packet);
            rte_pktmbuf_free(packet);
        }
        return static_cast<std::uint16_t>(burst.size());
    }

  private:
    Victims& victims_;
};

class ResetRig {
  public:
    static base::Result<std::unique_ptr<ResetRig>> create(const ResetChoice& choice, unsigned cpu);
    base::Result<void> start() { return pipeline_->start(); }
    /// Packets per second while so many are cut.
    double run(unsigned rate, unsigned phase_ms);
    Victims& victims() { return *victims_; }
    std::uint64_t outcomes(reset::Outcome outcome) const {
        return outcomes_[static_cast<std::size_t>(outcome)];
    }
    void forget_outcomes() { outcomes_ = {}; }
    /// Until nothing is being cut any more.
    void settle();
    base::Result<void> finish();

  private:
    void take_reports();
    std::uint64_t received() const { return pipeline_->stats().ports[0].received.packets; }

    broker::LiveEnvironment environment_;
    std::unique_ptr<port::PacketPool> victim_pool_;
    std::unique_ptr<PacketStore> store_;
    std::unique_ptr<RepeatingSource> source_;
    std::unique_ptr<Victims> victims_;
    std::unique_ptr<MixedSource> queue_;
    std::unique_ptr<Wire> wire_;
    loop::LoopSink sink_;
    dataplane::ResponseSettings settings_;
    std::atomic<dataplane::ResponseMode> mode_{dataplane::ResponseMode::kOn};
    dataplane::ResponseExchange exchange_;
    std::array<std::uint64_t, static_cast<std::size_t>(reset::Outcome::kCount)> outcomes_{};
    std::unique_ptr<dataplane::Pipeline> pipeline_;
};

base::Result<std::unique_ptr<ResetRig>> ResetRig::create(const ResetChoice& choice, unsigned cpu) {
    const RawFrames raw = make_packets(choice.flows, choice.flows,
                                       {.name = std::to_string(choice.size), .turn = {choice.size}}, 100);
    const std::vector<unsigned> cpus = dataplane::usable_cpus();
    auto plan = broker::plan_lcores({}, fmt::format("rx={0};select={0};tx={0}", cpu), cpus);
    if (!plan) return plan.error();
    auto outcome = rules::parse_config(fmt::format(
        R"({{"ports": {{"lan": {{"role": "network", "device": "loop:"}}, "tool": {{"role": "tool", "device": "loop:"}}}},
            "response": {{"enabled": true}},
            "rules": [{{"id": 1, "filter": "tcp dst port {}", "reset": true}}, {{"id": 2, "forward": ["tool"]}}]}})",
        kTriggerPort));
    if (!outcome.ok()) return base::Error{outcome.errors.front().to_string()};
    auto compiled = match::CompiledRules::compile(outcome.config.rules, net::LinkType::kEthernet);
    if (!compiled.errors.empty()) return base::Error{compiled.errors.front().reason};

    std::unique_ptr<ResetRig> rig(new ResetRig);
    auto environment =
        broker::start_live(outcome.config, *plan, cpus,
                           {.packets = 0,
                            .memory_mib = PacketStore::memory_mib(raw.frames.size(), choice.size) +
                                          port::pool_memory_mib(16'383)});
    if (!environment) return environment.error();
    rig->environment_ = std::move(*environment);
    auto pool = port::PacketPool::create("victims", 16'383);
    if (!pool) return pool.error();
    rig->victim_pool_ = std::move(*pool);
    auto store = PacketStore::create(raw, true);
    if (!store) return store.error();
    rig->store_ = std::move(*store);
    rig->source_ = std::make_unique<RepeatingSource>(*rig->store_);
    rig->victims_ = std::make_unique<Victims>(rig->victim_pool_->get());
    rig->queue_ = std::make_unique<MixedSource>(*rig->source_, *rig->victims_);
    rig->wire_ = std::make_unique<Wire>(*rig->victims_);
    rig->settings_.kills.capacity = kKills;
    rig->settings_.kills.frames_per_second = 10'000'000;
    rig->settings_.kills.frame_burst = 100'000;
    rig->settings_.secret = {rte_rdtsc(), rte_rdtsc()};
    rig->settings_.mode = &rig->mode_;
    rig->settings_.pool = rig->environment_.inject_pool->get();
    auto pipeline =
        dataplane::Pipeline::create({.plan = std::move(*plan),
                                     .sources = {rig->queue_.get()},
                                     .tools = {&rig->sink_},
                                     .policy = select::make_policy(outcome.config, compiled.rules),
                                     .hash_seed = 1,
                                     .keep_details = false,
                                     .release_pool = rig->environment_.release_pool->get(),
                                     .response = &rig->settings_,
                                     .injects = {{.queue = rig->wire_.get(), .other = base::PortId{0}}}});
    if (!pipeline) return pipeline.error();
    rig->pipeline_ = std::move(*pipeline);
    return rig;
}

void ResetRig::take_reports() {
    if (!exchange_.done.load(std::memory_order_acquire)) return;
    for (unsigned i = 0; i < exchange_.report_count; ++i)
        ++outcomes_[static_cast<std::size_t>(exchange_.reports[i].kill.outcome)];
    exchange_.report_count = 0;
    (void)pipeline_->exchange(0, exchange_);
}

double ResetRig::run(unsigned rate, unsigned phase_ms) {
    victims_->set_rate(rate);
    const std::uint64_t begin = rte_rdtsc();
    const std::uint64_t first = received();
    const std::uint64_t end = begin + rte_get_tsc_hz() / 1000 * phase_ms;
    while (rte_rdtsc() < end) {
        take_reports();
        std::this_thread::sleep_for(kMillisecond);
    }
    const std::uint64_t packets = received() - first;
    const double seconds = static_cast<double>(rte_rdtsc() - begin) / static_cast<double>(rte_get_tsc_hz());
    victims_->set_rate(0);
    return static_cast<double>(packets) / seconds;
}

void ResetRig::settle() {
    // What is verified lingers for a second, and holds its place.
    for (int i = 0; i < 1'500; ++i) {
        take_reports();
        std::this_thread::sleep_for(kMillisecond);
    }
}

base::Result<void> ResetRig::finish() {
    if (auto ended = end_traffic(*pipeline_, *source_); !ended) return ended;
    pipeline_.reset();
    if (!store_->whole() || !environment_.pools_whole() || !victim_pool_->whole())
        return base::Error{"some packets did not come back"};
    return {};
}

base::Result<Report> run_resets(const ResetChoice& choice, const Common& common) {
    auto rig = ResetRig::create(choice, common.cpu);
    if (!rig) return rig.error();
    if (auto started = (*rig)->start(); !started) return started.error();
    Report report{.benchmark = "reset", .tables = {}, .interrupted_share = std::nullopt};
    report.tables.push_back(
        {.title = "Connections cut while the same lcore forwards all that it can",
         .labels = {"cuts per second"},
         .columns = {{"trigger to first RST, median", "cycles", 0},
                     {"the same", "microseconds", 2},
                     {"99 %", "microseconds", 2},
                     {"verified, % of those cut", "", 1},
                     {"forwarded, million packets per second", "", 2},
                     {"the same without cuts", "", 2},
                     {"with / without", "", 3}},
         .rows = {},
         .notes = {
             fmt::format(
                 "{} flows of {}-byte frames from memory to one tool, everything on one lcore; among them "
                 "packets of connections to be cut, each by a header rule. From where such a packet is "
                 "handed to rx to where the RST is handed to the driver of the network port.",
                 choice.flows, choice.size),
             "Each connection's ends answer the probe as the dead do, so that two RSTs and two probes go out "
             "for each, and two RSTs come back. Repeats with and without cuts in turn.",
             "No packet was lost, and both ledgers balanced in the end."}});
    const double per_us = static_cast<double>(rte_get_tsc_hz()) / 1e6;
    (void)(*rig)->run(0, choice.phase_ms);
    for (const unsigned rate : choice.rates) {
        std::vector<double> median, median_us, late_us, verified, with, without;
        (*rig)->settle();
        for (unsigned repeat = 0; repeat < choice.repeats; ++repeat) {
            without.push_back((*rig)->run(0, choice.phase_ms) / 1e6);
            (void)(*rig)->victims().take_latencies();
            (*rig)->forget_outcomes();
            with.push_back((*rig)->run(rate, choice.phase_ms) / 1e6);
            (*rig)->settle();
            std::vector<std::uint64_t> cycles = (*rig)->victims().take_latencies();
            if (cycles.empty()) return base::Error{"no connection was cut"};
            std::ranges::sort(cycles);
            const auto at = [&](double share) {
                return static_cast<double>(
                    cycles[static_cast<std::size_t>(share * static_cast<double>(cycles.size() - 1))]);
            };
            median.push_back(at(0.5));
            median_us.push_back(at(0.5) / per_us);
            late_us.push_back(at(0.99) / per_us);
            verified.push_back(100.0 * static_cast<double>((*rig)->outcomes(reset::Outcome::kVerified)) /
                               static_cast<double>(cycles.size()));
        }
        const Spread with_cuts = spread_of(with);
        const Spread without_cuts = spread_of(without);
        report.tables[0].rows.push_back(
            {.labels = {std::to_string(rate)},
             .figures = {spread_of(median), spread_of(median_us), spread_of(late_us), spread_of(verified),
                         with_cuts, without_cuts, ratio_by_repeat(with_cuts, without_cuts)}});
    }
    if (auto finished = (*rig)->finish(); !finished) return finished.error();
    return report;
}

}  // namespace

void add_reset(CLI::App& app, Benchmark& chosen) {
    auto choice = std::make_shared<ResetChoice>();
    CLI::App* command = app.add_subcommand("reset", "How fast connections are cut, and what that costs");
    command->add_option("--rates", choice->rates, "Connections to be cut per second")
        ->delimiter(',')
        ->check(CLI::Range(1u, 20'000u))
        ->capture_default_str();
    command->add_option("--flows", choice->flows, "Flows of the other traffic")
        ->check(CLI::Range(1u, 100'000u))
        ->capture_default_str();
    command->add_option("--size", choice->size, "Bytes of its frames")
        ->check(CLI::Range(64u, 1'518u))
        ->capture_default_str();
    command->add_option("--phases", choice->repeats, "Repeats with cuts, and as many without")
        ->check(CLI::Range(1u, 1'000u))
        ->capture_default_str();
    command->add_option("--milliseconds", choice->phase_ms, "Of one of them")
        ->check(CLI::Range(10u, 60'000u))
        ->capture_default_str();
    command->callback([choice, &chosen] {
        chosen = [choice](const Common& common) { return run_resets(*choice, common); };
    });
}

}  // namespace yagura::bench
