// SPDX-License-Identifier: BSD-3-Clause
#include "control/control_server.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <memory>
#include <string>
#include <vector>

#include "control_rig.h"
#include "support/skip.h"

namespace yagura::control {
namespace {

/// Root has every role, and is never refused: what holds of other users is seen as another user only.
class NotRoot {
  public:
    NotRoot() {
        if (getuid() != 0) return;
        REQUIRE(setegid(65534) == 0);
        REQUIRE(seteuid(65534) == 0);
    }
    NotRoot(const NotRoot&) = delete;
    NotRoot& operator=(const NotRoot&) = delete;
    ~NotRoot() {
        if (getuid() != 0) return;
        [[maybe_unused]] const bool back = seteuid(0) == 0 && setegid(getgid()) == 0;
    }
};

TEST_CASE("requests are answered, and each is in the audit log") {
    Fixture fixture;
    fixture.open();
    Connection client(fixture.path);
    CHECK(fixture.ask(client, request("test.echo")) ==
          GivenJson::parse(R"({"jsonrpc": "2.0", "id": 1, "result": {"text": "x"}})"));
    CHECK(fixture.ask(client, request("test.throw"))["error"]["code"] == -32603);
    CHECK(fixture.ask(client, request("test.echoes"))["error"]["code"] == -32601);
    CHECK(fixture.ask(client, request("test.echo", R"({"size": "1"})"))["error"]["data"]["field"] ==
          "params/size");
    CHECK(fixture.ask(client, "nonsense")["error"]["code"] == -32700);
    CHECK(fixture.ask(client, request("rpc.methods"))["result"]["methods"].size() == 8);

    struct Row {
        const char* action;
        bool allowed;
        const char* outcome;
    };
    const Row expected[] = {{"connect", true, "ok"},
                            {"test.echo", true, "ok"},
                            {"test.throw", true, "error -32603: not done: broken"},
                            {"test.echoes", false, "error -32601"},
                            {"test.echo", true, "error -32602"},
                            {"request", false, "error -32700"},
                            {"rpc.methods", true, "ok"}};
    REQUIRE(fixture.audit.events.size() == std::size(expected));
    for (std::size_t i = 0; i < std::size(expected); ++i) {
        const AuditEvent& event = fixture.audit.events[i];
        CAPTURE(i, event.outcome);
        CHECK(event.action == expected[i].action);
        CHECK(event.allowed == expected[i].allowed);
        CHECK_THAT(event.outcome, Catch::StartsWith(expected[i].outcome));
        CHECK(event.pid == getpid());
        CHECK(event.uid == getuid());
        CHECK(event.gid == getgid());
        CHECK_THAT(event.program, Catch::Contains("control_test"));
    }
    CHECK(fixture.audit.events[0].object == fixture.path);
    CHECK(fixture.audit.events[4].object == "size=\"1\"");
}

TEST_CASE("a notification is done and not answered") {
    Fixture fixture;
    fixture.open();
    Connection client(fixture.path);
    client.say("{\"jsonrpc\": \"2.0\", \"method\": \"test.echo\"}\n\n  \r\n");
    CHECK(fixture.ask(client, request("test.change"))["id"] == 1);
    CHECK(client.lines().size() == 1);
    CHECK(fixture.audit.events[1].action == "test.echo");
}

TEST_CASE("a method that is switched off is refused to everybody") {
    Fixture fixture;
    REQUIRE(fixture.table.disable("test.change").ok());
    fixture.open();
    Connection client(fixture.path);
    const GivenJson answer = fixture.ask(client, request("test.change"));
    CHECK(answer["error"]["code"] == -32002);
    CHECK_FALSE(fixture.audit.events.back().allowed);
}

TEST_CASE("a right that is missing is refused") {
    const NotRoot user;
    {
        Fixture fixture;
        fixture.roles = Roles();
        SECTION("a viewer changes nothing") {
            fixture.roles.grant_user(Role::kViewer, geteuid());
            fixture.open();
            Connection client(fixture.path);
            CHECK(fixture.ask(client, request("test.echo"))["result"]["text"] == "x");
            const GivenJson answer = fixture.ask(client, request("test.change"));
            CHECK(answer["error"]["code"] == -32001);
            CHECK_THAT(answer["error"]["message"].get<std::string>(),
                       Catch::Contains("needs the role operator"));
            CHECK_FALSE(fixture.audit.events.back().allowed);
            CHECK(fixture.audit.events.back().action == "test.change");
        }
        SECTION("who has no role is told so and sent away") {
            fixture.open();
            Connection client(fixture.path);
            CHECK(fixture.closed(client));
            REQUIRE(client.lines().size() == 1);
            CHECK(client.lines()[0]["error"]["code"] == -32007);
            CHECK_THAT(client.lines()[0]["error"]["message"].get<std::string>(), Catch::Contains("no role"));
            REQUIRE(fixture.audit.events.size() == 1);
            CHECK(fixture.audit.events[0].action == "connect");
            CHECK_FALSE(fixture.audit.events[0].allowed);
            CHECK(fixture.server->counters().refused == 1);
        }
    }
}

TEST_CASE("a user has so many connections, and one that ends makes room") {
    const NotRoot user;
    Fixture fixture;
    fixture.roles.grant_user(Role::kAdmin, geteuid());
    fixture.limits.connections_per_user = 3;
    fixture.open();
    std::vector<std::unique_ptr<Connection>> clients;
    for (int i = 0; i < 3; ++i) {
        clients.push_back(std::make_unique<Connection>(fixture.path));
        fixture.ask(*clients.back(), request("test.echo"));
    }
    Connection fourth(fixture.path);
    CHECK(fixture.closed(fourth));
    CHECK(fourth.lines().at(0)["error"]["code"] == -32007);
    clients.pop_back();
    fixture.turns();
    Connection fifth(fixture.path);
    CHECK(fixture.ask(fifth, request("test.echo")).contains("result"));
    CHECK(fixture.server->connections() == 3);
}

TEST_CASE("root always gets a connection, if need be for his own that is silent for longest") {
    if (getuid() != 0) SKIP_TEST("only root is root");
    Fixture fixture;
    // Whichever bound is reached.
    (GENERATE(false, true) ? fixture.limits.connections : fixture.limits.connections_per_user) = 3;
    fixture.open();
    std::vector<std::unique_ptr<Connection>> clients;
    for (int i = 0; i < 3; ++i) {
        clients.push_back(std::make_unique<Connection>(fixture.path));
        fixture.ask(*clients.back(), request("test.echo"));
    }
    SECTION("silent for longest") {
        fixture.ask(*clients[0], request("test.echo"));
        clients[1]->heard.clear();
    }
    SECTION("that is told nothing and waits for nothing") {
        fixture.ask(*clients[0], request("test.subscribe"));
        clients[1]->heard.clear();
        clients[2]->say(request("test.later") + "\n");
        fixture.turns();
    }
    Connection fourth(fixture.path);
    CHECK(fixture.ask(fourth, request("test.change")).contains("result"));
    CHECK(fixture.closed(*clients[1]));
    REQUIRE(clients[1]->lines().size() == 1);
    CHECK(clients[1]->lines()[0]["error"]["code"] == -32007);
    CHECK(fixture.server->connections() == 3);
    CHECK(fixture.server->counters().refused == 0);
    const AuditEvent& connected = fixture.audit.events[fixture.audit.events.size() - 2];
    CHECK(connected.action == "connect");
    CHECK_THAT(connected.outcome, Catch::StartsWith("ok: the silent connection of pid ") &&
                                      Catch::EndsWith(" was closed for it"));
}

TEST_CASE("root's connections for which something is being done are not closed for another") {
    if (getuid() != 0) SKIP_TEST("only root is root");
    Fixture fixture;
    fixture.limits.connections_per_user = 1;
    fixture.open();
    Connection waiting(fixture.path);
    waiting.say(request("test.later") + "\n");
    fixture.turns();
    Connection other(fixture.path);
    CHECK(fixture.closed(other));
    REQUIRE(fixture.tickets.size() == 1);
    fixture.server->answer(fixture.tickets[0], Json::object());
    CHECK(fixture.hear(waiting, 1).at(0).contains("result"));
}

TEST_CASE("without an audit log nothing is changed, and all else is done") {
    Fixture fixture;
    const auto add = [&](const char* name, Role right, Effect effect) {
        fixture.table.add({.name = name,
                           .help = "of the test",
                           .right = right,
                           .effect = effect,
                           .parameters = {},
                           .handler = [](const Arguments&, Call&) -> Answer { return Json::object(); }});
    };
    add("test.tail", Role::kAdmin, Effect::kReads);
    add("test.stop", Role::kResponder, Effect::kMakesSafer);
    add("test.begin", Role::kViewer, Effect::kChanges);
    fixture.open();
    fixture.audit.writable = false;
    Connection client(fixture.path);
    for (const char* done : {"test.tail", "test.stop", "test.echo"})
        CHECK(fixture.ask(client, request(done)).contains("result"));
    for (const char* refused : {"test.begin", "test.change"}) {
        const GivenJson error = fixture.ask(client, request(refused))["error"];
        CHECK(error["code"] == -32005);
        CHECK_THAT(error["message"].get<std::string>(), Catch::Contains("the audit log cannot be written"));
        CHECK_FALSE(fixture.audit.events.back().allowed);
    }
}

TEST_CASE("requests that change nothing cannot fill the audit log, and none that does is missing in it") {
    Fixture fixture;
    fixture.limits.records = {.at_once = 20, .per_second = 0, .said_after = std::chrono::hours(1)};
    fixture.open();
    Connection client(fixture.path);
    for (int i = 0; i < 100; ++i) {
        fixture.ask(client, request("test.change"));
        fixture.ask(client, "nonsense");
        fixture.ask(client, request("test.throw"));
        fixture.ask(client, request("test.echo"));
    }
    client.say(request("test.later") + "\n");
    fixture.turns();
    REQUIRE(fixture.tickets.size() == 1);
    fixture.server->answer(fixture.tickets[0], Json::object());
    fixture.server->end({.code = RpcCode::kConflict, .message = "the end"}, milliseconds(0));

    const std::vector<AuditEvent>& events = fixture.audit.events;
    const auto recorded = [&](const char* action) {
        return std::ranges::count(events, action, &AuditEvent::action);
    };
    CHECK(recorded("test.change") == 100);
    CHECK(recorded("request") + recorded("test.throw") == 20);
    CHECK(recorded("connect") + recorded("test.echo") == 20);
    REQUIRE(recorded("requests") == 2);
    const AuditEvent& refused = events[events.size() - 2];
    CHECK(refused.outcome == "180 more were refused or failed; the last: error -32603: not done: broken");
    CHECK_THAT(refused.object, Catch::EndsWith("the last: test.throw"));
    CHECK_FALSE(refused.allowed);
    CHECK(events.back().outcome == "82 more were answered, and changed nothing");
    CHECK(events.back().allowed);
    CHECK(events.back().uid == getuid());
}

TEST_CASE("a line that is too long ends the connection, and harms no other") {
    Fixture fixture;
    fixture.limits.line = 1000;
    fixture.open();
    Connection other(fixture.path);
    Connection client(fixture.path);
    client.say(std::string(1000, ' ') + "\n");
    CHECK(fixture.ask(client, request("test.echo")).contains("result"));
    client.heard.clear();
    client.say(std::string(1001, 'x'));
    CHECK(fixture.closed(client));
    CHECK(client.lines().at(0)["error"]["code"] == -32006);
    CHECK_THAT(client.lines().at(0)["error"]["message"].get<std::string>(),
               Catch::Contains("longer than 1000 bytes") && Catch::Contains("SIGHUP"));
    CHECK(fixture.audit.events.back().action == "request");
    CHECK_THAT(fixture.audit.events.back().outcome, Catch::StartsWith("error -32006"));
    CHECK(fixture.ask(other, request("test.echo")).contains("result"));
}

TEST_CASE("who does not read is not heard any more, at bounded cost, and gets everything when he reads") {
    Fixture fixture;
    fixture.open();
    Connection other(fixture.path);
    Connection deaf(fixture.path);
    const std::string line = request("test.echo", R"({"size": 10000})") + "\n";
    std::size_t sent = 0;
    for (int i = 0; i < 3000; ++i) {
        if (deaf.say(line) == line.size()) ++sent;
        fixture.turns(1);
    }
    fixture.turns(1000);
    CHECK(sent < 3000);
    CHECK(fixture.server->counters().requests < 200);
    CHECK(fixture.ask(other, request("test.echo")).contains("result"));
    // Whole lines only were sent, but for the last.
    CHECK(fixture.hear(deaf, sent).size() >= sent);
}

TEST_CASE("a flood is served in turn with others") {
    Fixture fixture;
    fixture.open();
    Connection flood(fixture.path);
    Connection other(fixture.path);
    std::string lines;
    for (int i = 0; i < 1000; ++i) lines += request("test.echo") + "\n";
    flood.say(lines);
    fixture.turns(2);
    const std::uint64_t before = fixture.server->counters().requests;
    CHECK(fixture.ask(other, request("test.echo")).contains("result"));
    CHECK(fixture.server->counters().requests - before < 100);
    CHECK(fixture.hear(flood, 1000).size() == 1000);
}

TEST_CASE("who says no more is answered to the end, with a last line that has none") {
    Fixture fixture;
    fixture.open();
    Connection client(fixture.path);
    client.say(request("test.later") + "\n" + request("test.echo", "{}", "2"));
    client.end();
    CHECK(fixture.hear(client, 1).at(0)["id"] == 2);
    fixture.turns();
    CHECK(client.listen());
    REQUIRE(fixture.tickets.size() == 1);
    fixture.server->answer(fixture.tickets[0], Json{{"done", true}});
    CHECK(fixture.hear(client, 2).at(1)["result"]["done"] == true);
    CHECK(fixture.closed(client));
    CHECK(fixture.server->connections() == 0);
}

TEST_CASE("who hangs up at once has still said what he said") {
    Fixture fixture;
    fixture.open();
    {
        Connection client(fixture.path);
        client.say(request("test.change") + "\n");
    }
    fixture.turns();
    CHECK(fixture.audit.events.size() == 2);
    CHECK(fixture.server->connections() == 0);
}

TEST_CASE("answers that come later reach their client, or nobody") {
    Fixture fixture;
    fixture.open();
    {
        Connection client(fixture.path);
        client.say(request("test.later", "{}", "1") + "\n" + request("test.later", "{}", "2") + "\n" +
                   request("test.later", "{}", "3") + "\n");
        const auto lines = fixture.hear(client, 1);
        REQUIRE(lines.size() == 1);
        CHECK(lines[0]["id"] == 3);
        CHECK(lines[0]["error"]["code"] == -32003);
        REQUIRE(fixture.tickets.size() == 2);
        fixture.server->answer(
            fixture.tickets[1],
            RpcError{.code = RpcCode::kConflict, .message = "not now", .field = "params/x"});
        const auto answered = fixture.hear(client, 2);
        CHECK(answered.at(1)["id"] == 2);
        CHECK(answered.at(1)["error"]["data"]["field"] == "params/x");
        CHECK_FALSE(fixture.server->all_sent());
    }
    fixture.turns();
    const std::size_t recorded = fixture.audit.events.size();
    fixture.server->answer(fixture.tickets[0], Json::object());
    fixture.server->answer(fixture.tickets[0], Json::object());
    fixture.server->answer(Ticket{12345}, Json::object());
    CHECK(fixture.audit.events.size() == recorded + 1);
    CHECK(fixture.audit.events.back().outcome == "ok");
    CHECK(fixture.server->all_sent());
}

TEST_CASE("a call that fails after it was deferred is answered once, and leaves nothing") {
    Fixture fixture;
    fixture.open();
    Connection client(fixture.path);
    for (int i = 0; i < 5; ++i) {
        CHECK(fixture.ask(client, request("test.later_not"))["error"]["code"] == -32603);
    }
    CHECK(fixture.server->all_sent());
}

TEST_CASE("subscribers get updates; who does not read loses them, counted") {
    Fixture fixture;
    fixture.open();
    unsigned published = 0;
    std::string body(20'000, 'x');
    fixture.server->publish("test.update", [&] { return Json{{"n", ++published}, {"body", body}}; });
    Connection client(fixture.path);
    fixture.ask(client, request("test.subscribe"));
    const auto lines = fixture.hear(client, 3);
    REQUIRE(lines.size() >= 3);
    CHECK(lines[1]["method"] == "test.update");
    CHECK(lines[1]["params"]["missed"] == 0);
    CHECK_FALSE(lines[1].contains("id"));
    // It reads nothing until far more is due than any buffer holds.
    const auto until = Client::Clock::now() + milliseconds(300);
    while (Client::Clock::now() < until) fixture.server->turn(milliseconds(1));
    CHECK(published < 100);
    CHECK(fixture.server->counters().missed_updates > 0);
    client.heard.clear();
    std::uint64_t missed = 0;
    for (int i = 0; i < 2000 && missed == 0; ++i) {
        fixture.server->turn(milliseconds(1));
        client.listen();
        // The first line may have been cut by heard.clear().
        const std::size_t at = client.heard.rfind("\"missed\":");
        if (at != std::string::npos && at + 12 < client.heard.size()) {
            missed = std::stoull(client.heard.substr(at + 9));
        }
    }
    CHECK(missed > 0);
}

TEST_CASE("a subscription ends when it is asked to, and with its client") {
    Fixture fixture;
    fixture.open();
    unsigned published = 0;
    fixture.server->publish("test.update", [&] { return Json{{"n", ++published}}; });
    {
        Connection client(fixture.path);
        fixture.ask(client, request("test.subscribe"));
        fixture.hear(client, 2);
        client.say(request("test.unsubscribe") + "\n");
        for (int i = 0; i < 100 && client.heard.find("\"was\"") == std::string::npos; ++i) {
            fixture.server->turn(milliseconds(1));
            client.listen();
        }
        CHECK(client.heard.find("\"was\":true") != std::string::npos);
        CHECK(fixture.ask(client, request("test.unsubscribe"))["result"]["was"] == false);
        fixture.ask(client, request("test.subscribe"));
    }
    fixture.turns();
    const unsigned before = published;
    for (int i = 0; i < 20; ++i) fixture.server->turn(milliseconds(1));
    CHECK(published == before);
    CHECK(fixture.server->connections() == 0);
}

TEST_CASE("all together cannot have more memory than the bound") {
    Fixture fixture;
    fixture.limits.buffered = 1u << 20;
    fixture.open();
    std::vector<std::unique_ptr<Connection>> clients;
    for (int i = 0; i < 8; ++i) clients.push_back(std::make_unique<Connection>(fixture.path));
    const std::string piece(60'000, 'x');
    for (int round = 0; round < 40; ++round) {
        for (auto& client : clients) client->say(piece);
        fixture.turns();
    }
    unsigned sent_away = 0;
    for (auto& client : clients) sent_away += fixture.closed(*client) ? 1 : 0;
    CHECK(sent_away > 0);
    clients.clear();
    fixture.turns(20);
    CHECK(fixture.server->connections() == 0);
    Connection client(fixture.path);
    CHECK(fixture.ask(client, request("test.echo")).contains("result"));
}

TEST_CASE("without descriptors connections wait, and nobody else does") {
    Fixture fixture;
    fixture.open();
    Connection served(fixture.path);
    fixture.ask(served, request("test.echo"));
    Connection waiting(fixture.path);
    rlimit before{};
    getrlimit(RLIMIT_NOFILE, &before);
    const int lowest = open("/dev/null", O_RDONLY);
    rlimit none = before;
    none.rlim_cur = static_cast<rlim_t>(lowest);
    ::close(lowest);
    // Nothing is checked meanwhile: sanitizers need descriptors to look at memory.
    setrlimit(RLIMIT_NOFILE, &none);
    const bool answered = fixture.ask(served, request("test.echo")).contains("result");
    const auto begin = Client::Clock::now();
    fixture.server->turn(milliseconds(20));
    const auto slept = Client::Clock::now() - begin;
    setrlimit(RLIMIT_NOFILE, &before);
    CHECK(answered);
    CHECK(slept >= milliseconds(15));  // although a connection waits
    waiting.say(request("test.echo") + "\n");
    for (int i = 0; i < 500 && waiting.heard.empty(); ++i) {
        fixture.server->turn(milliseconds(1));
        waiting.listen();
    }
    CHECK(waiting.lines().size() == 1);
}

TEST_CASE("wake ends the waiting") {
    Fixture fixture;
    fixture.open();
    fixture.server->wake();
    const auto begin = Client::Clock::now();
    fixture.server->turn(std::chrono::seconds(20));
    CHECK(Client::Clock::now() - begin < std::chrono::seconds(10));
}

}  // namespace
}  // namespace yagura::control
