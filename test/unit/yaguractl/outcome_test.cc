// SPDX-License-Identifier: BSD-3-Clause
#include "app/client/outcome.h"

#include <catch2/catch.hpp>

namespace yagura::client {
namespace {

using Json = nlohmann::ordered_json;

TEST_CASE("an outcome is done or not") {
    for (const char* outcome :
         {"verified", "blocked", "shunted", "released", "added", "changed", "removed", "dry_run"})
        CHECK(is_done(outcome));
    for (const char* outcome : {"unverified", "too_late", "no_path", "not_found", "not_tcp", "rate_limited",
                                "refused", "full", "invalid", "", "Verified"})
        CHECK_FALSE(is_done(outcome));
}

TEST_CASE("the details of a result are told in words, whatever is there") {
    struct Row {
        const char* result;
        const char* details;
    };
    const Row rows[] = {
        {R"({"flow": "f", "outcome": "verified", "seen": "both_reset", "frames": 4, "first_reset_us": 35,
             "death_us": 212})",
         "both_reset, 4 frames, RST after 35 us, dead after 212 us"},
        {R"({"outcome": "refused", "message": "10.0.0.1 is never cut"})", "10.0.0.1 is never cut"},
        {R"({"outcome": "not_found"})", ""},
        {R"({"seen": null, "frames": "4", "death_us": -1, "message": []})", ""},
        {R"([])", ""},
        {R"("x")", ""},
    };
    for (const Row& row : rows) CHECK(details_of(Json::parse(row.result)) == row.details);
}

}  // namespace
}  // namespace yagura::client
