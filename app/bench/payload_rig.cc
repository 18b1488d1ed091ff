// SPDX-License-Identifier: BSD-3-Clause
#include "app/bench/payload_rig.h"

#include <fmt/format.h>
#include <rte_cycles.h>

#include <algorithm>

#include "app/bench/driver_part.h"
#include "net/packet_builder.h"

namespace yagura::bench {
namespace {

constexpr unsigned kRing = 4096;
constexpr std::uint64_t kNow = 1'700'000'000'000'000'000;
constexpr std::uint64_t kLapNs = 2 * 3'600'000'000'000;  ///< beyond every timeout
/// After so many laps of kIsAnother addresses and ports come again, long after their sessions have ended.
constexpr std::uint32_t kAddressSets = 16;
constexpr std::uint64_t kEverything = std::uint64_t{1} << 60;
constexpr std::uint64_t kStore = std::uint64_t{256} << 20;
constexpr std::uint64_t kDefaultHold = 64 << 10;  // as in rules::Inspect
const net::HashSeed kHashSeed(1);

std::vector<std::uint8_t> frame_of(const Conversations::Segment& segment) {
    const std::uint32_t connection = segment.direction / 2;
    net::IpAddress client{10, static_cast<std::uint8_t>(connection >> 16),
                          static_cast<std::uint8_t>(connection >> 8), static_cast<std::uint8_t>(connection)};
    net::IpAddress server{192, 0, 2, 1};
    std::uint16_t sport = 40000;
    std::uint16_t dport = 80;
    if (segment.direction % 2 != 0) {
        std::swap(client, server);
        std::swap(sport, dport);
    }
    return net::PacketBuilder()
        .ethernet()
        .ipv4(client, server)
        .tcp(sport, dport)
        .payload(base::Bytes(segment.payload))
        .build();
}

/// Gives the client of a packet another address and port, the same for the whole lap. Checksums, which nobody
/// asks for, stay as they were.
void rewrite(const Tape::Packet& p, std::uint32_t lap) {
    const std::uint32_t set = lap % kAddressSets;
    net::FlowKey& key = port::meta(p.packet).parsed.key;
    const bool from_client = p.direction % 2 == 0;
    const auto first = static_cast<std::uint8_t>(10 + set);
    const auto port = static_cast<std::uint16_t>(40000 + 7 * set);
    (from_client ? key.src : key.dst)[0] = first;
    (from_client ? key.sport : key.dport) = port;
    p.ip[from_client ? 12 : 16] = first;
    base::store_be16(p.tcp + (from_client ? 0 : 2), port);
    port::set_flow_hash(port::meta(p.packet), kHashSeed);
}

void fetch(base::Bytes bytes) {
    for (std::size_t i = 0; i < bytes.size(); i += RTE_CACHE_LINE_SIZE) keep(bytes[i]);
}

}  // namespace

base::Result<std::unique_ptr<Tape>> Tape::create(const Conversations& conversations) {
    RawFrames raw;
    for (const Conversations::Segment& segment : conversations.segments) {
        std::vector<std::uint8_t> bytes = frame_of(segment);
        const auto size = static_cast<std::uint32_t>(bytes.size());
        if (size > port::kMbufDataSize) {
            return base::Error{fmt::format("{}: a segment of {} bytes is too large for one buffer",
                                           conversations.name, segment.payload.size())};
        }
        raw.frames.push_back({.bytes = std::move(bytes), .wire_length = size});
    }
    auto frames = FrameSet::create(raw);
    if (!frames) return frames.error();
    std::unique_ptr<Tape> tape(new Tape);
    tape->frames_ = std::move(*frames);
    tape->directions_ = conversations.directions();
    std::vector<std::uint32_t> said(tape->directions_);
    for (std::size_t i = 0; i < conversations.segments.size(); ++i) {
        const FrameSet::Frame& frame = tape->frames_->frames()[i];
        const std::uint32_t direction = conversations.segments[i].direction;
        fill_driver_part(frame.packet, frame.wire_length, kNow);
        port::PacketMeta& m = port::meta(frame.packet);
        m.parsed = net::parse(frame.bytes, frame.wire_length, net::LinkType::kEthernet);
        port::set_flow_hash(m, kHashSeed);
        tape->packets_.push_back(
            {.packet = frame.packet,
             .frame = frame.bytes,
             .payload = frame.bytes.subspan(m.parsed.payload, m.parsed.payload_size),
             .direction = direction,
             .seq = said[direction],
             .ack = said[direction ^ 1],
             .lap_seq = 0,
             .lap_ack = 0,
             .ip = rte_pktmbuf_mtod_offset(frame.packet, std::uint8_t*, m.parsed.inner_ip),
             .tcp = rte_pktmbuf_mtod_offset(frame.packet, std::uint8_t*, m.parsed.transport)});
        said[direction] += m.parsed.payload_size;
        tape->bytes_ += m.parsed.payload_size;
    }
    for (Packet& packet : tape->packets_) {
        packet.lap_seq = said[packet.direction];
        packet.lap_ack = said[packet.direction ^ 1];
    }
    return tape;
}

std::span<const Tape::Packet> Tape::advance(Place& place, std::size_t most) const {
    const std::size_t count = std::min({most, std::size_t{kBurst}, packets_.size() - place.next});
    const std::span<const Packet> burst(&packets_[place.next], count);
    place.next += count;
    if (place.next == packets_.size()) {
        place.next = 0;
        ++place.lap;
    }
    return burst;
}

base::Result<std::unique_ptr<PayloadRig>> PayloadRig::create(
    const Tape& tape, const std::shared_ptr<const select::PolicySnapshot>& policy, AtLap at_lap,
    rte_mempool* pool) {
    auto input = dataplane::PacketRing::create(kRing);
    if (!input) return input.error();
    auto output = dataplane::PacketRing::create(kRing);
    if (!output) return output.error();
    return std::unique_ptr<PayloadRig>(
        new PayloadRig(tape, policy, at_lap, pool, std::move(*input), std::move(*output)));
}

PayloadRig::PayloadRig(const Tape& tape, const std::shared_ptr<const select::PolicySnapshot>& policy,
                       AtLap at_lap, rte_mempool* pool, std::unique_ptr<dataplane::PacketRing> input,
                       std::unique_ptr<dataplane::PacketRing> output)
    : tape_(tape),
      at_lap_(at_lap),
      input_(std::move(input)),
      output_(std::move(output)),
      store_(kStore),
      selector_(
          policy,
          {.epoch = 1, .inspect = {.stream_depth = kEverything, .stream_budget = kStore, .flows = 1u << 16}},
          store_),
      select_({.feeders = {},
               .inputs = {input_.get()},
               .ports = 1,
               .burst = Tape::kBurst,
               .pressure = dataplane::Pressure::kDrop,
               .flows = 1u << 16,
               .timeouts = {},
               .hold_bytes = at_lap == AtLap::kIsNew ? kEverything : kDefaultHold,
               .hash_seed = 1,
               .keep_details = true,
               .log = nullptr},
              {.tools = {output_.get()},
               .pressure = dataplane::Pressure::kDrop,
               .burst = Tape::kBurst,
               .release_pool = pool},
              store_, &selector_),
      bare_(policy->rules, tape.directions()) {}

void PayloadRig::put(std::span<const Tape::Packet> burst, std::uint32_t lap) {
    std::array<rte_mbuf*, Tape::kBurst> packets;
    for (std::size_t i = 0; i < burst.size(); ++i) {
        const Tape::Packet& p = burst[i];
        fetch(p.frame);
        base::store_be32(p.tcp + 4, p.seq + lap * p.lap_seq);
        base::store_be32(p.tcp + 8, p.ack + lap * p.lap_ack);
        port::meta(p.packet).order_time = kNow + (at_lap_ == AtLap::kGoesOn ? 0 : lap * kLapNs);
        rewrite(p, at_lap_ == AtLap::kIsAnother ? lap : 0);
        // The stage frees what nobody gets; the tape keeps it.
        rte_mbuf_refcnt_set(p.packet, 2);
        packets[i] = p.packet;
        put_bytes_ += p.payload.size();
    }
    lost_ += burst.size() - input_->put({packets.data(), burst.size()});
}

void PayloadRig::run_select(std::size_t items, std::span<std::uint64_t> parts) {
    while (items > 0) {
        const std::uint32_t lap = select_place_.lap;
        const auto burst = tape_.advance(select_place_, items);
        items -= burst.size();
        put(burst, lap);
        const std::uint64_t start = rte_rdtsc();
        select_.turn();
        parts[0] += rte_rdtsc() - start;
        drain();
    }
    // A burst is dealt with a turn after it was taken, and another rig may write its packets anew meanwhile.
    const std::uint64_t start = rte_rdtsc();
    while (select_.has_taken()) select_.turn();
    parts[0] += rte_rdtsc() - start;
    drain();
}

/// What the tool was offered.
void PayloadRig::drain() {
    std::array<rte_mbuf*, Tape::kBurst> packets;
    while (const unsigned count = output_->take(packets)) rte_pktmbuf_free_bulk(packets.data(), count);
}

void PayloadRig::run_bare(std::size_t items, std::span<std::uint64_t> parts) {
    while (items > 0) {
        const auto burst = tape_.advance(bare_place_, items);
        items -= burst.size();
        for (const Tape::Packet& p : burst) fetch(p.frame);
        const std::uint64_t start = rte_rdtsc();
        for (const Tape::Packet& p : burst) bare_.scan(p.direction, p.payload);
        parts[0] += rte_rdtsc() - start;
    }
}

Group PayloadRig::group() {
    return {.subjects = {{.run = [this](std::size_t items,
                                        std::span<std::uint64_t> parts) { run_select(items, parts); },
                          .parts = 1},
                         {.run = [this](std::size_t items,
                                        std::span<std::uint64_t> parts) { run_bare(items, parts); },
                          .parts = 1}},
            .unit = tape_.packets().size()};
}

base::Result<void> PayloadRig::check() {
    const std::uint64_t scanned = selector_.inspector().counters().scanned_bytes.get();
    const dataplane::SelectStage::FlowCounters& flows = select_.flow_counters();
    if (lost_ + flows.untracked.get() + selector_.let_go() + selector_.uninspected() != 0)
        return base::Error{"packets or flows found no room"};
    const dataplane::ToolOutlet::ToolCounters& tool = select_.counters(base::ToolId(0));
    if (at_lap_ == AtLap::kIsAnother) {
        if (tool.shed.get().packets + tool.unreleased.get().packets != 0)
            return base::Error{"the tool did not get what it was offered"};
        if (scanned > put_bytes_) return base::Error{"bytes were scanned twice"};
        return {};
    }
    if (tool.offered.get().packets != 0 || bare_.hits() != 0)
        return base::Error{"a pattern was found, so that flows were decided"};
    const std::uint64_t wanted = stream_bytes() == 0 ? 0 : put_bytes_;  // without patterns
    if (scanned != wanted) return base::Error{fmt::format("of {} bytes {} were scanned", wanted, scanned)};
    return {};
}

double PayloadRig::scanned_share() const {
    return static_cast<double>(selector_.inspector().counters().scanned_bytes.get()) /
           static_cast<double>(put_bytes_);
}

}  // namespace yagura::bench
