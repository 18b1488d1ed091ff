// SPDX-License-Identifier: BSD-3-Clause
#include "control/roles.h"

#include <catch2/catch.hpp>

namespace yagura::control {
namespace {

TEST_CASE("by default root may do anything and nobody else anything") {
    const Roles roles;
    CHECK(roles.root_alone());
    CHECK(roles.of({.uid = 0}).to_string() == "viewer, operator, responder, admin");
    CHECK(roles.of({.uid = 1000, .gid = 0, .groups = {0}}).empty());
}

TEST_CASE("roles come by user, by group and by supplementary group, and add up") {
    Roles roles;
    roles.grant_user(Role::kOperator, uid_t{1000});
    roles.grant_group(Role::kResponder, gid_t{50});
    roles.grant_user(Role::kViewer, uid_t{1001});
    roles.grant_user(Role::kAdmin, uid_t{1002});
    CHECK_FALSE(roles.root_alone());
    CHECK(roles.of({.uid = 1000, .gid = 1}).to_string() == "viewer, operator");
    CHECK(roles.of({.uid = 1000, .gid = 50}).to_string() == "viewer, operator, responder");
    CHECK(roles.of({.uid = 7, .gid = 1, .groups = {3, 50}}).to_string() == "viewer, responder");
    CHECK(roles.of({.uid = 1001, .gid = 1}).to_string() == "viewer");
    CHECK(roles.of({.uid = 1002, .gid = 1}).has(Role::kResponder));
    CHECK(roles.of({.uid = 50, .gid = 1000}).empty());
    CHECK(roles.of({.uid = 0}).has(Role::kAdmin));
}

TEST_CASE("users and groups have names or numbers") {
    Roles roles;
    REQUIRE(roles.grant_user(Role::kViewer, std::string("root")).ok());
    REQUIRE(roles.grant_user(Role::kViewer, std::string("4711")).ok());
    REQUIRE(roles.grant_group(Role::kOperator, std::string("4712")).ok());
    CHECK(roles.of({.uid = 4711, .gid = 1}).has(Role::kViewer));
    CHECK(roles.of({.uid = 1, .gid = 4712}).has(Role::kOperator));
    for (const char* wrong : {"", "no-such-user", "-1", "4294967295", "4294967296", "1x"}) {
        CAPTURE(wrong);
        CHECK_FALSE(roles.grant_user(Role::kViewer, std::string(wrong)).ok());
        CHECK_FALSE(roles.grant_group(Role::kViewer, std::string(wrong)).ok());
    }
}

}  // namespace
}  // namespace yagura::control
