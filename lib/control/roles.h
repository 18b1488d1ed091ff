// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <bitset>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "control/peer.h"
#include "rules/role.h"

namespace yagura::control {

using rules::Role;

std::string_view role_name(Role role);

/// The roles that somebody has, with those that they bring along.
class RoleSet {
  public:
    void add(Role role);
    bool has(Role role) const { return roles_[static_cast<std::size_t>(role)]; }
    bool empty() const { return roles_.none(); }
    /// "viewer, operator".
    std::string to_string() const;

  private:
    std::bitset<rules::kRoleCount> roles_;
};

/// Who may do what. Root may do anything, whatever is granted; by default nobody else anything.
class Roles {
  public:
    void grant_user(Role role, uid_t user) { users_.emplace_back(role, user); }
    void grant_group(Role role, gid_t group) { groups_.emplace_back(role, group); }
    /// A user or group by name, or by number. Looks the name up, which may block; an error when there is
    /// none.
    base::Result<void> grant_user(Role role, const std::string& user);
    base::Result<void> grant_group(Role role, const std::string& group);

    /// Root alone has a role.
    bool root_alone() const { return users_.empty() && groups_.empty(); }
    RoleSet of(const Peer& peer) const;

  private:
    std::vector<std::pair<Role, uid_t>> users_;
    std::vector<std::pair<Role, gid_t>> groups_;
};

}  // namespace yagura::control
