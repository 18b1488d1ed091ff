// SPDX-License-Identifier: BSD-3-Clause
#include "broker/policy_queue.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace yagura::broker {

void PolicyQueue::add(Change change, std::shared_ptr<const Cancellation> cancellation) {
    waiting_.push_back({std::move(change), std::move(cancellation)});
    go_on();
}

void PolicyQueue::go_on() {
    give_up_cancelled();
    while (busy() && ready_()) {
        const Change change = std::move(waiting_.front().change);
        waiting_.pop_front();
        change(true);
    }
}

void PolicyQueue::give_up_cancelled() {
    std::vector<Change> cancelled;
    std::erase_if(waiting_, [&](Waiting& one) {
        const bool given_up = one.cancellation != nullptr && one.cancellation->cancelled();
        if (given_up) cancelled.push_back(std::move(one.change));
        return given_up;
    });
    for (const Change& change : cancelled) change(false);
}

void PolicyQueue::end() {
    for (const Waiting& one : std::exchange(waiting_, {})) one.change(false);
}

}  // namespace yagura::broker
