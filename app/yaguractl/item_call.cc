// SPDX-License-Identifier: BSD-3-Clause
#include "app/yaguractl/item_call.h"

#include <fmt/format.h>

#include <charconv>
#include <cstdio>
#include <iostream>
#include <map>

#include "app/client/outcome.h"
#include "app/yaguractl/items.h"

namespace yagura::ctl {
namespace {

/// What was done so far.
struct Tally {
    std::map<std::string, std::uint64_t> outcomes;
    std::uint64_t items = 0;
    std::uint64_t not_done = 0;

    void add(const Json& result) {
        const std::string outcome = client::text_in(result, "outcome");
        ++outcomes[outcome];
        ++items;
        if (!client::is_done(outcome)) ++not_done;
    }
    /// "2 verified, 1 not_found"
    std::string text() const {
        std::string text;
        for (const auto& [outcome, count] : outcomes)
            text += fmt::format("{}{} {}", text.empty() ? "" : ", ", grouped(count), printable(outcome));
        return text;
    }
};

/// What an error says, with the item at fault where it names one: "params/flows/3".
std::string words_with_item(const Json& error, const std::string& list,
                            const std::vector<std::string>& batch) {
    const std::string words = words_of(error);
    const std::string field = client::text_in(error.value("data", Json::object()), "field");
    const std::string place = "params/" + list + "/";
    if (!field.starts_with(place)) return words;
    std::size_t index = 0;
    const char* end = field.data() + field.size();
    const auto read = std::from_chars(field.data() + place.size(), end, index);
    if (read.ec != std::errc{} || read.ptr != end || index >= batch.size()) return words;
    if (words.find(batch[index]) != std::string::npos) return words;
    return fmt::format("{} (\"{}\")", words, printable(batch[index]));
}

Json ask(Session& session, const ItemCall& call, std::vector<std::string> batch, std::uint64_t number) {
    Json params = call.params;
    if (!call.key.empty()) params["key"] = number == 1 ? call.key : fmt::format("{}/{}", call.key, number);
    params[call.list] = batch;
    Json answer = session.answer(call.method, params);
    if (answer.contains("error"))
        throw Failure(Status::kRefused, words_with_item(answer["error"], call.list, batch));
    return std::move(answer["result"]);
}

void print_batch(const Json& answer, const ItemTable& shown, bool first) {
    Table table(shown.columns);
    for (const Json& result : answer["results"]) table.add(shown.row(result));
    fmt::print("{}", table.text(first ? Table::Titles::kShown : Table::Titles::kLeftOut));
    if (answer.value("repeated", false))
        fmt::print("this is what was answered to the same key before: nothing was done now\n");
    std::fflush(stdout);
}

}  // namespace

Json run(const Options& options, const ItemCall& call, const ItemTable& table) {
    Items items(call.words, std::cin);
    Session session(options.socket, options.long_patience());
    Tally tally;
    Json answer;
    for (std::uint64_t number = 1;; ++number) {
        const std::vector<std::string> batch = items.next_batch();
        if (batch.empty()) break;
        try {
            answer = ask(session, call, batch, number);
        } catch (const Failure& failure) {
            if (tally.items == 0) throw;
            throw Failure(failure.status,
                          fmt::format("{} items were done before as printed, the others not: {}",
                                      grouped(tally.items), failure.what()));
        }
        for (const Json& result : answer["results"]) tally.add(result);
        if (options.json) {
            print_json(answer);
        } else {
            print_batch(answer, table, number == 1);
        }
    }
    if (!options.json) fmt::print("{}\n", tally.items == 0 ? "there was nothing to do" : tally.text());
    if (tally.not_done != 0) {
        throw Failure(Status::kRefused,
                      fmt::format("{} of {} {} not done", grouped(tally.not_done), grouped(tally.items),
                                  tally.not_done == 1 ? "was" : "were"));
    }
    return answer;
}

}  // namespace yagura::ctl
