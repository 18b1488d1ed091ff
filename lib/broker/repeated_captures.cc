// SPDX-License-Identifier: BSD-3-Clause
#include "broker/repeated_captures.h"

#include <string>

#include "drivers/pcap/capture_reader.h"

namespace yagura::broker {
namespace {

std::uint32_t packets_in(const std::string& path) {
    auto reader = pcap::CaptureReader::open(path);
    if (!reader) return 0;
    for (pcap::Record record; reader->next(record) == pcap::ReadStatus::kRecord;) continue;
    return static_cast<std::uint32_t>(reader->records());
}

}  // namespace

std::uint32_t packets_kept_by(std::string_view device) {
    constexpr std::string_view kCapture = "rx_pcap=";
    constexpr std::string_view kRepeats = "infinite_rx=";
    if (!device.starts_with("net_pcap")) return 0;
    bool repeats = false;
    std::uint32_t packets = 0;
    while (!device.empty()) {
        const std::size_t comma = device.find(',');
        const std::string_view argument = device.substr(0, comma);
        if (argument.starts_with(kRepeats)) repeats = argument != "infinite_rx=0";
        if (argument.starts_with(kCapture))
            packets += packets_in(std::string(argument.substr(kCapture.size())));
        device.remove_prefix(comma == std::string_view::npos ? device.size() : comma + 1);
    }
    return repeats ? packets : 0;
}

}  // namespace yagura::broker
