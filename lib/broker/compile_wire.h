// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "match/database_source.h"

namespace yagura::broker::compile_wire {

/// What a compile process says first.
std::string hello();

/// An answer as a message.
std::string encode(const match::DatabaseAnswer& answer);
std::optional<match::DatabaseAnswer> decode(std::string message);

/// Messages on its socket: a length (8 bytes of this machine's order) and so many bytes.
enum class Io : std::uint8_t { kDone, kEnded, kGivenUp };

/// Waits until the socket is ready for these poll() events. False: give up.
using Wait = std::function<bool(short events)>;
Io send(int socket, std::string_view message, const Wait& wait);
Io receive(int socket, std::string& message, const Wait& wait);

}  // namespace yagura::broker::compile_wire
