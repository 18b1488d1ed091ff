// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <chrono>
#include <nlohmann/json.hpp>
#include <optional>
#include <stdexcept>
#include <string>

namespace yagura::client {

using Json = nlohmann::ordered_json;

/// Exit statuses (docs/yaguractl.md).
enum class Status : int {
    kOk = 0,
    kRefused = 1,      ///< yagura answered with an error, or not all was done
    kUsage = 2,        ///< the command line is wrong
    kUnreachable = 3,  ///< no yagura answers
};

/// Ends the command with words for a person.
struct Failure : std::runtime_error {
    Failure(Status s, const std::string& message) : std::runtime_error(message), status(s) {}
    Status status;
};

/// A connection to a running yagura. Each method throws Failure when that does not answer, or not well. For
/// one thread.
class Session {
  public:
    /// `patience`: how long connecting, sending and next() wait at most; for ever when it is left out.
    explicit Session(const std::string& path, std::optional<std::chrono::milliseconds> patience = {});
    ~Session();
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;

    /// The whole answer, an error too.
    Json answer(const std::string& method, const Json& params);
    /// The result; an error is a Failure.
    Json call(const std::string& method, const Json& params = Json::object());
    /// Asks, and does not wait: the answer with this id is one of the next messages.
    void request(int id, const std::string& method, const Json& params = Json::object());
    /// The next message, whatever it is.
    Json next();
    /// The same if it is there already. Reads once at most, and never waits.
    std::optional<Json> next_if_there();
    /// Something can be read, or has been read and not been asked for.
    int fd() const { return fd_; }
    bool has_line() const { return buffer_.find('\n') != std::string::npos; }

  private:
    void send(const std::string& line);
    /// What recv() with these flags gives; false when it gave nothing for now.
    bool receive(int flags);
    std::optional<Json> take_line();

    std::string path_;
    std::optional<std::chrono::milliseconds> patience_;
    int fd_ = -1;
    std::string buffer_;
};

/// What an error says, for a person: its text, and where there are any, the faults of a configuration.
std::string words_of(const Json& error);

/// All entries of a list that comes in pages.
Json all_pages(Session& session, const std::string& method, const std::string& list);

}  // namespace yagura::client
