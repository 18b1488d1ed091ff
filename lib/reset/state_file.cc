// SPDX-License-Identifier: BSD-3-Clause
#include "reset/state_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <utility>

namespace yagura::reset {
namespace {

base::Error failure_of(const std::string& path, std::string_view doing) {
    return {fmt::format("{}: {}: {}", path, doing, std::strerror(errno))};
}

class Descriptor {
  public:
    explicit Descriptor(int descriptor) : descriptor_(descriptor) {}
    ~Descriptor() {
        if (descriptor_ >= 0) close(descriptor_);
    }
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    int get() const { return descriptor_; }
    bool ok() const { return descriptor_ >= 0; }
    int release() { return std::exchange(descriptor_, -1); }

  private:
    int descriptor_;
};

bool write_all(int file, std::string_view text) {
    while (!text.empty()) {
        const ssize_t written = write(file, text.data(), text.size());
        if (written < 0 && errno == EINTR) continue;
        if (written <= 0) return false;
        text.remove_prefix(static_cast<std::size_t>(written));
    }
    return true;
}

base::Result<void> sync_folder_of(const std::string& path) {
    const std::string name = folder_of(path);
    const Descriptor folder(open(name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!folder.ok() || fsync(folder.get()) != 0) return failure_of(name, "cannot be written");
    return {};
}

/// Of who has the lock; empty when it is not known.
std::string holder_of(int file) {
    std::array<char, 16> text{};
    const ssize_t size = pread(file, text.data(), text.size(), 0);
    int pid = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + std::max<ssize_t>(size, 0), pid);
    return error == std::errc{} && pid > 0 ? fmt::format(" (pid {})", pid) : std::string();
}

}  // namespace

std::string folder_of(const std::string& path) {
    const std::size_t slash = path.rfind('/');
    if (slash == std::string::npos) return ".";
    return slash == 0 ? "/" : path.substr(0, slash);
}

base::Result<Draft> Draft::make(const std::string& path) {
    const std::string name = path + ".new";
    // Of a run that ended while it wrote.
    if (unlink(name.c_str()) != 0 && errno != ENOENT) return failure_of(name, "cannot be removed");
    const int file = open(name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (file < 0) return failure_of(name, "cannot be made");
    return Draft(path, file);
}

Draft::Draft(Draft&& other) noexcept : path_(std::move(other.path_)), file_(std::exchange(other.file_, -1)) {}

Draft::~Draft() {
    if (file_ < 0) return;
    unlink(name().c_str());
    close(file_);
}

bool Draft::write(std::string_view text) {
    return write_all(file_, text);
}

base::Result<void> Draft::replace() {
    if (fsync(file_) != 0) return failure_of(name(), "cannot be written");
    if (rename(name().c_str(), path_.c_str()) != 0) return failure_of(path_, "cannot be replaced");
    close(std::exchange(file_, -1));
    return sync_folder_of(path_);
}

base::Result<void> replace_file(const std::string& path, std::string_view text) {
    auto draft = Draft::make(path);
    if (!draft) return draft.error();
    if (!draft->write(text)) return failure_of(path, "cannot be written");
    return draft->replace();
}

base::Result<std::optional<std::string>> read_file(const std::string& path, std::size_t most) {
    const Descriptor file(open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK));
    if (!file.ok() && errno == ENOENT) return std::optional<std::string>();
    if (!file.ok()) return failure_of(path, "cannot be opened");
    std::string text(most, '\0');
    ssize_t size = -1;
    do size = pread(file.get(), text.data(), text.size(), 0);
    while (size < 0 && errno == EINTR);
    if (size < 0) return failure_of(path, "cannot be read");
    text.resize(static_cast<std::size_t>(size));
    return std::optional(std::move(text));
}

base::Result<void> remove_file(const std::string& path) {
    if (unlink(path.c_str()) != 0) {
        if (errno == ENOENT) return {};
        return failure_of(path, "cannot be removed");
    }
    return sync_folder_of(path);
}

base::Result<FileLock> FileLock::take(const std::string& path) {
    const std::string name = path + ".lock";
    Descriptor file(open(name.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0600));
    if (!file.ok()) return failure_of(name, "cannot be opened");
    if (flock(file.get(), LOCK_EX | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK) return failure_of(name, "cannot be locked");
        return base::Error{fmt::format("{}: another process keeps it{}; each has a file of its own", path,
                                       holder_of(file.get()))};
    }
    const std::string pid = fmt::format("{}\n", getpid());
    if (ftruncate(file.get(), 0) != 0 || !write_all(file.get(), pid))
        return failure_of(name, "cannot be written");
    return FileLock(file.release());
}

FileLock::FileLock(FileLock&& other) noexcept : file_(std::exchange(other.file_, -1)) {}

FileLock::~FileLock() {
    if (file_ >= 0) close(file_);
}

}  // namespace yagura::reset
