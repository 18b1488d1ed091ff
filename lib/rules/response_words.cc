// SPDX-License-Identifier: BSD-3-Clause
#include "rules/response_words.h"

#include "rules/keys.h"
#include "rules/units.h"

namespace yagura::rules {
namespace {

std::string block_words(const BlockAction& block) {
    std::string words = block.what == BlockWhat::kConnection ? "block it" : "block its ";
    if (block.what != BlockWhat::kConnection) words += word_of(kBlockWhats, block.what);
    if (!block.ttl) return words;
    std::string time = duration_json(*block.ttl);
    std::erase(time, '"');
    return words + " for " + time;
}

}  // namespace

std::string response_words(const Rule& rule) {
    std::string words = rule.reset ? "reset" : "";
    if (rule.block) words += (words.empty() ? "" : "; ") + block_words(*rule.block);
    return words;
}

}  // namespace yagura::rules
