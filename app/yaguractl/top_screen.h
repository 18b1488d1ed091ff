// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <vector>

#include "app/yaguractl/bars.h"
#include "app/yaguractl/session.h"

namespace yagura::ctl {

enum class Panel : std::uint8_t { kOverview, kRules, kFlows };
inline constexpr std::size_t kPanels = 3;
/// By what rules and flows are put in order.
enum class TopOrder : std::uint8_t { kBytes, kPackets };

/// How a screen is wanted.
struct View {
    Panel panel = Panel::kOverview;
    TopOrder order = TopOrder::kBytes;
    std::size_t columns = 80;
    Glyphs glyphs = Glyphs::kBlocks;
};

enum class Tone : std::uint8_t { kPlain, kTitle, kLoss };
struct Line {
    std::string text;  ///< of at most as many columns as the view has, without its end
    Tone tone = Tone::kPlain;
};

/// Turns what yagura answers into lines for a screen: rates between the last two answers, bars, and a small
/// plot of each port's and tool's past. It knows no terminal.
class TopScreen {
  public:
    /// Of stats.get, or an update of it.
    void update(const Json& stats);
    /// All rules of rules.list (`whole`: there are no more), or why there are none.
    void update_rules(const Json& rules, std::uint64_t config_version, bool whole);
    void no_rules(const std::string& why);
    /// Of flows.top, or why there is none.
    void update_flows(const Json& answer);
    void no_flows(const std::string& why);

    /// The first is a summary. Rates need two updates.
    std::vector<Line> lines(const View& view) const;

  private:
    /// A number that only grows, and how fast it did.
    struct Rate {
        std::uint64_t last = 0;
        double per_second = 0;
        void update(std::uint64_t now, double seconds);
    };
    struct Row {
        std::string name;
        Rate packets;
        Rate bytes;
        Rate missed;                          ///< by the device, of a network port
        std::map<std::string, Rate> reasons;  ///< packets that went no further, by reason of drop or shed
        std::deque<double> past;              ///< packets a second, the latest last
    };
    struct Lcore {
        std::uint64_t id = 0;
        Rate busy;
        Rate empty;
    };
    struct Rule {
        std::string name;  ///< its number, and its name if it has one
        std::string does;
        Rate packets;
        Rate bytes;
        std::uint64_t flows = 0;
    };
    struct Flow {
        std::string name;
        std::string tools;
        double packets_per_second = 0;
        double bytes_per_second = 0;
    };
    using Rows = std::vector<Row>;
    using Lines = std::vector<Line>;

    static void update_rows(Rows& rows, const Json& list, const char* count, const char* reasons,
                            double seconds);
    Line summary(const View& view) const;
    static void show_rows(Lines& out, const std::string& title, const Rows& rows, Tone of_reasons,
                          const View& view);
    void show_lcores(Lines& out, const View& view) const;
    void show_rules(Lines& out, const View& view, std::size_t most) const;
    void show_flows(Lines& out, const View& view, std::size_t most) const;

    Json stats_ = Json::object();
    std::uint64_t uptime_ms_ = 0;
    unsigned updates_ = 0;
    Rate lost_;
    Rows ports_;
    Rows tools_;
    std::vector<Lcore> lcores_;

    std::map<std::uint64_t, Rule> rules_;  ///< by id
    std::uint64_t rules_uptime_ms_ = 0;    ///< when they were updated; 0: never
    std::uint64_t rules_version_ = 0;
    bool rules_have_rates_ = false;
    bool rules_whole_ = true;
    std::string why_no_rules_ = "not asked for yet";
    std::vector<Flow> flows_;
    std::string why_no_flows_ = "packets are being drawn";
};

}  // namespace yagura::ctl
