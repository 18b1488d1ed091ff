// SPDX-License-Identifier: BSD-3-Clause
#include "broker/kill_switch.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/diagnostics.h"
#include "broker/utc.h"
#include "reset/state_file.h"

namespace yagura::broker {
namespace {

using control::Json;

constexpr std::size_t kMostBytes = 4096;

/// A member of what was read, on one line.
std::string text_of(const Json& json, const char* key) {
    const auto found = json.find(key);
    std::string text = found != json.end() && found->is_string() ? found->get<std::string>() : std::string();
    std::ranges::replace_if(
        text, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }, '?');
    return text;
}

}  // namespace

void KillSwitch::open(std::string file) {
    file_ = std::move(file);
    if (file_.empty()) return;
    const auto text = reset::read_file(file_, kMostBytes);
    if (text && !*text) return;
    const Json said = text ? Json::parse(**text, nullptr, false) : Json();
    if (said.is_object()) {
        by_ = text_of(said, "by");
        reason_ = text_of(said, "reason");
        since_ = text_of(said, "since");
    }
    if (by_.empty()) by_ = "somebody";
    if (!text) trouble_ = text.error().message;
    of_earlier_run_ = kept_ = true;
}

void KillSwitch::disable(const std::string& by, const std::string& reason) {
    by_ = by;
    reason_ = reason;
    since_ = utc_ms(std::chrono::system_clock::now());
    of_earlier_run_ = kept_ = false;
    trouble_.clear();
    if (file_.empty()) return;
    const Json said{{"by", by_}, {"reason", reason_}, {"since", since_}};
    const auto kept =
        reset::replace_file(file_, said.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n");
    kept_ = kept.ok();
    if (kept) return;
    trouble_ = kept.error().message + ": response.disable ends with this run";
    base::diagnose("yagura run: {}\n", trouble_);
}

void KillSwitch::enable() {
    by_.clear();
    of_earlier_run_ = kept_ = false;
    trouble_.clear();
    if (file_.empty()) return;
    const auto removed = reset::remove_file(file_);
    if (removed) return;
    trouble_ = removed.error().message + ": the next run begins disabled";
    base::diagnose("yagura run: {}\n", trouble_);
}

std::string KillSwitch::why() const {
    if (by_.empty()) return {};
    return fmt::format("response.disable by {}{}{}", by_,
                       of_earlier_run_ ? fmt::format(", kept from an earlier run in {}", file_) : "",
                       reason_.empty() ? "" : ": " + reason_);
}

Json KillSwitch::to_json() const {
    if (by_.empty()) return nullptr;
    return {{"by", by_}, {"reason", reason_}, {"since", since_}, {"kept", kept_}};
}

}  // namespace yagura::broker
