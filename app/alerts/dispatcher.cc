// SPDX-License-Identifier: BSD-3-Clause
#include "app/alerts/dispatcher.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "app/client/outcome.h"

namespace yagura::alerts {
namespace {

using client::Json;
using std::chrono::milliseconds;

constexpr milliseconds kPatience{1000};
/// A cut is given up after ten seconds.
constexpr milliseconds kLongestAnswer{60'000};
constexpr milliseconds kShortestPause{100};
constexpr milliseconds kLongestPause{10'000};
constexpr int kBusy = -32003;

Json params_of(const Batch& batch) {
    const Verdict& first = batch.verdicts.front();
    Json items = Json::array();
    for (const Verdict& verdict : batch.verdicts) items.push_back(verdict.item);
    Json params{{list_name(first.method), std::move(items)}, {"reason", first.reason}, {"key", batch.key}};
    if (!first.ttl.empty()) params["ttl"] = first.ttl;
    // What a person has blocked for longer, or for another reason, stays so.
    if (first.method != Method::kReset) params["extend"] = true;
    return params;
}

/// Which item of the call is at fault: "params/flows/3".
std::optional<std::size_t> item_at_fault(const Batch& batch, const Json& error) {
    const Json data = error.is_object() ? error.value("data", Json::object()) : Json();
    const std::string field = client::text_in(data, "field");
    const std::string place = fmt::format("params/{}/", list_name(batch.verdicts.front().method));
    if (!field.starts_with(place)) return std::nullopt;
    std::size_t index = 0;
    const char* end = field.data() + field.size();
    const auto read = std::from_chars(field.data() + place.size(), end, index);
    if (read.ec != std::errc{} || read.ptr != end || index >= batch.verdicts.size()) return std::nullopt;
    return index;
}

std::string message_of(const Json& error) {
    const std::string message = client::text_in(error, "message");
    return message.empty() ? "an error without words" : message;
}

}  // namespace

Dispatcher::Dispatcher(std::string socket, VerdictQueue& queue, Listener listener)
    : socket_(std::move(socket)),
      queue_(queue),
      listener_(std::move(listener)),
      lanes_(kLanes),
      pause_(kShortestPause) {}

void Dispatcher::turn(Clock::time_point now) {
    for (Lane& lane : lanes_) {
        if (lane.session) receive(lane, now);
    }
    for (Lane& lane : lanes_) {
        if (lane.batch || now < next_try_) continue;
        Batch batch = queue_.take(now);
        if (batch.verdicts.empty()) return;
        send(lane, std::move(batch), now);
    }
}

void Dispatcher::send(Lane& lane, Batch batch, Clock::time_point now) {
    const std::string method(method_name(batch.verdicts.front().method));
    const Json params = params_of(batch);
    lane.batch = std::move(batch);
    lane.until = now + kLongestAnswer;
    try {
        if (!lane.session) lane.session = std::make_unique<client::Session>(socket_, kPatience);
        lane.session->request(++lane.id, method, params);
    } catch (const std::exception& failure) {
        lose(lane, failure.what(), now);
    }
}

/// The connection is no good any more. What was asked on it is asked again, with the same key.
void Dispatcher::lose(Lane& lane, const std::string& why, Clock::time_point now) {
    lane.session.reset();
    if (lane.batch) queue_.put_back(*std::exchange(lane.batch, std::nullopt));
    if (why_unreachable_ != why) listener_.complain(why);
    why_unreachable_ = why;
    ++failures_;
    back_off(now);
}

void Dispatcher::answered() {
    pause_ = kShortestPause;
    failures_ = 0;
    if (!std::exchange(why_unreachable_, {}).empty())
        listener_.complain(fmt::format("{}: yagura answers again", socket_));
}

void Dispatcher::back_off(Clock::time_point now) {
    next_try_ = now + pause_;
    pause_ = std::min(2 * pause_, kLongestPause);
}

void Dispatcher::receive(Lane& lane, Clock::time_point now) {
    try {
        while (auto message = lane.session->next_if_there()) {
            take_answer(lane, *message, now);
            if (!lane.session) return;
        }
        if (lane.batch && now >= lane.until)
            lose(lane, fmt::format("{}: yagura does not answer", socket_), now);
    } catch (const std::exception& failure) {
        // Yagura may end while nobody wants anything of it.
        if (lane.batch) return lose(lane, failure.what(), now);
        lane.session.reset();
    }
}

void Dispatcher::take_answer(Lane& lane, const Json& message, Clock::time_point now) {
    const Json id = message.value("id", Json());
    if (message.contains("error") && id.is_null()) {
        // The connection itself is refused, and ends.
        return lose(lane, fmt::format("{}: {}", socket_, message_of(message["error"])), now);
    }
    if (!lane.batch || id != lane.id) return;
    Batch batch = *std::exchange(lane.batch, std::nullopt);
    if (message.contains("error")) return take_error(std::move(batch), message["error"], now);
    answered();
    const Json result = message.value("result", Json::object());
    take_results(batch, result.is_object() ? result.value("results", Json::array()) : Json::array());
}

void Dispatcher::take_results(const Batch& batch, const Json& results) {
    for (std::size_t i = 0; i < batch.verdicts.size(); ++i) {
        // One for each, in their order.
        const Json result = results.is_array() && i < results.size() ? results[i] : Json::object();
        const std::string outcome = client::text_in(result, "outcome");
        listener_.tell({.verdict = batch.verdicts[i],
                        .outcome = outcome.empty() ? "unknown" : outcome,
                        .details = outcome.empty() ? "the answer does not say" : client::details_of(result),
                        .done = client::is_done(outcome)});
    }
}

void Dispatcher::take_error(Batch batch, const Json& error, Clock::time_point now) {
    const Json code = error.is_object() ? error.value("code", Json()) : Json();
    if (code == kBusy) {
        queue_.put_back(std::move(batch));
        return back_off(now);
    }
    answered();
    const std::string message = message_of(error);
    const auto fail = [&](const Verdict& verdict) {
        listener_.tell({.verdict = verdict, .outcome = "error", .details = message, .done = false});
    };
    if (const auto index = item_at_fault(batch, error)) {
        fail(batch.verdicts[*index]);
        batch.verdicts.erase(batch.verdicts.begin() + static_cast<std::ptrdiff_t>(*index));
        if (batch.verdicts.empty()) return;
        batch.key = key_of(batch.verdicts);
        return queue_.put_back(std::move(batch));
    }
    for (const Verdict& verdict : batch.verdicts) fail(verdict);
}

void Dispatcher::add_to(std::vector<pollfd>& polled) const {
    for (const Lane& lane : lanes_) {
        if (lane.session) polled.push_back({.fd = lane.session->fd(), .events = POLLIN, .revents = 0});
    }
}

std::optional<Dispatcher::Clock::time_point> Dispatcher::next_turn() const {
    std::optional<Clock::time_point> next;
    const auto take = [&](Clock::time_point when) { next = next ? std::min(*next, when) : when; };
    bool has_room = false;
    for (const Lane& lane : lanes_) {
        if (lane.batch) take(lane.until);
        has_room = has_room || !lane.batch;
    }
    if (has_room && !queue_.empty()) take(next_try_);
    return next;
}

bool Dispatcher::idle() const {
    return std::ranges::none_of(lanes_, [](const Lane& lane) { return lane.batch.has_value(); });
}

std::uint64_t Dispatcher::unanswered() const {
    std::uint64_t count = 0;
    for (const Lane& lane : lanes_) count += lane.batch ? lane.batch->verdicts.size() : 0;
    return count;
}

}  // namespace yagura::alerts
