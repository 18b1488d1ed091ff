// SPDX-License-Identifier: BSD-3-Clause
#include "match/pattern_matcher.h"

#include <hs.h>

#include <algorithm>
#include <cstdlib>
#include <new>
#include <optional>

namespace yagura::match {
namespace {

/// Patterns that only fail together with others cost one compilation each to find.
constexpr unsigned kMaxJointErrors = 16;

struct DatabaseDeleter {
    void operator()(hs_database_t* database) const { hs_free_database(database); }
};
using Database = std::unique_ptr<hs_database_t, DatabaseDeleter>;

struct ScratchDeleter {
    void operator()(hs_scratch_t* scratch) const { hs_free_scratch(scratch); }
};
using Scratch = std::unique_ptr<hs_scratch_t, ScratchDeleter>;

struct CompileErrorDeleter {
    void operator()(hs_compile_error_t* error) const { hs_free_compile_error(error); }
};
using HsError = std::unique_ptr<hs_compile_error_t, CompileErrorDeleter>;

/// Hyperscan's spelling of a pattern. A literal becomes \xNN throughout, so that no byte means anything.
struct Expression {
    explicit Expression(const rules::Pattern& pattern) {
        if (pattern.regex) {
            text = pattern.bytes;
            flags |= (pattern.caseless ? HS_FLAG_CASELESS : 0u) | (pattern.dotall ? HS_FLAG_DOTALL : 0u) |
                     (pattern.multiline ? HS_FLAG_MULTILINE : 0u) | (pattern.utf8 ? HS_FLAG_UTF8 : 0u);
            return;
        }
        constexpr char kDigits[] = "0123456789abcdef";
        text.reserve(pattern.bytes.size() * 4);
        for (const char c : pattern.bytes) {
            const auto byte = static_cast<unsigned char>(c);
            text += {'\\', 'x', kDigits[byte >> 4], kDigits[byte & 15]};
        }
    }
    std::string text;
    // One hit is all that a rule asks for, and spares the rest of a payload full of them.
    unsigned flags = HS_FLAG_SINGLEMATCH;
};

std::optional<PatternError> check(PatternIndex index, const Expression& expression) {
    if (expression.text.find('\0') != std::string::npos) {
        return PatternError{index, "a regular expression cannot contain a NUL character", "write \\x00"};
    }
    hs_expr_info_t* raw_info = nullptr;
    hs_compile_error_t* raw_error = nullptr;
    const hs_error_t status =
        hs_expression_info(expression.text.c_str(), expression.flags, &raw_info, &raw_error);
    const HsError error(raw_error);
    if (status != HS_SUCCESS) return PatternError{index, error ? error->message : "out of memory", ""};
    const bool empty = raw_info->min_width == 0;
    std::free(raw_info);
    if (empty) {
        return PatternError{index, "matches the empty string, so it would hit every payload",
                            "make it need at least one byte"};
    }
    return {};
}

struct JointOutcome {
    Database database;
    int expression = -1;  ///< the one at fault; -1: not any one
    std::string reason;
};

JointOutcome compile_together(std::span<const Expression> expressions, std::span<const PatternIndex> which) {
    std::vector<const char*> texts;
    std::vector<unsigned> flags;
    for (const PatternIndex i : which) {
        texts.push_back(expressions[i].text.c_str());
        flags.push_back(expressions[i].flags);
    }
    hs_database_t* database = nullptr;
    hs_compile_error_t* raw_error = nullptr;
    const hs_error_t status =
        hs_compile_multi(texts.data(), flags.data(), which.data(), static_cast<unsigned>(which.size()),
                         HS_MODE_BLOCK, nullptr, &database, &raw_error);
    const HsError error(raw_error);
    if (status == HS_SUCCESS) return {Database(database), -1, {}};
    return {nullptr, error ? error->expression : -1, error ? error->message : "out of memory"};
}

class HyperscanScratch final : public PatternScratch {
  public:
    HyperscanScratch(const hs_scratch_t* prototype, std::size_t patterns) : hits(patterns), stamps(patterns) {
        hs_scratch_t* clone = nullptr;
        if (hs_clone_scratch(prototype, &clone) != HS_SUCCESS) throw std::bad_alloc();
        scratch.reset(clone);
    }

    Scratch scratch;
    std::vector<PatternIndex> hits;  ///< the first hit_count of them
    std::size_t hit_count = 0;
    std::vector<std::uint32_t> stamps;  ///< of the last scan that each pattern was found in
    std::uint32_t stamp = 0;
};

int on_match(unsigned id, unsigned long long, unsigned long long, unsigned, void* context) {
    auto& scratch = *static_cast<HyperscanScratch*>(context);
    if (scratch.stamps[id] != scratch.stamp) {
        scratch.stamps[id] = scratch.stamp;
        scratch.hits[scratch.hit_count++] = id;
    }
    return 0;
}

class HyperscanMatcher final : public PatternMatcher {
  public:
    HyperscanMatcher(std::vector<Database> databases, Scratch prototype, std::size_t patterns)
        : databases_(std::move(databases)), prototype_(std::move(prototype)), patterns_(patterns) {}

    std::unique_ptr<PatternScratch> make_scratch() const override {
        return std::make_unique<HyperscanScratch>(prototype_.get(), patterns_);
    }

    std::span<const PatternIndex> scan(base::Bytes data, PatternScratch& base_scratch) const override {
        auto& scratch = static_cast<HyperscanScratch&>(base_scratch);
        if (++scratch.stamp == 0) {
            std::fill(scratch.stamps.begin(), scratch.stamps.end(), 0u);
            scratch.stamp = 1;
        }
        scratch.hit_count = 0;
        if (data.empty()) return {};
        // With valid arguments and no callback that stops it, a scan cannot fail.
        for (const Database& database : databases_) {
            hs_scan(database.get(), reinterpret_cast<const char*>(data.data()),
                    static_cast<unsigned>(data.size()), 0, scratch.scratch.get(), on_match, &scratch);
        }
        return {scratch.hits.data(), scratch.hit_count};
    }

  private:
    std::vector<Database> databases_;
    Scratch prototype_;
    std::size_t patterns_;
};

/// Compiles those patterns together, without those that turn out to be wrong. Null when none is left.
Database compile_sound(std::span<const Expression> expressions, std::vector<PatternIndex> which,
                       std::vector<PatternError>& errors) {
    for (unsigned tries = 0; !which.empty() && tries < kMaxJointErrors; ++tries) {
        JointOutcome joint = compile_together(expressions, which);
        if (joint.database) return std::move(joint.database);
        if (joint.expression < 0 || static_cast<std::size_t>(joint.expression) >= which.size()) {
            errors.push_back({which.front(), "the patterns do not compile together: " + joint.reason,
                              "use fewer or simpler patterns"});
            return nullptr;
        }
        const auto guilty = which.begin() + joint.expression;
        errors.push_back({*guilty, joint.reason, ""});
        which.erase(guilty);
    }
    return nullptr;
}

}  // namespace

PatternMatcher::Outcome PatternMatcher::compile(std::span<const rules::Pattern> patterns) {
    Outcome outcome;
    if (hs_valid_platform() != HS_SUCCESS) {
        outcome.errors.push_back({0, "Hyperscan needs a CPU with SSSE3", ""});
        return outcome;
    }
    // One database for all flags: split by flags, a scan takes twice as long. But what Hyperscan finds in
    // bytes that are not valid UTF-8 is undefined for a database with a UTF-8 pattern, so those stand apart.
    std::vector<Expression> expressions;
    expressions.reserve(patterns.size());
    std::vector<PatternIndex> of_bytes;
    std::vector<PatternIndex> of_utf8;
    for (PatternIndex i = 0; i < patterns.size(); ++i) {
        expressions.emplace_back(patterns[i]);
        if (std::optional<PatternError> error = check(i, expressions.back())) {
            outcome.errors.push_back(std::move(*error));
        } else {
            (patterns[i].utf8 ? of_utf8 : of_bytes).push_back(i);
        }
    }
    // Compiled even when some are wrong already: the user shall see all faults in one run.
    std::vector<Database> databases;
    for (std::vector<PatternIndex>* which : {&of_bytes, &of_utf8}) {
        Database database = compile_sound(expressions, std::move(*which), outcome.errors);
        if (database) databases.push_back(std::move(database));
    }
    if (!outcome.errors.empty()) {
        std::sort(outcome.errors.begin(), outcome.errors.end(),
                  [](const PatternError& a, const PatternError& b) { return a.pattern < b.pattern; });
        return outcome;
    }
    hs_scratch_t* prototype = nullptr;
    for (const Database& database : databases) {
        if (hs_alloc_scratch(database.get(), &prototype) != HS_SUCCESS) throw std::bad_alloc();
    }
    outcome.matcher =
        std::make_unique<HyperscanMatcher>(std::move(databases), Scratch(prototype), patterns.size());
    return outcome;
}

}  // namespace yagura::match
