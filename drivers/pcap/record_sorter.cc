// SPDX-License-Identifier: BSD-3-Clause
#include "drivers/pcap/record_sorter.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>

namespace yagura::pcap {

RecordSorter::RecordSorter(std::string temporary_path, std::size_t run_entries)
    : temporary_path_(std::move(temporary_path)),
      run_entries_(run_entries),
      run_(std::make_unique_for_overwrite<RecordIndex[]>(run_entries)) {}

RecordSorter::~RecordSorter() {
    if (fd_ >= 0) close(fd_);
}

/// Writes the full run to the temporary file, sorted, and empties it; on error it stays.
bool RecordSorter::spill() {
    if (fd_ < 0) {
        std::string name = temporary_path_ + ".XXXXXX";
        fd_ = mkostemp(name.data(), O_CLOEXEC);
        if (fd_ < 0) {
            error_ =
                fmt::format("{}: cannot create a temporary file: {}", temporary_path_, std::strerror(errno));
            return false;
        }
        unlink(name.c_str());
    }
    std::sort(run_.get(), run_.get() + run_used_);
    const auto* bytes = reinterpret_cast<const char*>(run_.get());
    const std::size_t size = run_used_ * sizeof(RecordIndex);
    for (std::size_t done = 0; done < size;) {
        const ssize_t n =
            pwrite(fd_, bytes + done, size - done, static_cast<off_t>(spilled_ * sizeof(RecordIndex) + done));
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) {
            error_ =
                fmt::format("{}: cannot write: {}", temporary_path_, std::strerror(n == 0 ? ENOSPC : errno));
            return false;
        }
        done += static_cast<std::size_t>(n);
    }
    spilled_ += run_used_;
    run_used_ = 0;
    return true;
}

base::Result<void> RecordSorter::begin_merge() {
    error_.clear();
    std::sort(run_.get(), run_.get() + run_used_);
    const std::size_t spilled_runs = spilled_ / run_entries_;
    room_ = std::clamp<std::size_t>(kMergeEntries / std::max<std::size_t>(spilled_runs, 1), 1, run_entries_);
    merge_buffer_ = std::make_unique_for_overwrite<RecordIndex[]>(spilled_runs * room_);
    heap_.reserve(spilled_runs + 1);
    for (std::size_t i = 0; i < spilled_runs; ++i) {
        Run run{
            .file_entry = i * run_entries_, .left = run_entries_, .buffer = merge_buffer_.get() + i * room_};
        if (!load(run)) return base::Error{error_};
        heap_.push_back(run);
    }
    if (run_used_ > 0) {
        heap_.push_back(Run{.file_entry = 0, .left = 0, .buffer = run_.get(), .at = 0, .loaded = run_used_});
    }
    for (std::size_t place = heap_.size() / 2; place-- > 0;) sift_down(place);
    return {};
}

/// Refills the run's empty buffer. False on error.
bool RecordSorter::load(Run& run) {
    run.at = 0;
    run.loaded = static_cast<std::size_t>(std::min<std::uint64_t>(run.left, room_));
    auto* bytes = reinterpret_cast<char*>(run.buffer);
    const std::size_t size = run.loaded * sizeof(RecordIndex);
    for (std::size_t done = 0; done < size;) {
        const ssize_t n = pread(fd_, bytes + done, size - done,
                                static_cast<off_t>(run.file_entry * sizeof(RecordIndex) + done));
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) {
            error_ =
                fmt::format("{}: cannot read back: {}", temporary_path_, std::strerror(n == 0 ? EIO : errno));
            return false;
        }
        done += static_cast<std::size_t>(n);
    }
    run.file_entry += run.loaded;
    run.left -= run.loaded;
    return true;
}

bool RecordSorter::next(RecordIndex& entry) {
    if (heap_.empty() || !error_.empty()) return false;
    Run& first = heap_.front();
    entry = first.buffer[first.at++];
    if (first.at == first.loaded) {
        if (first.left == 0) {
            first = heap_.back();
            heap_.pop_back();
        } else if (!load(first)) {
            return false;
        }
    }
    if (!heap_.empty()) sift_down(0);
    return true;
}

void RecordSorter::sift_down(std::size_t place) {
    const auto less = [&](std::size_t a, std::size_t b) {
        return heap_[a].buffer[heap_[a].at] < heap_[b].buffer[heap_[b].at];
    };
    for (;;) {
        std::size_t child = 2 * place + 1;
        if (child >= heap_.size()) return;
        if (child + 1 < heap_.size() && less(child + 1, child)) ++child;
        if (!less(child, place)) return;
        std::swap(heap_[place], heap_[child]);
        place = child;
    }
}

}  // namespace yagura::pcap
