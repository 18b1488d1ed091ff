// SPDX-License-Identifier: BSD-3-Clause
#include "rules/inspect_reader.h"

#include <fmt/format.h>

#include <utility>

#include "rules/fields.h"
#include "rules/keys.h"
#include "rules/quantity_reader.h"
#include "rules/units.h"

namespace yagura::rules {
namespace {

class InspectReader {
  public:
    InspectReader(const Fields& fields, ErrorList& errors) : fields_(fields), errors_(errors) {}

    Inspect read() {
        read_size("stream_depth", 1, kMaxStreamDepth, inspect_.stream_depth);
        read_hold_bytes();
        if (const Json* flows = fields_.find("flows")) {
            inspect_.flows =
                read_whole_number(*flows, fields_.place("flows"), "a number of flows", 1, kMaxFlows, errors_)
                    .value_or(inspect_.flows);
        }
        const bool budget_read = read_size("hold_budget", kMinBudget, kMaxBudget, inspect_.hold_budget);
        read_size("stream_budget", kMinBudget, kMaxBudget, inspect_.stream_budget);
        read_size("reorder_bytes", 0, kMaxReorderBytes, inspect_.reorder_bytes);
        inspect_.when_short = fields_.choice("when_short", kShortages).value_or(inspect_.when_short);
        read_flow_key();
        read_timeouts();
        if (budget_read) check_hold();
        return inspect_;
    }

  private:
    bool read_size(std::string_view key, std::uint64_t low, std::uint64_t high, std::uint64_t& out) {
        return rules::read_size(fields_, key, low, high, out, errors_);
    }

    void read_hold_bytes() {
        const Json* value = fields_.find("hold_bytes");
        const auto* text = value != nullptr ? value->get_ptr<const std::string*>() : nullptr;
        if (text == nullptr || (text->find_first_of("0123456789") == 0)) {
            read_size("hold_bytes", 0, kMaxHoldBytes, inspect_.hold_bytes);
        } else if (*text == kUnlimitedWord) {
            inspect_.hold_bytes = Inspect::kUnlimited;
        } else {
            errors_.add(fields_.place("hold_bytes"),
                        fmt::format("{} is neither a size nor \"{}\"", in_quotes(*text), kUnlimitedWord),
                        fmt::format("{}, or \"{}\" in a replay", kSizeForms, kUnlimitedWord));
        }
    }

    /// A flow that may hold more than all flows together would never be held to its end.
    void check_hold() {
        if (inspect_.hold_bytes == Inspect::kUnlimited || inspect_.hold_bytes <= inspect_.hold_budget) return;
        const bool given = fields_.has("hold_budget");
        errors_.add(fields_.place(given ? "hold_budget" : "hold_bytes"),
                    given ? fmt::format("{} for all flows is less than hold_bytes, {} for one",
                                        size_json(inspect_.hold_budget), size_json(inspect_.hold_bytes))
                          : fmt::format("{} for one flow is more than hold_budget, {} for all",
                                        size_json(inspect_.hold_bytes), size_json(inspect_.hold_budget)),
                    fmt::format("write \"hold_budget\": {} or more, or a smaller hold_bytes",
                                size_json(inspect_.hold_bytes)));
    }

    void read_flow_key() {
        const auto* words = fields_.array("flow_key");
        if (words == nullptr) return;
        const Place place = fields_.place("flow_key");
        for (std::size_t i = 0; i < words->size(); ++i) read_flow_key_part((*words)[i], {place, i});
    }

    void read_flow_key_part(const Json& value, const Place& place) {
        const auto* word = value.get_ptr<const std::string*>();
        if (word == nullptr) {
            report_type(value, place, R"("vlan" or "tunnel")", R"("vlan")", errors_);
            return;
        }
        std::array<std::string_view, kFlowKeyParts.size()> known;
        for (std::size_t i = 0; i < known.size(); ++i) {
            known[i] = kFlowKeyParts[i].first;
            if (known[i] != *word) continue;
            if (std::exchange(inspect_.*kFlowKeyParts[i].second, true)) {
                errors_.add(place, fmt::format("{} stands twice", in_quotes(*word)), "name it once");
            }
            return;
        }
        errors_.add(place, fmt::format("unknown part of a flow's key {}", in_quotes(*word)),
                    suggestion(*word, known, "known words"));
    }

    void read_timeouts() {
        const Json* value = fields_.find("timeouts");
        if (value == nullptr) return;
        if (!value->is_object()) {
            fields_.wrong_type("timeouts");
            return;
        }
        const Place place = fields_.place("timeouts");
        const auto fields = Fields::open(*value, place, kTimeoutKeys, {}, {}, errors_);
        for (std::size_t i = 0; i < kTimeouts.size(); ++i) {
            FlowTimeouts::Nanoseconds& timeout = inspect_.timeouts.*kTimeouts[i];
            timeout = read_duration(*fields, kTimeoutKeys[i].name, kMinTimeout, kMaxTimeout, errors_)
                          .value_or(timeout);
        }
    }

    const Fields& fields_;
    ErrorList& errors_;
    Inspect inspect_;
};

}  // namespace

Inspect read_inspect(const Json& value, const Place& place, ErrorList& errors) {
    const auto fields =
        Fields::open(value, place, kInspectKeys, "an object", kDocumentKeys[4].example, errors);
    return fields ? InspectReader(*fields, errors).read() : Inspect{};
}

}  // namespace yagura::rules
