// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/admission.h"

#include <algorithm>
#include <bit>
#include <utility>

namespace yagura::dataplane {
namespace {

constexpr double kSliceSeconds = static_cast<double>(Admission::kSliceNs) / 1e9;
/// Of what was measured in a slice, against what was known.
constexpr double kGain = 0.1;
/// What is known of young flows fades within a second when there are others, else within some ten.
constexpr double kFade = 1 - 1.0 / 64;
constexpr double kSlowFade = 1 - 1.0 / 1024;
/// So many flows must have become old before what young ones send counts as known.
constexpr double kKnown = 5;
/// After so many slices without a packet nothing is known.
constexpr std::uint64_t kLongest = 128;
/// by_age is halved after so many slices.
constexpr std::uint64_t kHalving = 5;
/// In eighths of the queue: below the first a flow may begin; above the second flows are cut; between the
/// two, and a little above, one may begin for which others would be cut.
constexpr unsigned kLow = 2;
constexpr unsigned kHigh = 6;
constexpr unsigned kHighest = 7;
/// What is left to flows after a cut, of the rate, so that the queue becomes shorter.
constexpr double kAfterCut = 0.9;
/// A cut is worth at least so much of the load; without a rate, always that much.
constexpr double kLeastCut = 1.0 / 16;
constexpr double kBlindCut = 1.0 / 8;
/// Bytes per second of flows of which nothing is left.
constexpr double kNothing = 100;
/// Who is alone is admitted, whatever flows send on average.
constexpr double kAlone = 0.25;

/// Its place in by_age.
std::size_t age_place(std::uint32_t flows_since) {
    if (flows_since < 4) return flows_since;
    const auto power = static_cast<unsigned>(std::bit_width(flows_since)) - 1;
    return std::size_t{4} * (power - 1) + (flows_since >> (power - 2) & 3);
}
/// The fewest of a place, and how many numbers it has.
std::pair<std::uint32_t, std::uint32_t> ages_of(std::size_t place) {
    if (place < 4) return {static_cast<std::uint32_t>(place), 1};
    const auto power = static_cast<unsigned>(place / 4 + 1);
    return {static_cast<std::uint32_t>(4 + place % 4) << (power - 2), std::uint32_t{1} << (power - 2)};
}

}  // namespace

ToolQueue::Expected Admission::flow_load(const Class& c) const {
    if (c.past_flows < kKnown) return {};
    constexpr double kSeconds = kWindow * kSliceSeconds;
    return {.lasting = c.past_late / (c.past_flows * kSeconds / 2),
            .now = c.past_bytes / (c.past_flows * kSeconds)};
}

ToolQueue::Expected Admission::expected(unsigned priority) const {
    const Class& c = classes_[priority];
    const ToolQueue::Expected flow = flow_load(c);
    return {.lasting = c.old_load + c.young * flow.lasting,
            .now = c.old_load + std::max(c.young * flow.now, c.young_load)};
}

double Admission::recent_load(const Class& c) const {
    if (!c.has_recent) return 0;
    double bytes = 0;
    for (const double recent : c.by_age) bytes += recent;
    constexpr double kLeast = kSliceSeconds / 10;
    const double seconds = recent_seconds_ + static_cast<double>(now_ns_ - slice_ * kSliceNs) / 1e9;
    return bytes / std::max(seconds, kLeast);
}

bool Admission::below(unsigned eighths, const base::Count& more) const {
    const ToolLimit& limit = queue_.limit();
    return level_.packets + more.packets <= std::uint64_t{limit.queue_packets} * eighths / 8 &&
           level_.bytes + more.bytes <= limit.queue_bytes / 8 * eighths;
}

bool Admission::is_full() const {
    return level_.packets >= queue_.limit().queue_packets || level_.bytes >= queue_.limit().queue_bytes;
}

void Admission::look(std::uint64_t now_ns) {
    level_ = queue_.waiting();
    last_cut_.packets = std::min(last_cut_.packets, level_.packets);
    last_cut_.bytes = std::min(last_cut_.bytes, level_.bytes);
    if (now_ns <= now_ns_) return;
    const bool begun = now_ns_ != 0;
    now_ns_ = now_ns;
    const std::uint64_t slice = now_ns / kSliceNs;
    if (slice == slice_) return;
    if (!begun || slice - slice_ > kLongest) {
        forget_all();
        slice_ = slice;
    }
    while (slice_ != slice) end_slice();
    for (unsigned priority = 0; priority < classes_.size(); ++priority) {
        queue_.expect(lane_, priority, expected(priority));
        classes_[priority].others = queue_.expected_of_others(lane_, priority);
    }
}

void Admission::forget_all() {
    classes_ = {};
    recent_seconds_ = 0;
}

void Admission::end_slice() {
    const bool halve = slice_ % kHalving == 0;
    ++slice_;
    for (Class& c : classes_) {
        c.old_load += (static_cast<double>(c.old_bytes) / kSliceSeconds - c.old_load) * kGain;
        c.young_load += (static_cast<double>(c.young_bytes) / kSliceSeconds - c.young_load) * kGain;
        c.old_bytes = c.young_bytes = 0;
        // Who is old now goes on as it did of late: often, not at all.
        Cohort& grown = c.cohorts[slice() % kWindow];
        c.old_load += static_cast<double>(grown.late_bytes) / (kWindow / 2 * kSliceSeconds);
        const double fade = grown.flows == 0 ? kSlowFade : kFade;
        c.past_flows = c.past_flows * fade + grown.flows;
        c.past_bytes = c.past_bytes * fade + static_cast<double>(grown.bytes);
        c.past_late = c.past_late * fade + static_cast<double>(grown.late_bytes);
        c.young -= grown.flows;
        grown = {};
        if (!halve || !c.has_recent) continue;
        double left = 0;
        for (double& bytes : c.by_age) left += bytes /= 2;
        c.has_recent = left >= 1;
        if (!c.has_recent) c.by_age = {};
    }
    recent_seconds_ = (recent_seconds_ + kSliceSeconds) / (halve ? 2 : 1);
}

/// There is room for one more beside its like. `yields`: somebody below it would give way.
bool Admission::fits(unsigned priority, bool& yields) const {
    ToolQueue::Expected like;
    yields = false;
    for (unsigned p = 0; p < classes_.size(); ++p) {
        const ToolQueue::Expected own = expected(p);
        if (p < priority) {
            yields = yields || own.now + classes_[p].others.now > kNothing;
        } else {
            like.lasting += own.lasting + classes_[p].others.lasting;
            like.now += own.now + classes_[p].others.now;
        }
    }
    if (rate() == 0) return true;
    const ToolQueue::Expected flow = flow_load(classes_[priority]);
    const auto lanes = static_cast<double>(queue_.lanes());
    const auto free = [&](double load, double more, double room) {
        return load <= kAlone * rate() || load + more * lanes <= rate() + room;
    };
    // For a moment the queue may take what the tool cannot.
    const std::uint64_t mark = queue_.limit().queue_bytes / 8 * (yields ? kHighest : kLow);
    const auto room = static_cast<double>(mark > level_.bytes ? mark - level_.bytes : 0);
    return free(like.lasting, flow.lasting, 0) && free(like.now, flow.now, room / (kWindow * kSliceSeconds));
}

bool Admission::admit(unsigned priority, const base::Count& first) {
    if (!below(kHighest, first)) return false;
    bool yields = false;
    if (!fits(priority, yields) || (!yields && !below(kLow, first))) return false;
    Class& c = classes_[priority];
    ++c.young;
    ++c.cohorts[slice() % kWindow].flows;
    return true;
}

void Admission::take_up(std::uint32_t bytes) {
    level_ += {1, bytes};
}

bool Admission::put(unsigned priority, const Begin& begin, std::uint32_t bytes, std::uint32_t newest) {
    Class& c = classes_[priority];
    if (is_full()) return false;
    if (c.cut_ends > slice_ && begin.number - c.first_cut <= c.last_cut - c.first_cut) return false;
    take_up(bytes);
    const std::uint32_t age = slice() - begin.slice;
    if (age < kWindow) {
        Cohort& cohort = c.cohorts[begin.slice % kWindow];
        c.young_bytes += bytes;
        cohort.bytes += bytes;
        if (age >= kWindow / 2) cohort.late_bytes += bytes;
    } else {
        c.old_bytes += bytes;
    }
    c.by_age[age_place(newest - begin.number)] += bytes;
    c.has_recent = true;
    if (!below(kHigh, {})) [[unlikely]]
        cut(newest);
    return true;
}

bool Admission::put_single(std::uint32_t bytes) {
    if (!below(kLow, {1, bytes})) return false;
    take_up(bytes);
    classes_[0].old_bytes += bytes;
    return true;
}

/// The queue is three quarters full.
void Admission::cut(std::uint32_t newest) {
    const ToolLimit& limit = queue_.limit();
    // The one before may have been enough.
    if (level_.packets < last_cut_.packets + limit.queue_packets / 16 &&
        level_.bytes < last_cut_.bytes + limit.queue_bytes / 16) {
        return;
    }
    last_cut_ = level_;
    double load = 0;
    for (const Class& c : classes_) load += recent_load(c) + c.others.now;
    double excess = limit.rate == 0 ? load * kBlindCut : load - kAfterCut * rate();
    excess = std::max(excess, load * kLeastCut);
    for (Class& c : classes_) {
        const double own = recent_load(c);
        const double all = own + c.others.now;
        if (all <= 0) continue;
        const double share = std::min(1.0, excess / all);
        if (own > 0) cut_share(c, share, newest);
        excess -= share * all;
        if (share < 1) break;
    }
}

/// The newest go that have sent this share of the class's bytes.
void Admission::cut_share(Class& c, double share, std::uint32_t newest) {
    double excess = 0;
    for (const double bytes : c.by_age) excess += bytes * share;
    std::uint32_t reach = 0;  // how many flows have begun since the oldest that goes
    for (std::size_t age = 0; age < kAges; ++age) {
        double& bytes = c.by_age[age];
        if (bytes == 0 || excess < 1) continue;
        const auto [fewest, count] = ages_of(age);
        const double part = std::min(1.0, excess / bytes);
        reach = fewest + static_cast<std::uint32_t>(part * (std::min(count, newest - fewest) - 1));
        excess -= bytes * part;
        bytes -= bytes * part;
        if (part < 1) break;
    }
    std::uint32_t first = newest - reach;
    // Together with those that have gone a moment ago.
    if (c.cut_ends > slice_ && newest - c.first_cut > reach) first = c.first_cut;
    c.first_cut = first;
    c.last_cut = newest;
    c.cut_ends = slice_ + kWindow;
}

}  // namespace yagura::dataplane
