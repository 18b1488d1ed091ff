// SPDX-License-Identifier: BSD-3-Clause
// The parts that make segmentation not matter, one by one: a failure of segmentation_test.cc that is seen
// here too is theirs.
#include <catch2/catch.hpp>
#include <set>

#include "flow/tcp_stream.h"
#include "match/payload_states.h"
#include "net/parser.h"
#include "net/protocol_numbers.h"
#include "support/rules_from_json.h"
#include "support/wire_batch.h"

using namespace yagura;
using test::only_seed;
using test::Way;

namespace {

/// The tools of the rules that hold for a payload, by the compiled rules alone: streams in pieces of random
/// size.
unsigned compiled_tools(const std::vector<test::WordRule>& rules, const match::CompiledRules& compiled,
                        match::PayloadStates& states, match::MatchScratch& scratch,
                        const test::WireSession& c, test::Random& random) {
    const auto state = states.acquire();
    REQUIRE(state != match::PayloadStates::kNone);
    net::FlowKey up{.sport = 50'000, .dport = test::kServerPort, .proto = c.proto, .ip_version = 4};
    up.src[0] = 1;
    std::set<match::RuleIndex> hold;
    const auto add = [&](std::span<const match::RuleIndex> found) {
        hold.insert(found.begin(), found.end());
    };
    add(compiled.flow_rules(up, scratch));
    for (const Way way : test::kBothWays) {
        const net::FlowKey key = way == Way::kToServer ? up : up.reversed();
        const match::ScanContext context{
            .key = key,
            .to = way == Way::kToServer ? rules::Direction::kToServer : rules::Direction::kToClient,
            .limit = static_cast<match::RuleIndex>(rules.size())};
        const auto direction = static_cast<unsigned>(index_of(way));
        for (const std::string& piece : c.wire.seen.pieces[direction]) {
            const base::Bytes bytes(reinterpret_cast<const std::uint8_t*>(piece.data()), piece.size());
            if (c.proto == net::ip_proto::kUdp) {
                add(compiled.scan_datagram(states, state, bytes, context, scratch));
                continue;
            }
            for (std::size_t at = 0; at < bytes.size();) {
                const std::size_t size = std::min<std::size_t>(random.between(1, 2'000), bytes.size() - at);
                add(compiled.scan_stream(states, state, direction, bytes.subspan(at, size), context,
                                         scratch));
                at += size;
            }
            add(compiled.end_stream(states, state, direction, context, scratch));
        }
    }
    add(compiled.conclude(states, state, up, scratch));
    states.release(state);
    unsigned tools = 0;
    for (const match::RuleIndex rule : hold) {
        if (rules[rule].drop) break;
        tools |= 1u << (rules[rule].tool - 'a');
    }
    return tools;
}

}  // namespace

TEST_CASE("the compiled rules choose what plain search of the whole payload chooses") {
    for (std::uint64_t seed = only_seed().value_or(1); seed < 40; ++seed) {
        const test::WireBatch batch = test::make_batch(seed);
        INFO("YAGURA_SEED=" << seed << ", rules: " << batch.rules->name);
        const auto config = test::config_with_rules(test::rules_json(batch.rules->rules));
        const auto compiled = match::CompiledRules::compile(config.rules, net::LinkType::kEthernet).rules;
        REQUIRE(compiled != nullptr);
        match::PayloadStates states(compiled, 1 << 20);
        const auto scratch = compiled->make_scratch();
        test::Random random(~seed);
        for (const test::WireSession& c : batch.cases) {
            if (c.port != test::kServerPort) continue;
            const unsigned tools = compiled_tools(batch.rules->rules, *compiled, states, *scratch, c, random);
            if (tools == test::tools_of(batch.rules->rules, c.wire.seen)) continue;
            FAIL_CHECK(c.description << ": tools " << tools << " by the compiled rules");
        }
        if (only_seed()) return;
    }
}

TEST_CASE("a stream is what a host reads that keeps the byte that came first") {
    struct Sink {
        std::string bytes_in_order;
        bool bytes(base::Bytes bytes) {
            bytes_in_order.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
            return true;
        }
        void gap(std::uint64_t) { bytes_in_order += "(a gap)"; }
    };
    std::vector<std::uint8_t> scratch(4'096);
    for (std::uint64_t seed = only_seed().value_or(1); seed < 3'000; ++seed) {
        test::Random random(seed);
        const test::Conversation conversation = test::make_conversation(random);
        test::WireForm form = test::make_form(conversation, random);
        form.fragments = 0;
        if (conversation.proto != net::ip_proto::kTcp) continue;
        const auto ends = test::endpoints_of(1, conversation.ip_version, test::kServerPort);
        const test::WireCase wire = test::make_wire(conversation, form, ends, random);

        flow::BlockStore store(16u << 20);
        flow::StreamCounters counters;
        const flow::StreamContext context{
            .store = store, .limits = {.reorder_bytes = 8u << 20}, .counters = counters, .scratch = scratch};
        std::array<flow::TcpStream, 2> streams;
        std::array<Sink, 2> sinks;
        bool wanted = true;
        for (const auto& packet : wire.packets) {
            const std::size_t way = index_of(packet.way);
            const base::Bytes frame(packet.frame);
            const auto parsed = net::parse(frame, frame.size(), net::LinkType::kEthernet);
            const std::uint8_t* header = frame.data() + parsed.transport;
            const flow::Segment segment{.seq = base::load_be32(header + 4),
                                        .flags = parsed.tcp_flags,
                                        .payload = frame.subspan(parsed.payload, parsed.payload_size),
                                        .wire_size = parsed.payload_size};
            wanted &= streams[way].take(segment, context, sinks[way]);
            if ((parsed.tcp_flags & net::tcp_flag::kAck) != 0) {
                streams[1 - way].acknowledge(base::load_be32(header + 8));
            }
        }
        for (const Way way : test::kBothWays) {
            const std::size_t i = index_of(way);
            wanted &= streams[i].flush(context, sinks[i]);
            streams[i].clear(store);
            const auto& expected = wire.seen.pieces[i];
            if (sinks[i].bytes_in_order == (expected.empty() ? "" : expected[0])) continue;
            FAIL_CHECK("YAGURA_SEED=" << seed << ", direction " << i << ": " << form.to_string());
        }
        if (!wanted || store.blocks_used() != 0) FAIL_CHECK("YAGURA_SEED=" << seed << ": something stays");
        if (only_seed()) return;
    }
}
