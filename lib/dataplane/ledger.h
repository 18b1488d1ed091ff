// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/ids.h"
#include "dataplane/stats.h"

namespace yagura::dataplane {

/// All that was ever counted under a PortId, by whatever ports have had it. Every number only grows.
struct PortSums {
    base::Count received;  ///< with what came cut
    base::Count handed;    ///< put on a ring to select
    base::Count taken;     ///< by select
    base::Count forwarded;
    base::Count parked;
    base::Count unparked;
    std::array<base::Count, select::kDropReasons> dropped;
    std::uint64_t missed = 0;

    PortSums& operator+=(const PortSums& other);
    PortSums operator-(const PortSums& other) const;
    /// `waiting`: fragments that are neither handed on nor lost.
    PortStats to_stats(base::Count waiting) const;
};

/// The same under a ToolId.
using ToolSums = ToolStats;

/// Which PortIds and ToolIds are in use, and where the counters of their ports begin: counters are cumulative
/// and an id is used again. The control thread's.
class Ledger {
  public:
    enum class Place : std::uint8_t {
        kFree,
        kOpen,
        kLeft,  ///< the port is gone; something of it may be held, flows may name it, a tool is being closed
    };

    Ledger(std::size_t ports, std::size_t open_ports, std::size_t open_tools);

    Place port(base::PortId id) const { return ports_[id.index()].place; }
    Place tool(base::ToolId id) const { return tools_[id.index()].place; }
    std::size_t ports() const { return ports_.size(); }
    void set(base::PortId id, Place place) { ports_[id.index()].place = place; }
    void set(base::ToolId id, Place place) { tools_[id.index()].place = place; }
    std::optional<base::PortId> free_port() const;
    std::optional<base::ToolId> free_tool() const;

    /// What stages have counted that are gone.
    const PortSums& closed(base::PortId id) const { return ports_[id.index()].closed; }
    const ToolSums& closed(base::ToolId id) const { return tools_[id.index()].closed; }
    void close(base::PortId id, const PortSums& sums) { ports_[id.index()].closed += sums; }
    void close(base::ToolId id, const ToolSums& sums) { tools_[id.index()].closed += sums; }

    /// Of the port that has the id.
    PortSums since(base::PortId id, const PortSums& sums) const { return sums - ports_[id.index()].before; }
    ToolStats since(base::ToolId id, const ToolSums& sums) const;
    /// Nothing will be counted for its port any more: `sums` are the last.
    void settle(base::PortId id, const PortSums& sums);
    void settle(base::ToolId id, const ToolSums& sums);

    /// Of those that have settled.
    const PortStats& removed_ports() const { return removed_ports_; }
    const ToolStats& removed_tools() const { return removed_tools_; }

  private:
    template <class Sums>
    struct Entry {
        Place place = Place::kFree;
        Sums closed;
        Sums before;
    };
    std::vector<Entry<PortSums>> ports_;
    std::array<Entry<ToolSums>, base::kMaxTools> tools_;
    PortStats removed_ports_;
    ToolStats removed_tools_;
};

}  // namespace yagura::dataplane
