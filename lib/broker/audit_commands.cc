// SPDX-License-Identifier: BSD-3-Clause
// Methods of the control socket: the audit log.
#include "broker/control_plane.h"

namespace yagura::broker {
namespace {

using control::Answer;
using control::Arguments;
using control::Call;
using control::Json;
using control::RpcCode;
using control::RpcError;

constexpr std::uint64_t kUsualRecords = 20;
constexpr std::uint64_t kMostRecords = 500;

Answer tail(const control::AuditLog* log, const Arguments& arguments) {
    if (log == nullptr) {
        return RpcError{.code = RpcCode::kConflict,
                        .message = "there is no audit log (audit.enabled of the configuration)",
                        .field = "method"};
    }
    const auto page =
        log->tail(arguments.number("count").value_or(kUsualRecords), arguments.number("before"));
    if (!page) return RpcError{.code = RpcCode::kConflict, .message = page.error().message};
    Json records = Json::array();
    for (const std::string& line : page->records) {
        Json record = Json::parse(line, nullptr, false);
        // A line that somebody has broken is shown as it stands; audit verify says what is wrong with it.
        records.push_back(record.is_discarded() ? Json{{"unreadable", line}} : std::move(record));
    }
    return Json{{"records", std::move(records)}, {"before", page->before ? Json(*page->before) : Json()}};
}

}  // namespace

void add_audit_commands(control::CommandTable& table, ControlPlane& plane) {
    table.add({.name = "audit.tail",
               .help = "The newest records of the audit log, newest first; unverified",
               .right = control::Role::kAdmin,
               .effect = control::Effect::kReads,
               .parameters = {{.name = "count",
                               .type = control::ParameterType::kNumber,
                               .help = "How many at most (20)",
                               .low = 1,
                               .high = kMostRecords},
                              {.name = "before",
                               .type = control::ParameterType::kNumber,
                               .help = "Older than this record: before of the page before",
                               .low = 1}},
               .handler = [&plane](const Arguments& arguments, Call&) -> Answer {
                   return tail(plane.audit().log(), arguments);
               }});
}

}  // namespace yagura::broker
