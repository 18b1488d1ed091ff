// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

namespace yagura::bench {

/// What the repeats of one measurement gave.
struct Spread {
    double median = 0;
    double min = 0;
    double max = 0;
    std::vector<double> repeats;  ///< in the order in which they were made
};
/// At least one value.
Spread spread_of(std::vector<double> values);
/// One by the other, repeat by repeat; both have as many.
Spread ratio_by_repeat(const Spread& value, const Spread& by);

/// One of the things that are measured side by side.
struct Subject {
    /// Does `items` units of work, going on where it left off. Adds the cycles of each part to `parts`.
    using Run = std::function<void(std::size_t items, std::span<std::uint64_t> parts)>;
    Run run;
    std::size_t parts = 0;  ///< pieces of its work that it clocks itself
};

struct MeasureOptions {
    unsigned repeats = 5;
    unsigned slices = 101;  ///< of each subject in a repeat
};

/// Subjects that are compared: measured slice by slice in turn (A-B-A-B).
struct Group {
    std::vector<Subject> subjects;
    std::size_t unit = 1;     ///< a slice has a multiple of so many items
    std::size_t warm_up = 0;  ///< items before each slice that do not count: they bring the caches back
    /// All subjects do the same items in a slice. Otherwise each does as many as fill it, for subjects that
    /// are far apart.
    bool same_items = true;
};

struct Measured {
    Spread cycles;              ///< of the time stamp counter, per item
    std::vector<Spread> parts;  ///< the same
};

struct Comparison {
    std::vector<Measured> subjects;

    /// Cycles of one subject by those of another, within each repeat.
    Spread ratio(std::size_t subject, std::size_t to) const;
};

struct Measurement {
    std::vector<Comparison> groups;
    double interrupted_share = 0;  ///< rounds that were made again, or kept for want of better
};

/// Measures each group, and this as often as there are repeats: the repeats of a figure are spread over the
/// whole run, so that its spread shows what changes on the machine meanwhile.
///
/// A slice is short: a quarter of a millisecond, or one `unit`. A round of slices in which the kernel took
/// the CPU away is thrown away and made again; a repeat's value is the median of its slices. After EAL's
/// start, on a thread that stays on its CPU.
Measurement measure(std::span<const Group> groups, const MeasureOptions& options);

/// The compiler must take `value` for used, and memory for changed.
template <class T>
inline void keep(const T& value) {
    asm volatile("" : : "r"(&value) : "memory");
}

}  // namespace yagura::bench
