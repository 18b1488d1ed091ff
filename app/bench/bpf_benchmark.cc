// SPDX-License-Identifier: BSD-3-Clause
// Filter programs as native code beside libpcap's interpreter, on the same programs and packets.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "app/bench/benchmarks.h"
#include "app/bench/frame_set.h"
#include "match/bpf_jit.h"
#include "match/bpf_program.h"
#include "net/packet_builder.h"

namespace yagura::bench {
namespace {

struct BpfOptions {
    std::vector<std::string> filters{"tcp",
                                     "udp port 53",
                                     "tcp port 80",
                                     "ip6",
                                     "vlan",
                                     "host 10.0.0.9",
                                     "net 10.0.0.0/8",
                                     "portrange 1000-2000",
                                     "tcp[tcpflags] & tcp-rst != 0",
                                     "ip[6:2] & 0x1fff != 0",
                                     "len > 1000",
                                     "tcp port 80 and (tcp[tcp[12] >> 2 & 0xfc:4] = 0x47455420)"};
};

/// TCP and UDP over IPv4 and IPv6, with a tag and without, in turn.
RawFrames make_frames() {
    RawFrames raw{.name = "", .frames = {}};
    for (std::uint32_t i = 0; i < 1024; ++i) {
        net::PacketBuilder packet;
        packet.ethernet();
        if (i % 7 == 0) packet.vlan(5);
        if (i % 5 == 0) {
            packet.ipv6("2001:db8::1", "2001:db8::2");
        } else {
            packet.ipv4({10, 0, static_cast<std::uint8_t>(i >> 8), static_cast<std::uint8_t>(i)},
                        {192, 0, 2, 1});
        }
        if (i % 3 == 0) {
            packet.udp(static_cast<std::uint16_t>(1024 + i), 53);
        } else {
            packet.tcp(static_cast<std::uint16_t>(1024 + i), 80);
        }
        auto bytes = packet.payload("GET / HTTP/1.1\r\n").build();
        const auto size = static_cast<std::uint32_t>(bytes.size());
        raw.frames.push_back({.bytes = std::move(bytes), .wire_length = size});
    }
    return raw;
}

/// One program in both forms. `code` outlives it.
struct Program {
    match::BpfCode code;
    std::unique_ptr<match::ExecutableMemory> memory;
    match::BpfFunction native = nullptr;
};

base::Result<Program> make_program(const std::string& filter, net::LinkType link_type) {
    auto code = match::BpfCompiler(link_type).compile(filter);
    if (!code) return base::Error{fmt::format("{}: {}", filter, code.error().message)};
    Program program{.code = std::move(*code), .memory = nullptr};
    std::vector<std::uint8_t> machine_code;
    if (program.code.empty() || !match::translate_bpf(program.code, machine_code))
        return base::Error{fmt::format("{}: there is no native code for it", filter)};
    program.memory = match::ExecutableMemory::create(machine_code);
    if (program.memory == nullptr) return base::Error{"this system does not allow native code"};
    program.native = program.memory->function_at(0);
    return program;
}

/// How many of the frames the program accepts. Both forms must say the same.
base::Result<std::size_t> count_accepted(const std::string& filter, const Program& program,
                                         const RawFrames& raw) {
    std::size_t accepted = 0;
    for (const RawFrame& frame : raw.frames) {
        const auto size = static_cast<std::uint32_t>(frame.bytes.size());
        const bool native = program.native(frame.bytes.data(), frame.wire_length, size) != 0;
        const bool interpreted =
            bpf_filter(program.code.data(), frame.bytes.data(), frame.wire_length, size) != 0;
        if (native != interpreted) return base::Error{fmt::format("{}: the two disagree", filter)};
        if (native) ++accepted;
    }
    return accepted;
}

Group make_group(const Program& program, const RawFrames& raw) {
    const auto over = [&raw](auto question) {
        return Subject{.run = [&raw, question, next = std::size_t{0}](std::size_t items,
                                                                      std::span<std::uint64_t>) mutable {
            for (std::size_t i = 0; i < items; ++i) {
                keep(question(raw.frames[next]));
                if (++next == raw.frames.size()) next = 0;
            }
        }};
    };
    const auto native = [&program](const RawFrame& frame) {
        return program.native(frame.bytes.data(), frame.wire_length,
                              static_cast<std::uint32_t>(frame.bytes.size()));
    };
    const auto interpreted = [&program](const RawFrame& frame) {
        return bpf_filter(program.code.data(), frame.bytes.data(), frame.wire_length,
                          static_cast<std::uint32_t>(frame.bytes.size()));
    };
    return {.subjects = {over(native), over(interpreted)},
            .unit = raw.frames.size(),
            .warm_up = raw.frames.size()};
}

base::Result<Report> run_bpf(const BpfOptions& options, const Common& common) {
    if (auto started = start(common.cpu, memory_for(0)); !started) return started.error();
    const RawFrames raw = make_frames();
    std::vector<std::unique_ptr<Program>> programs;
    std::vector<Group> groups;
    for (const std::string& filter : options.filters) {
        auto program = make_program(filter, raw.link_type);
        if (!program) return program.error();
        programs.push_back(std::make_unique<Program>(std::move(*program)));
        groups.push_back(make_group(*programs.back(), raw));
    }
    const Measurement measurement = measure(groups, common.measure);

    Report report{.benchmark = "bpf", .tables = {}, .interrupted_share = measurement.interrupted_share};
    report.tables.push_back(
        {.title = "One filter program, one packet",
         .labels = {"filter", "instructions", "accepts"},
         .columns = {{"native", "cycles"}, {"bpf_filter", "cycles"}, {"bpf_filter / native", "", 2}},
         .rows = {},
         .notes = {"Asked of 1,024 frames in turn: TCP and UDP, IPv4 and IPv6, tagged and not. Both give the "
                   "same answers, which is checked."}});
    for (std::size_t i = 0; i < programs.size(); ++i) {
        const auto accepted = count_accepted(options.filters[i], *programs[i], raw);
        if (!accepted) return accepted.error();
        const Comparison& c = measurement.groups[i];
        const double share =
            100.0 * static_cast<double>(accepted.value()) / static_cast<double>(raw.frames.size());
        report.tables[0].rows.push_back(
            {.labels = {fmt::format("`{}`", options.filters[i]), std::to_string(programs[i]->code.size()),
                        fmt::format("{:.0f} %", share)},
             .figures = {c.subjects[0].cycles, c.subjects[1].cycles, c.ratio(1, 0)}});
    }
    return report;
}

}  // namespace

void add_bpf(CLI::App& app, Benchmark& chosen) {
    auto options = std::make_shared<BpfOptions>();
    CLI::App* command = app.add_subcommand(
        "bpf", "Cycles per packet of a filter's native code, and of libpcap's interpreter");
    command->add_option("--filter", options->filters, "Measure these filters instead")->type_name("TEXT");
    command->callback([options, &chosen] {
        chosen = [options](const Common& common) { return run_bpf(*options, common); };
    });
}

}  // namespace yagura::bench
