// SPDX-License-Identifier: BSD-3-Clause
#include "broker/config_versions.h"

#include <algorithm>
#include <utility>

namespace yagura::broker {

void ConfigVersions::add(ConfigVersion version) {
    versions_.push_back(std::move(version));
    if (versions_.size() > kMost) versions_.pop_front();
    std::size_t bytes = 0;
    for (auto it = versions_.rbegin(); it != versions_.rend(); ++it) {
        if (it->text == nullptr) continue;
        bytes += it->text->size();
        if (bytes > kMaxBytes && it != versions_.rbegin()) it->text = nullptr;
    }
}

const ConfigVersion* ConfigVersions::find(std::uint64_t version) const {
    const auto found = std::ranges::find(versions_, version, &ConfigVersion::version);
    return found == versions_.end() ? nullptr : &*found;
}

}  // namespace yagura::broker
