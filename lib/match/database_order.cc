// SPDX-License-Identifier: BSD-3-Clause
#include <cstring>
#include <utility>

#include "match/database_source.h"

namespace yagura::match {
namespace {

void put(std::string& out, std::uint64_t number) {
    for (int i = 0; i < 8; ++i) out += static_cast<char>(number >> (8 * i));
}

/// Takes from the front; of too few bytes nothing.
class Reader {
  public:
    explicit Reader(std::string_view bytes) : rest_(bytes) {}

    std::optional<std::uint64_t> number() {
        if (rest_.size() < 8) return std::nullopt;
        std::uint64_t value = 0;
        for (std::size_t i = 0; i < 8; ++i)
            value |= static_cast<std::uint64_t>(static_cast<unsigned char>(rest_[i])) << (8 * i);
        rest_.remove_prefix(8);
        return value;
    }
    std::optional<unsigned> small_number() {
        const auto value = number();
        if (!value || *value > UINT32_MAX) return std::nullopt;
        return static_cast<unsigned>(*value);
    }
    std::optional<std::string> text() {
        const auto size = number();
        if (!size || *size > rest_.size()) return std::nullopt;
        std::string value(rest_.substr(0, *size));
        rest_.remove_prefix(*size);
        return value;
    }
    bool at_end() const { return rest_.empty(); }

  private:
    std::string_view rest_;
};

}  // namespace

std::string encode(const DatabaseOrder& order) {
    std::string out;
    put(out, order.streams ? 1 : 0);
    for (const DatabaseOrder::Expression& expression : order.expressions) {
        put(out, expression.text.size());
        out += expression.text;
        put(out, expression.flags);
        put(out, expression.id);
        put(out, expression.min_offset);
        put(out, expression.max_offset ? 1 : 0);
        put(out, expression.max_offset.value_or(0));
    }
    return out;
}

std::optional<DatabaseOrder> decode(std::string_view bytes) {
    Reader reader(bytes);
    DatabaseOrder order;
    const auto streams = reader.number();
    if (!streams || *streams > 1) return std::nullopt;
    order.streams = *streams == 1;
    while (!reader.at_end()) {
        auto text = reader.text();
        const auto flags = reader.small_number();
        const auto id = reader.small_number();
        const auto min_offset = reader.number();
        const auto has_max = reader.number();
        const auto max_offset = reader.number();
        if (!text || text->find('\0') != std::string::npos || !flags || !id || !min_offset || !has_max ||
            *has_max > 1 || !max_offset) {
            return std::nullopt;
        }
        order.expressions.push_back({*std::move(text), *flags, *id, *min_offset, {}});
        if (*has_max == 1) order.expressions.back().max_offset = max_offset;
    }
    return order;
}

}  // namespace yagura::match
