// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "support/random.h"

namespace yagura::test {

/// Which way bytes go. The client is who opened the connection, or sent the first datagram.
enum class Way : std::uint8_t { kToServer, kToClient };
inline constexpr std::array<Way, 2> kBothWays = {Way::kToServer, Way::kToClient};
constexpr std::size_t index_of(Way way) {
    return static_cast<std::size_t>(way);
}
constexpr Way other(Way way) {
    return way == Way::kToServer ? Way::kToClient : Way::kToServer;
}

/// What patterns are looked for in, by direction: of TCP the stream as one piece, of UDP a piece for each
/// datagram.
struct Payload {
    std::array<std::vector<std::string>, 2> pieces;
    bool operator==(const Payload&) const = default;
};

/// What two hosts tell each other, before it is cut into packets.
struct Conversation {
    struct Turn {
        Way way;
        std::string bytes;  ///< of TCP what is written in one go, of UDP a datagram; never empty
    };
    std::uint8_t ip_version = 4;
    std::uint8_t proto = 6;   ///< TCP or UDP
    std::vector<Turn> turns;  ///< the first is the client's

    Payload payload() const;
};

/// The words that conversations hold or do not hold. Their letters occur nowhere else in them.
inline constexpr std::array<const char*, 3> kNeedles = {"Nebula7", "Quasar42", "Pulsar9x"};

/// A conversation with any of kNeedles in any direction: anywhere, at the very start or end, astride two
/// turns, in capitals, cut off, more than once, or not at all. Mostly a few hundred bytes, sometimes 150,000.
Conversation make_conversation(Random& random);

}  // namespace yagura::test
