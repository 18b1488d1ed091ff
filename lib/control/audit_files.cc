// SPDX-License-Identifier: BSD-3-Clause
#include "control/audit_files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>

namespace yagura::control {
namespace {

/// Errors of write(2) on a regular file come with fewer bytes first, then with -1.
bool write_all(int fd, std::string_view text) {
    while (!text.empty()) {
        const ssize_t written = ::write(fd, text.data(), text.size());
        if (written < 0 && errno == EINTR) continue;
        if (written <= 0) return false;
        text.remove_prefix(static_cast<std::size_t>(written));
    }
    return true;
}

std::string folder_of(const std::string& path) {
    const std::size_t slash = path.rfind('/');
    if (slash == std::string::npos) return ".";
    return slash == 0 ? "/" : path.substr(0, slash);
}

/// A name is on the disk once its folder is.
void sync_folder_of(const std::string& path) {
    const FileDescriptor folder(::open(folder_of(path).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (folder.ok()) ::fsync(folder.get());
}

/// Writes and syncs; on failure nothing by that name is left.
base::Result<void> write_file(const std::string& path, std::string_view text) {
    const FileDescriptor file(
        ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!file.ok()) return file_error(path, "cannot be made", errno);
    if (!write_all(file.get(), text) || ::fsync(file.get()) != 0) {
        const int error_number = errno;
        ::unlink(path.c_str());
        return file_error(path, "cannot be written", error_number);
    }
    return {};
}

}  // namespace

FileDescriptor::~FileDescriptor() {
    if (fd_ >= 0) ::close(fd_);
}

base::Error file_error(const std::string& path, std::string_view what, int error_number) {
    return {fmt::format("{}: {}: {}", path, what, std::strerror(error_number))};
}

base::Result<void> make_folders_of(const std::string& path) {
    const std::string folder = folder_of(path);
    for (std::size_t end = folder.find('/', 1);; end = folder.find('/', end + 1)) {
        const std::string part = folder.substr(0, end);
        if (::mkdir(part.c_str(), 0750) != 0 && errno != EEXIST) {
            const int error_number = errno;
            // What stands above may be readable to others only.
            if (::access(part.c_str(), F_OK) != 0) return file_error(part, "cannot be made", error_number);
        }
        if (end == std::string::npos) return {};
    }
}

base::Result<void> write_new_file(const std::string& path, std::string_view text) {
    auto written = write_file(path, text);
    if (written) sync_folder_of(path);
    return written;
}

base::Result<void> replace_file(const std::string& path, std::string_view text) {
    const std::string fresh = path + ".new";
    // Left by a crash.
    ::unlink(fresh.c_str());
    if (auto written = write_file(fresh, text); !written) return written;
    if (::rename(fresh.c_str(), path.c_str()) != 0) {
        const int error_number = errno;
        ::unlink(fresh.c_str());
        return file_error(path, "cannot be replaced", error_number);
    }
    sync_folder_of(path);
    return {};
}

std::string older_file_name(const std::string& path, std::uint64_t first) {
    // Twelve digits sort as text for longer than any disk lasts.
    return fmt::format("{}.{:012}", path, first);
}

std::vector<OlderFile> older_files(const std::string& path) {
    std::vector<OlderFile> files;
    const std::string prefix = path.substr(path.rfind('/') + 1) + ".";
    std::error_code error;
    for (std::filesystem::directory_iterator entry(folder_of(path), error), end; !error && entry != end;
         entry.increment(error)) {
        const std::string name = entry->path().filename().string();
        if (!name.starts_with(prefix)) continue;
        const std::string digits = name.substr(prefix.size());
        std::uint64_t first = 0;
        const auto [rest, fault] = std::from_chars(digits.data(), digits.data() + digits.size(), first);
        if (fault != std::errc{} || rest != digits.data() + digits.size() || digits.size() < 12) continue;
        files.push_back({first, path + "." + digits});
    }
    std::sort(files.begin(), files.end(),
              [](const OlderFile& a, const OlderFile& b) { return a.first < b.first; });
    return files;
}

base::Result<AppendFile> AppendFile::open(const std::string& path) {
    AppendFile file;
    file.path_ = path;
    file.file_ = FileDescriptor(
        ::open(path.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600));
    if (!file.is_open()) return file_error(path, "cannot be opened", errno);
    struct stat status;
    if (::fstat(file.file_.get(), &status) != 0) return file_error(path, "cannot be opened", errno);
    if (!S_ISREG(status.st_mode)) return base::Error{fmt::format("{}: is no regular file", path)};
    if (::flock(file.file_.get(), LOCK_EX | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK) return file_error(path, "cannot be locked", errno);
        return base::Error{fmt::format("{}: another process writes it", path)};
    }
    file.size_ = static_cast<std::uint64_t>(status.st_size);
    file.reserved_ = file.size_;
    return file;
}

bool AppendFile::in_place() const {
    struct stat here;
    struct stat there;
    return ::fstat(file_.get(), &here) == 0 && ::lstat(path_.c_str(), &there) == 0 &&
           here.st_ino == there.st_ino && here.st_dev == there.st_dev;
}

base::Result<void> AppendFile::append(std::string_view text) {
    if (torn_) {
        if (auto cut = cut_to(size_); !cut) return cut;
    }
    if (!write_all(file_.get(), text)) {
        const int error_number = errno;
        torn_ = true;
        (void)cut_to(size_);  // at once if it can be, else before the next line
        return file_error(path_, "cannot be written", error_number);
    }
    size_ += text.size();
    return {};
}

base::Result<void> AppendFile::reserve(std::uint64_t bytes) {
    if (size_ + bytes <= reserved_) return {};
    // Much more than asked for, so that it is rare.
    const std::uint64_t wanted = size_ + 8 * bytes;
    for (const std::uint64_t end : {wanted, size_ + bytes}) {
        if (::fallocate(file_.get(), FALLOC_FL_KEEP_SIZE, static_cast<off_t>(size_),
                        static_cast<off_t>(end - size_)) == 0) {
            reserved_ = end;
            return {};
        }
        if (errno == EOPNOTSUPP || errno == ENOSYS || errno == EINTR) return {};
    }
    return file_error(path_, "has no room", errno);
}

base::Result<void> AppendFile::cut_to(std::uint64_t size) {
    if (::ftruncate(file_.get(), static_cast<off_t>(size)) != 0) {
        return file_error(path_, "cannot be cut", errno);
    }
    size_ = size;
    reserved_ = size;  // what was reserved behind it is gone
    torn_ = false;
    return {};
}

base::Result<void> AppendFile::sync() {
    if (::fdatasync(file_.get()) != 0) return file_error(path_, "cannot be synced", errno);
    return {};
}

base::Result<LineReader> LineReader::open(const std::string& path) {
    LineReader reader;
    reader.path_ = path;
    reader.file_ = FileDescriptor(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!reader.file_.ok()) return file_error(path, "cannot be read", errno);
    return reader;
}

base::Result<std::optional<LineReader::Line>> LineReader::next() {
    constexpr std::size_t kBlock = 65536;
    std::size_t searched = begin_;
    std::uint64_t cut = 0;  // bytes of this line that are already thrown away
    for (;;) {
        const std::size_t newline = buffer_.find('\n', searched);
        if (newline != std::string::npos) {
            const std::string_view text(buffer_.data() + begin_, newline - begin_);
            const Line line{text.substr(0, kMaxLine), offset_, cut + text.size() + 1, true};
            begin_ = newline + 1;
            offset_ += line.bytes;
            return std::optional<Line>(line);
        }
        // Of an endless line its beginning is kept.
        if (buffer_.size() - begin_ > 2 * kMaxLine) {
            cut += buffer_.size() - begin_ - kMaxLine;
            buffer_.resize(begin_ + kMaxLine);
        }
        buffer_.erase(0, std::exchange(begin_, 0));
        searched = buffer_.size();
        buffer_.resize(searched + kBlock);
        ssize_t got;
        do {
            got = ::read(file_.get(), buffer_.data() + searched, kBlock);
        } while (got < 0 && errno == EINTR);
        buffer_.resize(searched + static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
        if (got < 0) return file_error(path_, "cannot be read", errno);
        if (got > 0) continue;
        if (buffer_.empty()) return std::optional<Line>();
        const Line line{std::string_view(buffer_).substr(0, kMaxLine), offset_, cut + buffer_.size(), false};
        begin_ = buffer_.size();
        offset_ += line.bytes;
        return std::optional<Line>(line);
    }
}

}  // namespace yagura::control
