// SPDX-License-Identifier: BSD-3-Clause
// Any bytes as a capture file: the reader ends, stays within its buffer, and keeps its promises about
// records.
#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "drivers/pcap/capture_reader.h"

using namespace yagura::pcap;

namespace {

void require(bool promise) {
    if (!promise) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const int fd = memfd_create("capture", MFD_CLOEXEC);
    require(fd >= 0 && write(fd, data, size) == static_cast<ssize_t>(size) && lseek(fd, 0, SEEK_SET) == 0);
    auto reader = CaptureReader::from_descriptor(fd, "capture", CaptureReader::kMinBufferSize);
    if (!reader) {
        require(!reader.error().message.empty());
        return 0;
    }
    Record record;
    ReadStatus status;
    std::uint64_t offset = 0;
    unsigned sum = 0;
    while ((status = reader->next(record)) == ReadStatus::kRecord) {
        require(record.wire_length >= record.data.size() && record.data.size() <= kMaxCaptured);
        require(record.interface < reader->interfaces().size());
        require(record.offset >= offset && record.offset < reader->bytes_read() &&
                reader->bytes_read() <= size);
        offset = record.offset + 1;
        for (const std::uint8_t byte : record.data) sum += byte;
    }
    require(sum < ~0u);  // or the compiler leaves out the reading of the bytes
    if (status == ReadStatus::kEnd) {
        require(reader->bytes_read() == size);
    } else {
        require(reader->damage().offset < size && reader->damage().record == reader->records() + 1);
    }
    return 0;
}
