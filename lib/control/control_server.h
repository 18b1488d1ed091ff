// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "control/audit.h"
#include "control/client.h"
#include "control/command_table.h"
#include "control/event_topics.h"
#include "control/json_rpc.h"
#include "control/request_records.h"
#include "control/roles.h"
#include "control/socket_file.h"

namespace yagura::control {

/// Bounds of the server. Nobody who connects can make it keep more.
struct ServerLimits {
    std::size_t connections = 1024;          ///< in all; some of them root alone may have
    std::size_t connections_per_user = 64;   ///< by uid; root is never refused for it
    std::size_t viewer_line = 64u << 10;     ///< bytes of a request of those who can only look
    std::size_t line = 8u << 20;             ///< of all others: a configuration fits in it
    std::size_t buffered = 64u << 20;        ///< bytes of all clients: who would need more is sent away
    unsigned deferred_per_client = 2;        ///< calls that wait for their answer
    std::size_t unsent_events = 128u << 10;  ///< bytes: a client that has not taken so many misses events
    RecordBudget::Limits records = RequestRecords::kUsual;  ///< of requests in the audit log
};

/// What has happened to connections and requests.
struct ServerCounters {
    std::uint64_t accepted = 0;
    std::uint64_t refused = 0;
    std::uint64_t requests = 0;
    std::uint64_t errors = 0;          ///< requests that were answered with an error
    std::uint64_t missed_updates = 0;  ///< of subscriptions, to clients that did not read
    std::uint64_t missed_events = 0;   ///< likewise
};

/// JSON-RPC 2.0 over a Unix stream socket, one object per line. Clients are served in turn, each a bounded
/// amount at a time: none can hold up another. All methods are the control thread's, but wake().
class ControlServer {
  public:
    /// Makes the params of a notification: an object that is not empty.
    using Publisher = std::function<Json()>;

    /// Serves the socket by the table, from the first turn() on. Table, roles and sink must outlive it. Who
    /// has a role may do what is in the table's rights; whoever has none is told so and sent away.
    static base::Result<std::unique_ptr<ControlServer>> open(SocketFile socket, const CommandTable& table,
                                                             const Roles& roles, AuditSink& audit,
                                                             const ServerLimits& limits);
    ~ControlServer();

    /// Notifications of this method go to subscribers.
    void publish(std::string method, Publisher publisher);
    /// Sends an event to all who subscribed to the topic (Call::subscribe_events), as a notification of this
    /// method. `event`: an object; `missed` is put into it: how many events of the topic this client did not
    /// get since the one before, because it had not read what came before, or all clients together kept too
    /// much. Nothing is kept for it. A handler may call this too. It goes out in this turn() or the next.
    void notify(const std::string& topic, const Json& event);
    /// Somebody would get it: what nobody wants need not be made.
    bool has_subscribers(const std::string& topic) const { return topics_.any(topic); }
    /// Waits for something to do, no longer than `wait`, and does it.
    void turn(std::chrono::milliseconds wait);
    /// Answers a call that was deferred. Nothing happens when the client has gone.
    void answer(Ticket ticket, const Outcome& outcome);
    /// Has turn() return soon. Any thread.
    void wake();

    std::size_t connections() const { return clients_.size(); }
    bool all_sent() const;  ///< nobody has something to take, or waits for an answer
    /// Serves nobody any more: what was deferred is answered by this, and what was said is sent, as far as
    /// that is taken within this time.
    void end(const RpcError& error, std::chrono::milliseconds within);
    const ServerCounters& counters() const { return counters_; }
    const std::string& path() const { return socket_.path(); }

  private:
    class CallOf;
    struct Deferred {
        std::uint64_t client;
        std::optional<std::string> id;
        AuditEvent event;
        Effect effect;
    };

    ControlServer(SocketFile socket, const CommandTable& table, const Roles& roles, AuditSink& audit,
                  const ServerLimits& limits);
    base::Result<void> make_epoll();
    std::chrono::milliseconds time_to_wait(std::chrono::milliseconds longest) const;
    void accept_some();
    void admit(int fd);
    std::string refusal(const Peer& peer, const RoleSet& roles) const;
    bool is_full(uid_t user) const;
    Client* most_silent_of_root() const;
    std::string make_room_for_root();
    void listen_for_more(bool wanted);
    void handle(std::uint64_t id, std::uint32_t events);
    void serve_queue();
    void serve(Client& client);
    void serve_line(Client& client, std::string_view line);
    void call(Client& client, const Request& request);
    Outcome refuse_or_run(Client& client, const Request& request, AuditEvent& event, bool& later);
    void record(AuditEvent& event, Effect effect, const Outcome& outcome);
    void reply(Client& client, const std::optional<std::string>& id, const Outcome& outcome);
    void send_updates();
    /// Counts what the client keeps among what all keep.
    void count(Client& client);
    bool has_room_for_event(Client& client, std::size_t size);
    void settle_told();
    void drop_subscriptions(Client& client);
    void enqueue(Client& client);
    /// Flushes, sets what epoll watches, ends the connection when it is done or broken.
    void settle(Client& client);
    void close(Client& client);
    AuditEvent event_of(const Peer& peer, std::string action) const;

    SocketFile socket_;
    const CommandTable& table_;
    const Roles& roles_;
    AuditSink& audit_;
    ServerLimits limits_;
    RequestRecords records_;
    ServerCounters counters_;
    int epoll_ = -1;
    int wake_ = -1;
    bool listening_ = false;
    Client::Clock::time_point listen_again_;  ///< when not listening
    std::map<std::uint64_t, std::unique_ptr<Client>> clients_;
    std::unordered_map<uid_t, std::size_t> by_user_;
    std::deque<std::uint64_t> queue_;  ///< clients of which lines wait
    std::size_t buffered_ = 0;
    std::uint64_t next_client_;
    std::uint64_t heard_ = 0;  ///< Client::heard of the one that said something last
    std::unordered_map<std::uint64_t, Deferred> deferred_;  ///< by ticket
    std::uint64_t next_ticket_ = 1;
    std::string topic_;
    Publisher publisher_;
    EventTopics topics_;
    std::vector<std::uint64_t> told_;  ///< clients that got an event since they were settled last
};

}  // namespace yagura::control
