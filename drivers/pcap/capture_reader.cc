// SPDX-License-Identifier: BSD-3-Clause
#include "drivers/pcap/capture_reader.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string_view>

namespace yagura::pcap {
namespace {

using namespace std::literals;

struct Signature {
    std::string_view magic;
    std::string_view what;
};
constexpr Signature kOtherFormats[] = {
    {"\x1f\x8b"sv, "gzip; decompress it first (gunzip)"},
    {"\x28\xb5\x2f\xfd"sv, "Zstandard; decompress it first (unzstd)"},
    {"\xfd\x37\x7a\x58\x5a\x00"sv, "xz; decompress it first (unxz)"},
    {"\x04\x22\x4d\x18"sv, "LZ4; decompress it first (unlz4)"},
    {"BZh"sv, "bzip2; decompress it first (bunzip2)"},
    {"PK\x03\x04"sv, "a zip archive; unpack it first"},
    {"snoop\0\0\0"sv, "snoop; convert it first (editcap -F nsecpcap)"},
    {"GMBU"sv, "Microsoft Network Monitor; convert it first (editcap -F nsecpcap)"},
};

std::string not_a_capture(base::Bytes start) {
    const std::string_view text(reinterpret_cast<const char*>(start.data()), start.size());
    for (const Signature& s : kOtherFormats) {
        if (text.starts_with(s.magic)) return fmt::format("not a capture file: it looks like {}", s.what);
    }
    const bool is_text = std::all_of(start.begin(), start.end(), [](std::uint8_t c) {
        return (c >= 0x20 && c < 0x7f) || c == '\n' || c == '\r' || c == '\t';
    });
    if (is_text) return "not a capture file: it looks like text";
    if (start.size() < 4) return fmt::format("not a capture file: it has only {} bytes", start.size());
    return fmt::format("not a capture file: it begins with {:08x}, which is no magic of pcap or pcapng",
                       base::load_be32(start.data()));
}

base::Error at(const std::string& path, const std::string& reason, bool damaged = false) {
    return base::Error{fmt::format("{}: {}", path, reason), damaged};
}

}  // namespace

base::Result<CaptureReader> CaptureReader::open(const std::string& path, std::size_t buffer_size) {
    // Without O_NONBLOCK a FIFO that nobody writes would block here for ever.
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) return at(path, fmt::format("cannot open: {}", std::strerror(errno)));
    struct stat status {};
    if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode)) {
        const char* what = S_ISDIR(status.st_mode) ? "it is a directory" : "it is not a regular file";
        ::close(fd);
        return at(path, fmt::format("cannot read a capture from it: {}", what));
    }
    return from_descriptor(fd, path, buffer_size);
}

base::Result<CaptureReader> CaptureReader::from_descriptor(int fd, std::string name,
                                                           std::size_t buffer_size) {
    FileInput input(fd, std::max(buffer_size, kMinBufferSize));
    const base::Bytes start = input.peek(64);
    if (input.error() != 0) return at(name, fmt::format("cannot read: {}", std::strerror(input.error())));
    if (start.empty())
        return at(name, "the file is empty; a capture without packets has a header at least", true);
    if (start.size() >= 4 && ClassicFormat::recognises(start.first(4))) {
        auto format = ClassicFormat::open(input);
        if (!format) return at(name, format.error().message, format.error().damaged_input);
        return CaptureReader(std::move(input), std::move(format).value(), std::move(name));
    }
    if (start.size() >= 4 && PcapngFormat::recognises(start.first(4))) {
        auto format = PcapngFormat::open(input);
        if (!format) return at(name, format.error().message, format.error().damaged_input);
        return CaptureReader(std::move(input), std::move(format).value(), std::move(name));
    }
    return at(name, not_a_capture(start), true);
}

ReadStatus CaptureReader::next(Record& record) {
    if (status_ != ReadStatus::kRecord) return status_;
    Problem problem;
    status_ = std::visit([&](auto& format) { return format.next(input_, record, problem); }, format_);
    if (status_ == ReadStatus::kRecord) {
        ++records_;
        std::visit([&](auto& format) { ++format.interfaces()[record.interface].records; }, format_);
    } else if (status_ == ReadStatus::kDamaged) {
        if (input_.error() != 0) problem.text = fmt::format("cannot read: {}", std::strerror(input_.error()));
        damage_.offset = problem.offset;
        damage_.record = records_ + 1;
        damage_.text =
            fmt::format("{}: offset {}, record {}: {}", path_, damage_.offset, damage_.record, problem.text);
    }
    return status_;
}

std::span<const Interface> CaptureReader::interfaces() const {
    return std::visit([](const auto& format) { return std::span<const Interface>(format.interfaces()); },
                      format_);
}

base::Result<std::vector<Interface>> survey(const std::string& path) {
    auto reader = CaptureReader::open(path);
    if (!reader) return reader.error();
    Record record;
    ReadStatus status = reader->next(record);
    // A classic file has its one interface from the start; pcapng may describe another one anywhere.
    while (status == ReadStatus::kRecord && !reader->is_classic()) status = reader->next(record);
    const auto interfaces = reader->interfaces();
    return std::vector<Interface>(interfaces.begin(), interfaces.end());
}

}  // namespace yagura::pcap
