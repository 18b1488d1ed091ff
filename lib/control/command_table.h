// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"
#include "control/json_rpc.h"
#include "control/peer.h"
#include "control/roles.h"

namespace yagura::control {

enum class ParameterType : std::uint8_t {
    kText,
    kNumber,
    kFlag,
    kList,  ///< of strings
};

/// A named parameter of a method.
struct Parameter {
    std::string name;
    ParameterType type;
    std::string help;
    bool required = false;
    std::uint64_t low = 0;                 ///< of a number; of a text's bytes; of a list's items
    std::uint64_t high = UINT64_MAX;       ///< likewise
    std::uint64_t item_high = UINT64_MAX;  ///< bytes of an item of a list, of which each has one at least
};

/// The parameters of a call, checked against their declarations.
class Arguments {
  public:
    explicit Arguments(const GivenJson& params) : params_(params) {}

    bool has(std::string_view name) const { return params_.contains(name); }
    const std::string* text(std::string_view name) const;  ///< null when it was not given
    std::optional<std::uint64_t> number(std::string_view name) const;
    bool flag(std::string_view name) const;                      ///< false when it was not given
    std::vector<std::string> list(std::string_view name) const;  ///< empty when it was not given

  private:
    const GivenJson& params_;
};

/// Names a call that is answered later (ControlServer::answer).
enum class Ticket : std::uint64_t {};

/// What a handler knows of its call, and may do besides answering it. Valid while the handler runs.
class Call {
  public:
    virtual ~Call() = default;
    virtual const Peer& peer() const = 0;
    virtual const RoleSet& roles() const = 0;
    /// The answer comes later; the handler returns Later. Nothing when the client waits for too much already:
    /// the handler answers that by busy().
    virtual std::optional<Ticket> defer() = 0;
    /// The client gets what is published each interval, until unsubscribe(). One subscription per client.
    virtual void subscribe(std::chrono::milliseconds interval) = 0;
    virtual bool unsubscribe() = 0;  ///< false when there was none
    /// The client gets what ControlServer::notify() says of this topic, until unsubscribe_events(): besides
    /// subscribe(), and other topics. Once more changes nothing.
    virtual void subscribe_events(const std::string& topic) = 0;
    virtual bool unsubscribe_events(const std::string& topic) = 0;  ///< false when it was not subscribed
};

/// "Too many requests wait": of Call::defer.
RpcError busy();

/// The ticket will be answered.
struct Later {};
using Answer = std::variant<Json, RpcError, Later>;

/// What a method does to the run, whatever becomes of the call.
enum class Effect : std::uint8_t {
    kChanges,     ///< anything but what follows; and where nothing is said
    kMakesSafer,  ///< it ends something that was begun, or undoes it: nobody is to be kept from it
    kReads,       ///< it changes nothing
};

std::string_view effect_name(Effect effect);

/// A method of the control socket. Handlers run on the control thread, and soon return.
struct Command {
    std::string name;  ///< "rules.load"
    std::string help;  ///< one line
    Role right;        ///< who may call it
    Effect effect;     ///< what may be done unrecorded is known by it
    std::vector<Parameter> parameters;
    std::function<Answer(const Arguments&, Call&)> handler;
};

/// The methods there are. Filled before the server starts, and constant from then on.
class CommandTable {
  public:
    CommandTable();  ///< with rpc.methods
    CommandTable(const CommandTable&) = delete;
    CommandTable& operator=(const CommandTable&) = delete;

    /// Takes the command; its name must be new.
    void add(Command command);
    /// Nobody can call it: a method ("rules.load"), or all of a family ("rules"). An error when there is
    /// none.
    base::Result<void> disable(const std::string& feature);

    struct Entry {
        Command command;
        bool enabled = true;
    };
    const Entry* find(std::string_view name) const;
    /// What to write instead of an unknown method.
    std::string suggestion(std::string_view name) const;
    const std::vector<Entry>& entries() const { return entries_; }

  private:
    std::vector<Entry> entries_;
};

/// What is wrong with the parameters of a call, the first fault; nothing when they are right.
std::optional<RpcError> check_parameters(const Command& command, const GivenJson& params);

/// The parameters of a call in few words, for the audit log: "interval_ms=1000 config=<10230 bytes>
/// flows=[3] tcp 10.0.0.1:4000 > 10.0.0.2:80, ...", where the number is that of all items. An item is in
/// quotes unless nothing in it could be taken for something else.
std::string object_of(const Command& command, const GivenJson& params);

}  // namespace yagura::control
