// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cerrno>
#include <chrono>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "control/control_server.h"
#include "folder.h"

/// A control server and who connects to it, on one thread.
namespace yagura::control {

using std::chrono::milliseconds;

struct Recorder : AuditSink {
    void record(const AuditEvent& event) override { events.push_back(event); }
    bool may_act() override { return writable; }
    std::vector<AuditEvent> events;
    bool writable = true;
};

/// The other end. The server runs on the same thread, between its steps.
class Connection {
  public:
    explicit Connection(const std::string& path) : fd_(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0)) {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        path.copy(address.sun_path, path.size());
        connected_ = connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
    }
    ~Connection() { ::close(fd_); }
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;

    bool connected() const { return connected_; }
    /// How many of the bytes went.
    std::size_t say(std::string_view text) {
        const ssize_t n = send(fd_, text.data(), text.size(), MSG_NOSIGNAL);
        return n < 0 ? 0 : static_cast<std::size_t>(n);
    }
    void end() { shutdown(fd_, SHUT_WR); }
    /// Takes what is there. False when the server has closed.
    bool listen() {
        char bytes[65536];
        const ssize_t n = recv(fd_, bytes, sizeof bytes, 0);
        if (n > 0) heard.append(bytes, static_cast<std::size_t>(n));
        return n > 0 || (n < 0 && errno == EAGAIN);
    }
    std::vector<GivenJson> lines() const {
        std::vector<GivenJson> lines;
        for (std::size_t at = 0; at < heard.size();) {
            const std::size_t end = heard.find('\n', at);
            if (end == std::string::npos) break;
            lines.push_back(GivenJson::parse(heard.substr(at, end - at)));
            at = end + 1;
        }
        return lines;
    }
    std::string heard;

  private:
    int fd_;
    bool connected_ = false;
};

struct Fixture {
    Folder folder;
    std::string path = folder.file("control.sock");
    CommandTable table;
    Roles roles;
    Recorder audit;
    ServerLimits limits;
    std::unique_ptr<ControlServer> server;
    std::vector<Ticket> tickets;

    Fixture() {
        roles.grant_user(Role::kAdmin, getuid());
        const auto add = [&](const char* name, Role right, Effect effect,
                             std::function<Answer(const Arguments&, Call&)> handler) {
            table.add({.name = name,
                       .help = "of the test",
                       .right = right,
                       .effect = effect,
                       .parameters = {{.name = "size", .type = ParameterType::kNumber, .help = "bytes"}},
                       .handler = std::move(handler)});
        };
        add("test.echo", Role::kViewer, Effect::kReads, [](const Arguments& a, Call&) -> Answer {
            return Json{{"text", std::string(a.number("size").value_or(1), 'x')}};
        });
        add("test.change", Role::kOperator, Effect::kChanges,
            [](const Arguments&, Call&) -> Answer { return Json::object(); });
        add("test.throw", Role::kViewer, Effect::kReads,
            [](const Arguments&, Call&) -> Answer { throw std::runtime_error("broken"); });
        add("test.later", Role::kViewer, Effect::kReads, [this](const Arguments&, Call& call) -> Answer {
            const auto ticket = call.defer();
            if (!ticket) return busy();
            tickets.push_back(*ticket);
            return Later{};
        });
        add("test.later_not", Role::kViewer, Effect::kReads, [](const Arguments&, Call& call) -> Answer {
            call.defer();
            throw std::runtime_error("broken");
        });
        add("test.subscribe", Role::kViewer, Effect::kReads, [](const Arguments&, Call& call) -> Answer {
            call.subscribe(milliseconds(1));
            return Json::object();
        });
        add("test.unsubscribe", Role::kViewer, Effect::kReads, [](const Arguments&, Call& call) -> Answer {
            return Json{{"was", call.unsubscribe()}};
        });
    }

    void open() {
        auto socket = SocketFile::listen(path, 0600);
        REQUIRE(socket.ok());
        auto opened = ControlServer::open(std::move(*socket), table, roles, audit, limits);
        REQUIRE(opened.ok());
        server = std::move(*opened);
    }
    void turns(unsigned n = 5) {
        while (n-- > 0) server->turn(milliseconds(0));
    }
    /// Until so many lines have come.
    std::vector<GivenJson> hear(Connection& connection, std::size_t lines) {
        for (int i = 0; i < 2000 && connection.lines().size() < lines; ++i) {
            server->turn(milliseconds(0));
            if (!connection.listen()) break;
        }
        return connection.lines();
    }
    GivenJson ask(Connection& connection, const std::string& line) {
        connection.heard.clear();
        connection.say(line + "\n");
        const auto lines = hear(connection, 1);
        REQUIRE(lines.size() == 1);
        return lines[0];
    }
    bool closed(Connection& connection) {
        for (int i = 0; i < 200; ++i) {
            server->turn(milliseconds(0));
            if (!connection.listen()) return true;
        }
        return false;
    }
};

inline std::string request(const std::string& method, const std::string& params = "{}",
                           const std::string& id = "1") {
    return R"({"jsonrpc": "2.0", "id": )" + id + R"(, "method": ")" + method + R"(", "params": )" + params +
           "}";
}

}  // namespace yagura::control
