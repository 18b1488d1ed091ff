// SPDX-License-Identifier: BSD-3-Clause
#include "app/alerts/program.h"

#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <numeric>
#include <utility>

#include "control/audit_record.h"

namespace yagura::alerts {
namespace {

using std::chrono::milliseconds;

/// Of a source, before others have their turn.
constexpr unsigned kLinesAtOnce = 1000;
constexpr milliseconds kLastAnswers{2000};
constexpr unsigned kGivenUpAfter = 3;

std::string now_text() {
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    return control::utc_milliseconds(
        static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(now).count()));
}

/// Of what yagura says: on one line, whatever it is.
std::string one_line(std::string text) {
    for (char& c : text) {
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
    }
    return text;
}

}  // namespace

Program::Program(VerdictMap map, ReadMap read_map, std::vector<Source> sources, const ProgramOptions& options,
                 Output output)
    : map_(std::move(map)),
      read_map_(std::move(read_map)),
      sources_(std::move(sources)),
      open_(sources_.size()),
      options_(options),
      output_(std::move(output)),
      queue_(options.capacity, options.max_age),
      dispatcher_(
          options.socket, queue_,
          {.tell = [this](const Dispatcher::Result& result) { tell(result); }, .complain = output_.trouble}) {
    std::iota(open_.begin(), open_.end(), std::size_t{0});
}

void Program::tell(const Dispatcher::Result& result) {
    const Verdict& verdict = result.verdict;
    ++outcomes_[one_line(result.outcome)];
    if (!result.done) ++not_done_;
    output_.verdict(
        one_line(fmt::format("{} {} {}{}: {}{}{} ({})", now_text(), short_name(verdict.method), verdict.item,
                             verdict.ttl.empty() ? "" : " for " + verdict.ttl, result.outcome,
                             result.details.empty() ? "" : ", ", result.details, verdict.why)));
}

void Program::take(const Alert& alert) {
    ++alerts_;
    const Decision* decision = map_.find(alert);
    if (decision == nullptr || decision->action == Action::kNone) {
        ++ignored_;
        return;
    }
    auto verdict = make_verdict(alert, *decision);
    if (!verdict) {
        if (without_++ == 0) {
            output_.trouble(
                fmt::format("{}: an alert of it does not have the connection or host that its entry of the "
                            "map is about; further ones are counted",
                            one_line(origin_of(alert))));
        }
        return;
    }
    if (options_.dry_run)
        return tell({.verdict = *verdict, .outcome = "dry_run", .details = {}, .done = true});
    queue_.push(*std::move(verdict), Clock::now());
}

bool Program::read_sources() {
    bool more = false;
    std::vector<std::size_t> open;
    for (const std::size_t index : open_) {
        Source& source = sources_[index];
        bool at_end = false;
        for (unsigned n = 0; n < kLinesAtOnce && !holds_back() && !at_end; ++n) {
            const auto reading = source.next(output_.trouble);
            if (!reading) {
                at_end = true;
            } else if (const auto* alert = std::get_if<Alert>(&*reading)) {
                take(*alert);
            }
        }
        more = more || (!at_end && !holds_back());
        if (!at_end || !source.input().ended()) open.push_back(index);
    }
    open_ = std::move(open);
    return more;
}

void Program::wait(int signals, bool at_once) {
    std::vector<pollfd> polled{{.fd = signals, .events = POLLIN, .revents = 0}};
    dispatcher_.add_to(polled);
    if (!ending_ && !holds_back()) {
        for (const std::size_t index : open_) sources_[index].input().add_to(polled);
    }
    // Files are looked at without being told.
    milliseconds pause{at_once ? 0 : 200};
    if (const auto next = dispatcher_.next_turn())
        pause = std::clamp(std::chrono::ceil<milliseconds>(*next - Clock::now()), milliseconds(0), pause);
    poll(polled.data(), polled.size(), static_cast<int>(pause.count()));
    if (polled.front().revents != 0) take_signals(signals);
}

void Program::take_signals(int signals) {
    signalfd_siginfo signal{};
    while (read(signals, &signal, sizeof signal) == sizeof signal) {
        if (signal.ssi_signo != SIGHUP) {
            ending_ = true;
            continue;
        }
        auto map = read_map_();
        if (map) map_ = *std::move(map);
        output_.trouble(map ? fmt::format("the map was read anew: {} entries", map_.size())
                            : std::string("the map stays as it was"));
    }
}

Exit Program::run(int signals) {
    Clock::time_point end{};
    for (;;) {
        const bool was_ending = ending_;
        const bool more = !ending_ && read_sources();
        if (!ending_) dispatcher_.turn(Clock::now());
        if (options_.once && dispatcher_.failures() >= kGivenUpAfter) {
            gave_up_ = true;
            break;
        }
        if (sources_ended() && queue_.empty() && dispatcher_.idle()) break;
        wait(was_ending ? -1 : signals, more);
        if (!ending_) continue;
        // Nothing new is begun.
        if (!was_ending) {
            end = Clock::now() + kLastAnswers;
            queue_.clear();
        }
        dispatcher_.turn(Clock::now());
        if (dispatcher_.idle() || Clock::now() >= end) break;
    }
    queue_.clear();
    return status();
}

Exit Program::status() const {
    if (gave_up_) return Exit::kUnreachable;
    const VerdictQueue::Counters& queue = queue_.counters();
    const bool lost = queue.dropped != 0 || queue.expired != 0 || dispatcher_.unanswered() != 0;
    const bool garbled =
        std::ranges::any_of(sources_, [](const Source& s) { return s.not_understood() != 0; });
    return not_done_ != 0 || without_ != 0 || lost || garbled ? Exit::kNotAllDone : Exit::kDone;
}

std::string Program::summary() const {
    std::uint64_t lines = 0;
    std::uint64_t not_understood = 0;
    for (const Source& source : sources_) {
        lines += source.lines();
        not_understood += source.not_understood();
    }
    std::uint64_t told = 0;
    std::string outcomes;
    for (const auto& [outcome, count] : outcomes_) {
        told += count;
        outcomes += fmt::format("{}{} {}", outcomes.empty() ? ": " : ", ", count, outcome);
    }
    std::string text = fmt::format("{} lines, {} alerts, {} verdicts{}", lines, alerts_, told, outcomes);
    const auto add = [&](std::uint64_t count, std::string_view what) {
        if (count != 0) text += fmt::format("; {} {}", count, what);
    };
    const VerdictQueue::Counters& queue = queue_.counters();
    add(ignored_, "alerts without a verdict");
    add(without_, "alerts without what their verdict is about");
    add(queue.merged, "verdicts that waited already");
    add(queue.dropped, "verdicts dropped for want of room or time");
    add(queue.expired, "verdicts that waited too long");
    add(dispatcher_.unanswered(), "verdicts that yagura did not answer");
    add(not_understood, "lines not understood");
    return text;
}

}  // namespace yagura::alerts
