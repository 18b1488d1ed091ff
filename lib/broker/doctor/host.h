// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "broker/capabilities.h"
#include "broker/doctor/cpu_use.h"

namespace yagura::broker::doctor {

/// What the kernel or an interface itself does to make larger frames of smaller ones, or hands over uncut.
struct Offloads {
    bool tso = false;  ///< segments are cut by the interface
    bool gso = false;  ///< ... just before it
    bool gro = false;  ///< segments that came are put together
    bool lro = false;  ///< ... by the interface
    bool any() const { return tso || gso || gro || lro; }
};

/// How an interface lays what it receives on its channels.
struct ReceiveSide {
    unsigned channels = 1;  ///< that receive
    /// Both directions of a TCP connection over IPv4 come by the same channel; none: it does not say.
    std::optional<bool> symmetric;
};

/// The machine as /proc and /sys tell of it. `root` is put before every path: with another one than "/" it is
/// a copy of some machine's, or a test's.
class Host {
  public:
    explicit Host(std::filesystem::path root = "/") : root_(std::move(root)) {}
    virtual ~Host() = default;

    /// The first line of a file, without its end; none when it cannot be read.
    std::optional<std::string> line(const std::string& path) const;
    /// The whole file; empty when it cannot be read.
    std::string text(const std::string& path) const;
    /// A file with one number.
    std::optional<std::uint64_t> number(const std::string& path) const;
    /// Names in a folder, sorted; empty when there is none.
    std::vector<std::string> names(const std::string& path) const;
    bool exists(const std::string& path) const;
    /// The last part of where a link points; none when there is no such link.
    std::optional<std::string> link(const std::string& path) const;
    std::filesystem::path path(const std::string& path) const { return root_ / path.substr(1); }

    /// None: they cannot be asked for (another machine's copy, an interface that is not there).
    virtual std::optional<Offloads> offloads(const std::string& iface) const;
    /// Capabilities of this process; of a copy: what its /proc/self/status says.
    Capabilities capabilities() const;
    /// None: it cannot be asked for.
    virtual std::optional<ReceiveSide> receive_side(const std::string& iface) const;
    /// What the CPUs do, over half a second.
    virtual CpuUse cpu_use() const;

  private:
    std::filesystem::path root_;
};

/// A key of the Toeplitz hash under which both directions of a connection have one value.
bool is_symmetric_key(std::span<const std::uint8_t> key);
/// "0-3,8" as numbers.
std::vector<unsigned> parse_cpu_list(std::string_view text);

}  // namespace yagura::broker::doctor
