// SPDX-License-Identifier: BSD-3-Clause
#include "app/bench/measure.h"

#include <rte_cycles.h>
#include <sys/resource.h>

#include <algorithm>
#include <cassert>

namespace yagura::bench {
namespace {

/// Where the clock is mostly right: much longer than reading it, much shorter than a scheduler's time slice.
constexpr std::uint64_t kSlicesPerSecond = 4000;
/// Rounds that are made for each that is wanted, before interrupted ones are taken too.
constexpr unsigned kMostRounds = 6;

std::uint64_t times_switched_out() {
    rusage usage;
    getrusage(RUSAGE_THREAD, &usage);
    return static_cast<std::uint64_t>(usage.ru_nvcsw) + static_cast<std::uint64_t>(usage.ru_nivcsw);
}

double median(std::vector<double> values) {
    const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
    std::ranges::nth_element(values, middle);
    if (values.size() % 2 != 0) return *middle;
    return (*middle + *std::max_element(values.begin(), middle)) / 2;
}

/// The cycles of one subject in one slice, by its items, and of its parts.
struct Slice {
    double cycles = 0;
    std::vector<double> parts;
};

Slice run_slice(const Subject& subject, std::size_t warm_up, std::size_t items) {
    std::vector<std::uint64_t> parts(subject.parts);
    if (warm_up != 0) subject.run(warm_up, parts);
    std::ranges::fill(parts, 0);
    const std::uint64_t start = rte_rdtsc_precise();
    subject.run(items, parts);
    const std::uint64_t end = rte_rdtsc_precise();
    const auto per_item = [items](std::uint64_t cycles) {
        return static_cast<double>(cycles) / static_cast<double>(items);
    };
    Slice slice{.cycles = per_item(end - start), .parts = {}};
    for (const std::uint64_t cycles : parts) slice.parts.push_back(per_item(cycles));
    return slice;
}

/// How many items fill a slice. The best of three, for the others may have been interrupted.
std::size_t size_slice(const Subject& subject, const Group& group) {
    const double wanted = static_cast<double>(rte_get_tsc_hz() / kSlicesPerSecond);
    for (std::size_t items = group.unit;; items *= 2) {
        double best = 0;
        for (int i = 0; i < 3; ++i) {
            const double cycles =
                run_slice(subject, group.warm_up, items).cycles * static_cast<double>(items);
            if (i == 0 || cycles < best) best = cycles;
        }
        if (best >= wanted) return items;
    }
}

using Round = std::vector<Slice>;  ///< a slice of each subject

struct Rounds {
    std::size_t made = 0;
    std::size_t interrupted = 0;
};

/// A group while it is measured.
class Run {
  public:
    explicit Run(const Group& group) : group_(group) {
        for (const Subject& subject : group.subjects) {
            items_.push_back(group.same_items && !items_.empty() ? items_[0] : size_slice(subject, group));
            values_.push_back({.cycles = {}, .parts = std::vector<std::vector<double>>(subject.parts)});
        }
    }

    Rounds repeat(unsigned slices) {
        std::vector<Round> rounds;
        std::vector<Round> disturbed;
        Rounds count;
        while (rounds.size() < slices && count.made < std::size_t{slices} * kMostRounds) {
            const std::uint64_t before = times_switched_out();
            Round round = run_round();
            const bool clean = times_switched_out() == before;
            (clean ? rounds : disturbed).push_back(std::move(round));
            ++count.made;
            if (!clean) ++count.interrupted;
        }
        while (rounds.size() < slices && !disturbed.empty()) {
            rounds.push_back(std::move(disturbed.back()));
            disturbed.pop_back();
        }
        add_medians(rounds);
        return count;
    }

    Comparison result() && {
        Comparison comparison;
        for (Values& v : values_) {
            Measured measured{.cycles = spread_of(std::move(v.cycles)), .parts = {}};
            for (std::vector<double>& part : v.parts) measured.parts.push_back(spread_of(std::move(part)));
            comparison.subjects.push_back(std::move(measured));
        }
        return comparison;
    }

  private:
    Round run_round() const {
        Round round;
        for (std::size_t s = 0; s < items_.size(); ++s) {
            round.push_back(run_slice(group_.subjects[s], group_.warm_up, items_[s]));
        }
        return round;
    }

    void add_medians(const std::vector<Round>& rounds) {
        const auto middle = [&rounds](auto&& value_of) {
            std::vector<double> slices;
            for (const Round& round : rounds) slices.push_back(value_of(round));
            return median(std::move(slices));
        };
        for (std::size_t s = 0; s < values_.size(); ++s) {
            values_[s].cycles.push_back(middle([s](const Round& round) { return round[s].cycles; }));
            for (std::size_t p = 0; p < values_[s].parts.size(); ++p) {
                values_[s].parts[p].push_back(
                    middle([s, p](const Round& round) { return round[s].parts[p]; }));
            }
        }
    }

    struct Values {  ///< by repeat
        std::vector<double> cycles;
        std::vector<std::vector<double>> parts;
    };
    const Group& group_;
    std::vector<std::size_t> items_;  ///< of a slice, by subject
    std::vector<Values> values_;
};

}  // namespace

Spread spread_of(std::vector<double> values) {
    assert(!values.empty());
    Spread spread{.median = median(values),
                  .min = *std::ranges::min_element(values),
                  .max = *std::ranges::max_element(values),
                  .repeats = {}};
    spread.repeats = std::move(values);
    return spread;
}

Spread ratio_by_repeat(const Spread& value, const Spread& by) {
    assert(value.repeats.size() == by.repeats.size());
    std::vector<double> ratios;
    for (std::size_t i = 0; i < value.repeats.size(); ++i) {
        ratios.push_back(value.repeats[i] / by.repeats[i]);
    }
    return spread_of(std::move(ratios));
}

Spread Comparison::ratio(std::size_t subject, std::size_t to) const {
    return ratio_by_repeat(subjects[subject].cycles, subjects[to].cycles);
}

Measurement measure(std::span<const Group> groups, const MeasureOptions& options) {
    std::vector<Run> runs;
    for (const Group& group : groups) runs.emplace_back(group);
    Rounds total;
    for (unsigned i = 0; i < options.repeats; ++i) {
        for (Run& run : runs) {
            const Rounds rounds = run.repeat(options.slices);
            total.made += rounds.made;
            total.interrupted += rounds.interrupted;
        }
    }
    Measurement measurement;
    for (Run& run : runs) measurement.groups.push_back(std::move(run).result());
    if (total.made != 0) {
        measurement.interrupted_share =
            static_cast<double>(total.interrupted) / static_cast<double>(total.made);
    }
    return measurement;
}

}  // namespace yagura::bench
