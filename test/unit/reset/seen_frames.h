// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "net/packet_builder.h"
#include "reset/refusal.h"

/// A way in which the frames of a flow come, and what can be made of it.
struct SeenFrame {
    std::string name;
    /// All in front of the innermost IP header. Called twice: for the frame that is seen, and for the one
    /// that must come out.
    std::function<yagura::net::PacketBuilder()> front;
    std::uint8_t ip_version = 4;
    yagura::reset::Refusal onward = yagura::reset::Refusal::kNone;
    yagura::reset::Refusal back = yagura::reset::Refusal::kNone;
    /// Where what comes out has another front.
    std::function<yagura::net::PacketBuilder()> made_front{};
};

std::vector<SeenFrame> seen_frames();

inline constexpr std::uint8_t kClientTtl = 57;
yagura::net::FlowKey seen_key(std::uint8_t ip_version);
/// The IP packet of the flow behind a front, up to its TTL.
yagura::net::PacketBuilder seen_ip(const SeenFrame& seen);
std::vector<std::uint8_t> seen_bytes(const SeenFrame& seen);
