// SPDX-License-Identifier: BSD-3-Clause
#include "match/pattern_matcher.h"

#include <algorithm>
#include <cstdlib>
#include <mutex>
#include <new>
#include <utility>

namespace yagura::match {
namespace {

/// Patterns that only fail together with others cost one compilation each to find.
constexpr unsigned kMaxJointErrors = 16;

/// Where this thread's next stream goes: Hyperscan takes an allocator for the whole process, not a place.
thread_local void* stream_memory = nullptr;

void* allocate_stream(std::size_t size) {
    void* const place = std::exchange(stream_memory, nullptr);
    return place != nullptr ? place : std::malloc(size);
}

// Streams in places are never closed, so this meets none of them.
void free_stream(void* memory) {
    std::free(memory);
}

const char* chars(base::Bytes data) {
    return reinterpret_cast<const char*>(data.data());
}
unsigned length(base::Bytes data) {
    return static_cast<unsigned>(data.size());
}

}  // namespace

PatternScratch::PatternScratch(const hs_scratch_t* prototype, std::size_t patterns)
    : hits_(patterns * 2), stamps_(patterns * 2) {
    hs_scratch_t* clone = nullptr;
    if (prototype != nullptr && hs_clone_scratch(prototype, &clone) != HS_SUCCESS) throw std::bad_alloc();
    scratch_.reset(clone);
}

void PatternScratch::begin() {
    hit_count_ = 0;
    if (++stamp_ == 0) {
        std::fill(stamps_.begin(), stamps_.end(), 0u);
        stamp_ = 1;
    }
}

int PatternScratch::on_match(unsigned id, unsigned long long, unsigned long long to, unsigned,
                             void* context) {
    auto& scratch = *static_cast<PatternScratch*>(context);
    if (scratch.stamps_[id] != scratch.stamp_) {
        scratch.stamps_[id] = scratch.stamp_;
        scratch.hits_[scratch.hit_count_++] = {id >> 1, (id & 1) != 0, to};
    }
    return 0;
}

/// An expression of a pattern; its id for Hyperscan is pattern * 2 + after_gap.
struct PatternMatcher::Source {
    PatternIndex pattern;
    bool after_gap;
};

CompiledDatabase PatternMatcher::compile_together(std::span<const Wanted> patterns,
                                                  std::span<const Source> sources, Mode mode,
                                                  DatabaseSource* from) {
    DatabaseOrder order{.streams = mode == Mode::kStreams, .expressions = {}};
    for (const Source& source : sources) {
        const Wanted& wanted = patterns[source.pattern];
        const Expression& expression =
            source.after_gap ? *wanted.spelling.after_gap : wanted.spelling.expression;
        const unsigned single = wanted.single || mode == Mode::kBlocks ? HS_FLAG_SINGLEMATCH : 0u;
        order.expressions.push_back({.text = expression.text,
                                     .flags = expression.flags | single,
                                     .id = source.pattern << 1 | static_cast<unsigned>(source.after_gap),
                                     .min_offset = expression.min_offset,
                                     .max_offset = expression.max_offset});
    }
    if (from == nullptr) return compile_here(order);
    DatabaseAnswer answer = from->get(order);
    if (answer.bytes.empty()) return {nullptr, answer.expression, std::move(answer.reason)};
    Database database = deserialized(answer.bytes);
    if (database) return {std::move(database), -1, {}};
    return {nullptr, -1, "the compiled form does not fit this machine"};
}

/// Compiles those expressions together, without those that turn out to be wrong. Null when none is left.
Database PatternMatcher::compile_sound(std::span<const Wanted> patterns, std::vector<Source> sources,
                                       Mode mode, DatabaseSource* from, std::vector<PatternError>& errors) {
    const auto is_after_gap = [](const Source& source) { return source.after_gap; };
    unsigned dropped = 0;
    for (unsigned tries = 0; !sources.empty() && tries < kMaxJointErrors;) {
        CompiledDatabase joint = compile_together(patterns, sources, mode, from);
        if (joint.database) return std::move(joint.database);
        if (joint.expression < 0 || static_cast<std::size_t>(joint.expression) >= sources.size()) {
            errors.push_back({sources.front().pattern,
                              "the patterns do not compile together: " + joint.reason,
                              "use fewer or simpler patterns"});
            return nullptr;
        }
        const auto guilty = sources.begin() + joint.expression;
        if (!guilty->after_gap) {
            errors.push_back({guilty->pattern, joint.reason, ""});
            sources.erase(guilty);
            ++tries;
        } else if (++dropped < kMaxJointErrors) {
            sources.erase(guilty);  // nobody asked for it: the pattern does not count behind a gap
        } else {
            std::erase_if(sources, is_after_gap);
        }
    }
    return nullptr;
}

PatternMatcher::Outcome PatternMatcher::compile(std::span<const Wanted> patterns, Mode mode,
                                                HsScratch& prototype, DatabaseSource* source) {
    Outcome outcome;
    if (hs_valid_platform() != HS_SUCCESS) {
        outcome.errors.push_back({0, "Hyperscan needs a CPU with SSSE3", ""});
        return outcome;
    }
    // One database for all flags: split by flags, a scan takes twice as long. But what Hyperscan finds in
    // bytes that are not valid UTF-8 is undefined for a database with a UTF-8 pattern, so those stand apart.
    std::vector<Source> of_bytes;
    std::vector<Source> of_utf8;
    for (PatternIndex i = 0; i < patterns.size(); ++i) {
        if (patterns[i].spelling.expression.text.empty()) continue;
        std::vector<Source>& sources = patterns[i].spelling.utf8 ? of_utf8 : of_bytes;
        sources.push_back({i, false});
        if (mode == Mode::kStreams && patterns[i].spelling.after_gap) sources.push_back({i, true});
    }
    auto matcher = std::make_unique<PatternMatcher>();
    // Compiled even when some are wrong already: the user shall see all faults in one run.
    for (std::vector<Source>* sources : {&of_bytes, &of_utf8}) {
        Database database = compile_sound(patterns, std::move(*sources), mode, source, outcome.errors);
        if (database) matcher->databases_.push_back(std::move(database));
    }
    if (!outcome.errors.empty()) {
        std::sort(outcome.errors.begin(), outcome.errors.end(),
                  [](const PatternError& a, const PatternError& b) { return a.pattern < b.pattern; });
        return outcome;
    }
    for (const Database& database : matcher->databases_) {
        hs_scratch_t* grown = prototype.release();
        const hs_error_t status = hs_alloc_scratch(database.get(), &grown);
        prototype.reset(grown);
        if (status != HS_SUCCESS) throw std::bad_alloc();
        if (mode == Mode::kBlocks) continue;
        std::size_t size = 0;
        hs_stream_size(database.get(), &size);
        matcher->stream_sizes_.push_back((size + 7) / 8 * 8);
    }
    if (mode == Mode::kStreams) {
        static std::once_flag once;
        std::call_once(once, [] { hs_set_stream_allocator(allocate_stream, free_stream); });
    }
    outcome.matcher = std::move(matcher);
    return outcome;
}

// With valid arguments and no callback that stops it, a scan cannot fail.

std::span<const PatternHit> PatternMatcher::scan(base::Bytes data, PatternScratch& scratch) const {
    scratch.begin();
    if (data.empty()) return {};
    for (const Database& database : databases_) {
        hs_scan(database.get(), chars(data), length(data), 0, scratch.scratch_.get(),
                PatternScratch::on_match, &scratch);
    }
    return {scratch.hits_.data(), scratch.hit_count_};
}

std::size_t PatternMatcher::stream_bytes() const {
    std::size_t sum = 0;
    for (const std::size_t size : stream_sizes_) sum += size;
    return sum;
}

/// hs_open_stream() returns what its allocator gave, so that a stream's address is its memory's.
template <class Visit>
void PatternMatcher::for_streams(void* memory, Visit&& visit) const {
    auto* place = static_cast<std::uint8_t*>(memory);
    for (std::size_t i = 0; i < databases_.size(); ++i) {
        visit(databases_[i].get(), static_cast<hs_stream_t*>(static_cast<void*>(place)));
        place += stream_sizes_[i];
    }
}

void PatternMatcher::open_stream(void* memory) const {
    for_streams(memory, [](const hs_database_t* database, hs_stream_t* place) {
        stream_memory = place;
        hs_stream_t* opened = nullptr;
        hs_open_stream(database, 0, &opened);
    });
}

void PatternMatcher::reset_stream(void* memory) const {
    for_streams(memory, [](const hs_database_t*, hs_stream_t* stream) {
        hs_reset_stream(stream, 0, nullptr, nullptr, nullptr);
    });
}

std::span<const PatternHit> PatternMatcher::scan_stream(void* memory, base::Bytes data,
                                                        PatternScratch& scratch) const {
    scratch.begin();
    for_streams(memory, [&](const hs_database_t*, hs_stream_t* stream) {
        hs_scan_stream(stream, chars(data), length(data), 0, scratch.scratch_.get(), PatternScratch::on_match,
                       &scratch);
    });
    return {scratch.hits_.data(), scratch.hit_count_};
}

std::span<const PatternHit> PatternMatcher::end_stream(void* memory, PatternScratch& scratch) const {
    scratch.begin();
    for_streams(memory, [&](const hs_database_t*, hs_stream_t* stream) {
        hs_reset_stream(stream, 0, scratch.scratch_.get(), PatternScratch::on_match, &scratch);
    });
    return {scratch.hits_.data(), scratch.hit_count_};
}

}  // namespace yagura::match
