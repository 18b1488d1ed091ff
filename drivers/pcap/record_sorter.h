// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"

namespace yagura::pcap {

/// Where a record belongs, and where it is.
struct RecordIndex {
    std::uint64_t order_time;
    std::uint64_t order_record;
    std::uint64_t offset;  ///< in the spool; the last word on order between equals
    std::uint32_t size;    ///< there
    std::uint16_t order_file;

    std::strong_ordering operator<=>(const RecordIndex& other) const {
        if (auto c = order_time <=> other.order_time; c != 0) return c;
        if (auto c = order_file <=> other.order_file; c != 0) return c;
        if (auto c = order_record <=> other.order_record; c != 0) return c;
        return offset <=> other.offset;
    }
    bool operator==(const RecordIndex& other) const { return (*this <=> other) == 0; }
};
static_assert(sizeof(RecordIndex) == 32);

/// Puts the index of any number of records in order with bounded memory: sorted runs go to a temporary file
/// without a name, and are merged. add() neither allocates nor, but once a run, makes a system call.
/// One thread.
class RecordSorter {
  public:
    static constexpr std::size_t kRunEntries = std::size_t{1} << 17;  // 4 MiB
    /// For the merge of all runs together; a run gets room for at least one entry.
    static constexpr std::size_t kMergeEntries = std::size_t{1} << 19;  // 16 MiB

    /// The temporary file is made when the first run is full, as `temporary_path` and six letters, and at
    /// once unlinked.
    explicit RecordSorter(std::string temporary_path, std::size_t run_entries = kRunEntries);
    ~RecordSorter();
    RecordSorter(const RecordSorter&) = delete;
    RecordSorter& operator=(const RecordSorter&) = delete;

    /// False if the temporary file cannot be written (see error()). The entry is kept even so, but no other
    /// may be added.
    bool add(const RecordIndex& entry) {
        in_order_ = in_order_ && (count_ == 0 || last_ < entry);
        last_ = entry;
        ++count_;
        run_[run_used_++] = entry;
        return run_used_ < run_entries_ || spill();
    }

    /// All that was added was added in order: there is nothing to do.
    bool in_order() const { return in_order_; }

    /// Ends adding; then next() gives the entries in order. The error names the temporary file.
    base::Result<void> begin_merge();
    /// False at the end, or with an error().
    bool next(RecordIndex& entry);

    /// What failed, or empty.
    const std::string& error() const { return error_; }

  private:
    struct Run {
        std::uint64_t file_entry;  ///< next entry to load from the temporary file
        std::uint64_t left;        ///< entries there not yet loaded
        RecordIndex* buffer;       ///< room in merge_buffer_, or run_ itself for the last run
        std::size_t at = 0;        ///< next entry in buffer
        std::size_t loaded = 0;    ///< entries in buffer
    };

    bool spill();
    bool load(Run& run);
    void sift_down(std::size_t place);

    std::string temporary_path_;
    std::string error_;
    int fd_ = -1;
    std::size_t run_entries_;
    std::unique_ptr<RecordIndex[]> run_;
    std::size_t run_used_ = 0;
    std::uint64_t count_ = 0;
    std::uint64_t spilled_ = 0;  ///< entries in the temporary file, in runs of run_entries_
    bool in_order_ = true;
    RecordIndex last_{};

    std::size_t room_ = 0;  ///< entries of merge_buffer_ for each run
    std::unique_ptr<RecordIndex[]> merge_buffer_;
    std::vector<Run> heap_;  ///< by each run's next entry, smallest first
};

}  // namespace yagura::pcap
