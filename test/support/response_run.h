// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <atomic>
#include <deque>
#include <mutex>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "net/packet_builder.h"
#include "support/pipeline_run.h"

/// Two ends made by hand on two network ports of a whole pipeline that may cut connections.
namespace yagura::test {

/// Gives frames as they come, as a live device does.
class Inbox final : public port::RxQueue {
  public:
    Inbox(rte_mempool* pool, base::PortId port) : pool_(pool), port_(port) {}
    void put(std::vector<std::uint8_t> frame) {
        const std::scoped_lock lock(mutex_);
        frames_.push_back(std::move(frame));
    }
    [[nodiscard]] std::uint16_t receive(std::span<rte_mbuf*> burst) override {
        const std::scoped_lock lock(mutex_);
        std::uint16_t n = 0;
        for (; n < burst.size() && !frames_.empty(); frames_.pop_front()) {
            rte_mbuf* const packet = port::PacketPool::make_packet(
                pool_, frames_.front().data(), static_cast<std::uint32_t>(frames_.front().size()));
            port::PacketMeta& m = port::meta(packet);
            m.order_time = m.timestamp_ns = base::realtime_ns();
            m.order_record = 0;
            m.order_file = 0;
            m.port = port_;
            m.wire_length = static_cast<std::uint32_t>(frames_.front().size());
            burst[n++] = packet;
        }
        return n;
    }

  private:
    rte_mempool* pool_;
    base::PortId port_;
    std::mutex mutex_;
    std::deque<std::vector<std::uint8_t>> frames_;
};

/// Keeps what is sent, for another thread to take.
class Outbox final : public port::TxQueue {
  public:
    [[nodiscard]] std::uint16_t send(std::span<rte_mbuf* const> burst) override {
        const std::scoped_lock lock(mutex_);
        for (rte_mbuf* packet : burst) {
            const auto* bytes = rte_pktmbuf_mtod(packet, const std::uint8_t*);
            frames_.emplace_back(bytes, bytes + rte_pktmbuf_data_len(packet));
            rte_pktmbuf_free(packet);
        }
        return static_cast<std::uint16_t>(burst.size());
    }
    std::vector<std::vector<std::uint8_t>> take() {
        const std::scoped_lock lock(mutex_);
        return std::exchange(frames_, {});
    }

  private:
    std::mutex mutex_;
    std::vector<std::vector<std::uint8_t>> frames_;
};

/// What a frame of TCP says.
struct Said {
    net::FlowKey key;
    std::uint8_t flags = 0;
    std::uint32_t seq = 0;
    std::uint32_t ack = 0;
};
inline Said said(const std::vector<std::uint8_t>& frame) {
    const net::ParsedPacket parsed = net::parse(frame, frame.size(), net::LinkType::kEthernet);
    REQUIRE(parsed.malformed == net::Malformed::kNone);
    REQUIRE(parsed.key.proto == net::ip_proto::kTcp);
    return {.key = parsed.key,
            .flags = parsed.tcp_flags,
            .seq = base::load_be32(&frame[parsed.transport + 4u]),
            .ack = base::load_be32(&frame[parsed.transport + 8u])};
}

/// A connection between 10.0.0.1 behind port 0 and 192.0.2.1 behind port 1.
struct Connection {
    std::uint16_t port = 40000;
    std::array<std::uint32_t, 2> next{1000, 500'000};
    std::array<bool, 2> dead{};
    bool tagged = false;

    std::vector<std::uint8_t> frame(unsigned from, std::uint8_t flags, const std::string& text = "") {
        net::PacketBuilder packet;
        const net::IpAddress client{10, 0, 0, 1};
        const net::IpAddress server{192, 0, 2, 1};
        const net::MacAddress macs[]{{2, 0, 0, 0, 0, 1}, {2, 0, 0, 0, 0, 2}};
        packet.ethernet(macs[1 - from], macs[from]);
        if (tagged) packet.vlan(5);
        packet.ipv4(from == 0 ? client : server, from == 0 ? server : client).ttl(from == 0 ? 63 : 57);
        packet.tcp(from == 0 ? port : std::uint16_t{80}, from == 0 ? std::uint16_t{80} : port, flags,
                   {.seq = next[from], .ack = (flags & net::tcp_flag::kAck) != 0 ? next[1 - from] : 0});
        if (!text.empty()) packet.payload(text);
        next[from] += static_cast<std::uint32_t>(text.size()) +
                      ((flags & (net::tcp_flag::kSyn | net::tcp_flag::kFin)) != 0 ? 1 : 0);
        return packet.build();
    }
    net::FlowKey key() { return said(frame(0, net::tcp_flag::kAck)).key; }
};

struct ResponseRun : PipelineRun {
    explicit ResponseRun(const std::string& rules, const std::string& lcores = "rx=0;select=1;tx=2",
                         const std::vector<reset::BlockTarget>& never = {})
        : PipelineRun(rules),
          inject_pool(std::move(port::PacketPool::create("injected", 1023).value())),
          blocks(1000, 7),
          inboxes{Inbox(pool->get(), base::PortId{0}), Inbox(pool->get(), base::PortId{1})},
          tool(pool->get(), {}) {
        settings.kills.capacity = 64;
        settings.secret = {1, 2};
        settings.never = reset::NeverCut(never, {});
        settings.blocks = &blocks;
        settings.block_changes = &changes;
        settings.mode = &mode;
        settings.pool = inject_pool->get();
        options.plan = plan_of(lcores);
        options.pressure = dataplane::Pressure::kDrop;
        options.keep_details = false;
        options.sources = {&inboxes[0], &inboxes[1]};
        options.response = &settings;
        options.injects = {{.queue = &wires[0]}, {.queue = &wires[1]}};
        options.listens_to_tools = true;
        options.feedbacks = {&tool, nullptr, nullptr, nullptr};
    }

    void open(Connection& c) {
        using namespace net::tcp_flag;
        const auto seen = [&](unsigned from, std::uint8_t flags, const std::string& text = "") {
            const auto frame = c.frame(from, flags, text);
            for (const unsigned port : heard_by[from]) give(frame, port);
        };
        seen(0, kSyn);
        seen(1, kSyn | kAck);
        seen(0, kAck);
        seen(0, kAck | kPsh, "GET / HTTP/1.1");
        seen(1, kAck | kPsh, "HTTP/1.1 200 OK");
        seen(0, kAck);
    }
    /// A frame by a port; returns when it has been dealt with.
    void give(std::vector<std::uint8_t> frame, unsigned port) {
        inboxes[port].put(std::move(frame));
        ++given;
        for (int i = 0; i < 10'000; ++i) {
            const dataplane::Stats stats = pipeline->stats();
            std::uint64_t done = stats.removed_ports.received.packets - stats.removed_ports.in_flight.packets;
            for (const auto& p : stats.ports) done += p.received.packets - p.in_flight.packets;
            if (done == given) return;
            sleep_ms(1);
        }
        FAIL("a packet is nowhere");
    }
    void ask(const net::FlowKey& key, dataplane::ResponseAction action = dataplane::ResponseAction::kReset,
             std::uint64_t tools = 0, bool dry_run = false) {
        exchange.requests[exchange.request_count++] = {.key = key,
                                                       .action = action,
                                                       .tools = tools,
                                                       .cookie = ++cookie,
                                                       .verdict_ns = base::realtime_ns(),
                                                       .dry_run = dry_run};
    }
    /// Takes reports of all stages, and brings them what was asked.
    std::vector<dataplane::ResponseReport> take() {
        std::vector<dataplane::ResponseReport> reports;
        const auto request = exchange.requests;
        const unsigned count = exchange.request_count;
        exchange.request_count = 0;
        for (std::size_t stage = 0; stage < pipeline->select_stages(); ++stage) {
            exchange.request_count = 0;
            for (unsigned i = 0; i < count; ++i) {
                for (const std::size_t home : pipeline->selects_of(request[i].key)) {
                    if (home == stage) exchange.requests[exchange.request_count++] = request[i];
                }
            }
            while (!pipeline->exchange(stage, exchange)) sleep_ms(1);
            while (!exchange.done.load()) sleep_ms(1);
            CHECK(exchange.requests_done == exchange.request_count);
            for (unsigned i = 0; i < exchange.report_count; ++i) reports.push_back(exchange.reports[i]);
        }
        exchange.request_count = 0;
        return reports;
    }
    /// The next outcome, while the ends answer what is sent to them; and what was sent.
    dataplane::ResponseReport outcome(Connection& c) {
        for (int i = 0; i < 15'000; ++i) {
            for (const dataplane::ResponseReport& report : take()) return report;
            answer(c);
            sleep_ms(1);
        }
        FAIL("there is no outcome");
        return {};
    }
    /// The ends obey an exact RST, and answer whatever else comes once they know of no connection.
    void answer(Connection& c) {
        for (unsigned end = 0; end < 2; ++end) {
            for (auto& frame : wires[end].take()) {
                const Said s = said(frame);
                const bool its = s.key == (end == 1 ? c.key() : c.key().reversed());
                CHECK((its || several));
                if (!its) continue;
                ttls.insert(end == 1 ? frame[14 + 8] : frame[14 + 8] + 1000u);
                sent.push_back({end, s});
                if ((s.flags & net::tcp_flag::kRst) != 0) {
                    if (s.seq == c.next[1 - end]) c.dead[end] = true;
                } else if (c.dead[end]) {
                    // RFC 9293, 3.10.7.1: a RST with the number that was acknowledged.
                    net::PacketBuilder reset;
                    reset.ethernet({2, 0, 0, 0, 0, 9}, {2, 0, 0, 0, 0, 8});
                    reset.ipv4(s.key.dst, s.key.src);
                    reset.tcp(s.key.dport, s.key.sport, net::tcp_flag::kRst, {.seq = s.ack, .ack = 0});
                    give(reset.build(), end);
                }
            }
        }
    }
    void block(const char* target) {
        const std::uint64_t now = base::realtime_ns();
        REQUIRE(blocks.add({.target = *reset::parse_block_target(target), .created = now}, now) ==
                reset::BlockList::Added::kNew);
        ++changes;
    }
    dataplane::Stats end() {
        pipeline->stop_sources();
        const dataplane::Stats stats = finish();
        CHECK(inject_pool->whole());
        return stats;
    }

    std::unique_ptr<port::PacketPool> inject_pool;
    reset::BlockList blocks;
    std::atomic<std::uint64_t> changes{0};
    std::atomic<dataplane::ResponseMode> mode{dataplane::ResponseMode::kOn};
    dataplane::ResponseSettings settings;
    std::array<Inbox, 2> inboxes;
    std::array<Outbox, 2> wires;
    Inbox tool;
    dataplane::ResponseExchange exchange;
    std::uint64_t cookie = 0;
    std::uint64_t given = 0;
    bool several = false;                                       ///< connections are cut
    std::array<std::vector<unsigned>, 2> heard_by{{{0}, {1}}};  ///< the ports by which each end's frames come
    std::vector<std::pair<unsigned, Said>> sent;
    std::set<unsigned> ttls;  ///< of frames to the client, plus 1000, and to the server
};

inline constexpr const char* kAll = R"([{"id": 1, "forward": ["a"]}])";

}  // namespace yagura::test
