// SPDX-License-Identifier: BSD-3-Clause
#include "app/yaguractl/items.h"

#include <istream>

namespace yagura::ctl {

std::vector<std::string> Items::next_batch() {
    constexpr const char* kBlanks = " \t\r";
    std::vector<std::string> batch;
    while (batch.size() < kBatch && next_ < words_.size()) {
        if (words_[next_] != "-") {
            batch.push_back(words_[next_++]);
            continue;
        }
        std::string line;
        if (!std::getline(lines_, line)) {
            ++next_;
            continue;
        }
        const std::size_t begin = line.find_first_not_of(kBlanks);
        if (begin == std::string::npos || line[begin] == '#') continue;
        batch.push_back(line.substr(begin, line.find_last_not_of(kBlanks) - begin + 1));
    }
    return batch;
}

}  // namespace yagura::ctl
