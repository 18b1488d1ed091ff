// SPDX-License-Identifier: BSD-3-Clause
#include "control/audit_verify.h"

#include <fmt/format.h>

#include <algorithm>

#include "control/audit_files.h"
#include "control/audit_record.h"

namespace yagura::control {
namespace {

std::string range(std::uint64_t first, std::uint64_t last) {
    return first == last ? fmt::format("record {} is", first)
                         : fmt::format("records {} to {} are", first, last);
}

class Verifier {
  public:
    explicit Verifier(const AuditEvidence& evidence)
        : key_(evidence.key), heads_(evidence.heads), part_(evidence.part), ahead_left_(evidence.max_ahead) {
        if (key_) log_ = key_->log();
        // Those of one record in the order in which they were made.
        std::stable_sort(heads_.begin(), heads_.end(), [](const HeadAtPlace& a, const HeadAtPlace& b) {
            return a.sealed.head.sequence < b.sealed.head.sequence;
        });
    }

    base::Result<void> read(const std::string& path) {
        file_ = path;
        if (first_file_.empty()) first_file_ = path;
        line_ = 0;
        auto reader = LineReader::open(path);
        if (!reader) return reader.error();
        for (;;) {
            const auto line = reader->next();
            if (!line) return line.error();
            if (!line.value()) break;
            ++line_;
            take(*line.value());
        }
        if (line_ == 0) note(fmt::format("{} is empty", path));
        return {};
    }

    AuditVerdict finish() {
        check_beginning();
        check_late_heads();
        check_head_number();
        say_what_is_unknown();
        verdict_.last = last_;
        verdict_.last_time = last_time_;
        return std::move(verdict_);
    }

  private:
    void take(const LineReader::Line& line) {
        if (line.bytes > kMaxAuditLine) return fault("is longer than any record");
        if (!line.complete) {
            return fault(fmt::format("is torn: {} bytes, and no end of the line", line.text.size()));
        }
        const auto seal = unsealed(line.text);
        if (!seal) return fault("is no record: it does not end with a MAC");
        const auto record = parse_record(seal->body);
        if (!record) return fault("is no record: it has not the form of one");
        ++verdict_.records;
        if (last_ != 0 && record->sequence <= last_) {
            return fault(
                fmt::format("record {} stands behind record {}: it stands twice, or out of its place",
                            record->sequence, last_));
        }
        if (!check_mac(*record, *seal)) return;
        check_order(*record);
        accept(*record, seal->mac);
    }

    /// False if the record must not be believed. True without a key that could tell.
    bool check_mac(const AuditRecord& record, const SealedLine& seal) {
        if (!key_ || record.sequence < key_->sequence()) {
            unproven_last_ = std::max(unproven_last_, record.sequence);
            return true;
        }
        const auto key = key_for(record.sequence);
        if (!key) {
            fault(fmt::format("says that it is record {}: too far ahead of the key", record.sequence));
            return false;
        }
        if (key->record_mac(seal.body) != seal.mac) {
            fault(fmt::format("record {} was changed, or was not written by this log", record.sequence));
            // The record that belongs here is accounted for: it does not count as missing, too.
            if (last_ == 0 && verdict_.first == 0) claimed_first_ = record.sequence;
            if (last_ != 0 && record.sequence == last_ + 1) {
                last_ = record.sequence;
                link_known_ = false;
            }
            return false;
        }
        key_ = key;
        ++verdict_.proven;
        return true;
    }

    /// The key of a record at or behind that of key_.
    std::optional<AuditKey> key_for(std::uint64_t sequence) {
        const std::uint64_t steps = sequence - key_->sequence();
        if (steps > ahead_left_) return std::nullopt;
        AuditKey key = *key_;
        while (key.sequence() != sequence) key.advance();
        // What it takes to go on by one is not the log's word.
        if (steps > 1) ahead_left_ -= steps;
        return key;
    }

    void check_order(const AuditRecord& record) {
        if (verdict_.first == 0) {
            verdict_.first = record.sequence == claimed_first_ + 1 ? claimed_first_ : record.sequence;
            verdict_.first = std::max<std::uint64_t>(verdict_.first, 1);
            verdict_.first_time = record.time;
            if (record.sequence == 1 && record.previous != Mac{}) fault("record 1 follows on another record");
        } else if (record.sequence != last_ + 1) {
            fault(range(last_ + 1, record.sequence - 1) + " missing in front of this line");
        } else if (link_known_ && record.previous != previous_) {
            fault(fmt::format("record {} does not follow on the line before it: one of the two was changed",
                              record.sequence));
        }
        if (!last_time_.empty() && record.time < last_time_) {
            note(fmt::format("{}:{}: the clock went back, from {} to {}", file_, line_, last_time_,
                             record.time));
        }
        if (!record.trouble.empty()) {
            note(fmt::format("{}:{}: the log itself says: {}", file_, line_,
                             escaped(record.trouble, kMaxAuditLine)));
        }
        if (record.start) {
            if (log_.empty()) log_ = record.start->log;
            if (record.start->log != log_) fault(fmt::format("is of another log, {}", record.start->log));
            oldest_ = record.start->oldest;
        }
    }

    void accept(const AuditRecord& record, const Mac& mac) {
        check_heads_before(record.sequence);
        last_ = record.sequence;
        last_time_ = record.time;
        previous_ = mac;
        link_known_ = true;
        heads_known_ = std::max(heads_known_, record.heads);
        for (; head_ < heads_.size() && heads_[head_].sealed.head.sequence == last_; ++head_) {
            const HeadAtPlace& place = heads_[head_];
            if (!check_head_mac(place)) continue;
            if (place.sealed.head.last != mac) {
                fault_at(place.file, place.line,
                         fmt::format("the head of {} names another record {} than the log has",
                                     place.sealed.head.time, last_));
                continue;
            }
            covered_ = last_;
            covered_time_ = place.sealed.head.time;
        }
    }

    /// Heads whose record has not come.
    void check_heads_before(std::uint64_t sequence) {
        for (; head_ < heads_.size() && heads_[head_].sealed.head.sequence < sequence; ++head_) {
            const HeadAtPlace& place = heads_[head_];
            const std::uint64_t named = place.sealed.head.sequence;
            // Its key is gone, or was never there.
            if (!right_log(place)) continue;
            if (named < verdict_.first) {
                ++heads_too_old_;
            } else {
                not_as_named(place);
            }
        }
    }

    void not_as_named(const HeadAtPlace& place) {
        fault_at(place.file, place.line,
                 fmt::format("the head of {} names record {}, which the log has not, or not as it was",
                             place.sealed.head.time, place.sealed.head.sequence));
    }

    bool right_log(const HeadAtPlace& place) {
        if (log_.empty() || place.sealed.head.log == log_) return true;
        fault_at(place.file, place.line,
                 fmt::format("the head is of another log, {}", place.sealed.head.log));
        return false;
    }

    /// Whether the head can be believed, or nothing is known against it.
    bool check_head_mac(const HeadAtPlace& place) {
        if (!right_log(place)) return false;
        const AuditHead& head = place.sealed.head;
        if (key_ && head.sequence + 1 >= key_->sequence()) {
            const auto key = key_for(head.sequence + 1);
            if (!key || key->head_mac(place.sealed.body) != place.sealed.mac) {
                fault_at(
                    place.file, place.line,
                    fmt::format("the head of {} was changed, or was not written by this log", head.time));
                return false;
            }
        }
        newest_number_ = std::max(newest_number_, head.number);
        return true;
    }

    void check_beginning() {
        if (verdict_.first == 0) {
            if (verdict_.faults.empty()) fault_at(file_, 0, "there is no record in the log");
            return;
        }
        if (verdict_.first == 1) return;
        if (verdict_.first > oldest_ && !part_) {
            fault_at(first_file_, 1,
                     fmt::format("{} missing in front of this line: the log says that it has been kept from "
                                 "record {} on",
                                 range(oldest_, verdict_.first - 1), oldest_));
            return;
        }
        note(fmt::format(
            "{} not here: {}", range(1, verdict_.first - 1),
            part_ ? "only a part of the log was given" : "removed by rotation, as the log itself says"));
    }

    void check_late_heads() {
        for (; head_ < heads_.size(); ++head_) {
            const HeadAtPlace& place = heads_[head_];
            const AuditHead& head = place.sealed.head;
            if (!check_head_mac(place)) continue;
            if (head.sequence <= last_) {
                not_as_named(place);
                continue;
            }
            if (part_) continue;
            cut_ = true;
            fault_at(place.file, place.line,
                     fmt::format("the head of {} counts {} records, the log ends with record {}: {} cut off",
                                 head.time, head.sequence, last_, range(last_ + 1, head.sequence)));
        }
    }

    void check_head_number() {
        if (heads_.empty() || part_ || newest_number_ >= heads_known_) return;
        fault_at(heads_.back().file, heads_.back().line,
                 fmt::format(
                     "no head that was given is as new as number {}, of which the log knows: the newest was "
                     "replaced by an older one, or this is a copy from before",
                     heads_known_));
    }

    void say_what_is_unknown() {
        if (!key_) {
            note(
                "without the key: that a record or a head was changed or made up by somebody who also mended "
                "the chain cannot be known");
        } else if (unproven_last_ != 0) {
            note(
                fmt::format("the key is that of a later record: whether records up to {} were changed by "
                            "somebody who also mended the chain cannot be known; take the first key",
                            unproven_last_));
        }
        if (heads_too_old_ > 0) {
            note(fmt::format("{} heads name records that are older than the log that was given",
                             heads_too_old_));
        }
        if (part_ || last_ == 0 || cut_) return;
        if (heads_.empty()) {
            note(fmt::format("without a head: whether records behind record {} were cut off cannot be known",
                             last_));
        } else if (covered_ == 0) {
            note(fmt::format(
                "no head covers the log: whether records behind record {} were cut off cannot be known",
                last_));
        } else {
            note(fmt::format(
                "the newest head is of {}, with record {}: whether records that came after it{} were "
                "cut off cannot be known",
                covered_time_, covered_, last_ > covered_ ? fmt::format(", behind record {},", last_) : ""));
        }
    }

    void fault(std::string what) { fault_at(file_, line_, std::move(what)); }
    void fault_at(const std::string& file, std::uint64_t line, std::string what) {
        if (verdict_.faults.size() < AuditVerdict::kMaxFaults) {
            verdict_.faults.push_back({file, line, std::move(what)});
        } else {
            ++verdict_.unkept_faults;
        }
    }
    void note(std::string text) {
        if (verdict_.notes.size() < AuditVerdict::kMaxFaults) verdict_.notes.push_back(std::move(text));
    }

    std::optional<AuditKey> key_;  ///< of the last proven record, or the one that was given
    std::vector<HeadAtPlace> heads_;
    bool part_;
    std::uint64_t ahead_left_;
    AuditVerdict verdict_;
    std::string file_, first_file_;
    std::uint64_t line_ = 0;

    std::string log_;
    std::uint64_t oldest_ = 1;
    std::uint64_t claimed_first_ = 0;  ///< what a first record that was changed says that it is
    std::uint64_t last_ = 0;           ///< the highest record so far, in its place
    std::string last_time_;
    Mac previous_{};
    bool link_known_ = false;  ///< previous_ is what the next record must follow on
    std::uint64_t unproven_last_ = 0;

    std::size_t head_ = 0;  ///< the next to look at
    std::uint64_t covered_ = 0;
    std::string covered_time_;
    bool cut_ = false;               ///< a head counts more than there is
    std::uint64_t heads_known_ = 0;  ///< of which the records know
    std::uint64_t newest_number_ = 0;
    std::uint64_t heads_too_old_ = 0;
};

/// By the first line that has a number; a file without one last.
base::Result<std::vector<std::string>> in_order(const std::vector<std::string>& files) {
    std::vector<std::pair<std::uint64_t, std::string>> numbered;
    for (const std::string& path : files) {
        auto reader = LineReader::open(path);
        if (!reader) return reader.error();
        std::uint64_t first = UINT64_MAX;
        for (;;) {
            const auto line = reader->next();
            if (!line) return line.error();
            if (!line.value()) break;
            if (const auto sequence = sequence_of(line.value()->text)) {
                first = *sequence;
                break;
            }
        }
        numbered.emplace_back(first, path);
    }
    std::stable_sort(numbered.begin(), numbered.end(),
                     [](const auto& a, const auto& b) { return a.first < b.first; });
    std::vector<std::string> sorted;
    for (auto& [first, path] : numbered) sorted.push_back(std::move(path));
    return sorted;
}

}  // namespace

base::Result<std::vector<HeadAtPlace>> read_heads(const std::string& path) {
    auto reader = LineReader::open(path);
    if (!reader) return reader.error();
    std::vector<HeadAtPlace> heads;
    for (std::uint64_t number = 1;; ++number) {
        const auto line = reader->next();
        if (!line) return line.error();
        if (!line.value()) break;
        if (auto head = parse_head(line.value()->text)) heads.push_back({path, number, std::move(*head)});
    }
    if (heads.empty())
        return base::Error{fmt::format("{}: there is no head of an audit log in it", path), true};
    return heads;
}

base::Result<AuditVerdict> verify_audit(const AuditEvidence& evidence) {
    const auto files = in_order(evidence.files);
    if (!files) return files.error();
    Verifier verifier(evidence);
    for (const std::string& path : *files) {
        if (auto read = verifier.read(path); !read) return read.error();
    }
    return verifier.finish();
}

}  // namespace yagura::control
