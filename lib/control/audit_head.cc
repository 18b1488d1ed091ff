// SPDX-License-Identifier: BSD-3-Clause
#include "control/audit_head.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>

#include "control/audit_files.h"
#include "control/audit_record.h"

namespace yagura::control {
namespace {

constexpr std::string_view kHeadBegin = "{\"head\":";
constexpr int kPriority = 10 * 8 + 5;  // RFC 3164: authpriv, notice

}  // namespace

std::string sealed_head(const AuditHead& head, const AuditKey& key) {
    std::string body = fmt::format(
        "{}{},\"log\":\"{}\",\"time\":\"{}\",\"oldest\":{},\"seq\":{},\"last\":\"{}\",\"lost\":{},"
        "\"interval_ms\":{}",
        kHeadBegin, head.number, head.log, head.time, head.oldest, head.sequence, to_hex(head.last),
        head.lost, head.interval_ms);
    const Mac mac = key.head_mac(body);
    return sealed(std::move(body), mac) + "\n";
}

std::optional<SealedHead> parse_head(std::string_view line) {
    const std::size_t begin = line.find(kHeadBegin);
    if (begin == std::string_view::npos) return std::nullopt;
    const auto seal = unsealed(line.substr(begin));
    if (!seal) return std::nullopt;
    SealedHead sealed{{}, std::string(seal->body), seal->mac};
    const auto json = nlohmann::json::parse(sealed.body + "}", nullptr, false);
    if (!json.is_object()) return std::nullopt;
    AuditHead& head = sealed.head;
    try {
        const auto number = [&json](const char* key) { return json.at(key).get_ref<const std::uint64_t&>(); };
        head.number = number("head");
        head.log = json.at("log").get<std::string>();
        head.time = json.at("time").get<std::string>();
        head.oldest = number("oldest");
        head.sequence = number("seq");
        head.lost = number("lost");
        head.interval_ms = number("interval_ms");
        const auto last = mac_from_hex(json.at("last").get<std::string>());
        if (!last || head.sequence == 0 || !is_log_name(head.log) || !is_utc_milliseconds(head.time)) {
            return std::nullopt;
        }
        head.last = *last;
    } catch (const nlohmann::json::exception&) {
        return std::nullopt;
    }
    return sealed;
}

base::Result<void> send_head(const std::string& socket_path, std::string_view sealed_head) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (socket_path.size() >= sizeof address.sun_path)
        return file_error(socket_path, "cannot be used", ENAMETOOLONG);
    std::memcpy(address.sun_path, socket_path.data(), socket_path.size());
    const FileDescriptor socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!socket.ok()) return file_error(socket_path, "no socket", errno);
    sealed_head = sealed_head.substr(0, sealed_head.find('\n'));
    const std::string message =
        fmt::format("<{}>yagura[{}]: audit head {}", kPriority, ::getpid(), sealed_head);
    if (::sendto(socket.get(), message.data(), message.size(), MSG_NOSIGNAL,
                 reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0) {
        return file_error(socket_path, "cannot be sent a head", errno);
    }
    return {};
}

}  // namespace yagura::control
