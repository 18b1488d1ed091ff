// SPDX-License-Identifier: BSD-3-Clause
#include "rules/control_reader.h"

#include <fmt/format.h>

#include <unordered_set>

#include "rules/fields.h"
#include "rules/keys.h"

namespace yagura::rules {
namespace {

RoleMembers read_members(const Json& value, const Place& place, ErrorList& errors) {
    RoleMembers members;
    const auto fields =
        Fields::open(value, place, kRoleMemberKeys, "an object", kRoleKeys[1].example, errors);
    if (!fields) return members;
    if (const auto* users = fields->array("users")) {
        members.users = read_names(*users, fields->place("users"), "a user", R"("alice")", errors);
    }
    if (const auto* groups = fields->array("groups")) {
        members.groups = read_names(*groups, fields->place("groups"), "a group", R"("netops")", errors);
    }
    return members;
}

}  // namespace

std::vector<std::string> read_names(const Json::array_t& items, const Place& place, std::string_view meaning,
                                    std::string_view example, ErrorList& errors) {
    std::vector<std::string> names;
    std::unordered_set<std::string_view> seen;
    for (std::size_t i = 0; i < items.size(); ++i) {
        const Place entry(place, i);
        const auto* name = items[i].get_ptr<const std::string*>();
        if (name == nullptr) {
            report_type(items[i], entry, meaning, example, errors);
        } else if (name->empty() || name->size() > kMaxNameBytes) {
            errors.add(entry, fmt::format("{} is not the name of {}", in_quotes(*name), meaning),
                       fmt::format("1 to {} bytes", kMaxNameBytes));
        } else if (!seen.insert(*name).second) {
            errors.add(entry, fmt::format("{} stands twice", in_quotes(*name)), "name it once");
        } else if (check_no_control(*name, entry, errors)) {
            names.push_back(*name);
        }
    }
    return names;
}

Control read_control(const Json& value, const Place& place, ErrorList& errors) {
    Control control;
    const auto fields = Fields::open(value, place, kControlKeys, "an object", kControlExample, errors);
    if (!fields) return control;
    if (auto socket = fields->string("socket")) {
        if (socket->empty() || socket->size() > kMaxSocketPath) {
            errors.add(fields->place("socket"), fmt::format("the path has {} bytes", socket->size()),
                       fmt::format("1 to {} bytes", kMaxSocketPath));
        } else if (check_no_control(*socket, fields->place("socket"), errors)) {
            control.socket = *std::move(socket);
        }
    }
    if (fields->object("roles") != nullptr) {
        const Place roles_place = fields->place("roles");
        const auto roles = Fields::open(*fields->find("roles"), roles_place, kRoleKeys, {}, {}, errors);
        for (std::size_t i = 0; i < kRoleKeys.size(); ++i) {
            const Json* members = roles->find(kRoleKeys[i].name);
            if (members != nullptr)
                control.roles[i] = read_members(*members, {roles_place, kRoleKeys[i].name}, errors);
        }
    }
    if (const Json* most = fields->find("max_connections_per_user")) {
        control.max_connections_per_user =
            static_cast<unsigned>(read_whole_number(*most, fields->place("max_connections_per_user"),
                                                    "a number of connections", 1, kMaxConnections, errors)
                                      .value_or(control.max_connections_per_user));
    }
    return control;
}

}  // namespace yagura::rules
