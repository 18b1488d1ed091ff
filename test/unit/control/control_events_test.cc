// SPDX-License-Identifier: BSD-3-Clause
// What is sent to those who subscribed to events.
#include <catch2/catch.hpp>
#include <memory>
#include <string>
#include <vector>

#include "control/control_server.h"
#include "control/event_topics.h"
#include "control_rig.h"

namespace yagura::control {
namespace {

struct EventFixture : Fixture {
    EventFixture() {
        const auto add = [&](const char* name, std::function<Answer(const Arguments&, Call&)> handler) {
            table.add({.name = name,
                       .help = "of the test",
                       .right = Role::kViewer,
                       .effect = Effect::kReads,
                       .parameters = {{.name = "topic", .type = ParameterType::kText, .help = "which"}},
                       .handler = std::move(handler)});
        };
        add("test.listen", [](const Arguments& a, Call& call) -> Answer {
            call.subscribe_events(*a.text("topic"));
            return Json::object();
        });
        add("test.listen_not", [](const Arguments& a, Call& call) -> Answer {
            return Json{{"was", call.unsubscribe_events(*a.text("topic"))}};
        });
        add("test.tell", [this](const Arguments& a, Call&) -> Answer {
            server->notify(*a.text("topic"), {{"from", "a handler"}});
            return Json::object();
        });
    }

    void listen(Connection& connection, const std::string& topic) {
        REQUIRE(ask(connection, call_of("test.listen", topic)).contains("result"));
        connection.heard.clear();
    }
    static std::string call_of(const std::string& method, const std::string& topic) {
        return request(method, R"({"topic": ")" + topic + R"("})");
    }
    /// Tells of numbered events, each in a turn of its own, until a client has missed one.
    unsigned tell_until_missed(const std::string& topic, const std::string& body) {
        unsigned n = 0;
        while (server->counters().missed_events == 0) {
            REQUIRE(n < 100'000);
            server->notify(topic, {{"n", n++}, {"body", body}});
            turns(1);
        }
        return n;
    }
};

TEST_CASE("an event goes to all who subscribed to its topic, and to nobody else") {
    EventFixture fixture;
    fixture.open();
    Connection first(fixture.path);
    Connection second(fixture.path);
    Connection other_topic(fixture.path);
    Connection none(fixture.path);
    CHECK_FALSE(fixture.server->has_subscribers("kills"));
    fixture.listen(first, "kills");
    fixture.listen(first, "kills");
    fixture.listen(second, "kills");
    fixture.listen(other_topic, "ends");
    fixture.ask(none, request("test.echo"));
    none.heard.clear();
    CHECK(fixture.server->has_subscribers("kills"));

    fixture.server->notify("kills", {{"flow", "a"}, {"frames", 4}});
    fixture.server->notify("kills", Json::object());
    const GivenJson told = GivenJson::parse(
        R"({"jsonrpc": "2.0", "method": "kills", "params": {"missed": 0, "flow": "a", "frames": 4}})");
    const GivenJson empty =
        GivenJson::parse(R"({"jsonrpc": "2.0", "method": "kills", "params": {"missed": 0}})");
    CHECK(fixture.hear(first, 2) == std::vector<GivenJson>{told, empty});
    CHECK(fixture.hear(second, 2) == std::vector<GivenJson>{told, empty});
    fixture.turns();
    other_topic.listen();
    none.listen();
    CHECK(other_topic.heard.empty());
    CHECK(none.heard.empty());
    fixture.server->notify("ends", {{"flow", "b"}});
    CHECK(fixture.hear(other_topic, 1).at(0)["method"] == "ends");
    CHECK(fixture.server->all_sent());
}

TEST_CASE("one connection has several topics and updates side by side, and ends each by itself") {
    EventFixture fixture;
    fixture.open();
    unsigned published = 0;
    fixture.server->publish("test.update", [&] { return Json{{"n", ++published}}; });
    Connection client(fixture.path);
    fixture.listen(client, "kills");
    fixture.listen(client, "ends");
    client.say(request("test.subscribe") + "\n");
    const auto heard_all = [&] {
        fixture.server->notify("kills", {{"flow", "a"}});
        fixture.server->notify("ends", {{"flow", "a"}});
        fixture.server->turn(milliseconds(1));
        client.listen();
        return client.heard.find("\"test.update\"") != std::string::npos &&
               client.heard.find("\"kills\"") != std::string::npos &&
               client.heard.find("\"ends\"") != std::string::npos;
    };
    bool all = false;
    for (int i = 0; i < 2000 && !all; ++i) all = heard_all();
    CHECK(all);
    // Events do not push updates aside.
    CHECK(fixture.server->counters().missed_updates == 0);

    client.say(request("test.unsubscribe") + "\n" + EventFixture::call_of("test.listen_not", "kills") + "\n" +
               EventFixture::call_of("test.listen_not", "kills") + "\n");
    std::vector<bool> was;
    for (int i = 0; i < 2000 && was.size() < 3; ++i) {
        fixture.server->turn(milliseconds(1));
        client.listen();
        was.clear();
        for (const GivenJson& line : client.lines()) {
            if (line.contains("result") && line["result"].contains("was"))
                was.push_back(line["result"]["was"]);
        }
    }
    CHECK(was == std::vector<bool>{true, true, false});
    client.heard.clear();
    fixture.server->notify("kills", {{"flow", "a"}});
    fixture.server->notify("ends", {{"flow", "c"}});
    const auto lines = fixture.hear(client, 1);
    REQUIRE(lines.size() == 1);
    CHECK(lines[0]["method"] == "ends");
    CHECK_FALSE(fixture.server->has_subscribers("kills"));
}

TEST_CASE("who does not read misses events at bounded cost, is told how many, and holds up nobody") {
    EventFixture fixture;
    fixture.limits.unsent_events = 20'000;
    fixture.open();
    Connection deaf(fixture.path);
    Connection reader(fixture.path);
    fixture.listen(deaf, "kills");
    fixture.listen(reader, "kills");
    const std::string body(1000, 'x');
    unsigned told = 0;
    std::size_t read = 0;
    while (fixture.server->counters().missed_events < 10) {
        REQUIRE(told < 10'000);
        fixture.server->notify("kills", {{"n", told++}, {"body", body}});
        fixture.turns(1);
        reader.listen();
    }
    read = fixture.hear(reader, told).size();
    CHECK(read == told);
    for (const GivenJson& line : reader.lines()) CHECK(line["params"]["missed"] == 0);

    // What was kept for the deaf one comes in its order, then nothing is there and nothing is kept.
    fixture.hear(deaf, told - 10);
    const auto kept = deaf.lines();
    CHECK(kept.size() == told - 10);
    for (std::size_t i = 0; i < kept.size(); ++i) CHECK(kept[i]["params"]["n"] == i);
    CHECK(fixture.server->all_sent());
    deaf.heard.clear();
    fixture.server->notify("kills", {{"n", told}});
    fixture.server->notify("kills", {{"n", told + 1}});
    const auto after = fixture.hear(deaf, 2);
    REQUIRE(after.size() == 2);
    CHECK(after[0]["params"] == GivenJson{{"missed", 10}, {"n", told}});
    CHECK(after[1]["params"] == GivenJson{{"missed", 0}, {"n", told + 1}});
    // It was asked nothing less meanwhile than anybody else.
    CHECK(fixture.ask(deaf, request("test.echo")).contains("result"));
}

TEST_CASE("who does not read events is still answered") {
    EventFixture fixture;
    fixture.open();
    Connection client(fixture.path);
    fixture.listen(client, "kills");
    fixture.tell_until_missed("kills", std::string(1000, 'x'));
    client.say(request("test.echo", "{}", "\"late\"") + "\n");
    fixture.turns(20);
    CHECK(fixture.audit.events.back().action == "test.echo");
    bool answered = false;
    for (int i = 0; i < 2000 && !answered; ++i) {
        fixture.server->turn(milliseconds(0));
        client.listen();
        answered = client.heard.find("\"late\"") != std::string::npos;
    }
    CHECK(answered);
}

TEST_CASE("a burst of events between two turns reaches who reads, as far as sockets and bounds go") {
    EventFixture fixture;
    fixture.limits.unsent_events = 10'000;
    fixture.open();
    Connection client(fixture.path);
    fixture.listen(client, "kills");
    // More than the bound, less than the socket takes.
    for (unsigned n = 0; n < 400; ++n) {
        fixture.server->notify("kills", {{"n", n}, {"body", std::string(50, 'x')}});
    }
    const auto lines = fixture.hear(client, 1);
    CHECK(lines.size() > 100);
    fixture.turns();
    const std::uint64_t missed = fixture.server->counters().missed_events;
    CHECK(fixture.hear(client, 400 - missed).size() == 400 - missed);
}

TEST_CASE("a handler may tell of what it does, the one who asked too") {
    EventFixture fixture;
    fixture.open();
    Connection client(fixture.path);
    fixture.listen(client, "kills");
    client.say(EventFixture::call_of("test.tell", "kills") + "\n");
    const auto lines = fixture.hear(client, 2);
    REQUIRE(lines.size() == 2);
    CHECK(lines[0]["params"]["from"] == "a handler");
    CHECK(lines[1]["result"] == GivenJson::object());
}

TEST_CASE("who says no more goes on hearing events; who has gone is forgotten") {
    EventFixture fixture;
    fixture.open();
    {
        Connection client(fixture.path);
        fixture.listen(client, "kills");
        client.end();
        fixture.turns();
        CHECK(fixture.server->connections() == 1);
        fixture.server->notify("kills", {{"n", 1}});
        CHECK(fixture.hear(client, 1).at(0)["params"]["n"] == 1);
        // It goes while something is on its way to it.
        fixture.server->notify("kills", {{"n", 2}});
    }
    fixture.turns();
    CHECK(fixture.server->connections() == 0);
    CHECK_FALSE(fixture.server->has_subscribers("kills"));
    fixture.server->notify("kills", {{"n", 3}});
    fixture.turns();
    CHECK(fixture.server->counters().missed_events == 0);
}

TEST_CASE("events cannot have more memory than all may have together, and nobody is sent away for them") {
    EventFixture fixture;
    fixture.limits.buffered = 600'000;
    fixture.open();
    std::vector<std::unique_ptr<Connection>> clients;
    for (int i = 0; i < 8; ++i) {
        clients.push_back(std::make_unique<Connection>(fixture.path));
        fixture.listen(*clients.back(), "kills");
    }
    // Eight bounds of 128 KiB would be a megabyte; events have half of what all may have.
    fixture.tell_until_missed("kills", std::string(5000, 'x'));
    for (int i = 0; i < 100; ++i) {
        fixture.server->notify("kills", {{"body", std::string(5000, 'x')}});
        fixture.turns(1);
    }
    CHECK(fixture.server->connections() == 8);
    Connection other(fixture.path);
    CHECK(fixture.ask(other, request("test.echo")).contains("result"));
    // All that was kept is less than the bound: what each has to read is in its socket, or is counted.
    std::size_t kept = 0;
    for (auto& client : clients) {
        std::size_t before = 0;
        do {
            before = client->heard.size();
            client->listen();
        } while (client->heard.size() != before);
    }
    for (auto& client : clients) kept += client->heard.size();
    for (auto& client : clients) {
        for (int i = 0; i < 1000; ++i) {
            fixture.server->turn(milliseconds(0));
            client->listen();
        }
    }
    std::size_t all = 0;
    for (auto& client : clients) all += client->heard.size();
    CHECK(all - kept > 0);
    CHECK(all - kept < 300'000 + 8 * 6000);
}

TEST_CASE("topics know their subscribers") {
    EventTopics topics;
    CHECK(topics.subscribers("a") == nullptr);
    CHECK_FALSE(topics.any("a"));
    CHECK_FALSE(topics.unsubscribe("a", 1));
    topics.subscribe("a", 1);
    topics.subscribe("a", 2);
    topics.subscribe("b", 1);
    (*topics.subscribers("a"))[1] = 7;
    topics.subscribe("a", 1);  // and what was missed is still to be told
    CHECK(*topics.subscribers("a") == EventTopics::Subscribers{{1, 7}, {2, 0}});
    CHECK(topics.has(1));
    CHECK_FALSE(topics.has(3));
    topics.forget(1);
    CHECK_FALSE(topics.has(1));
    CHECK_FALSE(topics.any("b"));
    CHECK(topics.unsubscribe("a", 2));
    CHECK_FALSE(topics.any("a"));
}

}  // namespace
}  // namespace yagura::control
