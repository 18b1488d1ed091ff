// SPDX-License-Identifier: BSD-3-Clause
#include "reset/block_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "net/checksum.h"
#include "reset/state_file.h"

namespace yagura::reset {
namespace {

constexpr std::string_view kFirstLine = "yagura-blocks 1";
constexpr std::string_view kNever = "-";
constexpr std::size_t kBuffer = 64 * 1024;
/// Two IPv6 endpoints, two times and a reason are less.
constexpr std::size_t kMaxLine = 320;

base::Bytes bytes_of(std::string_view text) {
    return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

base::Error fault(const std::string& path, std::string_view what) {
    return {fmt::format("{}: {}", path, what)};
}
base::Error system_fault(const std::string& path, std::string_view doing) {
    return {fmt::format("{}: {}: {}", path, doing, std::strerror(errno))};
}

class File {
  public:
    explicit File(int descriptor) : descriptor_(descriptor) {}
    ~File() {
        if (descriptor_ >= 0) close(descriptor_);
    }
    File(const File&) = delete;
    File& operator=(const File&) = delete;
    int get() const { return descriptor_; }
    bool ok() const { return descriptor_ >= 0; }

  private:
    int descriptor_;
};

/// Whole buffers to a file, and their CRC.
class Writer {
  public:
    explicit Writer(Draft& file) : file_(file) { buffer_.reserve(kBuffer); }

    void line(std::string_view text) {
        buffer_.append(text).push_back('\n');
        if (buffer_.size() + kMaxLine > kBuffer) flush();
    }
    std::uint32_t crc() {
        flush();
        return crc_.value();
    }
    bool flush() {
        crc_.add(bytes_of(buffer_));
        ok_ = ok_ && file_.write(buffer_);
        buffer_.clear();
        return ok_;
    }

  private:
    Draft& file_;
    std::string buffer_;
    net::Crc32c crc_;
    bool ok_ = true;
};

/// Lines without their ends, and the CRC of all but the one that was read last.
class Reader {
  public:
    explicit Reader(int file) : file_(file), buffer_(kBuffer) {}

    /// Nothing: the file's end, or a line that is too long or does not end.
    std::optional<std::string_view> line() {
        crc_.add(bytes_of(last_));
        if (!last_.empty()) crc_.add(bytes_of("\n"));
        last_ = {};
        for (;;) {
            const std::string_view rest(buffer_.data() + begin_, end_ - begin_);
            const std::size_t size = rest.find('\n');
            if (size != std::string_view::npos) {
                begin_ += size + 1;
                ++number_;
                if (size == 0 || size > kMaxLine) return {};
                last_ = rest.substr(0, size);
                return last_;
            }
            if (rest.size() > kMaxLine || !fill()) return {};
        }
    }
    bool at_end() { return begin_ == end_ && !fill(); }
    std::uint32_t crc() const { return crc_.value(); }
    std::uint64_t number() const { return number_; }
    bool failed() const { return failed_; }

  private:
    bool fill() {
        std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
        end_ -= begin_;
        begin_ = 0;
        ssize_t got = -1;
        do got = read(file_, buffer_.data() + end_, buffer_.size() - end_);
        while (got < 0 && errno == EINTR);
        failed_ = got < 0;
        if (got <= 0) return false;
        end_ += static_cast<std::size_t>(got);
        return true;
    }

    int file_;
    std::vector<char> buffer_;
    std::size_t begin_ = 0;
    std::size_t end_ = 0;
    std::string_view last_;
    std::uint64_t number_ = 0;
    net::Crc32c crc_;
    bool failed_ = false;
};

template <class T>
bool read_number(std::string_view text, T& value, int base = 10) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
    return error == std::errc{} && end == text.data() + text.size() && !text.empty();
}

std::optional<Block> read_block(std::string_view line) {
    std::array<std::string_view, 3> columns;
    for (std::string_view& column : columns) {
        const std::size_t tab = line.find('\t');
        if (tab == std::string_view::npos) return {};
        column = line.substr(0, tab);
        line.remove_prefix(tab + 1);
    }
    Block block;
    const auto target = parse_block_target(columns[0]);
    if (!target || !read_number(columns[1], block.created)) return {};
    if (columns[2] != kNever && !read_number(columns[2], block.expires)) return {};
    block.target = *target;
    block.reason = line;
    return block;
}

/// Nobody but us and root can have put anything there.
base::Result<void> check_rights(const std::string& path, const struct stat& file) {
    if (!S_ISREG(file.st_mode)) return fault(path, "not a regular file");
    if (file.st_uid != geteuid() && file.st_uid != 0) {
        return fault(path,
                     fmt::format("belongs to user {}; chown it to the user of yagura or root", file.st_uid));
    }
    if ((file.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
        return fault(path, fmt::format("others can write it (mode {:o}); chmod go-w", file.st_mode & 07777u));
    }
    struct stat folder {};
    const std::string name = folder_of(path);
    if (stat(name.c_str(), &folder) != 0) return system_fault(name, "cannot be looked at");
    if ((folder.st_mode & (S_IWGRP | S_IWOTH)) != 0 && (folder.st_mode & S_ISVTX) == 0) {
        return fault(path, fmt::format("its folder can be written by others (mode {:o}); chmod go-w {}",
                                       folder.st_mode & 07777u, name));
    }
    return {};
}

base::Result<SavedBlocks> read_all(const std::string& path, int file, BlockList& list, std::uint64_t now) {
    Reader reader(file);
    const auto damaged = [&](std::string_view what) {
        if (reader.failed()) return system_fault(path, "cannot be read");
        base::Error error =
            fault(fmt::format("{}:{}", path, reader.number()),
                  fmt::format("{}; the file is damaged: put back a copy, or remove it to begin with "
                              "an empty list",
                              what));
        error.damaged_input = true;
        return error;
    };
    const auto first = reader.line();
    if (!first) return damaged("no first line");
    if (*first != kFirstLine) return damaged(fmt::format("the first line is not \"{}\"", kFirstLine));
    SavedBlocks blocks;
    for (;;) {
        const auto line = reader.line();
        if (!line) return damaged("a line that does not end, is empty or too long");
        if (line->starts_with("end ")) {
            const std::string expected =
                fmt::format("end {} {:08x}", blocks.entries + blocks.expired, reader.crc());
            if (*line != expected) return damaged(fmt::format("the last line should be \"{}\"", expected));
            if (!reader.at_end()) return damaged("there is more behind the last line");
            return blocks;
        }
        const auto block = read_block(*line);
        if (!block) return damaged("not TARGET, CREATED, EXPIRES and REASON with tabs between them");
        if (block->expires <= now) {
            ++blocks.expired;
            continue;
        }
        switch (list.add(*block, now)) {
            case BlockList::Added::kNew:
                ++blocks.entries;
                break;
            case BlockList::Added::kChanged:
            case BlockList::Added::kKept:
                return damaged(fmt::format("{} stands there twice", to_string(block->target)));
            case BlockList::Added::kBadReason:
                return damaged("a reason that is too long or no text");
            case BlockList::Added::kFull:
                return fault(path,
                             fmt::format("has more entries than the list may have ({}); raise its capacity",
                                         list.capacity()));
        }
    }
}

}  // namespace

base::Result<SavedBlocks> save_blocks(const std::string& path, const BlockList& list, std::uint64_t now) {
    auto draft = Draft::make(path);
    if (!draft) return draft.error();
    SavedBlocks blocks;
    Writer writer(*draft);
    writer.line(kFirstLine);
    constexpr std::size_t kPage = 1024;
    std::uint32_t from = 0;
    do {
        const BlockList::Page page = list.list(from, kPage, now, {});
        for (const Block& block : page.blocks) {
            const std::string expires =
                block.expires == Block::kForever ? std::string(kNever) : std::to_string(block.expires);
            writer.line(
                fmt::format("{}\t{}\t{}\t{}", to_string(block.target), block.created, expires, block.reason));
            ++blocks.entries;
        }
        from = page.next;
    } while (from != 0);
    writer.line(fmt::format("end {} {:08x}", blocks.entries, writer.crc()));
    if (!writer.flush()) return system_fault(path, "cannot be written");
    if (auto replaced = draft->replace(); !replaced) return replaced.error();
    return blocks;
}

base::Result<SavedBlocks> load_blocks(const std::string& path, BlockList& list, std::uint64_t now) {
    const File file(open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK));
    if (!file.ok()) return system_fault(path, "cannot be opened");
    struct stat status {};
    if (fstat(file.get(), &status) != 0) return system_fault(path, "cannot be looked at");
    if (auto allowed = check_rights(path, status); !allowed) return allowed.error();
    auto blocks = read_all(path, file.get(), list, now);
    if (!blocks) list.clear();
    return blocks;
}

}  // namespace yagura::reset
