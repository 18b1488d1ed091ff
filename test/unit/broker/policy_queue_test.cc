// SPDX-License-Identifier: BSD-3-Clause
#include "broker/policy_queue.h"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

using namespace yagura;
using broker::Cancellation;
using broker::PolicyQueue;

namespace {

struct QueueRig {
    bool ready = false;
    std::vector<std::string> said;
    PolicyQueue queue{[this] { return ready; }};

    PolicyQueue::Change change(const std::string& name) {
        return [this, name](bool carry_out) { said.push_back(name + (carry_out ? " done" : " given up")); };
    }
};

}  // namespace

TEST_CASE("a change of the policy for which nothing stands in the way is carried out at once") {
    QueueRig rig;
    rig.ready = true;
    rig.queue.add(rig.change("a"));
    CHECK(rig.said == std::vector<std::string>{"a done"});
    CHECK_FALSE(rig.queue.busy());
}

TEST_CASE("changes of the policy wait in their order, and each looks anew whether it may") {
    QueueRig rig;
    rig.queue.add(rig.change("a"));
    rig.queue.add([&](bool carry_out) {
        rig.change("b")(carry_out);
        rig.ready = false;  // b's policy is passed on to
    });
    rig.queue.add(rig.change("c"));
    rig.queue.go_on();
    CHECK(rig.said.empty());
    CHECK(rig.queue.busy());
    rig.ready = true;
    rig.queue.go_on();
    CHECK(rig.said == std::vector<std::string>{"a done", "b done"});
    CHECK(rig.queue.busy());
    rig.ready = true;
    rig.queue.go_on();
    CHECK(rig.said.back() == "c done");
    CHECK_FALSE(rig.queue.busy());
}

TEST_CASE("a change of the policy that is cancelled does not wait to say so") {
    QueueRig rig;
    const auto cancellation = std::make_shared<Cancellation>();
    rig.queue.add(rig.change("a"));
    rig.queue.add(rig.change("b"), cancellation);
    cancellation->cancel();
    rig.queue.go_on();
    CHECK(rig.said == std::vector<std::string>{"b given up"});
    rig.ready = true;
    rig.queue.go_on();
    CHECK(rig.said == std::vector<std::string>{"b given up", "a done"});
}

TEST_CASE("changes of the policy that wait at the end are given up, and there is room for so many") {
    QueueRig rig;
    for (std::size_t i = 0; i < PolicyQueue::kMost; ++i) {
        CHECK(rig.queue.has_room());
        rig.queue.add(rig.change("a"));
    }
    CHECK_FALSE(rig.queue.has_room());
    rig.queue.end();
    CHECK(rig.said == std::vector<std::string>(PolicyQueue::kMost, "a given up"));
    CHECK_FALSE(rig.queue.busy());
}
