// SPDX-License-Identifier: BSD-3-Clause
// net::parse() beside DPDK's rte_net_get_ptype() on the same frames, and beside the bare reading of them.
//
// rte_net_get_ptype() is the nearest that a user of DPDK has for software parsing, and no equal: it names
// the layers and their lengths, and neither makes a flow key, nor follows UDP tunnels, nor checks what the
// headers say against the frame. The third subject is a ceiling: it reads one byte of each frame's first
// cache line, which no parser can do without.
#include <fmt/format.h>
#include <rte_net.h>
#include <rte_prefetch.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <random>

#include "app/bench/benchmarks.h"
#include "app/bench/frame_set.h"
#include "app/bench/traffic.h"
#include "dataplane/stage.h"
#include "net/packet_builder.h"

namespace yagura::bench {
namespace {

constexpr std::size_t kBuiltFrames = 1000;
constexpr unsigned kBurst = 32;

struct ParseOptions {
    std::vector<std::string> captures;
    std::size_t most = 100'000;
    std::vector<std::string> sizes;
};

/// Shapes of packets. The addresses change from frame to frame, the shape does not.
struct Shape {
    const char* name;
    std::vector<std::uint8_t> (*build)(std::uint8_t high, std::uint8_t low);
};

net::IpAddress client(std::uint8_t high, std::uint8_t low) {
    return {10, 0, high, low};
}
constexpr net::IpAddress kServer{192, 0, 2, 1};

net::IpAddress client6(std::uint8_t high, std::uint8_t low) {
    return {0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, high, low};
}
constexpr net::IpAddress kServer6{0x20, 0x01, 0x0d, 0xb8, 0, 1};

std::vector<std::uint8_t> ipv4_tcp(std::uint8_t high, std::uint8_t low, std::size_t payload) {
    return net::PacketBuilder()
        .ethernet()
        .ipv4(client(high, low), kServer)
        .tcp(40000, 80)
        .payload(std::string(payload, 'y'))
        .build();
}

constexpr Shape kShapes[] = {
    {"IPv4 TCP, 64 bytes", [](std::uint8_t h, std::uint8_t l) { return ipv4_tcp(h, l, 10); }},
    {"IPv4 TCP, 1518 bytes", [](std::uint8_t h, std::uint8_t l) { return ipv4_tcp(h, l, 1464); }},
    {"IPv4 UDP, 64 bytes",
     [](std::uint8_t h, std::uint8_t l) {
         return net::PacketBuilder()
             .ethernet()
             .ipv4(client(h, l), kServer)
             .udp(40000, 53)
             .payload(std::string(22, 'y'))
             .build();
     }},
    {"VLAN, IPv4 TCP, 68 bytes",
     [](std::uint8_t h, std::uint8_t l) {
         return net::PacketBuilder()
             .ethernet()
             .vlan(7)
             .ipv4(client(h, l), kServer)
             .tcp(40000, 80)
             .payload(std::string(10, 'y'))
             .build();
     }},
    {"IPv6 TCP, 84 bytes",
     [](std::uint8_t h, std::uint8_t l) {
         return net::PacketBuilder()
             .ethernet()
             .ipv6(client6(h, l), kServer6)
             .tcp(40000, 80)
             .payload(std::string(10, 'y'))
             .build();
     }},
    {"VXLAN, IPv4 TCP, 114 bytes",
     [](std::uint8_t h, std::uint8_t l) {
         return net::PacketBuilder()
             .ethernet()
             .ipv4("198.51.100.1", "198.51.100.2")
             .udp(50000, 4789)
             .vxlan(42)
             .ethernet()
             .ipv4(client(h, l), kServer)
             .tcp(40000, 80)
             .payload(std::string(10, 'y'))
             .build();
     }},
};

RawFrames build_frames(const Shape& shape) {
    RawFrames raw{.name = shape.name, .frames = {}};
    for (std::size_t i = 0; i < kBuiltFrames; ++i) {
        auto bytes = shape.build(static_cast<std::uint8_t>(i >> 8), static_cast<std::uint8_t>(i));
        const auto size = static_cast<std::uint32_t>(bytes.size());
        raw.frames.push_back({.bytes = std::move(bytes), .wire_length = size});
    }
    return raw;
}

/// All shapes in an order that no branch predictor learns by heart.
RawFrames build_mixture() {
    RawFrames raw{.name = "these, mixed", .frames = {}};
    for (const Shape& shape : kShapes) {
        RawFrames one = build_frames(shape);
        std::ranges::move(one.frames, std::back_inserter(raw.frames));
    }
    std::ranges::shuffle(raw.frames, std::mt19937(1));
    return raw;
}

/// Handles each frame of laps over the set in bursts, the first cache lines of a burst fetched beforehand, as
/// the receiving stage does.
template <class Handle>
Subject over(const FrameSet& set, Handle handle) {
    const auto run = [&frames = set.frames(), handle](std::size_t items, std::span<std::uint64_t>) mutable {
        for (std::size_t done = 0; done < items; done += frames.size()) {
            for (std::size_t first = 0; first < frames.size(); first += kBurst) {
                const std::size_t end = std::min(first + kBurst, frames.size());
                for (std::size_t i = first; i < end; ++i) rte_prefetch0(frames[i].bytes.data());
                for (std::size_t i = first; i < end; ++i) handle(frames[i], i - first);
            }
        }
    };
    return {.run = run};
}

/// What is parsed into, a burst at a time.
using Parsed = std::array<net::ParsedPacket, kBurst>;

/// yagura, the bare reading, and the peer where it can read this link type.
Group make_group(const FrameSet& set, net::LinkType link_type, Parsed& parsed) {
    Group group{.subjects = {}, .unit = set.frames().size(), .warm_up = set.frames().size()};
    group.subjects.push_back(over(set, [&parsed, link_type](const FrameSet::Frame& f, std::size_t at) {
        net::parse(f.bytes, f.wire_length, link_type, parsed[at]);
        keep(parsed[at]);
    }));
    group.subjects.push_back(over(set, [](const FrameSet::Frame& f, std::size_t) {
        const std::uint8_t byte = *static_cast<const volatile std::uint8_t*>(f.bytes.data());
        keep(byte);
    }));
    if (link_type == net::LinkType::kEthernet) {
        group.subjects.push_back(over(set, [](const FrameSet::Frame& f, std::size_t) {
            rte_net_hdr_lens lengths;
            const std::uint32_t type = rte_net_get_ptype(f.packet, &lengths, RTE_PTYPE_ALL_MASK);
            keep(type);
            keep(lengths);
        }));
    }
    return group;
}

base::Result<Report> run_parse(const ParseOptions& options, const Common& common) {
    std::vector<RawFrames> sets;
    for (const Shape& shape : kShapes) sets.push_back(build_frames(shape));
    sets.push_back(build_mixture());
    for (const std::string& size : options.sizes) {
        const auto sizes = parse_frame_sizes(size);
        if (!sizes) return sizes.error();
        sets.push_back(make_packets(kBuiltFrames, kBuiltFrames, *sizes, 0));
        sets.back().name = fmt::format("IPv4 TCP, {}", size == "imix" ? size : size + " bytes");
    }
    for (const std::string& path : options.captures) {
        auto raw = read_capture(path, options.most);
        if (!raw) return raw.error();
        sets.push_back(std::move(*raw));
    }
    std::size_t segments = 0;
    for (const RawFrames& raw : sets) segments += segments_of(raw);
    if (auto started = start(common.cpu, memory_for(segments)); !started) return started.error();

    const auto parsed = std::make_unique<Parsed>();
    std::vector<std::unique_ptr<FrameSet>> in_memory;
    std::vector<Group> groups;
    for (const RawFrames& raw : sets) {
        auto set = FrameSet::create(raw);
        if (!set) return set.error();
        groups.push_back(make_group(**set, raw.link_type, *parsed));
        in_memory.push_back(std::move(*set));
    }
    const Measurement measurement = measure(groups, common.measure);

    Report report{.benchmark = "parse", .tables = {}, .interrupted_share = measurement.interrupted_share};
    report.tables.push_back({.title = "Parsing a frame",
                             .labels = {"frames", "number"},
                             .columns = {{"yagura", "cycles"},
                                         {"rte_net_get_ptype", "cycles"},
                                         {"first line read", "cycles"},
                                         {"yagura / rte_net_get_ptype", "", 2}},
                             .rows = {},
                             .notes = {}});
    for (std::size_t i = 0; i < sets.size(); ++i) {
        const Comparison& c = measurement.groups[i];
        const bool has_peer = c.subjects.size() == 3;
        report.tables[0].rows.push_back(
            {.labels = {sets[i].name, std::to_string(sets[i].frames.size())},
             .figures = {c.subjects[0].cycles, has_peer ? std::optional(c.subjects[2].cycles) : std::nullopt,
                         c.subjects[1].cycles, has_peer ? std::optional(c.ratio(0, 2)) : std::nullopt}});
    }
    report.tables[0].notes = {
        "Frames lie in mbufs and are handled in bursts of 32, first lines fetched beforehand, in the order "
        "of "
        "the capture.",
        "`rte_net_get_ptype` names the layers and their lengths; it makes no flow key, enters no UDP tunnel "
        "and checks no length.",
        "The loop and the reading of one byte of each frame are in all columns: \"first line read\" is what "
        "they cost."};
    return report;
}

}  // namespace

void add_parse(CLI::App& app, Benchmark& chosen) {
    auto options = std::make_shared<ParseOptions>();
    CLI::App* command = app.add_subcommand("parse", "Cycles per frame of the parser");
    command->add_option("--capture", options->captures, "Measure the frames of a capture too")
        ->type_name("FILE");
    command
        ->add_option("--size", options->sizes,
                     "Measure TCP frames of these sizes too: bytes, or imix (7:4:1 of 64, 594 and 1518)")
        ->delimiter(',');
    command->add_option("--most", options->most, "Frames taken of a capture")
        ->check(CLI::Range(std::size_t{1}, std::size_t{10'000'000}))
        ->capture_default_str();
    command->callback([options, &chosen] {
        chosen = [options](const Common& common) { return run_parse(*options, common); };
    });
}

}  // namespace yagura::bench
