// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <hs.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "match/database.h"
#include "match/pattern_expression.h"

namespace yagura::match {

/// A pattern by its place in the list that was compiled.
using PatternIndex = std::uint32_t;

struct PatternError {
    PatternIndex pattern;
    std::string reason;
    std::string fix;  ///< may be empty
};

struct PatternHit {
    PatternIndex pattern;
    bool after_gap;     ///< found by Spelling::after_gap
    std::uint64_t end;  ///< of the match, in bytes of the block or stream
};

struct HsScratchDeleter {
    void operator()(hs_scratch_t* scratch) const { hs_free_scratch(scratch); }
};
using HsScratch = std::unique_ptr<hs_scratch_t, HsScratchDeleter>;

/// Working memory of one thread, for the matchers that `prototype` was grown for.
class PatternScratch {
  public:
    PatternScratch() = default;
    PatternScratch(const hs_scratch_t* prototype, std::size_t patterns);

  private:
    friend class PatternMatcher;
    static int on_match(unsigned id, unsigned long long from, unsigned long long to, unsigned flags,
                        void* context);
    void begin();

    HsScratch scratch_;
    std::vector<PatternHit> hits_;       ///< the first hit_count_ of them
    std::vector<std::uint32_t> stamps_;  ///< of the last scan that each expression was found in
    std::size_t hit_count_ = 0;
    std::uint32_t stamp_ = 0;
};

/// Finds which of many patterns are in bytes, in one pass over them. Immutable: any number of threads may
/// scan, each with a scratch and streams of its own. No scan allocates, nor does open_stream().
class PatternMatcher {
  public:
    enum class Mode : std::uint8_t { kBlocks, kStreams };
    struct Wanted {
        Spelling spelling;  ///< with an empty text it is left out
        /// The first hit in a stream is all that is asked for; in a block it always is.
        bool single = true;
    };
    struct Outcome {
        std::unique_ptr<PatternMatcher> matcher;  ///< null when there are errors
        std::vector<PatternError> errors;
    };
    /// Compiles patterns, of which none should be given twice, and grows the scratch prototype. An error that
    /// only shows when they are compiled together is found for a few of them. `source`: where the databases
    /// come from; null: they are compiled here. Throws what that throws.
    static Outcome compile(std::span<const Wanted> patterns, Mode mode, HsScratch& prototype,
                           DatabaseSource* source = nullptr);

    /// The patterns that are in the data, each once, in no order; storage of the scratch. Only kBlocks. Below
    /// 4 GiB.
    std::span<const PatternHit> scan(base::Bytes data, PatternScratch& scratch) const;

    // Only kStreams. A stream lives in stream_bytes() of memory, aligned to 8, that the caller keeps; it
    // needs no closing.
    std::size_t stream_bytes() const;
    /// Once, before the first use of that memory.
    void open_stream(void* memory) const;
    /// Forgets what the stream has seen.
    void reset_stream(void* memory) const;
    /// The patterns of which a match ends in these bytes. Below 4 GiB.
    std::span<const PatternHit> scan_stream(void* memory, base::Bytes data, PatternScratch& scratch) const;
    /// Those of which a match ends with the stream; then forgets what it has seen.
    std::span<const PatternHit> end_stream(void* memory, PatternScratch& scratch) const;

  private:
    friend class BareStreams;
    struct Source;
    static CompiledDatabase compile_together(std::span<const Wanted> patterns,
                                             std::span<const Source> sources, Mode mode,
                                             DatabaseSource* from);
    static Database compile_sound(std::span<const Wanted> patterns, std::vector<Source> sources, Mode mode,
                                  DatabaseSource* from, std::vector<PatternError>& errors);
    template <class Visit>
    void for_streams(void* memory, Visit&& visit) const;

    std::vector<Database> databases_;
    std::vector<std::size_t> stream_sizes_;  ///< by database, multiples of 8
};

}  // namespace yagura::match
