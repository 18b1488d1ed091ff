// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <vector>

namespace yagura::pcap::testing {

/// Bytes of a file in the making, integers in a chosen byte order.
class FileBytes {
  public:
    explicit FileBytes(bool big = false) : big_(big) {}

    FileBytes& u8(unsigned v) { return integer(v, 1); }
    FileBytes& u16(unsigned v) { return integer(v, 2); }
    FileBytes& u32(std::uint64_t v) { return integer(v, 4); }
    FileBytes& u64(std::uint64_t v) { return integer(v, 8); }
    FileBytes& raw(const std::string& bytes) {
        text_ += bytes;
        return *this;
    }
    FileBytes& pad4() {
        while (text_.size() % 4 != 0) text_ += '\0';
        return *this;
    }
    bool big() const { return big_; }
    std::size_t size() const { return text_.size(); }
    const std::string& str() const { return text_; }

  private:
    FileBytes& integer(std::uint64_t v, unsigned size) {
        for (unsigned i = 0; i < size; ++i) {
            text_ += static_cast<char>(v >> 8 * (big_ ? size - 1 - i : i));
        }
        return *this;
    }
    bool big_;
    std::string text_;
};

struct Classic {
    std::uint32_t magic = 0xa1b2c3d4;
    bool big = false;
    std::uint32_t link = 1;
    std::uint32_t snaplen = 262144;
    unsigned major = 2;
    unsigned minor = 4;

    std::string header() const {
        return FileBytes(big).u32(magic).u16(major).u16(minor).u32(0).u32(0).u32(snaplen).u32(link).str();
    }
    /// `captured` and `wire` as they are, whatever the size of the data.
    std::string record(std::uint32_t seconds, std::uint32_t fraction, std::uint32_t captured,
                       std::uint32_t wire, const std::string& data) const {
        FileBytes bytes(big);
        bytes.u32(seconds).u32(fraction).u32(captured).u32(wire);
        if (magic == 0xa1b2cd34) bytes.u32(7).u16(0x800).u8(1).u8(0);
        return bytes.raw(data).str();
    }
    std::string record(std::uint32_t seconds, std::uint32_t fraction, const std::string& data) const {
        const auto size = static_cast<std::uint32_t>(data.size());
        return record(seconds, fraction, size, size, data);
    }
};

/// pcapng blocks. `slack` is added to the length at the head, `tail_slack` to that at the tail.
struct Pcapng {
    bool big = false;

    std::string block(std::uint32_t type, const std::string& body, int slack = 0, int tail_slack = 0) const {
        const std::string padded = FileBytes().raw(body).pad4().str();
        const auto length = static_cast<std::uint32_t>(padded.size() + 12);
        return FileBytes(big)
            .u32(type)
            .u32(length + static_cast<std::uint32_t>(slack))
            .raw(padded)
            .u32(length + static_cast<std::uint32_t>(tail_slack))
            .str();
    }
    std::string section(unsigned major = 1, unsigned minor = 0) const {
        return block(0x0a0d0d0a, FileBytes(big).u32(0x1a2b3c4d).u16(major).u16(minor).u64(~0ULL).str());
    }
    std::string option(unsigned code, const std::string& value) const {
        return FileBytes(big).u16(code).u16(static_cast<unsigned>(value.size())).raw(value).pad4().str();
    }
    std::string interface(unsigned link, std::uint32_t snaplen = 0, const std::string& options = "") const {
        return block(1, FileBytes(big).u16(link).u16(0).u32(snaplen).raw(options).str());
    }
    std::string enhanced_fields(std::uint32_t interface, std::uint64_t ticks, std::uint32_t captured,
                                std::uint32_t wire, const std::string& data) const {
        return FileBytes(big)
            .u32(interface)
            .u32(ticks >> 32)
            .u32(ticks & 0xffffffff)
            .u32(captured)
            .u32(wire)
            .raw(data)
            .str();
    }
    std::string enhanced(std::uint32_t interface, std::uint64_t ticks, const std::string& data,
                         const std::string& options = "") const {
        const auto size = static_cast<std::uint32_t>(data.size());
        return block(
            6, FileBytes().raw(enhanced_fields(interface, ticks, size, size, data)).pad4().str() + options);
    }
    std::string obsolete(unsigned interface, std::uint64_t ticks, const std::string& data) const {
        const auto size = static_cast<std::uint32_t>(data.size());
        return block(2, FileBytes(big)
                            .u16(interface)
                            .u16(3)  // drops
                            .u32(ticks >> 32)
                            .u32(ticks & 0xffffffff)
                            .u32(size)
                            .u32(size)
                            .raw(data)
                            .str());
    }
    std::string simple(std::uint32_t wire, const std::string& data) const {
        return block(3, FileBytes(big).u32(wire).raw(data).str());
    }
};

/// A folder that goes away with its files.
class TemporaryFolder {
  public:
    TemporaryFolder() {
        std::string name = (std::filesystem::temp_directory_path() / "yagura-test-XXXXXX").string();
        if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("cannot make a temporary folder");
        path_ = name;
    }
    ~TemporaryFolder() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    TemporaryFolder(const TemporaryFolder&) = delete;
    TemporaryFolder& operator=(const TemporaryFolder&) = delete;

    std::string path(const std::string& name) const { return (path_ / name).string(); }
    std::string write(const std::string& name, const std::string& bytes) const {
        std::ofstream(path(name), std::ios::binary) << bytes;
        return path(name);
    }
    /// Names of the files in it, sorted.
    std::vector<std::string> names() const {
        std::vector<std::string> names;
        for (const auto& entry : std::filesystem::directory_iterator(path_))
            names.push_back(entry.path().filename());
        std::sort(names.begin(), names.end());
        return names;
    }

  private:
    std::filesystem::path path_;
};

inline std::string read_file(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace yagura::pcap::testing
