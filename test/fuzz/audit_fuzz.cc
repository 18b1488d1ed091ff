// SPDX-License-Identifier: BSD-3-Clause
// Any bytes as an audit log and its heads, the first line: verifying ends, says things that may be printed,
// and calls sound only what has every record. The seeds are sound under this key.
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "control/audit_tail.h"
#include "control/audit_verify.h"

using namespace yagura::control;

namespace {

void require(bool holds) {
    if (!holds) std::abort();
}

const AuditKey& key() {
    static const AuditKey made = [] {
        std::string path = "/tmp/audit_fuzz-XXXXXX";
        const int fd = mkstemp(path.data());
        const std::string text = "yagura audit key 1\nlog " + std::string(32, '0') + "\nnext 1\nkey " +
                                 std::string(64, '0') + "\n";
        require(fd >= 0 && write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size()));
        close(fd);
        auto read = AuditKey::read(path);
        unlink(path.c_str());
        require(read.ok());
        return *read;
    }();
    return made;
}

/// A file in memory, and its path.
class MemoryFile {
  public:
    explicit MemoryFile(std::string_view text) : fd_(memfd_create("audit", MFD_CLOEXEC)) {
        require(fd_ >= 0 && write(fd_, text.data(), text.size()) == static_cast<ssize_t>(text.size()));
    }
    MemoryFile(const MemoryFile&) = delete;
    MemoryFile& operator=(const MemoryFile&) = delete;
    ~MemoryFile() { close(fd_); }
    std::string path() const { return "/proc/self/fd/" + std::to_string(fd_); }

  private:
    int fd_;
};

bool printable(std::string_view text) {
    return std::all_of(text.begin(), text.end(), [](char c) { return c >= 0x20 && c < 0x7f; });
}

void check(const AuditEvidence& evidence) {
    const auto verdict = verify_audit(evidence);
    require(verdict.ok());
    require(verdict->proven <= verdict->records);
    for (const AuditFault& fault : verdict->faults) require(!fault.what.empty() && printable(fault.what));
    for (const std::string& note : verdict->notes) require(printable(note));
    require(printable(verdict->first_time) && printable(verdict->last_time));
    if (!verdict->sound()) return;
    require(verdict->records > 0 && verdict->last - verdict->first + 1 == verdict->records);
    require(!evidence.key || verdict->proven == verdict->records);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const std::size_t end = std::min(text.find('\n'), text.size());
    const MemoryFile head(text.substr(0, end));
    const MemoryFile log(text.substr(std::min(end + 1, text.size())));
    AuditEvidence evidence;
    evidence.files = {log.path()};
    evidence.max_ahead = 1000;
    check(evidence);
    evidence.key = key();
    check(evidence);
    if (auto heads = read_heads(head.path())) evidence.heads = *heads;
    check(evidence);
    evidence.part = true;
    check(evidence);

    const auto page = read_audit_page(log.path(), 3);
    require(page.ok() && page->records.size() <= 3);
    if (page->before) require(read_audit_page(log.path(), 3, page->before).ok());
    return 0;
}
