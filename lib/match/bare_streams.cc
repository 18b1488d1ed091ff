// SPDX-License-Identifier: BSD-3-Clause
#include "match/bare_streams.h"

#include <hs.h>

#include <new>
#include <vector>

#include "match/compiled_state.h"

namespace yagura::match {
namespace {

int count_hit(unsigned, unsigned long long, unsigned long long, unsigned, void* hits) {
    ++*static_cast<std::uint64_t*>(hits);
    return 0;
}

}  // namespace

struct BareStreams::State {
    struct StreamCloser {
        void operator()(hs_stream_t* stream) const { hs_close_stream(stream, nullptr, nullptr, nullptr); }
    };

    std::shared_ptr<const CompiledRules> rules;  ///< keeps the databases
    std::size_t databases = 0;
    HsScratch scratch;
    std::vector<std::unique_ptr<hs_stream_t, StreamCloser>> streams;  ///< those of one place are together
    std::uint64_t hits = 0;
};

BareStreams::BareStreams(std::shared_ptr<const CompiledRules> rules, std::size_t streams)
    : state_(std::make_unique<State>()) {
    state_->rules = std::move(rules);
    const PayloadPatterns& patterns = state_->rules->state_->patterns;
    if (!patterns.streams) return;
    hs_scratch_t* scratch = nullptr;
    if (hs_clone_scratch(patterns.prototype.get(), &scratch) != HS_SUCCESS) throw std::bad_alloc();
    state_->scratch.reset(scratch);
    state_->databases = patterns.streams->databases_.size();
    for (std::size_t i = 0; i < streams; ++i) {
        for (const Database& database : patterns.streams->databases_) {
            hs_stream_t* stream = nullptr;
            if (hs_open_stream(database.get(), 0, &stream) != HS_SUCCESS) throw std::bad_alloc();
            state_->streams.emplace_back(stream);
        }
    }
}

BareStreams::~BareStreams() = default;

void BareStreams::scan(std::size_t stream, base::Bytes bytes) {
    State& state = *state_;
    for (std::size_t i = 0; i < state.databases; ++i) {
        hs_scan_stream(state.streams[stream * state.databases + i].get(),
                       reinterpret_cast<const char*>(bytes.data()), static_cast<unsigned>(bytes.size()), 0,
                       state.scratch.get(), count_hit, &state.hits);
    }
}

std::uint64_t BareStreams::hits() const {
    return state_->hits;
}

std::size_t BareStreams::stream_bytes() const {
    const PayloadPatterns& patterns = state_->rules->state_->patterns;
    return patterns.streams ? patterns.streams->stream_bytes() : 0;
}

}  // namespace yagura::match
