// SPDX-License-Identifier: BSD-3-Clause
// What a packet pays for a ring between two stages: dataplane::Ring, with one producer and one consumer,
// beside an rte_ring that any number of threads may use, and beside the bare copying of the pointers. On one
// lcore, and, where there are two CPUs, from one to the other.
#include <fmt/format.h>
#include <rte_cycles.h>
#include <rte_launch.h>
#include <rte_pause.h>
#include <rte_ring.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>
#include <memory>

#include "app/bench/benchmarks.h"
#include "broker/eal.h"
#include "dataplane/lcore_plan.h"
#include "dataplane/stage.h"

namespace yagura::bench {
namespace {

constexpr unsigned kRingSize = 4096;  // as in dataplane::PipelineOptions
constexpr std::size_t kWarmUp = kRingSize;
/// Of a slice: long enough for the clock at once, for a slice between lcores begins with waking the other.
constexpr std::size_t kItems = 65'536;

struct RingsChoice {
    std::vector<unsigned> bursts{1, 8, 32, 64};
};

struct Item {};
using Items = std::array<Item*, dataplane::kMaxBurst>;

/// rte_ring for any number of producers and consumers.
class SharedRing {
  public:
    static base::Result<std::unique_ptr<SharedRing>> create() {
        static unsigned number = 0;
        rte_ring* ring = rte_ring_create(fmt::format("shared{}", number++).c_str(), kRingSize, SOCKET_ID_ANY,
                                         RING_F_EXACT_SZ);
        if (ring == nullptr) return base::Error{"no memory for a ring"};
        return std::unique_ptr<SharedRing>(new SharedRing(ring));
    }
    ~SharedRing() { rte_ring_free(ring_); }
    SharedRing(const SharedRing&) = delete;
    SharedRing& operator=(const SharedRing&) = delete;

    unsigned put(std::span<Item* const> items) {
        return rte_ring_mp_enqueue_burst(ring_, reinterpret_cast<void* const*>(items.data()),
                                         static_cast<unsigned>(items.size()), nullptr);
    }
    unsigned take(std::span<Item*> items) {
        return rte_ring_mc_dequeue_burst(ring_, reinterpret_cast<void**>(items.data()),
                                         static_cast<unsigned>(items.size()), nullptr);
    }

  private:
    explicit SharedRing(rte_ring* ring) : ring_(ring) {}
    rte_ring* ring_;
};

/// The pointers copied to where a ring would keep them, and back.
class NoRing {
  public:
    unsigned put(std::span<Item* const> items) { return copy(slots_.data(), items.data(), items.size()); }
    unsigned take(std::span<Item*> items) { return copy(items.data(), slots_.data(), items.size()); }

  private:
    static unsigned copy(Item** to, Item* const* from, std::size_t count) {
        std::memcpy(to, from, count * sizeof(Item*));
        keep(*to);
        return static_cast<unsigned>(count);
    }
    Items slots_{};
};

/// Puts a burst in and takes it out again, on one thread.
template <class AnyRing>
Subject in_and_out(AnyRing& ring, unsigned burst) {
    return {.run = [&ring, burst](std::size_t items, std::span<std::uint64_t>) {
        Items buffer{};
        for (std::size_t i = 0; i < items; i += burst) {
            const unsigned put = ring.put({buffer.data(), burst});
            const unsigned taken = ring.take({buffer.data(), put});
            keep(taken);
        }
    }};
}

/// The other lcore: puts as many items on a ring as it is told to.
class Producer {
  public:
    base::Result<void> start(unsigned lcore) {
        if (rte_eal_remote_launch(&Producer::entry, this, lcore) != 0) {
            return base::Error{fmt::format("cannot start lcore {}", lcore)};
        }
        lcore_ = lcore;
        return {};
    }
    ~Producer() {
        if (lcore_ == RTE_MAX_LCORE) return;
        stopping_.store(true, std::memory_order_relaxed);
        rte_eal_wait_lcore(lcore_);
    }

    template <class AnyRing>
    void produce(AnyRing& ring, unsigned burst, std::size_t items) {
        job_ = {.put = [](void* to, std::span<Item* const> b) { return static_cast<AnyRing*>(to)->put(b); },
                .ring = &ring,
                .burst = burst,
                .items = items};
        waiting_.store(true, std::memory_order_release);
    }
    void join() const {
        while (waiting_.load(std::memory_order_acquire)) rte_pause();
    }

  private:
    struct Job {
        unsigned (*put)(void* ring, std::span<Item* const> burst);
        void* ring;
        unsigned burst;
        std::size_t items;  ///< a multiple of the burst
    };
    static int entry(void* self) {
        static_cast<Producer*>(self)->loop();
        return 0;
    }
    void loop() {
        Items buffer{};
        while (!stopping_.load(std::memory_order_relaxed)) {
            if (!waiting_.load(std::memory_order_acquire)) {
                rte_pause();
                continue;
            }
            for (std::size_t left = job_.items; left != 0;) {
                left -= job_.put(job_.ring, {buffer.data(), std::min<std::size_t>(job_.burst, left)});
            }
            waiting_.store(false, std::memory_order_release);
        }
    }

    unsigned lcore_ = RTE_MAX_LCORE;
    Job job_{};
    std::atomic<bool> waiting_{false};
    std::atomic<bool> stopping_{false};
};

/// From the producer's lcore to this one.
template <class AnyRing>
Subject across(Producer& producer, AnyRing& ring, unsigned burst) {
    return {.run = [&producer, &ring, burst](std::size_t items, std::span<std::uint64_t>) {
        Items buffer{};
        producer.produce(ring, burst, items);
        for (std::size_t taken = 0; taken < items;) {
            const unsigned n = ring.take({buffer.data(), burst});
            if (n == 0) rte_pause();
            taken += n;
        }
        producer.join();
    }};
}

struct Rings {
    unsigned burst;
    std::unique_ptr<dataplane::Ring<Item>> own;
    std::unique_ptr<SharedRing> shared;
    std::unique_ptr<NoRing> none = std::make_unique<NoRing>();
};

base::Result<std::vector<Rings>> make_rings(const std::vector<unsigned>& bursts) {
    std::vector<Rings> all;
    for (const unsigned burst : bursts) {
        auto own = dataplane::Ring<Item>::create(kRingSize);
        if (!own) return own.error();
        auto shared = SharedRing::create();
        if (!shared) return shared.error();
        all.push_back({.burst = burst, .own = std::move(*own), .shared = std::move(*shared)});
    }
    return all;
}

/// This thread stays on `cpu`, and the worker lcore is on another, if there is one: that one.
base::Result<std::optional<unsigned>> start_two(unsigned cpu) {
    for (const unsigned other : dataplane::usable_cpus()) {
        if (other == cpu) continue;
        rules::LcoreSpec spec;
        spec.rx = spec.select = spec.tx = {other};
        const std::vector<unsigned> cpus{cpu, other};
        const auto plan = dataplane::LcorePlan::make(spec, cpus);
        auto started = broker::start_eal({.lcores = plan.eal_lcores(cpus), .memory_mib = 64});
        if (!started) return started.error();
        return std::optional(plan.lcores[0].id);
    }
    if (auto started = start(cpu, 64); !started) return started.error();
    return std::optional<unsigned>();
}

/// From cycles per packet.
Spread million_per_second(const Spread& cycles) {
    std::vector<double> rates;
    for (const double repeat : cycles.repeats)
        rates.push_back(static_cast<double>(rte_get_tsc_hz()) / repeat / 1e6);
    return spread_of(std::move(rates));
}

base::Result<Report> run_rings(const RingsChoice& choice, const Common& common) {
    const auto other = start_two(common.cpu);
    if (!other) return other.error();
    auto rings = make_rings(choice.bursts);
    if (!rings) return rings.error();
    Producer producer;
    std::vector<Group> groups;
    for (const Rings& r : *rings) {
        groups.push_back({.subjects = {in_and_out(*r.own, r.burst), in_and_out(*r.shared, r.burst),
                                       in_and_out(*r.none, r.burst)},
                          .unit = kItems / r.burst * r.burst,
                          .warm_up = kWarmUp});
    }
    if (*other) {
        if (auto started = producer.start(**other); !started) return started.error();
        for (const Rings& r : *rings) {
            groups.push_back(
                {.subjects = {across(producer, *r.own, r.burst), across(producer, *r.shared, r.burst)},
                 .unit = kItems / r.burst * r.burst,
                 .warm_up = kWarmUp});
        }
    }
    const Measurement measurement = measure(groups, common.measure);

    Report report{.benchmark = "rings", .tables = {}, .interrupted_share = measurement.interrupted_share};
    Table same{
        .title = "A ring between two stages on one lcore: put and taken",
        .labels = {"burst"},
        .columns = {{"Ring", "cycles per packet", 2},
                    {"rte_ring, MP/MC", "cycles per packet", 2},
                    {"pointers copied", "cycles per packet", 2},
                    {"MP/MC / Ring", "", 2}},
        .rows = {},
        .notes = {"Ring is `dataplane::Ring`, one producer and one consumer, of 4,096 packets. \"Pointers "
                  "copied\" is what no ring can do without: twice memcpy."}};
    for (std::size_t i = 0; i < rings->size(); ++i) {
        const Comparison& c = measurement.groups[i];
        same.rows.push_back(
            {.labels = {std::to_string((*rings)[i].burst)},
             .figures = {c.subjects[0].cycles, c.subjects[1].cycles, c.subjects[2].cycles, c.ratio(1, 0)}});
    }
    report.tables.push_back(std::move(same));
    if (!*other) {
        report.tables[0].notes.emplace_back("There is one CPU: a ring between two lcores was not measured.");
        return report;
    }
    Table two{
        .title = "A ring from one lcore to another, each on its CPU, as fast as it goes",
        .labels = {"burst"},
        .columns = {{"Ring", "cycles per packet", 2},
                    {"Ring, rate", "million packets per second", 1},
                    {"rte_ring, MP/MC", "cycles per packet", 2},
                    {"rte_ring, MP/MC, rate", "million packets per second", 1},
                    {"MP/MC / Ring", "", 2}},
        .rows = {},
        .notes = {"Cycles are those that pass on the taking lcore for each packet; it does not look at the "
                  "packets. Both lcores do nothing else."}};
    for (std::size_t i = 0; i < rings->size(); ++i) {
        const Comparison& c = measurement.groups[rings->size() + i];
        two.rows.push_back(
            {.labels = {std::to_string((*rings)[i].burst)},
             .figures = {c.subjects[0].cycles, million_per_second(c.subjects[0].cycles), c.subjects[1].cycles,
                         million_per_second(c.subjects[1].cycles), c.ratio(1, 0)}});
    }
    report.tables.push_back(std::move(two));
    return report;
}

}  // namespace

void add_rings(CLI::App& app, Benchmark& chosen) {
    auto choice = std::make_shared<RingsChoice>();
    CLI::App* command =
        app.add_subcommand("rings", "Cycles per packet of a ring, on one lcore and between two");
    command->add_option("--burst", choice->bursts, "Packets put and taken at a time")
        ->delimiter(',')
        ->check(CLI::Range(1u, dataplane::kMaxBurst))
        ->capture_default_str();
    command->callback([choice, &chosen] {
        chosen = [choice](const Common& common) { return run_rings(*choice, common); };
    });
}

}  // namespace yagura::bench
