// SPDX-License-Identifier: BSD-3-Clause
#include "app/bench/rule_texts.h"

#include <fmt/format.h>

#include "broker/policy_loader.h"

namespace yagura::bench {
namespace {

constexpr std::uint8_t kTcp = 6;

/// 172.16.0.0/12 has room for 2^20 hosts, 198.18.0.0/15 for 2^17.
std::string client(std::uint32_t n) {
    return fmt::format("172.{}.{}.{}", 16 + (n >> 16 & 15), n >> 8 & 255, n & 255);
}
std::string server(std::uint32_t n) {
    return fmt::format("198.{}.{}.{}", 18 + (n >> 16 & 1), n >> 8 & 255, n & 255);
}
std::uint16_t client_port(std::uint32_t n) {
    return static_cast<std::uint16_t>(1024 + n % 60000);
}
std::uint16_t server_port(std::uint32_t n) {
    return static_cast<std::uint16_t>(100 + n % 900);
}

}  // namespace

net::FlowKey nth_flow(std::uint32_t n) {
    net::FlowKey key;
    key.src = {172, static_cast<std::uint8_t>(16 + (n >> 16 & 15)), static_cast<std::uint8_t>(n >> 8),
               static_cast<std::uint8_t>(n)};
    key.dst = {198, static_cast<std::uint8_t>(18 + (n >> 16 & 1)), static_cast<std::uint8_t>(n >> 8),
               static_cast<std::uint8_t>(n)};
    key.sport = client_port(n);
    key.dport = server_port(n);
    key.proto = kTcp;
    key.ip_version = 4;
    return key;
}

std::string plain_filter(std::uint32_t n) {
    return fmt::format("tcp and src host {} and dst host {} and src port {} and dst port {}", client(n),
                       server(n), client_port(n), server_port(n));
}

std::string flow_filter(std::uint32_t n) {
    return fmt::format("(tcp or udp) and not port 53 and (host {} or net 203.0.113.{}/30) and not host {}",
                       client(n), n % 64 * 4, server(n + 1));
}

std::string packet_filter(std::uint32_t n) {
    return fmt::format("tcp[tcpflags] & tcp-syn != 0 and not host {} and host {}", server(n + 1), client(n));
}

base::Result<std::shared_ptr<const select::PolicySnapshot>> policy_of_port_80(std::uint32_t rules) {
    std::string text =
        R"({"ports": {"net0": {"role": "network", "device": "loop:"}, "tool0": {"role": "tool", "device": "loop:"}},
            "rules": [)";
    for (std::uint32_t n = 1; n < rules; ++n) {
        text += fmt::format(R"({{"id": {}, "filter": "{}", "forward": ["tool0"]}},)", n + 1, plain_filter(n));
    }
    text += R"({"id": 1, "filter": "tcp port 80", "forward": ["tool0"]}]})";
    const broker::LoadedConfig loaded =
        broker::compile_config(rules::parse_config(text), net::LinkType::kEthernet);
    if (!loaded.ok()) return base::Error{broker::error_report("built rules", loaded.errors)};
    return select::make_policy(loaded.config, loaded.compiled);
}

}  // namespace yagura::bench
