// SPDX-License-Identifier: BSD-3-Clause
#include "flow/run_list.h"

#include <algorithm>
#include <array>

namespace yagura::flow {

/// The records of a list, taken out of the store to be worked on.
struct RunList::Records {
    Records(RunList& list, BlockStore& store) : list_(list), store_(store) {
        BlockStore::Cursor(store, list.records_).read(run_.data(), list.runs_ * sizeof(Run));
    }
    void put_back() {
        if (list_.runs_ == 0) {
            store_.free(list_.records_);
            list_.places_ = 0;
            return;
        }
        BlockStore::Cursor(store_, list_.records_).write(run_.data(), list_.runs_ * sizeof(Run));
    }
    /// A place for one more record. False: no room.
    bool reserve() {
        if (list_.runs_ < list_.places_) return true;
        if (list_.runs_ == kMostRuns) return false;
        static constexpr std::array<std::uint8_t, sizeof(Run)> kPlace{};
        if (!store_.append(list_.records_, kPlace)) return false;
        ++list_.places_;
        return true;
    }
    void insert(std::size_t at, const Run& run) {
        std::copy_backward(run_.begin() + at, run_.begin() + list_.runs_, run_.begin() + list_.runs_ + 1);
        run_[at] = run;
        ++list_.runs_;
    }
    void erase(std::size_t at) {
        std::copy(run_.begin() + at + 1, run_.begin() + list_.runs_, run_.begin() + at);
        --list_.runs_;
    }
    bool fill(std::size_t at, std::uint64_t begin, base::Bytes bytes);

    Run& operator[](std::size_t i) { return run_[i]; }

  private:
    RunList& list_;
    BlockStore& store_;
    std::array<Run, kMostRuns> run_;
};

/// Puts bytes into the hole before run `at`, which they do not exceed. False: no room, and nothing has
/// changed.
bool RunList::Records::fill(std::size_t at, std::uint64_t begin, base::Bytes bytes) {
    const std::uint64_t end = begin + bytes.size();
    const bool meets_next = at < list_.runs_ && run_[at].begin == end;
    if (at > 0 && run_[at - 1].end == begin) {
        Run& run = run_[at - 1];
        if (!store_.append(run.bytes, bytes)) return false;
        run.end = end;
        if (meets_next) {
            store_.splice(run.bytes, run_[at].bytes);
            run.end = run_[at].end;
            erase(at);
        }
        return true;
    }
    if (!meets_next && !reserve()) return false;
    BlockStore::Chain chain;
    if (!store_.append(chain, bytes)) return false;
    if (meets_next) {
        store_.splice(chain, run_[at].bytes);
        run_[at].bytes = chain;
        run_[at].begin = begin;
    } else {
        insert(at, {begin, end, chain});
    }
    return true;
}

RunList::Added RunList::add(BlockStore& store, std::uint64_t begin, base::Bytes bytes, std::uint32_t most) {
    Records run(*this, store);
    Added added;
    const std::uint64_t end = begin + bytes.size();
    std::uint64_t place = begin;
    std::size_t i = 0;
    while (place < end) {
        while (i < runs_ && run[i].end <= place) ++i;
        if (i < runs_ && run[i].begin <= place) {
            const std::uint64_t stop = std::min(end, run[i].end);
            added.overlap += static_cast<std::uint32_t>(stop - place);
            place = stop;
            continue;
        }
        const std::uint64_t stop = i < runs_ ? std::min(end, run[i].begin) : end;
        const std::uint64_t size = stop - place;
        if (bytes_ + size > most || !run.fill(i, place, bytes.subspan(place - begin, size))) break;
        bytes_ += static_cast<std::uint32_t>(size);
        place = stop;
        i = i > 0 ? i - 1 : 0;  // the run that holds them now may be the one before
    }
    added.taken = static_cast<std::uint32_t>(place - begin);
    run.put_back();
    return added;
}

std::uint64_t RunList::first_begin(BlockStore& store) const {
    std::uint64_t begin = 0;
    BlockStore::Cursor(store, records_).read(&begin, sizeof begin);
    return begin;
}

RunList::Run RunList::pop_front(BlockStore& store) {
    Records run(*this, store);
    const Run first = run[0];
    run.erase(0);
    bytes_ -= static_cast<std::uint32_t>(first.size());
    run.put_back();
    return first;
}

void RunList::clear(BlockStore& store) {
    Records run(*this, store);
    for (std::size_t i = 0; i < runs_; ++i) store.free(run[i].bytes);
    store.free(records_);
    *this = {};
}

}  // namespace yagura::flow
