// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "app/alerts/dispatcher.h"
#include "app/alerts/source.h"
#include "app/alerts/verdict_map.h"
#include "app/alerts/verdict_queue.h"

namespace yagura::alerts {

struct ProgramOptions {
    std::string socket;             ///< yagura's
    bool dry_run = false;           ///< yagura is not asked for anything
    bool once = false;              ///< ends with the sources, and with the third failure to reach yagura
    std::size_t capacity = 10'000;  ///< verdicts that wait
    std::chrono::nanoseconds max_age = std::chrono::minutes(1);
};

/// Exit statuses (docs/yagura-alerts.md).
enum class Exit : int { kDone = 0, kNotAllDone = 1, kUsage = 2, kUnreachable = 3 };

/// From lines to verdicts, until the sources or the user end it. One thread.
class Program {
  public:
    /// A line for each verdict, and words about what goes wrong; both without a line end.
    struct Output {
        std::function<void(const std::string&)> verdict;
        std::function<void(const std::string&)> trouble;
    };

    /// The map anew; nothing, when it cannot be used, as has been said: then the one before stays.
    using ReadMap = std::function<std::optional<VerdictMap>()>;

    Program(VerdictMap map, ReadMap read_map, std::vector<Source> sources, const ProgramOptions& options,
            Output output);

    /// `signals`: a signalfd(2). SIGHUP has the map read anew, any other ends the program; what yagura was
    /// asked for already is waited for then, two seconds at most.
    Exit run(int signals);
    /// "120 lines, 3 alerts, 2 verdicts: 1 verified, 1 not_found"
    std::string summary() const;

  private:
    using Clock = std::chrono::steady_clock;

    /// True when lines may be left that were not read for want of time.
    bool read_sources();
    void take(const Alert& alert);
    void take_signals(int signals);
    void tell(const Dispatcher::Result& result);
    bool sources_ended() const { return open_.empty(); }
    /// Until a descriptor has something, or it is time for something.
    void wait(int signals, bool at_once);
    /// There is no room, and a file waits better than a queue.
    bool holds_back() const { return options_.once && queue_.full(); }
    Exit status() const;

    VerdictMap map_;
    ReadMap read_map_;
    std::vector<Source> sources_;
    std::vector<std::size_t> open_;  ///< of sources_: those that have not ended
    ProgramOptions options_;
    Output output_;
    VerdictQueue queue_;
    Dispatcher dispatcher_;
    std::uint64_t alerts_ = 0;
    std::uint64_t ignored_ = 0;  ///< no entry, or "none"
    std::uint64_t without_ = 0;  ///< an entry, and not what it is about
    std::uint64_t not_done_ = 0;
    std::map<std::string, std::uint64_t> outcomes_;
    bool ending_ = false;
    bool gave_up_ = false;
};

}  // namespace yagura::alerts
