// SPDX-License-Identifier: BSD-3-Clause
#include "app/alerts/verdict_queue.h"

#include <catch2/catch.hpp>
#include <chrono>
#include <string>

namespace yagura::alerts {
namespace {

using std::chrono::seconds;

Verdict reset(const std::string& flow, const std::string& reason = "r") {
    return {.method = Method::kReset, .item = flow, .reason = reason, .why = "w", .identity = flow};
}

Verdict block(const std::string& host, const std::string& ttl) {
    return {
        .method = Method::kAddBlocks, .item = host, .ttl = ttl, .reason = "r", .why = "w", .identity = host};
}

std::string items(const Batch& batch) {
    std::string text;
    for (const Verdict& verdict : batch.verdicts) text += (text.empty() ? "" : " ") + verdict.item;
    return text;
}

const VerdictQueue::Clock::time_point kStart{};

TEST_CASE("verdicts go together when they are of the same call, the oldest first") {
    VerdictQueue queue(100, seconds(60));
    queue.push(reset("a"), kStart);
    queue.push(block("h", "1m"), kStart + seconds(1));
    queue.push(reset("b", "other"), kStart + seconds(2));
    queue.push(reset("c"), kStart + seconds(3));
    queue.push(block("i", "1m"), kStart + seconds(4));
    queue.push(block("j", "2m"), kStart + seconds(5));
    const Batch first = queue.take(kStart + seconds(6));
    CHECK(items(first) == "a c");
    CHECK(first.since == kStart);
    CHECK(first.key == key_of(first.verdicts));
    const Batch second = queue.take(kStart + seconds(6));
    CHECK(items(second) == "h i");
    CHECK(second.since == kStart + seconds(1));
    CHECK(items(queue.take(kStart + seconds(6))) == "b");
    CHECK(items(queue.take(kStart + seconds(6))) == "j");
    CHECK(queue.empty());
    CHECK(queue.take(kStart + seconds(6)).verdicts.empty());
}

TEST_CASE("the same waits once, and can be asked for again when it was taken") {
    VerdictQueue queue(100, seconds(60));
    queue.push(reset("a"), kStart);
    queue.push(reset("a", "other"), kStart);
    queue.push(block("a", ""), kStart);
    CHECK(queue.counters().merged == 1);
    CHECK(queue.counters().taken == 2);
    CHECK(items(queue.take(kStart)) == "a");
    queue.push(reset("a"), kStart);
    CHECK(queue.counters().taken == 3);
}

TEST_CASE("of a full queue the oldest goes, and is counted") {
    VerdictQueue queue(2, seconds(60));
    for (const char* flow : {"a", "b", "c"}) queue.push(reset(flow), kStart);
    CHECK(queue.full());
    CHECK(queue.counters().dropped == 1);
    queue.push(reset("a"), kStart);  // it has gone, so it is no other's double
    CHECK(queue.counters().dropped == 2);
    CHECK(items(queue.take(kStart)) == "c a");
}

TEST_CASE("what has waited too long is not done any more") {
    VerdictQueue queue(100, seconds(10));
    queue.push(reset("a"), kStart);
    queue.push(reset("b"), kStart + seconds(5));
    CHECK(items(queue.take(kStart + seconds(11))) == "b");
    CHECK(queue.counters().expired == 1);
    queue.push(reset("a"), kStart + seconds(11));
    Batch batch = queue.take(kStart + seconds(12));
    queue.put_back(std::move(batch));
    CHECK(items(queue.take(kStart + seconds(22))).empty());
    CHECK(queue.counters().expired == 2);
    CHECK(queue.empty());
}

TEST_CASE("what is put back is the next, with the key that it had") {
    VerdictQueue queue(100, seconds(60));
    queue.push(reset("a"), kStart);
    queue.push(reset("b"), kStart);
    Batch batch = queue.take(kStart);
    const std::string key = batch.key;
    queue.push(reset("c"), kStart);
    queue.put_back(std::move(batch));
    CHECK_FALSE(queue.empty());
    const Batch again = queue.take(kStart);
    CHECK(items(again) == "a b");
    CHECK(again.key == key);
    CHECK(items(queue.take(kStart)) == "c");
}

TEST_CASE("a call has so many at most, and none is lost") {
    VerdictQueue queue(100'000, seconds(60));
    for (int i = 0; i < 2500; ++i) {
        queue.push(reset(std::to_string(i)), kStart);
        queue.push(block(std::to_string(i), ""), kStart);
    }
    std::size_t all = 0;
    for (Batch batch = queue.take(kStart); !batch.verdicts.empty(); batch = queue.take(kStart)) {
        CHECK(batch.verdicts.size() <= VerdictQueue::kBatch);
        all += batch.verdicts.size();
    }
    CHECK(all == 5000);
}

TEST_CASE("what is given up is counted") {
    VerdictQueue queue(100, seconds(60));
    queue.push(reset("a"), kStart);
    queue.put_back(queue.take(kStart));
    queue.push(reset("b"), kStart);
    queue.clear();
    CHECK(queue.empty());
    CHECK(queue.counters().dropped == 2);
}

}  // namespace
}  // namespace yagura::alerts
