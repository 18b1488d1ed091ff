// SPDX-License-Identifier: BSD-3-Clause
#include "control/audit_tail.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string_view>

#include "control/audit_files.h"
#include "control/audit_record.h"

namespace yagura::control {
namespace {

constexpr std::uint64_t kBlock = 2 * kMaxAuditLine;

/// Reads a file whose lines are in the order of their numbers, from behind. What is no record is left out.
class BackwardReader {
  public:
    static base::Result<BackwardReader> open(const std::string& path) {
        BackwardReader reader;
        reader.path_ = path;
        reader.file_ = FileDescriptor(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
        if (!reader.file_.ok()) return file_error(path, "cannot be read", errno);
        struct stat status;
        if (::fstat(reader.file_.get(), &status) != 0) return file_error(path, "cannot be read", errno);
        reader.end_ = static_cast<std::uint64_t>(status.st_size);
        return reader;
    }

    /// Only the records before this one are read from now on.
    base::Result<void> end_before(std::uint64_t sequence) {
        std::uint64_t low = 0;  // the first line that begins at or behind `high` is no longer wanted
        std::uint64_t high = end_;
        while (low < high) {
            const std::uint64_t middle = low + (high - low) / 2;
            const auto begin = line_from(middle);
            if (!begin) return begin.error();
            std::optional<std::uint64_t> number;
            if (*begin < high) {
                const auto line = read_at(*begin, kMaxAuditLine);
                if (!line) return line.error();
                number = sequence_of(*line);
            }
            if (*begin >= high || (number && *number >= sequence)) {
                high = middle;
            } else {
                low = *begin + 1;
            }
        }
        const auto end = line_from(low);
        if (!end) return end.error();
        end_ = *end;
        return {};
    }

    /// Adds up to `count` lines to `out`, newest first.
    base::Result<void> collect(std::size_t count, std::vector<std::string>& out) {
        std::string tail;  // what stands at the front of what has been read, without its beginning
        std::uint64_t at = end_;
        while (at > 0 && out.size() < count) {
            const std::uint64_t begin = at - std::min(at, kBlock);
            auto block = read_at(begin, at - begin);
            if (!block) return block.error();
            tail.insert(0, *block);
            at = begin;
            for (;;) {
                std::string_view text = tail;
                if (text.ends_with('\n')) text.remove_suffix(1);
                const std::size_t newline = text.rfind('\n');
                if (newline == std::string_view::npos && at > 0) break;
                const std::size_t first = newline == std::string_view::npos ? 0 : newline + 1;
                const std::string_view line = text.substr(first);
                if (sequence_of(line) && unsealed(line)) out.emplace_back(line);
                tail.resize(first);
                if (tail.empty() || out.size() == count) break;
            }
            // What is no log may have no newline at all.
            if (tail.size() > 4 * kBlock) tail.clear();
        }
        return {};
    }

  private:
    base::Result<std::string> read_at(std::uint64_t offset, std::uint64_t bytes) const {
        std::string block(bytes, '\0');
        const ssize_t got = ::pread(file_.get(), block.data(), block.size(), static_cast<off_t>(offset));
        if (got < 0) return file_error(path_, "cannot be read", errno);
        block.resize(static_cast<std::size_t>(got));
        return block;
    }

    /// Where the first line begins that begins at this offset or behind; the end if there is none.
    base::Result<std::uint64_t> line_from(std::uint64_t offset) const {
        if (offset == 0 || offset >= end_) return std::min(offset, end_);
        const auto block = read_at(offset - 1, kMaxAuditLine + 1);
        if (!block) return block.error();
        const std::size_t newline = block->find('\n');
        return newline == std::string::npos ? end_ : std::min(end_, offset + newline);
    }

    std::string path_;
    FileDescriptor file_;
    std::uint64_t end_ = 0;
};

}  // namespace

base::Result<AuditPage> read_audit_page(const std::string& path, std::size_t count,
                                        std::optional<std::uint64_t> before) {
    AuditPage page;
    std::vector<std::string> files{path};
    const std::vector<OlderFile> older = older_files(path);
    for (auto file = older.rbegin(); file != older.rend(); ++file) files.push_back(file->path);
    // One more than asked for tells whether there is another page.
    const std::size_t wanted = count + 1;
    for (const std::string& file : files) {
        auto reader = BackwardReader::open(file);
        // Between two files there may be none for a moment.
        if (!reader && file == path && !older.empty()) continue;
        if (!reader) return reader.error();
        if (before) {
            if (auto moved = reader->end_before(*before); !moved) return moved.error();
        }
        if (auto read = reader->collect(wanted, page.records); !read) return read.error();
        if (page.records.size() == wanted) break;
    }
    if (page.records.size() == wanted) {
        page.records.pop_back();
        if (!page.records.empty()) page.before = sequence_of(page.records.back());
    }
    return page;
}

}  // namespace yagura::control
