// SPDX-License-Identifier: BSD-3-Clause
#include "app/alerts/file_input.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/inotify.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

namespace yagura::alerts {
namespace {

constexpr std::size_t kMaxHead = 64u << 10;
/// Bytes by which a file is known to be the one that was read. Some lines: alerts often end alike.
constexpr std::size_t kKnown = 4096;

off_t ssize(std::string_view bytes) {
    return static_cast<off_t>(bytes.size());
}

base::Error failed(const std::string& path) {
    return base::Error{fmt::format("{}: {}", path, std::strerror(errno))};
}

}  // namespace

FileInput::FileInput(std::string path, Then then)
    : path_(std::move(path)), then_(then), look_at_path_(Clock::now() + kLookEvery) {}

base::Result<std::unique_ptr<FileInput>> FileInput::open(const std::string& path, Begin begin, Then then,
                                                         const HeadLine& head) {
    std::unique_ptr<FileInput> input(new FileInput(path, then));
    if (then == Then::kFollow) input->events_ = Descriptor(inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
    auto opened = input->open_file();
    if (!opened) return opened.error();
    if (!*opened && then == Then::kEnd) return base::Error{fmt::format("{}: there is no such file", path)};
    if (*opened && begin == Begin::kAtEnd) {
        input->read_head(head);
        if (!input->skip_to_end()) return failed(path);
    }
    return input;
}

/// False when there is none.
base::Result<bool> FileInput::open_file() {
    // A pipe without a writer would not be opened otherwise; a file knows no difference.
    Descriptor file(::open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
    if (!file) {
        if (errno == ENOENT) return false;
        return failed(path_);
    }
    struct stat status {};
    if (fstat(file.get(), &status) != 0) return failed(path_);
    if (!S_ISREG(status.st_mode))
        return base::Error{
            fmt::format("{}: it is no file; give a pipe as standard input, and a socket that this "
                        "program shall make as unix:PATH or unixgram:PATH",
                        path_)};
    file_ = std::move(file);
    device_ = status.st_dev;
    inode_ = status.st_ino;
    position_ = 0;
    known_.clear();
    watch();
    return true;
}

void FileInput::watch() {
    if (!events_) return;
    if (watched_ >= 0) inotify_rm_watch(events_.get(), watched_);
    watched_ = inotify_add_watch(events_.get(), path_.c_str(), IN_MODIFY | IN_MOVE_SELF | IN_ATTRIB);
}

void FileInput::clear_events() const {
    std::array<char, 4096> events;
    while (::read(events_.get(), events.data(), events.size()) > 0) {
    }
}

void FileInput::read_head(const HeadLine& head) {
    if (!head) return;
    std::string bytes(kMaxHead, '\0');
    const ssize_t n = pread(file_.get(), bytes.data(), bytes.size(), 0);
    if (n <= 0) return;
    LineSplitter lines;
    lines.append(std::string_view(bytes).substr(0, static_cast<std::size_t>(n)));
    while (const auto line = lines.next()) {
        if (!head(line->text)) return;
    }
}

bool FileInput::skip_to_end() {
    const off_t end = lseek(file_.get(), 0, SEEK_END);
    if (end < 0) return false;
    position_ = std::max<off_t>(end - static_cast<off_t>(kKnown), 0);
    std::array<char, kKnown> bytes;
    const ssize_t n = pread(file_.get(), bytes.data(), bytes.size(), position_);
    if (n < 0) return false;
    take_note({bytes.data(), static_cast<std::size_t>(n)});
    return true;
}

bool FileInput::read() {
    if (!file_) return false;
    std::array<char, kReadAtOnce + kKnown> buffer;
    const ssize_t n = pread(file_.get(), buffer.data(), buffer.size(), position_ - ssize(known_));
    if (n < 0) return false;
    std::string_view bytes(buffer.data(), static_cast<std::size_t>(n));
    if (!bytes.starts_with(known_)) {
        // It was cut, and may have grown again since.
        position_ = 0;
        known_.clear();
        lines_.clear();
        return true;
    }
    bytes.remove_prefix(known_.size());
    if (bytes.empty()) return false;
    lines_.append(bytes);
    take_note(bytes);
    return true;
}

void FileInput::take_note(std::string_view bytes) {
    position_ += ssize(bytes);
    known_.append(bytes.substr(bytes.size() - std::min(bytes.size(), kKnown)));
    if (known_.size() > kKnown) known_.erase(0, known_.size() - kKnown);
}

bool FileInput::go_on() {
    if (then_ == Then::kEnd) {
        ended_ = true;
        lines_.end();
        return true;
    }
    if (Clock::now() < look_at_path_) return false;
    look_at_path_ = Clock::now() + kLookEvery;
    struct stat status {};
    if (stat(path_.c_str(), &status) != 0) return false;
    if (file_ && status.st_dev == device_ && status.st_ino == inode_) return false;
    // Whoever writes the old file may have written to it until now.
    if (read()) return true;
    const bool had_one = static_cast<bool>(file_);
    const auto opened = open_file();
    if (!opened || !*opened) return false;
    if (had_one) lines_.end();
    return true;
}

std::optional<LineSplitter::Line> FileInput::next() {
    for (std::size_t taken = 0; taken <= kMaxLine; taken += kReadAtOnce) {
        if (auto line = lines_.next()) return line;
        if (ended_) return std::nullopt;
        if (events_) clear_events();
        if (!read() && !go_on()) return std::nullopt;
    }
    return std::nullopt;
}

void FileInput::add_to(std::vector<pollfd>& polled) const {
    if (events_) polled.push_back({.fd = events_.get(), .events = POLLIN, .revents = 0});
}

}  // namespace yagura::alerts
