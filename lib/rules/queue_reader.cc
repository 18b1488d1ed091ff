// SPDX-License-Identifier: BSD-3-Clause
#include "rules/queue_reader.h"

#include "rules/keys.h"
#include "rules/quantity_reader.h"

namespace yagura::rules {

std::optional<QueueBound> read_queue(const Fields& port, ErrorList& errors) {
    const Json* value = port.find("queue");
    if (value == nullptr) return std::nullopt;
    if (!value->is_object()) {
        port.wrong_type("queue");
        return std::nullopt;
    }
    const Place place = port.place("queue");
    const auto fields = Fields::open(*value, place, kQueueKeys, {}, {}, errors);
    QueueBound bound;
    if (const Json* packets = fields->find("packets")) {
        bound.packets = static_cast<std::uint32_t>(read_whole_number(*packets, fields->place("packets"),
                                                                     "a number of packets", kMinQueuePackets,
                                                                     kMaxQueuePackets, errors)
                                                       .value_or(bound.packets));
    }
    bound.time = read_duration(*fields, "time", kMinQueueTime, kMaxQueueTime, errors);
    if (fields->has("time") && !port.has("rate")) {
        errors.add(fields->place("time"), "is time at the tool's rate, and the tool has no rate",
                   "add a rate, or bound the queue in packets alone");
    }
    return bound;
}

}  // namespace yagura::rules
