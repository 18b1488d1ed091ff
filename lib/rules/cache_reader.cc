// SPDX-License-Identifier: BSD-3-Clause
#include "rules/cache_reader.h"

#include "rules/fields.h"
#include "rules/keys.h"
#include "rules/quantity_reader.h"

namespace yagura::rules {

CacheSettings read_cache(const Json& value, const Place& place, ErrorList& errors) {
    CacheSettings cache;
    const auto fields = Fields::open(value, place, kCacheKeys, "an object", kCacheExample, errors);
    if (!fields) return cache;
    cache.enabled = fields->boolean("enabled").value_or(cache.enabled);
    read_path(*fields, "folder", cache.folder, errors);
    read_size(*fields, "max_size", kMinCacheSize, kMaxCacheSize, cache.max_size, errors);
    return cache;
}

}  // namespace yagura::rules
