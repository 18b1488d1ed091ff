// SPDX-License-Identifier: BSD-3-Clause
#include "control/socket_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

namespace yagura::control {
namespace {

constexpr int kBacklog = 1024;

class Descriptor {
  public:
    explicit Descriptor(int fd) : fd_(fd) {}
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    ~Descriptor() {
        if (fd_ >= 0) close(fd_);
    }
    int get() const { return fd_; }
    int release() { return std::exchange(fd_, -1); }

  private:
    int fd_;
};

base::Error failed(const std::string& path, std::string_view what) {
    return base::Error{fmt::format("control socket {}: {}: {}", path, what, std::strerror(errno))};
}

/// Removes a socket that nobody serves.
base::Result<void> clear_place(const std::string& path, const sockaddr_un& address) {
    struct stat status {};
    if (lstat(path.c_str(), &status) != 0) {
        return errno == ENOENT ? base::Result<void>{} : failed(path, "cannot be looked at");
    }
    if (!S_ISSOCK(status.st_mode)) {
        return base::Error{fmt::format(
            "control socket {}: something else stands there; remove it, or choose another path", path)};
    }
    const Descriptor probe(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (probe.get() < 0) return failed(path, "no socket can be made");
    if (connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 ||
        errno != ECONNREFUSED) {
        return base::Error{fmt::format(
            "control socket {}: another yagura serves it; give this one a path of its own (\"control\": "
            "{{\"socket\": ...}} or --control PATH)",
            path)};
    }
    if (unlink(path.c_str()) != 0) return failed(path, "the one that was left there cannot be removed");
    return {};
}

/// Two that start at once must not each take the other's new socket for an old one: whoever has the folder's
/// lock goes first.
base::Result<void> lock(int folder, const std::string& path) {
    for (int tries = 0; flock(folder, LOCK_EX | LOCK_NB) != 0; ++tries) {
        if (errno != EWOULDBLOCK || tries == 100) return failed(path, "its folder is locked");
        usleep(10'000);
    }
    return {};
}

}  // namespace

base::Result<SocketFile> SocketFile::listen(const std::string& path, mode_t mode) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.empty() || path.size() >= sizeof address.sun_path) {
        return base::Error{
            fmt::format("control socket {}: a path has 1 to {} bytes", path, sizeof address.sun_path - 1)};
    }
    path.copy(address.sun_path, path.size());
    std::string folder = std::filesystem::path(path).parent_path();
    if (folder.empty()) folder = ".";
    constexpr mode_t kFolderMode = 0755;
    const bool made = mkdir(folder.c_str(), kFolderMode) == 0;
    if (made ? chmod(folder.c_str(), kFolderMode) != 0 : errno != EEXIST) {
        return failed(path, "its folder cannot be made");
    }
    const Descriptor folder_lock(open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (folder_lock.get() < 0) return failed(path, "its folder cannot be opened");
    if (auto locked = lock(folder_lock.get(), path); !locked) return locked.error();
    if (auto cleared = clear_place(path, address); !cleared) return cleared.error();

    Descriptor listener(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (listener.get() < 0) return failed(path, "no socket can be made");
    // Closed to others from its first moment, whatever the umask is.
    if (fchmod(listener.get(), S_IRUSR | S_IWUSR) != 0 ||
        bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
        return failed(path, "cannot be made");
    }
    SocketFile file(listener.release(), path);
    struct stat status {};
    if (lstat(path.c_str(), &status) != 0) return failed(path, "cannot be looked at");
    file.device_ = status.st_dev;
    file.inode_ = status.st_ino;
    if (chmod(path.c_str(), mode) != 0) return failed(path, "its mode cannot be set");
    if (::listen(file.fd_, kBacklog) != 0) return failed(path, "cannot listen");
    return file;
}

SocketFile::SocketFile(SocketFile&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      path_(std::move(other.path_)),
      device_(other.device_),
      inode_(other.inode_) {}

SocketFile::~SocketFile() {
    if (fd_ < 0) return;
    struct stat status {};
    if (lstat(path_.c_str(), &status) == 0 && status.st_dev == device_ && status.st_ino == inode_) {
        unlink(path_.c_str());
    }
    close(fd_);
}

}  // namespace yagura::control
