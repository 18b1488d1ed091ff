// SPDX-License-Identifier: BSD-3-Clause
#include <catch2/catch.hpp>
#include <string>

#include "config_samples.h"

namespace yagura::rules {
namespace {

std::string with_audit(std::string_view members) {
    return with("\"audit\": {" + std::string(members) + "}");
}

TEST_CASE("audit is read") {
    const AuditSettings audit = must_parse(with_audit(R"("enabled": false, "file": "log", "key": "key",
        "max_size": "1MiB", "files": 2, "on_failure": "go_on",
        "head": {"file": "head", "socket": "/run/heads", "interval": "1500ms"})"))
                                    .audit;
    CHECK(audit == AuditSettings{.enabled = false,
                                 .file = "log",
                                 .key = "key",
                                 .max_size = 1u << 20,
                                 .files = 2,
                                 .head = {"head", "/run/heads", std::chrono::milliseconds(1500)},
                                 .on_failure = OnAuditFailure::kGoOn});
    CHECK(must_parse(with_audit("")).audit == AuditSettings{});
    CHECK(must_parse(with_audit(R"("head": {})")).audit == AuditSettings{});
}

TEST_CASE("faults of audit are named") {
    const FaultRow rows[] = {
        {"not an object",
         with(R"("audit": false)"),
         "/audit",
         {"expected an object", "found false"},
         {"file"}},
        {"misspelt key",
         with_audit(R"("max_siz": 1)"),
         "/audit/max_siz",
         {"unknown key"},
         {"did you mean \"max_size\"?"}},
        {"enabled of a wrong type",
         with_audit(R"("enabled": "no")"),
         "/audit/enabled",
         {"expected true or false, found a string"},
         {}},
        {"empty file", with_audit(R"("file": "")"), "/audit/file", {"is empty"}, {"default"}},
        {"file with a zero", with_audit(R"("file": "a\u0000b")"), "/audit/file", {"\\u0000"}, {"remove"}},
        {"key is not a path", with_audit(R"("key": {"hex": "00"})"), "/audit/key", {"expected a string"}, {}},
        {"too small a file",
         with_audit(R"("max_size": 65535)"),
         "/audit/max_size",
         {"65535 is out of range"},
         {"from \"64KiB\" to \"1GiB\""}},
        {"too large a file", with_audit(R"("max_size": "2GiB")"), "/audit/max_size", {"out of range"}, {}},
        {"a single file",
         with_audit(R"("files": 1)"),
         "/audit/files",
         {"a number of files cannot be 1"},
         {"from 2 to 10000"}},
        {"unknown policy",
         with_audit(R"("on_failure": "go on")"),
         "/audit/on_failure",
         {"unknown on_failure"},
         {"did you mean \"go_on\"?"}},
        {"head of a wrong type",
         with_audit(R"("head": "h")"),
         "/audit/head",
         {"expected an object"},
         {"socket"}},
        {"misspelt key of the head",
         with_audit(R"("head": {"sokcet": "/dev/log"})"),
         "/audit/head/sokcet",
         {"unknown key"},
         {"did you mean \"socket\"?"}},
        {"heads too often",
         with_audit(R"("head": {"interval": "10ms"})"),
         "/audit/head/interval",
         {"out of range"},
         {"from \"1s\" to \"1d\""}},
        {"heads too rarely",
         with_audit(R"("head": {"interval": 86401})"),
         "/audit/head/interval",
         {"out of range"},
         {}},
        {"a socket's path too long",
         with_audit(R"("head": {"socket": ")" + std::string(108, 's') + "\"}"),
         "/audit/head/socket",
         {"108 bytes"},
         {"at most 107"}},
        {"key and log in one",
         with_audit(R"("file": "a", "key": "a")"),
         "/audit",
         {"\"a\" is both file and key"},
         {"path of its own"}},
        {"head and first key in one",
         with_audit(R"("key": "a", "head": {"file": "a.first"})"),
         "/audit",
         {"\"a.first\" is both the first key and head/file"},
         {}},
    };
    for (const FaultRow& row : rows) check_fault(row);
}

}  // namespace
}  // namespace yagura::rules
