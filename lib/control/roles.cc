// SPDX-License-Identifier: BSD-3-Clause
#include "control/roles.h"

#include <fmt/format.h>
#include <grp.h>
#include <pwd.h>

#include <array>
#include <charconv>
#include <optional>

namespace yagura::control {
namespace {

constexpr std::array<std::string_view, rules::kRoleCount> kNames{"viewer", "operator", "responder", "admin"};

/// Nothing when it is no number; the highest one means "none" to the kernel.
std::optional<std::uint32_t> number_of(const std::string& text) {
    std::uint32_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc{} || end != text.data() + text.size() || number == UINT32_MAX) return std::nullopt;
    return number;
}

}  // namespace

std::string_view role_name(Role role) {
    return kNames[static_cast<std::size_t>(role)];
}

void RoleSet::add(Role role) {
    roles_.set(static_cast<std::size_t>(Role::kViewer));
    roles_.set(static_cast<std::size_t>(role));
    if (role == Role::kAdmin) roles_.set();
}

std::string RoleSet::to_string() const {
    std::string text;
    for (std::size_t i = 0; i < kNames.size(); ++i) {
        if (roles_[i]) text += fmt::format("{}{}", text.empty() ? "" : ", ", kNames[i]);
    }
    return text;
}

base::Result<void> Roles::grant_user(Role role, const std::string& user) {
    const passwd* entry = getpwnam(user.c_str());
    const std::optional<std::uint32_t> number = number_of(user);
    if (entry == nullptr && !number) return base::Error{fmt::format("there is no user \"{}\"", user)};
    grant_user(role, entry != nullptr ? entry->pw_uid : uid_t{*number});
    return {};
}

base::Result<void> Roles::grant_group(Role role, const std::string& group) {
    const ::group* entry = getgrnam(group.c_str());
    const std::optional<std::uint32_t> number = number_of(group);
    if (entry == nullptr && !number) return base::Error{fmt::format("there is no group \"{}\"", group)};
    grant_group(role, entry != nullptr ? entry->gr_gid : gid_t{*number});
    return {};
}

RoleSet Roles::of(const Peer& peer) const {
    RoleSet roles;
    if (peer.uid == 0) roles.add(Role::kAdmin);
    for (const auto& [role, user] : users_) {
        if (peer.uid == user) roles.add(role);
    }
    for (const auto& [role, group] : groups_) {
        if (peer.in_group(group)) roles.add(role);
    }
    return roles;
}

}  // namespace yagura::control
