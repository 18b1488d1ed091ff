// SPDX-License-Identifier: BSD-3-Clause
#include "app/bench/payload_hits.h"

#include <algorithm>
#include <vector>

namespace yagura::bench {
namespace {

using Segments = std::vector<Conversations::Segment*>;

bool plant_one(const Segments& segments, std::string_view pattern, std::uint32_t at) {
    std::uint64_t total = 0;
    for (const Conversations::Segment* segment : segments) total += segment->payload.size();
    std::uint64_t said = 0;
    auto first = segments.begin();
    for (; first != segments.end() && said * 100 < total * at; ++first) said += (*first)->payload.size();
    std::size_t room = 0;
    for (auto i = first; i != segments.end(); ++i)
        if ((*i)->direction == (*first)->direction) room += (*i)->payload.size();
    if (room < pattern.size()) return false;
    for (auto i = first; !pattern.empty(); ++i) {
        if ((*i)->direction != (*first)->direction) continue;
        const std::size_t size = std::min(pattern.size(), (*i)->payload.size());
        std::copy_n(pattern.begin(), size, (*i)->payload.begin());
        pattern.remove_prefix(size);
    }
    return true;
}

}  // namespace

Planted plant(const Conversations& conversations, std::string_view pattern, std::uint32_t percent,
              std::uint32_t at) {
    Planted planted{.conversations = conversations};
    std::vector<Segments> by_connection(conversations.connections);
    for (Conversations::Segment& segment : planted.conversations.segments)
        by_connection[segment.direction / 2].push_back(&segment);
    for (std::uint64_t i = 0; i < by_connection.size(); ++i) {
        const bool wanted = (i + 1) * percent / 100 > i * percent / 100;
        if (wanted && plant_one(by_connection[i], pattern, at)) ++planted.hits;
    }
    return planted;
}

}  // namespace yagura::bench
