// SPDX-License-Identifier: BSD-3-Clause
#include "rules/audit_reader.h"

#include <fmt/format.h>

#include <array>

#include "rules/fields.h"
#include "rules/keys.h"
#include "rules/quantity_reader.h"

namespace yagura::rules {
namespace {

void read_socket(const Fields& fields, AuditHeadSettings& head, ErrorList& errors) {
    std::string path;
    read_path(fields, "socket", path, errors);
    if (path.size() > kMaxSocketPath) {
        errors.add(fields.place("socket"), fmt::format("a path of {} bytes", path.size()),
                   fmt::format("a socket's path has at most {}", kMaxSocketPath));
        return;
    }
    head.socket = std::move(path);
}

AuditHeadSettings read_head(const Json& value, const Place& place, ErrorList& errors) {
    AuditHeadSettings head;
    const auto fields =
        Fields::open(value, place, kAuditHeadKeys, "an object", kAuditKeys[5].example, errors);
    if (!fields) return head;
    read_path(*fields, "file", head.file, errors);
    read_socket(*fields, head, errors);
    head.interval = read_duration(*fields, "interval", kMinHeadInterval, kMaxHeadInterval, errors)
                        .value_or(head.interval);
    return head;
}

/// Two of the files in one would overwrite each other.
void check_apart(const AuditSettings& audit, const Place& place, ErrorList& errors) {
    struct Role {
        const char* name;
        std::string path;
    };
    const std::array<Role, 4> roles{{{"file", audit.file},
                                     {"key", audit.key},
                                     {"the first key", audit.key + kFirstKeyEnding},
                                     {"head/file", audit.head.file}}};
    for (std::size_t i = 0; i < roles.size(); ++i) {
        for (std::size_t j = i + 1; j < roles.size(); ++j) {
            if (roles[i].path != roles[j].path) continue;
            errors.add(
                place,
                fmt::format("{} is both {} and {}", in_quotes(roles[i].path), roles[i].name, roles[j].name),
                "give each a path of its own");
            return;
        }
    }
}

}  // namespace

AuditSettings read_audit(const Json& value, const Place& place, ErrorList& errors) {
    AuditSettings audit;
    const auto fields = Fields::open(value, place, kAuditKeys, "an object", kAuditExample, errors);
    if (!fields) return audit;
    audit.enabled = fields->boolean("enabled").value_or(audit.enabled);
    read_path(*fields, "file", audit.file, errors);
    read_path(*fields, "key", audit.key, errors);
    read_size(*fields, "max_size", kMinAuditSize, kMaxAuditSize, audit.max_size, errors);
    if (const Json* files = fields->find("files")) {
        audit.files = read_whole_number(*files, fields->place("files"), "a number of files", kMinAuditFiles,
                                        kMaxAuditFiles, errors)
                          .value_or(audit.files);
    }
    if (const Json* head = fields->find("head")) {
        audit.head = read_head(*head, fields->place("head"), errors);
    }
    audit.on_failure = fields->choice("on_failure", kAuditFailures).value_or(audit.on_failure);
    check_apart(audit, place, errors);
    return audit;
}

}  // namespace yagura::rules
