// SPDX-License-Identifier: BSD-3-Clause
#include "drivers/ethdev/device_string.h"

#include <array>
#include <charconv>

namespace yagura::ethdev {
namespace {

bool is_pci_address(std::string_view name) {
    // "0000:3b:00.1", "3b:00.1"
    return name.size() >= 7 && name[name.size() - 2] == '.' && name.find(':') != std::string_view::npos &&
           name.find_first_not_of("0123456789abcdefABCDEF:.") == std::string_view::npos;
}

DeviceKind kind_of(std::string_view name) {
    if (is_pci_address(name)) return DeviceKind::kPci;
    // What comes first in the name is the driver: DPDK looks at nothing else. "eth_" is its older form.
    struct Driver {
        std::string_view name;
        DeviceKind kind;
    };
    constexpr std::array<Driver, 9> kDrivers{{{"af_packet", DeviceKind::kAfPacket},
                                              {"af_xdp", DeviceKind::kAfXdp},
                                              {"tap", DeviceKind::kTap},
                                              {"vhost", DeviceKind::kVhost},
                                              {"virtio_user", DeviceKind::kVirtioUser},
                                              {"memif", DeviceKind::kMemory},
                                              {"ring", DeviceKind::kMemory},
                                              {"null", DeviceKind::kMemory},
                                              {"pcap", DeviceKind::kMemory}}};
    if (!name.starts_with("net_") && !name.starts_with("eth_")) return DeviceKind::kOther;
    for (const Driver& driver : kDrivers) {
        if (name.substr(4).starts_with(driver.name)) return driver.kind;
    }
    return DeviceKind::kOther;
}

}  // namespace

DeviceString::DeviceString(std::string_view text) {
    const std::size_t end = text.find(',');
    name_ = text.substr(0, end);
    kind_ = kind_of(name_);
    while (text.find(',') != std::string_view::npos) {
        text.remove_prefix(text.find(',') + 1);
        const std::string_view argument = text.substr(0, text.find(','));
        const std::size_t equals = argument.find('=');
        const bool bare = equals == std::string_view::npos;
        arguments_.emplace_back(argument.substr(0, equals), bare ? "" : argument.substr(equals + 1));
    }
}

std::optional<std::string_view> DeviceString::argument(std::string_view key) const {
    for (const auto& [name, value] : arguments_) {
        if (name == key) return value;
    }
    return std::nullopt;
}

std::optional<unsigned long> DeviceString::number(std::string_view key) const {
    const auto text = argument(key);
    unsigned long value = 0;
    if (!text) return std::nullopt;
    const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), value);
    if (error != std::errc{} || end != text->data() + text->size() || value == 0) return std::nullopt;
    return value;
}

void DeviceString::add(std::string_view key, unsigned long value) {
    arguments_.emplace_back(key, std::to_string(value));
}

std::string DeviceString::to_string() const {
    std::string text = name_;
    for (const auto& [name, value] : arguments_) {
        text += "," + name;
        if (!value.empty()) text += "=" + value;
    }
    return text;
}

}  // namespace yagura::ethdev
