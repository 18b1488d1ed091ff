// SPDX-License-Identifier: BSD-3-Clause
#include "broker/database_cache.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

#include "control/sha256.h"

namespace yagura::broker {
namespace {

constexpr std::string_view kMagic = "yagura-database1";
constexpr std::string_view kEnding = ".hsdb";
constexpr std::string_view kTemporary = ".new-";
/// What was not finished by then never will be.
constexpr std::time_t kTemporaryAge = 3600;
constexpr mode_t kWritableByOthers = S_IWGRP | S_IWOTH;
using Hash = DatabaseCache::Key;

/// What a file begins with. The payload follows.
struct Header {
    std::array<char, kMagic.size()> magic;
    Hash key;
    Hash payload_hash;
    std::uint64_t payload_size;  // of this machine's byte order, as the payload
};
static_assert(sizeof(Header) == 16 + 32 + 32 + 8);

class Descriptor {
  public:
    explicit Descriptor(int fd) : fd_(fd) {}
    ~Descriptor() {
        if (fd_ >= 0) close(fd_);
    }
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    int get() const { return fd_; }

  private:
    int fd_;
};

std::string name_of(const DatabaseCache::Key& key) {
    std::string name;
    for (const std::uint8_t byte : key) name += fmt::format("{:02x}", byte);
    return name.append(kEnding);
}

bool is_name(std::string_view name) {
    return name.size() == 2 * sizeof(DatabaseCache::Key) + kEnding.size() && name.ends_with(kEnding) &&
           name.find_first_not_of("0123456789abcdef") == name.size() - kEnding.size();
}

bool read_all(int file, char* to, std::size_t size) {
    while (size != 0) {
        const ssize_t n = read(file, to, size);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return false;
        to += n;
        size -= static_cast<std::size_t>(n);
    }
    return true;
}

bool write_all(int file, const void* data, std::size_t size) {
    const char* from = static_cast<const char*>(data);
    while (size != 0) {
        const ssize_t n = write(file, from, size);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return false;
        from += n;
        size -= static_cast<std::size_t>(n);
    }
    return true;
}

/// Why a folder cannot be trusted or used; empty: it can.
std::string fault_of(int folder) {
    struct stat status {};
    if (fstat(folder, &status) != 0) return std::strerror(errno);
    if (status.st_uid != geteuid()) return "it belongs to another user";
    if ((status.st_mode & kWritableByOthers) != 0)
        return "its group or everybody can write to it (chmod go-w)";
    if (faccessat(folder, ".", W_OK | X_OK, AT_EACCESS) != 0) return std::strerror(errno);
    return {};
}

}  // namespace

DatabaseCache::DatabaseCache(rules::CacheSettings settings, int folder, Say say)
    : settings_(std::move(settings)), folder_(folder), say_(std::move(say)) {}

DatabaseCache::~DatabaseCache() {
    close(folder_);
}

std::unique_ptr<DatabaseCache> DatabaseCache::open(const rules::CacheSettings& settings, Say say) {
    if (!settings.enabled) return nullptr;
    const auto none = [&](const std::string& why) -> std::unique_ptr<DatabaseCache> {
        say(fmt::format("compiled patterns are not kept: {}: {}", settings.folder, why));
        return nullptr;
    };
    const char* const path = settings.folder.c_str();
    int folder = ::open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0 && errno == ENOENT) {
        if (settings.folder == rules::CacheSettings::kUsualFolder) {
            return none(fmt::format("there is no such folder (install -d -m 0700 {})", settings.folder));
        }
        if (mkdir(path, 0700) == 0) folder = ::open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    }
    if (folder < 0) return none(std::strerror(errno));
    if (const std::string fault = fault_of(folder); !fault.empty()) {
        close(folder);
        return none(fault);
    }
    return std::unique_ptr<DatabaseCache>(new DatabaseCache(settings, folder, std::move(say)));
}

DatabaseCache::Key DatabaseCache::key_of(const match::DatabaseOrder& order) {
    std::string all(kMagic);
    const std::string platform = match::database_platform();
    all += fmt::format("{}:{}", platform.size(), platform);
    return control::sha256_of(all + match::encode(order));
}

std::optional<std::string> DatabaseCache::find(const Key& key, bool streams) {
    const std::string name = name_of(key);
    const auto unusable = [&](const char* why) {
        say_(fmt::format("{}/{} cannot be used, and is made anew: {}", settings_.folder, name, why));
        return std::nullopt;
    };
    // Not to wait for what is no file.
    const Descriptor file(openat(folder_, name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    if (file.get() < 0) return errno == ENOENT ? std::nullopt : unusable(std::strerror(errno));
    struct stat status {};
    if (fstat(file.get(), &status) != 0) return unusable(std::strerror(errno));
    if (!S_ISREG(status.st_mode)) return unusable("it is no file");
    if (status.st_uid != geteuid()) return unusable("it belongs to another user");
    if ((status.st_mode & kWritableByOthers) != 0) return unusable("its group or everybody can write it");
    Header header{};
    const auto size = static_cast<std::uint64_t>(status.st_size);
    if (size <= sizeof header || size - sizeof header > settings_.max_size)
        return unusable("its size is wrong");
    if (!read_all(file.get(), reinterpret_cast<char*>(&header), sizeof header)) return unusable("it is cut");
    if (std::string_view(header.magic.data(), header.magic.size()) != kMagic || header.key != key ||
        header.payload_size != size - sizeof header) {
        return unusable("its head is wrong");
    }
    std::string payload(header.payload_size, '\0');
    if (!read_all(file.get(), payload.data(), payload.size())) return unusable("it is cut");
    if (control::sha256_of(payload) != header.payload_hash) return unusable("it is damaged");
    if (!match::is_database(payload, streams)) return unusable("it is no database for this machine");
    futimens(file.get(), nullptr);  // it was used
    return payload;
}

void DatabaseCache::store(const Key& key, std::string_view bytes) {
    if (bytes.size() + sizeof(Header) > settings_.max_size) return;
    Header header{.magic = {},
                  .key = key,
                  .payload_hash = control::sha256_of(bytes),
                  .payload_size = std::uint64_t{bytes.size()}};
    std::ranges::copy(kMagic, header.magic.begin());
    const std::string name = name_of(key);
    const std::string temporary = fmt::format("{}{}-{}", kTemporary, getpid(), name);
    unlinkat(folder_, temporary.c_str(), 0);
    bool stored = false;
    {
        const Descriptor file(
            openat(folder_, temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
        // Not synchronised: what a crash leaves unfinished is found by its hash.
        stored = file.get() >= 0 && write_all(file.get(), &header, sizeof header) &&
                 write_all(file.get(), bytes.data(), bytes.size()) &&
                 renameat(folder_, temporary.c_str(), folder_, name.c_str()) == 0;
    }
    if (!stored) {
        say_(fmt::format("{}/{} cannot be written: {}", settings_.folder, name, std::strerror(errno)));
        unlinkat(folder_, temporary.c_str(), 0);
    }
    trim();
}

void DatabaseCache::trim() {
    const int copy = openat(folder_, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR* const list = copy >= 0 ? fdopendir(copy) : nullptr;
    if (list == nullptr) {
        if (copy >= 0) close(copy);
        return;
    }
    struct File {
        timespec used;
        std::uint64_t size;
        std::string name;
    };
    std::vector<File> files;
    std::uint64_t total = 0;
    while (const dirent* entry = readdir(list)) {
        const std::string_view name = entry->d_name;
        struct stat status {};
        if (!is_name(name) && !name.starts_with(kTemporary)) continue;
        if (fstatat(folder_, entry->d_name, &status, AT_SYMLINK_NOFOLLOW) != 0) continue;
        if (name.starts_with(kTemporary)) {
            if (status.st_mtime + kTemporaryAge < time(nullptr)) unlinkat(folder_, entry->d_name, 0);
            continue;
        }
        files.push_back({status.st_mtim, static_cast<std::uint64_t>(status.st_size), std::string(name)});
        total += files.back().size;
    }
    closedir(list);
    std::ranges::sort(files, [](const File& a, const File& b) {
        return std::pair(a.used.tv_sec, a.used.tv_nsec) < std::pair(b.used.tv_sec, b.used.tv_nsec);
    });
    for (const File& file : files) {
        if (total <= settings_.max_size) break;
        if (unlinkat(folder_, file.name.c_str(), 0) == 0) total -= file.size;
    }
}

}  // namespace yagura::broker
