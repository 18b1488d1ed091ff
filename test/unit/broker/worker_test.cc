// SPDX-License-Identifier: BSD-3-Clause
#include "broker/worker.h"

#include <pthread.h>
#include <unistd.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <memory>
#include <string>
#include <vector>

using namespace yagura;
using namespace yagura::broker;

namespace {

/// What the worker alone writes while it runs, without any lock: ThreadSanitizer sees who else does.
struct Seen {
    std::uint64_t jobs = 0;
    std::uint64_t sum = 0;
    pthread_t thread{};
};

}  // namespace

TEST_CASE(
    "jobs run one after the other on one thread, and what is left of each on the thread that delivers") {
    constexpr std::uint64_t kJobs = 2000;
    std::atomic<std::uint64_t> wakes{0};
    auto worker = Worker::start([&wakes] { wakes.fetch_add(1); });
    REQUIRE(worker.ok());
    Seen seen;
    std::vector<std::uint64_t> delivered;
    for (std::uint64_t next = 0; delivered.size() < kJobs;) {
        if (next < kJobs && (*worker)->has_room()) {
            // A job has values of its own, and its completion takes what it made of them.
            auto text = std::make_shared<std::string>(std::to_string(next++));
            (*worker)->submit([&seen, &delivered, text]() -> Worker::Completion {
                ++seen.jobs;
                seen.sum += std::stoull(*text);
                seen.thread = pthread_self();
                text->push_back('0');
                return [&delivered, text] { delivered.push_back(std::stoull(*text) / 10); };
            });
        }
        (*worker)->deliver();
    }
    (*worker)->end();
    CHECK(seen.jobs == kJobs);
    CHECK(seen.sum == kJobs * (kJobs - 1) / 2);
    CHECK(pthread_equal(seen.thread, pthread_self()) == 0);
    CHECK(wakes == kJobs);
    for (std::uint64_t i = 0; i < kJobs; ++i) REQUIRE(delivered[i] == i);
}

TEST_CASE("an end waits for the job that runs, and what was done is delivered") {
    std::atomic<bool> begun{false};
    std::atomic<bool> go_on{false};
    auto worker = Worker::start([] {});
    REQUIRE(worker.ok());
    std::uint64_t ran = 0;
    std::uint64_t delivered = 0;
    (*worker)->submit([&]() -> Worker::Completion {
        begun = true;
        while (!go_on) usleep(1000);
        ++ran;
        return [&delivered] { ++delivered; };
    });
    while (!begun) usleep(1000);
    for (std::size_t i = 0; i < Worker::kMaxJobs; ++i) {
        REQUIRE((*worker)->has_room());
        (*worker)->submit([&ran]() -> Worker::Completion {
            ran += 100;
            return [] {};
        });
    }
    CHECK_FALSE((*worker)->has_room());
    go_on = true;
    (*worker)->end();
    // Of those that waited some may have come to their turn before it was the end.
    CHECK(ran % 100 == 1);
    (*worker)->deliver();
    CHECK(delivered == 1);
}
