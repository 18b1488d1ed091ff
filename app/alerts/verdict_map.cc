// SPDX-License-Identifier: BSD-3-Clause
#include "app/alerts/verdict_map.h"

#include <fmt/format.h>
#include <fnmatch.h>

#include <algorithm>
#include <array>

#include "rules/fields.h"
#include "rules/json_document.h"
#include "rules/keys.h"
#include "rules/quantity_reader.h"
#include "rules/report.h"

namespace yagura::alerts {
namespace {

using rules::ErrorList;
using rules::Fields;
using rules::KeySpec;
using rules::Place;

constexpr std::size_t kMaxEntries = 100'000;
constexpr std::string_view kExample = R"([{"signature": 2003068, "verdict": "reset"}])";
constexpr std::array kEntryKeys{
    KeySpec{"signature", "a number, GENERATOR:NUMBER, /a regular expression/, or an array of the first two",
            "2003068"},
    KeySpec{"severity", "a number or a comparison with one", R"("<=2")"},
    KeySpec{"note", "a pattern of Zeek's notices", R"("Scan::*")"},
    KeySpec{"verdict", R"("reset", "block" or "none")", R"("reset")", true},
    KeySpec{"what", R"("connection", "source" or "destination")", R"("source")"},
    KeySpec{"ttl", "a duration", R"("10m")"},
    KeySpec{"reason", "a string", R"("scanner")"},
};
constexpr std::array<rules::Word<Action>, 3> kActions{
    {{"reset", Action::kReset}, {"block", Action::kBlock}, {"none", Action::kNone}}};
constexpr std::array<rules::Word<What>, 3> kWhats{
    {{"connection", What::kConnection}, {"source", What::kSource}, {"destination", What::kDestination}}};

/// 2003068, or "116:408".
std::optional<MapEntry::SignatureId> signature_id(const rules::Json& value) {
    if (value.is_number_unsigned()) return MapEntry::SignatureId{1, value.get<std::uint64_t>()};
    const auto* text = value.get_ptr<const std::string*>();
    if (text == nullptr) return std::nullopt;
    const std::size_t colon = text->find(':');
    if (colon == std::string::npos) return std::nullopt;
    const auto generator = parse_number(std::string_view(*text).substr(0, colon));
    const auto number = parse_number(std::string_view(*text).substr(colon + 1));
    if (!generator || !number) return std::nullopt;
    return MapEntry::SignatureId{*generator, *number};
}

void read_pattern(const std::string& text, const Place& place, MapEntry& entry, ErrorList& errors) {
    const std::size_t end = text.rfind('/');
    const std::string_view flags = std::string_view(text).substr(end + 1);
    if (end == 0 || (!flags.empty() && flags != "i")) {
        errors.add(place, fmt::format("{} is no regular expression", rules::in_quotes(text)),
                   "write /expression/, or /expression/i for small and large letters alike");
        return;
    }
    auto pattern = TextPattern::compile(std::string_view(text).substr(1, end - 1), flags == "i");
    if (pattern) {
        entry.pattern = std::move(*pattern);
    } else {
        errors.add(place, fmt::format("{}: {}", rules::in_quotes(text), pattern.error().message),
                   "it is an extended regular expression of POSIX (regex(7))");
    }
}

void read_signature(const Fields& fields, MapEntry& entry, ErrorList& errors) {
    const rules::Json* value = fields.find("signature");
    if (value == nullptr) return;
    const auto* text = value->get_ptr<const std::string*>();
    if (text != nullptr && text->starts_with('/'))
        return read_pattern(*text, fields.place("signature"), entry, errors);
    const auto take = [&](const rules::Json& one, const Place& place) {
        if (const auto id = signature_id(one)) {
            entry.signatures.push_back(*id);
        } else {
            errors.add(place, fmt::format("{} is no signature", rules::shown(one)),
                       "write its number, 2003068, with another generator than 1 \"116:408\"");
        }
    };
    const Place place = fields.place("signature");
    if (!value->is_array()) return take(*value, place);
    if (value->empty()) errors.add(place, "there is no signature in it", "leave the key out for any");
    for (std::size_t i = 0; i < value->size(); ++i) take((*value)[i], {place, i});
}

/// 2, "2", "<=2", "<3", ">=1", ">1".
void read_severity(const Fields& fields, MapEntry& entry, ErrorList& errors) {
    const rules::Json* value = fields.find("severity");
    if (value == nullptr) return;
    constexpr std::uint64_t kHighest = 255;
    const std::string text = value->is_string() ? value->get<std::string>() : value->dump();
    const std::size_t digits = std::min(text.find_first_of("0123456789"), text.size());
    const std::string_view comparison = std::string_view(text).substr(0, digits);
    const auto number = parse_number(std::string_view(text).substr(digits));
    const bool known = comparison.empty() || comparison == "<=" || comparison == "<" || comparison == ">=" ||
                       comparison == ">" || comparison == "=";
    const bool possible = !(comparison == "<" && number == 0u);
    if (!known || !number || *number > kHighest || !possible) {
        errors.add(
            fields.place("severity"), fmt::format("{} is no severity", rules::shown(*value)),
            fmt::format("write a number from 0 to {}, or \"<=2\", \"<2\", \">=2\", \">2\"; 1 is the worst",
                        kHighest));
        return;
    }
    entry.severity_low = comparison == ">=" ? *number : comparison == ">" ? *number + 1 : 0;
    entry.severity_high = comparison == "<=" ? *number : comparison == "<" ? *number - 1 : UINT64_MAX - 1;
    if (comparison.empty() || comparison == "=") entry.severity_low = entry.severity_high = *number;
}

void read_note(const Fields& fields, MapEntry& entry, ErrorList& errors) {
    const auto note = fields.string("note");
    if (!note) return;
    if (note->empty() || note->size() > kMaxWord)
        errors.add(fields.place("note"), fmt::format("{} bytes", note->size()),
                   fmt::format("it has 1 to {} bytes: \"Scan::*\"", kMaxWord));
    entry.note = *note;
}

void read_decision(const Fields& fields, Decision& decision, ErrorList& errors) {
    decision.action = fields.choice("verdict", kActions).value_or(Action::kNone);
    decision.what = fields.choice("what", kWhats).value_or(What::kConnection);
    if (rules::read_duration(fields, "ttl", rules::kMinBlockTime, rules::kMaxBlockTime, errors))
        decision.ttl = fields.string("ttl").value_or("");
    decision.reason = fields.string("reason").value_or("");
    rules::check_no_control(decision.reason, fields.place("reason"), errors);
    if (decision.reason.size() > kMaxReason)
        errors.add(fields.place("reason"), fmt::format("{} bytes", decision.reason.size()),
                   fmt::format("a reason has at most {}", kMaxReason));
    // What would be passed over is better said.
    const auto only_of_block = [&](const char* key) {
        if (decision.action != Action::kBlock && fields.has(key) && fields.has("verdict"))
            errors.add(fields.place(key), fmt::format("\"{}\" goes with the verdict \"block\" alone", key),
                       "take it out, or block");
    };
    only_of_block("ttl");
    if (decision.what != What::kConnection) only_of_block("what");
    if (decision.action == Action::kNone && fields.find("verdict") != nullptr && fields.has("reason"))
        errors.add(fields.place("reason"), "nothing is done, so there is no reason to be told",
                   "take it out");
}

}  // namespace

void TextPattern::Free::operator()(regex_t* regex) const {
    regfree(regex);
    delete regex;
}

base::Result<TextPattern> TextPattern::compile(std::string_view expression, bool ignores_case) {
    if (expression.empty()) return base::Error{"there is nothing in it"};
    if (expression.find('\0') != std::string_view::npos) return base::Error{"there is a NUL in it"};
    auto regex = std::make_unique<regex_t>();
    const std::string terminated(expression);
    const int flags = REG_EXTENDED | REG_NOSUB | (ignores_case ? REG_ICASE : 0);
    if (const int fault = regcomp(regex.get(), terminated.c_str(), flags); fault != 0) {
        std::array<char, 256> text{};
        regerror(fault, regex.get(), text.data(), text.size());
        return base::Error{text.data()};
    }
    TextPattern pattern;
    pattern.regex_.reset(regex.release());
    return pattern;
}

bool TextPattern::matches(const std::string& text) const {
    return regexec(regex_.get(), text.c_str(), 0, nullptr, 0) == 0;
}

bool MapEntry::matches(const Alert& alert) const {
    if (!signatures.empty()) {
        if (!alert.signature) return false;
        const SignatureId id{alert.generator, *alert.signature};
        if (std::ranges::find(signatures, id) == signatures.end()) return false;
    }
    if (severity_low != 0 || severity_high != UINT64_MAX) {
        if (!alert.severity || *alert.severity < severity_low || *alert.severity > severity_high)
            return false;
    }
    if (!note.empty() && (alert.note.empty() || fnmatch(note.c_str(), alert.note.c_str(), FNM_NOESCAPE) != 0))
        return false;
    return !pattern || pattern->matches(alert.text);
}

VerdictMap VerdictMap::read(std::string_view text, std::vector<rules::ConfigError>& errors) {
    ErrorList faults;
    VerdictMap map;
    const auto document = rules::read_json(text, faults);
    const Place root;
    if (document && !document->is_array()) {
        rules::report_type(*document, root, "an array of entries", kExample, faults);
    } else if (document && document->size() > kMaxEntries) {
        faults.add(root, fmt::format("there are {} entries", document->size()),
                   fmt::format("there may be {}", kMaxEntries));
    } else if (document) {
        for (std::size_t i = 0; i < document->size(); ++i) {
            const Place place(root, i);
            const auto fields = Fields::open((*document)[i], place, kEntryKeys, "an object",
                                             R"({"signature": 2003068, "verdict": "reset"})", faults);
            if (!fields) continue;
            MapEntry& entry = map.entries_.emplace_back();
            read_signature(*fields, entry, faults);
            read_severity(*fields, entry, faults);
            read_note(*fields, entry, faults);
            read_decision(*fields, entry.decision, faults);
        }
    }
    errors = faults.take();
    return map;
}

const Decision* VerdictMap::find(const Alert& alert) const {
    const auto found =
        std::ranges::find_if(entries_, [&](const MapEntry& entry) { return entry.matches(alert); });
    return found != entries_.end() ? &found->decision : nullptr;
}

}  // namespace yagura::alerts
