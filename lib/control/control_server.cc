// SPDX-License-Identifier: BSD-3-Clause
#include "control/control_server.h"

#include <fmt/format.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "rules/report.h"

namespace yagura::control {
namespace {

using std::chrono::milliseconds;

// What an epoll event is about; clients' ids begin behind.
constexpr std::uint64_t kListener = 0;
constexpr std::uint64_t kWake = 1;
constexpr std::uint64_t kFirstClient = 2;

constexpr std::size_t kEventsAtOnce = 64;
constexpr unsigned kAcceptedAtOnce = 32;
constexpr unsigned kServedAtOnce = 64;  ///< clients
constexpr unsigned kLinesAtOnce = 8;    ///< of a client
/// After so long the sockets are looked at again, and others come first.
constexpr auto kServedFor = milliseconds(4);
constexpr auto kLinesFor = std::chrono::microseconds(500);  ///< of a client
/// Connections in all that are kept for root, so that a crowd cannot lock him out.
constexpr std::size_t kForRoot = 8;
constexpr auto kNoDescriptorPause = milliseconds(200);
constexpr std::size_t kShownMethod = 64;

bool is_privileged(const RoleSet& roles) {
    return roles.has(Role::kOperator) || roles.has(Role::kResponder);
}

bool watch(int epoll, int operation, int fd, std::uint32_t events, std::uint64_t id) {
    epoll_event event{};
    event.events = events;
    event.data.u64 = id;
    return epoll_ctl(epoll, operation, fd, &event) == 0;
}

/// A line, with its end. `object`: the text of one.
std::string notification(const std::string& method, std::uint64_t missed, std::string_view object) {
    const std::string_view members = object.substr(1);
    return fmt::format("{{\"jsonrpc\":\"2.0\",\"method\":\"{}\",\"params\":{{\"missed\":{}{}{}}}\n", method,
                       missed, members == "}" ? "" : ",", members);
}

std::string outcome_text(const Outcome& outcome) {
    const auto* error = std::get_if<RpcError>(&outcome);
    return error != nullptr ? fmt::format("error {}: {}", static_cast<int>(error->code), error->message)
                            : "ok";
}

/// Of a line that does not fit, and what to do instead.
std::string too_long(const Client& client) {
    return fmt::format(
        "the line is longer than {} bytes, the limit of a request: the connection is closed. A configuration "
        "that does not fit is read from the file that yagura was started with: by SIGHUP, or by rules.load "
        "without config",
        client.lines().max_line());
}

}  // namespace

/// What a handler may do with the connection that called it.
class ControlServer::CallOf : public Call {
  public:
    CallOf(ControlServer& server, Client& client, const Request& request, AuditEvent& event, Effect effect)
        : server_(server), client_(client), request_(request), event_(event), effect_(effect) {}

    const Peer& peer() const override { return client_.peer(); }
    const RoleSet& roles() const override { return client_.roles(); }
    std::optional<Ticket> defer() override {
        if (client_.waiting >= server_.limits_.deferred_per_client) return std::nullopt;
        ++client_.waiting;
        const std::uint64_t ticket = server_.next_ticket_++;
        server_.deferred_.emplace(ticket, Deferred{client_.id(), request_.id, event_, effect_});
        return Ticket{ticket};
    }
    void subscribe(milliseconds interval) override {
        client_.subscription = {.interval = interval, .due = Client::Clock::now() + interval};
    }
    bool unsubscribe() override { return std::exchange(client_.subscription, std::nullopt).has_value(); }
    void subscribe_events(const std::string& topic) override {
        server_.topics_.subscribe(topic, client_.id());
    }
    bool unsubscribe_events(const std::string& topic) override {
        return server_.topics_.unsubscribe(topic, client_.id());
    }

  private:
    ControlServer& server_;
    Client& client_;
    const Request& request_;
    AuditEvent& event_;
    Effect effect_;
};

base::Result<std::unique_ptr<ControlServer>> ControlServer::open(SocketFile socket, const CommandTable& table,
                                                                 const Roles& roles, AuditSink& audit,
                                                                 const ServerLimits& limits) {
    std::unique_ptr<ControlServer> server(new ControlServer(std::move(socket), table, roles, audit, limits));
    if (auto made = server->make_epoll(); !made) return made.error();
    return server;
}

ControlServer::ControlServer(SocketFile socket, const CommandTable& table, const Roles& roles,
                             AuditSink& audit, const ServerLimits& limits)
    : socket_(std::move(socket)),
      table_(table),
      roles_(roles),
      audit_(audit),
      limits_(limits),
      records_(audit, limits.records),
      next_client_(kFirstClient) {}

base::Result<void> ControlServer::make_epoll() {
    epoll_ = epoll_create1(EPOLL_CLOEXEC);
    wake_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (epoll_ < 0 || wake_ < 0 || !watch(epoll_, EPOLL_CTL_ADD, wake_, EPOLLIN, kWake) ||
        !watch(epoll_, EPOLL_CTL_ADD, socket_.fd(), EPOLLIN, kListener)) {
        return base::Error{fmt::format("control socket {}: {}", path(), std::strerror(errno))};
    }
    listening_ = true;
    return {};
}

ControlServer::~ControlServer() {
    clients_.clear();
    if (epoll_ >= 0) ::close(epoll_);
    if (wake_ >= 0) ::close(wake_);
}

void ControlServer::publish(std::string method, Publisher publisher) {
    topic_ = std::move(method);
    publisher_ = std::move(publisher);
}

void ControlServer::wake() {
    const std::uint64_t one = 1;
    // Full: then turn() will wake anyway.
    [[maybe_unused]] const ssize_t written = write(wake_, &one, sizeof one);
}

bool ControlServer::all_sent() const {
    return deferred_.empty() &&
           std::ranges::all_of(clients_, [](const auto& entry) { return entry.second->unsent() == 0; });
}

void ControlServer::end(const RpcError& error, milliseconds within) {
    listen_for_more(false);
    while (!deferred_.empty()) answer(Ticket{deferred_.begin()->first}, error);
    const auto until = Client::Clock::now() + within;
    while (!all_sent() && Client::Clock::now() < until) {
        for (auto next = clients_.begin(); next != clients_.end();) settle(*(next++)->second);
        usleep(1000);
    }
    records_.end();
}

milliseconds ControlServer::time_to_wait(milliseconds longest) const {
    if (!queue_.empty()) return milliseconds(0);
    const auto now = Client::Clock::now();
    milliseconds wait = longest;
    const auto until = [&](Client::Clock::time_point when) {
        wait = std::clamp(std::chrono::ceil<milliseconds>(when - now), milliseconds(0), wait);
    };
    if (!listening_) until(listen_again_);
    for (const auto& [id, client] : clients_) {
        if (client->subscription) until(client->subscription->due);
    }
    return wait;
}

void ControlServer::turn(milliseconds wait) {
    settle_told();
    std::array<epoll_event, kEventsAtOnce> events;
    const int n =
        epoll_wait(epoll_, events.data(), kEventsAtOnce, static_cast<int>(time_to_wait(wait).count()));
    for (int i = 0; i < n; ++i) {
        const epoll_event& event = events[static_cast<std::size_t>(i)];
        if (event.data.u64 == kListener) {
            accept_some();
        } else if (event.data.u64 == kWake) {
            std::uint64_t count = 0;
            [[maybe_unused]] const ssize_t got = ::read(wake_, &count, sizeof count);
        } else {
            handle(event.data.u64, event.events);
        }
    }
    if (!listening_ && Client::Clock::now() >= listen_again_) listen_for_more(true);
    serve_queue();
    settle_told();
    send_updates();
    records_.tick(Client::Clock::now());
}

void ControlServer::listen_for_more(bool wanted) {
    if (!watch(epoll_, EPOLL_CTL_MOD, socket_.fd(), wanted ? EPOLLIN : 0u, kListener)) return;
    listening_ = wanted;
    listen_again_ = Client::Clock::now() + kNoDescriptorPause;
}

void ControlServer::accept_some() {
    for (unsigned i = 0; i < kAcceptedAtOnce; ++i) {
        const int fd = accept4(socket_.fd(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            admit(fd);
            continue;
        }
        if (errno == EINTR || errno == ECONNABORTED) continue;
        // Out of descriptors or memory: the connection stays where it is, and would wake us again at once.
        if (errno != EAGAIN) listen_for_more(false);
        return;
    }
}

std::string ControlServer::refusal(const Peer& peer, const RoleSet& roles) const {
    if (roles.empty()) {
        return fmt::format(
            "uid {} has no role here: \"control\": {{\"roles\": ...}} of the configuration gives "
            "them{}",
            peer.uid, roles_.root_alone() ? ", and root alone has one" : "");
    }
    if (!is_full(peer.uid) || (peer.uid == 0 && most_silent_of_root() != nullptr)) return {};
    const auto user = by_user_.find(peer.uid);
    if (user != by_user_.end() && user->second >= limits_.connections_per_user) {
        return fmt::format("uid {} has {} connections, as many as one user may have", peer.uid, user->second);
    }
    return fmt::format("there are {} connections, as many as may be", clients_.size());
}

/// There is no room for one more connection of this user.
bool ControlServer::is_full(uid_t user) const {
    const std::size_t kept = user == 0 ? 0 : std::min(kForRoot, limits_.connections);
    const auto found = by_user_.find(user);
    return clients_.size() >= limits_.connections - kept ||
           (found != by_user_.end() && found->second >= limits_.connections_per_user);
}

/// Root's connection that has been silent for longest, of those for which nothing is being done; one that
/// gets updates or events only if there is no other. Null: there is none.
Client* ControlServer::most_silent_of_root() const {
    Client* most = nullptr;
    const auto rank = [this](const Client& client) {
        return std::pair(client.subscription || topics_.has(client.id()), client.heard);
    };
    for (const auto& [id, client] : clients_) {
        if (client->peer().uid != 0 || client->waiting != 0 || client->queued) continue;
        if (most == nullptr || rank(*client) < rank(*most)) most = client.get();
    }
    return most;
}

/// Who leaks root's connections must not keep root from the kill switch. What was closed, for the record;
/// empty: there was room.
std::string ControlServer::make_room_for_root() {
    std::string closed;
    while (is_full(0)) {
        Client* const client = most_silent_of_root();
        if (client == nullptr) break;
        closed += fmt::format("{}the silent connection of pid {} was closed for it",
                              closed.empty() ? "" : ", ", client->peer().pid);
        client->say(
            error_line("null", {.code = RpcCode::kRefused,
                                .message = "root has as many connections as may be: this one, silent for "
                                           "longest, is closed for another"}));
        [[maybe_unused]] const bool sound = client->flush();
        close(*client);
    }
    return closed;
}

void ControlServer::admit(int fd) {
    auto peer = peer_of(fd);
    if (!peer) {
        ::close(fd);
        return;
    }
    const RoleSet roles = roles_.of(*peer);
    const std::string why_not = refusal(*peer, roles);
    AuditEvent event = event_of(*peer, "connect");
    event.object = path();
    event.allowed = why_not.empty();
    event.outcome = event.allowed ? "ok" : why_not;
    if (event.allowed && peer->uid == 0) {
        if (const std::string closed = make_room_for_root(); !closed.empty()) event.outcome += ": " + closed;
    }
    records_.record(event, event.allowed ? RequestRecords::Kind::kAnswered : RequestRecords::Kind::kRefused,
                    !roles.empty(), Client::Clock::now());
    if (!event.allowed) {
        ++counters_.refused;
        const std::string line = error_line("null", {.code = RpcCode::kRefused, .message = why_not});
        [[maybe_unused]] const ssize_t sent = send(fd, line.data(), line.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
        ::close(fd);
        return;
    }
    const std::uint64_t id = next_client_++;
    auto client = std::make_unique<Client>(fd, id, std::move(*peer), roles,
                                           is_privileged(roles) ? limits_.line : limits_.viewer_line);
    client->interest = EPOLLIN;
    client->heard = ++heard_;
    if (!watch(epoll_, EPOLL_CTL_ADD, fd, client->interest, id)) return;
    ++counters_.accepted;
    ++by_user_[client->peer().uid];
    clients_.emplace(id, std::move(client));
}

void ControlServer::handle(std::uint64_t id, std::uint32_t events) {
    const auto found = clients_.find(id);
    if (found == clients_.end()) return;
    Client& client = *found->second;
    if ((events & EPOLLERR) != 0) return close(client);
    if ((events & EPOLLIN) != 0) {
        if (!client.read()) return close(client);
        client.heard = ++heard_;
    } else if ((events & EPOLLHUP) != 0) {
        // It listens no more. What it said before it went is still done.
        if (!client.queued) close(client);
        return;
    }
    settle(client);
}

void ControlServer::enqueue(Client& client) {
    if (std::exchange(client.queued, true)) return;
    queue_.push_back(client.id());
}

void ControlServer::serve_queue() {
    const auto until = Client::Clock::now() + kServedFor;
    for (std::size_t n = std::min<std::size_t>(queue_.size(), kServedAtOnce); n > 0; --n) {
        const std::uint64_t id = queue_.front();
        queue_.pop_front();
        const auto found = clients_.find(id);
        if (found == clients_.end()) continue;
        found->second->queued = false;
        serve(*found->second);
        if (Client::Clock::now() >= until) return;
    }
}

void ControlServer::serve(Client& client) {
    const auto until = Client::Clock::now() + kLinesFor;
    for (unsigned i = 0; i < kLinesAtOnce && !client.closing && !client.is_slow(); ++i) {
        if (client.lines().too_long()) {
            const RpcError error{.code = RpcCode::kTooLarge, .message = too_long(client)};
            AuditEvent event = event_of(client.peer(), "request");
            event.allowed = false;
            record(event, Effect::kReads, error);
            client.say(error_line("null", error));
            client.closing = true;
            break;
        }
        const auto line = client.lines().next();
        if (!line) break;
        serve_line(client, *line);
        if (Client::Clock::now() >= until) break;
    }
    settle(client);
}

void ControlServer::serve_line(Client& client, std::string_view line) {
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) return;
    ++counters_.requests;
    const auto parsed = parse_request(line);
    if (const auto* request = std::get_if<Request>(&parsed)) return call(client, *request);
    const auto& malformed = std::get<Malformed>(parsed);
    AuditEvent event = event_of(client.peer(), "request");
    event.allowed = false;
    record(event, Effect::kReads, malformed.error);
    reply(client, malformed.id, malformed.error);
}

void ControlServer::call(Client& client, const Request& request) {
    AuditEvent event = event_of(client.peer(), request.method.substr(0, kShownMethod));
    bool later = false;
    const Outcome outcome = refuse_or_run(client, request, event, later);
    if (later) return;
    const CommandTable::Entry* const entry = table_.find(request.method);
    record(event, entry != nullptr ? entry->command.effect : Effect::kReads, outcome);
    reply(client, request.id, outcome);
}

/// What became of a request of somebody with a role.
void ControlServer::record(AuditEvent& event, Effect effect, const Outcome& outcome) {
    using Kind = RequestRecords::Kind;
    event.outcome = outcome_text(outcome);
    records_.record(event,
                    std::holds_alternative<RpcError>(outcome) ? Kind::kRefused
                    : effect == Effect::kReads                ? Kind::kAnswered
                                                              : Kind::kDone,
                    true, Client::Clock::now());
}

Outcome ControlServer::refuse_or_run(Client& client, const Request& request, AuditEvent& event, bool& later) {
    event.allowed = false;
    const CommandTable::Entry* entry = table_.find(request.method);
    if (entry == nullptr) {
        return RpcError{.code = RpcCode::kNoSuchMethod,
                        .message = fmt::format("there is no method {}; {}", rules::in_quotes(request.method),
                                               table_.suggestion(request.method)),
                        .field = "method"};
    }
    const Command& command = entry->command;
    event.object = object_of(command, request.params);
    if (!client.roles().has(command.right)) {
        return RpcError{
            .code = RpcCode::kNotAllowed,
            .message = fmt::format("{} needs the role {}; uid {} has {}", command.name,
                                   role_name(command.right), client.peer().uid, client.roles().to_string()),
            .field = "method"};
    }
    if (!entry->enabled) {
        return RpcError{.code = RpcCode::kDisabled,
                        .message = fmt::format("{} is switched off (disabled_features of the configuration); "
                                               "to switch it on takes a restart",
                                               command.name),
                        .field = "method"};
    }
    if (command.effect == Effect::kChanges && !audit_.may_act()) {
        return RpcError{.code = RpcCode::kConflict,
                        .message =
                            "while the audit log cannot be written nothing is done but what reads or makes "
                            "safer (audit.on_failure of the configuration); system.health says why",
                        .field = "method"};
    }
    event.allowed = true;
    if (auto fault = check_parameters(command, request.params)) return *std::move(fault);
    CallOf call(*this, client, request, event, command.effect);
    const std::uint64_t first_ticket = next_ticket_;
    try {
        Answer answer = command.handler(Arguments(request.params), call);
        if (auto* json = std::get_if<Json>(&answer)) return std::move(*json);
        if (auto* error = std::get_if<RpcError>(&answer)) return std::move(*error);
        later = true;
        return Json();
    } catch (const std::exception& error) {
        // What was deferred is answered by this.
        for (std::uint64_t ticket = first_ticket; ticket < next_ticket_; ++ticket) {
            client.waiting -= static_cast<unsigned>(deferred_.erase(ticket));
        }
        return RpcError{.code = RpcCode::kInternal, .message = fmt::format("not done: {}", error.what())};
    }
}

void ControlServer::reply(Client& client, const std::optional<std::string>& id, const Outcome& outcome) {
    const auto* error = std::get_if<RpcError>(&outcome);
    if (error != nullptr) ++counters_.errors;
    if (!id) return;
    client.say(error != nullptr ? error_line(*id, *error) : result_line(*id, std::get<Json>(outcome)));
}

void ControlServer::answer(Ticket ticket, const Outcome& outcome) {
    const auto found = deferred_.find(static_cast<std::uint64_t>(ticket));
    if (found == deferred_.end()) return;
    Deferred deferred = std::move(found->second);
    deferred_.erase(found);
    record(deferred.event, deferred.effect, outcome);
    const auto client = clients_.find(deferred.client);
    if (client == clients_.end()) return;
    --client->second->waiting;
    reply(*client->second, deferred.id, outcome);
    settle(*client->second);
}

void ControlServer::send_updates() {
    const auto now = Client::Clock::now();
    std::string update;  // the same for all who get one now, but for what each has missed
    for (auto next = clients_.begin(); next != clients_.end();) {
        Client& client = *(next++)->second;
        if (!client.subscription || client.subscription->due > now) continue;
        Client::Subscription& subscription = *client.subscription;
        // From now, not from when it was due: a control thread that was busy does not make up for it.
        subscription.due = now + subscription.interval;
        if (client.unsent() != 0) {
            ++subscription.missed;
            ++counters_.missed_updates;
            continue;
        }
        if (update.empty()) update = text_of(publisher_());
        client.say(notification(topic_, subscription.missed, update));
        settle(client);
    }
}

bool ControlServer::has_room_for_event(Client& client, std::size_t size) {
    // Somebody who reads may get more between two turns than is kept for him. Whom this does not help is not
    // tried again before the next turn.
    if (client.unsent() >= limits_.unsent_events && !std::exchange(client.flushed, true)) {
        [[maybe_unused]] const bool sound = client.flush();  // settle() sees it again
        count(client);
    }
    // Half of what all may have is left to questions and answers: those who have them are sent away without
    // it.
    return client.unsent() < limits_.unsent_events && buffered_ + size <= limits_.buffered / 2;
}

void ControlServer::notify(const std::string& topic, const Json& event) {
    if (!has_subscribers(topic)) return;
    const std::string text = text_of(event);
    for (auto& [id, missed] : *topics_.subscribers(topic)) {
        Client& client = *clients_.at(id);
        if (client.closing) continue;
        if (!std::exchange(client.told, true)) told_.push_back(id);
        if (!has_room_for_event(client, text.size())) {
            ++missed;
            ++counters_.missed_events;
            continue;
        }
        client.say(notification(topic, std::exchange(missed, 0), text));
        count(client);
    }
}

void ControlServer::settle_told() {
    for (const std::uint64_t id : std::exchange(told_, {})) {
        const auto found = clients_.find(id);
        if (found == clients_.end()) continue;
        found->second->told = found->second->flushed = false;
        settle(*found->second);
    }
}

void ControlServer::drop_subscriptions(Client& client) {
    client.subscription.reset();
    topics_.forget(client.id());
}

void ControlServer::count(Client& client) {
    buffered_ = buffered_ - client.counted + client.buffered();
    client.counted = client.buffered();
}

void ControlServer::settle(Client& client) {
    if (!client.flush()) return close(client);
    const bool may_read = !client.closing && !client.is_slow();
    const bool has_line = client.lines().has_line() || client.lines().too_long();
    if (may_read && has_line) enqueue(client);
    const bool done = client.closing || (client.ended() && !has_line && client.waiting == 0 &&
                                         !client.subscription && !topics_.has(client.id()));
    if (done && client.unsent() == 0) return close(client);

    count(client);
    if (buffered_ > limits_.buffered && client.buffered() > Client::kReadAtOnce && !client.closing) {
        client.say(error_line("null", {.code = RpcCode::kBusy,
                                       .message = "too much is on its way here: the connection is closed"}));
        client.closing = true;
        drop_subscriptions(client);
        return settle(client);
    }
    const std::uint32_t interest =
        (may_read && !has_line && !client.ended() ? EPOLLIN : 0u) | (client.unsent() != 0 ? EPOLLOUT : 0u);
    if (interest == client.interest) return;
    client.interest = interest;
    if (!watch(epoll_, EPOLL_CTL_MOD, client.fd(), interest, client.id())) close(client);
}

void ControlServer::close(Client& client) {
    buffered_ -= client.counted;
    const auto user = by_user_.find(client.peer().uid);
    if (--user->second == 0) by_user_.erase(user);
    topics_.forget(client.id());
    clients_.erase(client.id());
}

AuditEvent ControlServer::event_of(const Peer& peer, std::string action) const {
    return {.pid = peer.pid,
            .uid = peer.uid,
            .gid = peer.gid,
            .program = peer.program,
            .action = std::move(action),
            .object = {},
            .allowed = true,
            .outcome = {}};
}

}  // namespace yagura::control
