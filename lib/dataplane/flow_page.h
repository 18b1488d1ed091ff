// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <optional>

#include "base/ids.h"
#include "dataplane/poll_thread.h"
#include "flow/tcp_state.h"
#include "net/flow_key.h"

namespace yagura::dataplane {

class SelectStage;

/// Which flows are asked for; what is not given holds of all.
struct FlowFilter {
    struct Host {
        net::IpAddress address;
        std::uint8_t ip_version;
    };
    std::optional<std::uint8_t> protocol;  ///< IP protocol number
    std::optional<Host> host;              ///< either end
    std::optional<std::uint16_t> port;     ///< either end
    std::optional<base::ToolId> shed;      ///< this tool has refused it
    std::optional<base::ToolId> shunted;   ///< this tool wants no more of it

    /// All but these tools.
    bool matches(const net::FlowKey& key) const noexcept;
};

/// What is told of a flow.
struct FlowSample {
    net::FlowKey key;           ///< as in its first packet
    std::uint64_t tools = 0;    ///< bit per ToolId that gets it as far as is known now
    std::uint64_t shed = 0;     ///< bit per ToolId that could not take it
    std::uint64_t cut = 0;      ///< of these: that had got its beginning
    std::uint64_t shunted = 0;  ///< bit per ToolId that wants no more of it
    flow::TcpState state = flow::TcpState::kEstablished;
    bool answered = false;  ///< both directions were seen
    bool decided = false;   ///< no rule can change what it gets any more
    bool current =
        false;  ///< false: the rules have been replaced since its last packet, and decide at its next
};

/// A stretch of a select stage's flow table, looked at and copied by the thread that owns it, between two
/// turns. What it costs there is bounded by kLooks: some ten microseconds.
struct FlowPage {
    static constexpr std::uint32_t kLooks = 512;
    static constexpr unsigned kSamples = 64;

    // The question.
    FlowFilter filter;
    std::uint32_t begin = 0;  ///< index of the entry to begin with
    unsigned wanted = kSamples;

    // The answer, once `done`.
    std::array<FlowSample, kSamples> samples;
    unsigned count = 0;
    std::uint32_t next = 0;  ///< where to go on
    bool at_end = false;     ///< there is nothing behind

    std::atomic<bool> done{true};  ///< false while the page is the stage's

    // Pipeline's.
    const SelectStage* stage = nullptr;
    Message message{};
};

}  // namespace yagura::dataplane
