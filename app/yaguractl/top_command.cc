// SPDX-License-Identifier: BSD-3-Clause
// A live screen.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <memory>
#include <optional>

#include "app/yaguractl/commands.h"
#include "app/yaguractl/table.h"
#include "app/yaguractl/top_screen.h"
#include "app/yaguractl/top_terminal.h"

namespace yagura::ctl {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

/// Of the requests that are not waited for.
constexpr int kRules = 3;
constexpr int kFlows = 4;
constexpr std::uint64_t kRulesOfPage = 1000;
/// The rates of more are not worth what it takes to ask for them each time.
constexpr std::size_t kMostRules = 10'000;
constexpr std::uint64_t kMostFlows = 100;
constexpr milliseconds kRetry{1000};
/// Before a yagura that should be there counts as gone. Keys wait so long.
constexpr milliseconds kPatience{2000};

struct TopOptions {
    std::uint64_t interval_ms = 1000;
    std::uint64_t count = 0;  ///< updates; 0: until the user ends it
};

class Top {
  public:
    Top(const Options& options, const TopOptions& wanted)
        : options_(options), wanted_(wanted), session_(connected()), terminal_(!options.json) {}

    /// Throws Failure when yagura does not answer, unless somebody sits there and may wait for it.
    void run();

  private:
    std::unique_ptr<Session> connected();
    void read();
    void take(Json& message);
    void take_rules(Json& message);
    void ask();
    bool handle(const TopTerminal::Event& event);
    void draw();

    const Options& options_;
    const TopOptions& wanted_;
    TopScreen screen_;
    View view_{.glyphs = glyphs_of_locale()};
    std::uint64_t updates_ = 0;
    std::size_t first_line_ = 0;
    bool rules_asked_ = false;
    bool flows_asked_ = false;
    Json rules_ = Json::array();  ///< pages so far
    std::uint64_t rules_version_ = 0;
    std::string gone_;  ///< why no yagura answers; empty while one does
    Clock::time_point gone_since_;
    std::unique_ptr<Session> session_;  ///< null while none does
    TopTerminal terminal_;              ///< last: who cannot connect at first is told on the usual screen
};

std::unique_ptr<Session> Top::connected() {
    auto session = std::make_unique<Session>(options_.socket, kPatience);
    session->call("stats.subscribe", {{"interval_ms", wanted_.interval_ms}});
    screen_.update(session->call("stats.get"));
    rules_asked_ = flows_asked_ = false;
    return session;
}

/// What the panel shows besides the counters, unless the answer before is still on its way.
void Top::ask() {
    if (view_.panel != Panel::kFlows && !rules_asked_) {
        rules_ = Json::array();
        session_->request(kRules, "rules.list", {{"limit", kRulesOfPage}});
        rules_asked_ = true;
    }
    if (view_.panel != Panel::kRules && !flows_asked_) {
        session_->request(
            kFlows, "flows.top",
            {{"limit", kMostFlows}, {"by", view_.order == TopOrder::kBytes ? "bytes" : "packets"}});
        flows_asked_ = true;
    }
}

void Top::take_rules(Json& message) {
    rules_asked_ = false;
    if (message.contains("error")) return screen_.no_rules(words_of(message["error"]));
    Json& page = message["result"];
    const std::uint64_t version = page.value("config_version", std::uint64_t{0});
    // Pages of two configurations do not belong together: it begins anew with the next update.
    if (!rules_.empty() && version != rules_version_) return;
    rules_version_ = version;
    for (Json& rule : page["rules"]) rules_.push_back(std::move(rule));
    const bool last = page["next"].is_null();
    if (last || rules_.size() >= kMostRules) return screen_.update_rules(rules_, version, last);
    session_->request(kRules, "rules.list", {{"limit", kRulesOfPage}, {"cursor", page["next"]}});
    rules_asked_ = true;
}

void Top::take(Json& message) {
    const Json id = message.value("id", Json());
    if (id == kRules) return take_rules(message);
    if (id == kFlows) {
        flows_asked_ = false;
        return message.contains("error") ? screen_.no_flows(words_of(message["error"]))
                                         : screen_.update_flows(message["result"]);
    }
    if (message.value("method", "") != "stats") return;
    ++updates_;
    if (options_.json) {
        fmt::print("{}\n", message["params"].dump());
        std::fflush(stdout);
        return;
    }
    screen_.update(message["params"]);
    draw();
    ask();
}

void Top::read() {
    try {
        do {
            Json message = session_->next();
            take(message);
        } while (session_->has_line());
    } catch (const Failure& failure) {
        if (!terminal_.is_one() || failure.status != Status::kUnreachable) throw;
        session_.reset();
        gone_ = failure.what();
        gone_since_ = Clock::now();
        draw();
    }
}

void Top::draw() {
    view_.columns = terminal_.columns();
    std::vector<Line> lines = screen_.lines(view_);
    if (!gone_.empty()) {
        const auto since = std::chrono::duration_cast<milliseconds>(Clock::now() - gone_since_);
        const std::string text =
            fmt::format("gone for {}, asked again each second; below is what it said last: {}",
                        duration(static_cast<std::uint64_t>(since.count())), gone_);
        lines[0] = {fit(printable(text), view_.columns), Tone::kLoss};
    }
    const auto mark = [&](Panel panel, const char* words) {
        const bool here = view_.panel == panel;
        return fmt::format("{}{}{}", here ? '[' : ' ', words, here ? ']' : ' ');
    };
    const std::string keys =
        fmt::format("q ends  {}{}{}  b by {}  arrows scroll", mark(Panel::kOverview, "o overview"),
                    mark(Panel::kRules, "r rules"), mark(Panel::kFlows, "f flows"),
                    view_.order == TopOrder::kBytes ? "packets" : "bits");
    terminal_.show(lines, first_line_, keys);
}

/// False: the user wants to end.
bool Top::handle(const TopTerminal::Event& event) {
    using Key = TopTerminal::Key;
    const Panel before = view_.panel;
    switch (event.key) {
        case Key::kEnd:
            return false;
        case Key::kNone:
            if (event.redraw) draw();
            return true;
        case Key::kUp:
            first_line_ -= std::min<std::size_t>(first_line_, 1);
            break;
        case Key::kDown:
            ++first_line_;
            break;
        case Key::kPageUp:
            first_line_ -= std::min(first_line_, terminal_.page());
            break;
        case Key::kPageDown:
            first_line_ += terminal_.page();
            break;
        case Key::kLetter:
            if (event.letter == 'o') view_.panel = Panel::kOverview;
            if (event.letter == 'r') view_.panel = Panel::kRules;
            if (event.letter == 'f') view_.panel = Panel::kFlows;
            if (event.letter == '\t')
                view_.panel = static_cast<Panel>((static_cast<std::size_t>(view_.panel) + 1) % kPanels);
            if (event.letter == 'b')
                view_.order = view_.order == TopOrder::kBytes ? TopOrder::kPackets : TopOrder::kBytes;
            break;
    }
    if (view_.panel != before) {
        first_line_ = 0;
        if (session_) ask();
    }
    draw();
    return true;
}

void Top::run() {
    while (wanted_.count == 0 || updates_ < wanted_.count) {
        if (session_ && session_->has_line()) {
            read();
            continue;
        }
        const TopTerminal::Event event =
            terminal_.wait(session_ ? session_->fd() : -1, session_ ? milliseconds(-1) : kRetry);
        if (!handle(event)) return;
        if (session_ && event.readable) read();
        if (session_ || Clock::now() < gone_since_ + kRetry) continue;
        try {
            session_ = connected();
            gone_.clear();
        } catch (const Failure& failure) {
            if (failure.status != Status::kUnreachable) throw;
            gone_ = failure.what();
        }
        draw();
    }
}

}  // namespace

void add_top(CLI::App& app, const Options& options) {
    auto wanted = std::make_shared<TopOptions>();
    CLI::App* command = app.add_subcommand(
        "top", "A live screen: rates of ports, tools, rules and flows, drops by reason, lcores");
    command->add_option("--interval", wanted->interval_ms, "Milliseconds between two updates")
        ->check(CLI::Range(std::uint64_t{100}, std::uint64_t{3'600'000}))
        ->capture_default_str()
        ->type_name("MS");
    command->add_option("--count", wanted->count, "End after so many updates")->type_name("N");
    command->fallthrough()->callback([&options, wanted] { Top(options, *wanted).run(); });
}

}  // namespace yagura::ctl
