// SPDX-License-Identifier: BSD-3-Clause
#include "support/wire_batch.h"

#include <fmt/format.h>

#include <cstdlib>

#include "net/protocol_numbers.h"

namespace yagura::test {
namespace {

constexpr std::uint16_t kOtherPort = 9;
constexpr std::uint32_t kConversations = 36, kForms = 7;

/// Puts the cases' packets in one order: a few cases at a time, or many.
void mix(WireBatch& batch, Random& random) {
    const std::size_t at_once = random.any_of({1, 3, 40, 1'000});
    std::vector<std::uint32_t> next(batch.cases.size(), 0);
    std::vector<std::uint32_t> active;
    std::uint32_t begun = 0;
    while (true) {
        while (active.size() < at_once && begun < batch.cases.size()) {
            if (!batch.cases[begun].follows) active.push_back(begun);
            ++begun;
        }
        if (active.empty()) return;
        const std::uint32_t pick = random.below(active.size());
        const std::uint32_t which = active[pick];
        if (next[which] < batch.cases[which].wire.packets.size())
            batch.order.push_back({which, next[which]++});
        if (next[which] == batch.cases[which].wire.packets.size()) {
            active[pick] = which + 1;
            if (which + 1 < batch.cases.size() && batch.cases[which + 1].follows) continue;
            active[pick] = active.back();
            active.pop_back();
        }
    }
}

}  // namespace

std::vector<loop::Frame> WireBatch::frames() const {
    std::vector<loop::Frame> result;
    result.reserve(order.size());
    for (const Place& place : order) {
        const auto& packet = cases[place.which].wire.packets[place.packet];
        const std::uint16_t port = packet.way == Way::kToServer ? 0 : 1;
        result.push_back({.bytes = packet.frame,
                          .timestamp_ns = 1'000 * (result.size() + 1),
                          .wire_length = 0,
                          .port = base::PortId{port}});
    }
    return result;
}

WireBatch make_batch(std::uint64_t seed, const RuleList* rules) {
    Random random(seed);
    WireBatch batch{.seed = seed, .rules = rules, .by_payload = rules == nullptr};
    if (batch.by_payload) {
        batch.rules = &rule_lists()[seed % rule_lists().size()];
        batch.shallow = random.one_in(6);
    }
    const auto depth = batch.shallow ? std::optional(kShallow) : std::nullopt;
    std::uint32_t number = 1;
    const auto add = [&](const Conversation& conversation, const WireForm& form, const Endpoints& ends,
                         const std::string& name) {
        // How far datagrams are looked into depends on how often they come.
        if (batch.shallow && conversation.proto == net::ip_proto::kUdp) return;
        WireSession made{.wire = make_wire(conversation, form, ends, random),
                         .proto = conversation.proto,
                         .port = ends.server_port};
        if (ends.server_port == kServerPort) {
            made.tools = tools_of(batch.rules->rules, made.wire.seen, depth);
        }
        const char* proto = conversation.proto == net::ip_proto::kTcp ? "TCP" : "UDP";
        made.description =
            fmt::format("{} ({}, IPv{}): {}", name, proto, conversation.ip_version, form.to_string());
        batch.cases.push_back(std::move(made));
    };
    for (std::uint32_t c = 0; c < kConversations; ++c) {
        const Conversation conversation = make_conversation(random);
        for (std::uint32_t f = 0; f <= kForms; ++f) {
            const WireForm form = make_form(conversation, random);
            const std::uint16_t port = f == kForms ? kOtherPort : kServerPort;
            auto ends = endpoints_of(number++, conversation.ip_version, port);
            add(conversation, form, ends, fmt::format("conversation {}, form {}", c, f));

            // The ports are used again, once the connection is over.
            Conversation next = make_conversation(random);
            WireForm next_form = make_form(next, random);
            const bool tcp = conversation.proto == net::ip_proto::kTcp && next.proto == net::ip_proto::kTcp;
            using Form = WireForm;
            if (!tcp || form.end == Form::End::kNone || form.sides != Form::Sides::kBoth ||
                !random.one_in(4)) {
                continue;
            }
            next.ip_version = conversation.ip_version;
            next_form.handshake = true;
            next_form.sides = Form::Sides::kBoth;
            ends.first_ip_id = 30'000;
            add(next, next_form, ends, fmt::format("after conversation {}, form {}", c, f));
            batch.cases.back().follows = true;
        }
    }
    mix(batch, random);
    return batch;
}

std::optional<std::uint64_t> only_seed() {
    const char* text = std::getenv("YAGURA_SEED");
    if (text == nullptr) return std::nullopt;
    return std::strtoull(text, nullptr, 10);
}

}  // namespace yagura::test
