// SPDX-License-Identifier: BSD-3-Clause
#include "app/bench/forward_run.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <thread>

#include "app/bench/literals.h"
#include "app/bench/traffic.h"
#include "broker/eal.h"
#include "broker/interrupt.h"
#include "broker/report.h"

namespace yagura::bench {
namespace {

/// So few flows have several packets each: a pipeline on several lcores has some hundred on the way.
constexpr std::size_t kFewestPackets = 1000;
constexpr std::string_view kPcap = "pcap:";

void pause() {
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
}

std::string without_large(double share) {
    return fmt::format("{:.2f} % of the capture's frames are larger than one buffer and left out.",
                       share * 100);
}

std::size_t leave_out_fragments(RawFrames& raw) {
    return std::erase_if(raw.frames, [&raw](const RawFrame& frame) {
        return net::parse(frame.bytes, frame.wire_length, raw.link_type).is_fragment;
    });
}

}  // namespace

ForwardRun::~ForwardRun() = default;

base::Result<std::unique_ptr<ForwardRun>> ForwardRun::create(const ForwardOptions& options,
                                                             const std::optional<ForwardTraffic>& traffic,
                                                             unsigned cpu) {
    std::unique_ptr<ForwardRun> run(new ForwardRun(options));
    if (auto prepared = run->prepare(traffic, cpu); !prepared) return prepared.error();
    return run;
}

base::Result<RawFrames> ForwardRun::make_frames(const ForwardTraffic& traffic,
                                                std::span<const Literal> literals) {
    if (!traffic.capture.empty()) {
        auto raw = read_capture(traffic.capture, options_.most.value_or(kMostFrames));
        if (!raw) return raw;
        if (raw->link_type != net::LinkType::kEthernet) {
            return base::Error{fmt::format("{}: not a capture of Ethernet", traffic.capture)};
        }
        const auto all = static_cast<double>(raw->frames.size());
        notes_.push_back(without_large(static_cast<double>(leave_out_large(*raw)) / all));
        if (traffic.source == SourceKind::kTape) {
            notes_.push_back(fmt::format("{:.2f} % are fragments, and left out.",
                                         static_cast<double>(leave_out_fragments(*raw)) / all * 100));
        }
        if (raw->frames.empty()) return base::Error{fmt::format("{}: nothing is left", traffic.capture)};
        return raw;
    }
    switch (traffic.source) {
        case SourceKind::kTape:
            return make_sessions(traffic.flows, traffic.sizes, traffic.hits, literals);
        case SourceKind::kManyFlows:
            return make_packets(kFewestPackets, kFewestPackets, traffic.sizes, traffic.hits);
        default:
            return make_packets(traffic.flows, kFewestPackets, traffic.sizes, traffic.hits);
    }
}

/// The device that yagura opens as the network port.
base::Result<std::string> ForwardRun::device_of(const ForwardTraffic& traffic) {
    if (traffic.source == SourceKind::kRing) return std::string(RingLoop::kNetworkDevice);
    if (traffic.source != SourceKind::kDevice) return std::string("loop:");
    if (traffic.device == "null") return fmt::format("net_null_bench,size={}", traffic.sizes.of(0));
    if (!traffic.device.starts_with(kPcap)) return traffic.device;
    auto copy = CaptureCopy::create(traffic.device.substr(kPcap.size()), options_.most.value_or(kMostFrames));
    if (!copy) return copy.error();
    copy_ = std::move(*copy);
    notes_.push_back(without_large(copy_->share_left_out()));
    return fmt::format("net_pcap_bench,rx_pcap={},infinite_rx=1", copy_->path());
}

base::Result<void> ForwardRun::prepare(const std::optional<ForwardTraffic>& traffic, unsigned cpu) {
    RawFrames frames;
    broker::LiveExtra extra;
    std::string lcores = options_.lcores;
    if (!traffic) {
        loaded_ = broker::load_live_config(options_.config);
        if (!loaded_.ok()) return base::Error{broker::error_report(options_.config, loaded_.errors)};
    } else {
        std::vector<Literal> literals;
        if (!options_.literals.empty()) {
            auto read = read_literals(options_.literals);
            if (!read) return read.error();
            literals = std::move(*read);
        } else {
            literals = make_literals(options_.patterns);
        }
        if (traffic->source != SourceKind::kDevice) {
            auto made = make_frames(*traffic, literals);
            if (!made) return made.error();
            frames = std::move(*made);
            std::size_t largest = 0;
            for (const RawFrame& frame : frames.frames) largest = std::max(largest, frame.bytes.size());
            extra.memory_mib = PacketStore::memory_mib(frames.frames.size(), largest) +
                               RingLoop::memory_mib(frames.frames.size());
        }
        const auto device = device_of(*traffic);
        if (!device) return device.error();
        auto loaded = make_config(*traffic, *device, literals);
        if (!loaded) return loaded.error();
        loaded_ = std::move(*loaded);
        if (lcores.empty()) lcores = fmt::format("rx={0};select={0};tx={0}", cpu);
        first_lap_ = traffic->source == SourceKind::kManyFlows && !options_.fresh ? traffic->flows : 0;
    }
    const std::vector<unsigned> cpus = dataplane::usable_cpus();
    auto plan = broker::plan_lcores(loaded_.config.lcores, lcores, cpus);
    if (!plan) return plan.error();
    plan_ = std::move(*plan);
    auto environment = broker::start_live(loaded_.config, plan_, cpus, extra);
    if (!environment) return environment.error();
    environment_ = std::move(*environment);
    return open(traffic, frames);
}

base::Result<void> ForwardRun::open(const std::optional<ForwardTraffic>& traffic, const RawFrames& frames) {
    ports_ = std::make_unique<broker::Ports>();
    std::vector<port::RxQueue*> sources;
    std::vector<dataplane::SourcePlace> places;  // of what the ports open
    const bool memory = traffic && traffic->source < SourceKind::kRing;
    if (!frames.frames.empty()) {
        auto store = PacketStore::create(frames, one_lcore());
        if (!store) return store.error();
        store_ = std::move(*store);
    }
    if (memory) {
        if (traffic->source == SourceKind::kTape) {
            source_ = std::make_unique<TapeSource>(*store_, frames);
        } else if (traffic->source == SourceKind::kManyFlows) {
            source_ = std::make_unique<ManyFlowsSource>(
                *store_, ManyFlowsSource::Options{
                             .flows = traffic->flows, .chosen = traffic->hits, .fresh = options_.fresh});
        } else {
            source_ = std::make_unique<RepeatingSource>(*store_);
        }
        sources = {source_.get()};
        if (auto opened = ports_->open_tools(loaded_.config, environment_.pool->get()); !opened)
            return opened;
    } else {
        if (traffic && traffic->source == SourceKind::kRing) {
            auto ring = RingLoop::create(*store_);
            if (!ring) return ring.error();
            ring_ = std::move(*ring);
        }
        if (auto opened = ports_->open(loaded_.config, environment_.pool->get()); !opened) return opened;
        sources = ports_->sources();
        places = ports_->places();
    }
    auto pipeline =
        dataplane::Pipeline::create({.plan = plan_,
                                     .sources = sources,
                                     .places = places,
                                     .tools = ports_->tools(),
                                     .ports = loaded_.config.network_ports().size(),
                                     .policy = select::make_policy(loaded_.config, loaded_.compiled),
                                     .pressure = dataplane::Pressure::kDrop,
                                     .burst = options_.burst,
                                     .inspect = loaded_.config.inspect,
                                     .hash_seed = 1,
                                     .keep_details = false,
                                     .clock_stages = true,
                                     .release_pool = environment_.release_pool->get()});
    if (!pipeline) return pipeline.error();
    pipeline_ = std::move(*pipeline);
    return {};
}

double ForwardRun::now() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin_).count();
}

Sample ForwardRun::sample() const {
    return {.seconds = now(),
            .stats = pipeline_->stats(),
            .source = source_ ? source_->counts() : SourceCounts{}};
}

std::uint64_t ForwardRun::received() const {
    return sample().received();
}

bool ForwardRun::ended() const {
    return broker::interrupted() || pipeline_->drained();
}

void ForwardRun::wait_until(double seconds, std::uint64_t packets) const {
    while (now() < seconds && !ended() && (packets == 0 || received() < packets)) pause();
}

/// `first`: before the start, which counts when there is no warm-up: a source may end at once.
void ForwardRun::measure(Sample first) {
    while (!ended() && (now() < options_.warm_up || received() < first_lap_)) pause();
    if (options_.warm_up != 0 || first_lap_ != 0) first = sample();
    Sample last = first;
    const double end = options_.packets ? 1e9 : first.seconds + options_.seconds;
    const std::uint64_t packets = options_.packets ? first.received() + *options_.packets : 0;
    const double step = std::min(1.0, options_.seconds);
    do {
        wait_until(std::min(end, last.seconds + step), packets);
        Sample next = sample();
        const Interval interval(last, next, one_lcore());
        // What is left at the end is too short to be a second like the others.
        if (!intervals_.empty() && !options_.packets && interval.seconds < step / 2) break;
        fmt::print(stderr, "{}", live_line(interval, last, next, loaded_.config));
        intervals_.push_back(interval);
        last = std::move(next);
    } while (last.seconds < end && !ended() && (packets == 0 || received() < packets));
}

base::Result<void> ForwardRun::run() {
    broker::catch_interrupts();
    begin_ = std::chrono::steady_clock::now();
    Sample first = sample();
    if (auto started = pipeline_->start(); !started) return started;
    measure(std::move(first));
    pipeline_->stop_sources();
    while (!pipeline_->drained()) pause();
    pipeline_->stop();
    if (auto closed = ports_->close_tools(); !closed) return closed;
    totals_ = pipeline_->stats();
    pipeline_.reset();
    ports_.reset();
    ring_.reset();
    if (source_) source_->close();
    fmt::print(stderr, "{}", broker::exhaustion_warnings(totals_, loaded_.config));
    if (!totals_.balanced()) {
        return base::Error{"the ledger does not balance:\n" +
                           broker::summary(totals_, loaded_.config, false)};
    }
    if (!environment_.pools_whole() || (store_ && !store_->whole())) {
        return base::Error{"packets are missing: a pool is not whole after the run"};
    }
    return {};
}

}  // namespace yagura::bench
