// SPDX-License-Identifier: BSD-3-Clause
#include <catch2/catch.hpp>
#include <string>

#include "config_samples.h"

namespace yagura::rules {
namespace {

std::string with_cache(std::string_view members) {
    return with("\"cache\": {" + std::string(members) + "}");
}

TEST_CASE("cache is read") {
    const Config config = must_parse(with_cache(R"("enabled": false, "folder": "/x y", "max_size": "2MiB")"));
    CHECK(config.cache == CacheSettings{.enabled = false, .folder = "/x y", .max_size = 2u << 20});
    CHECK(must_parse(canonical_json(config)).cache == config.cache);
    CHECK(must_parse(with_cache("")).cache == CacheSettings{});
    CHECK(canonical_json(must_parse(with_cache(R"("max_size": "1GiB")"))).find("cache") == std::string::npos);
}

TEST_CASE("faults of cache are named") {
    const FaultRow rows[] = {
        {"not an object",
         with(R"("cache": "/var/cache/yagura")"),
         "/cache",
         {"expected an object"},
         {"folder"}},
        {"misspelt key",
         with_cache(R"("foldr": "x")"),
         "/cache/foldr",
         {"unknown key"},
         {"did you mean \"folder\"?"}},
        {"empty folder", with_cache(R"("folder": "")"), "/cache/folder", {"is empty"}, {"default"}},
        {"folder with a zero",
         with_cache(R"("folder": "a\u0000b")"),
         "/cache/folder",
         {"\\u0000"},
         {"remove"}},
        {"too small", with_cache(R"("max_size": 1048575)"), "/cache/max_size", {"out of range"}, {"1MiB"}},
        {"too large", with_cache(R"("max_size": "2048GiB")"), "/cache/max_size", {"out of range"}, {}},
    };
    for (const FaultRow& row : rows) check_fault(row);
}

}  // namespace
}  // namespace yagura::rules
