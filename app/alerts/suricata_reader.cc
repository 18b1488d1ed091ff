// SPDX-License-Identifier: BSD-3-Clause
#include "app/alerts/suricata_reader.h"

#include <fmt/format.h>

#include "app/alerts/json_line.h"

namespace yagura::alerts {
namespace {

/// Most lines of an EVE log are of flows, DNS and HTTP, and not worth to be taken apart.
bool may_be_alert(std::string_view line) {
    return line.find("\"alert\"") != std::string_view::npos;
}

}  // namespace

Reading read_suricata(std::string_view line) {
    if (!line.starts_with('{') || !line.ends_with('}')) return Fault::kNotJson;
    if (!may_be_alert(line)) return Other{};
    const auto event = parse_object(line);
    if (!event) return Fault::kNotJson;
    if (text_in(*event, "event_type") != "alert") return Other{};
    const AlertJson* about = object_in(*event, "alert");
    const auto signature = about != nullptr ? number_in(*about, "signature_id") : std::nullopt;
    if (!signature) return Fault::kNoSignature;

    Alert alert{.tool = "suricata",
                .signature = signature,
                .generator = number_in(*about, "gid").value_or(1),
                .severity = number_in(*about, "severity"),
                .note = {},
                .text = cut_text(text_in(*about, "signature"))};
    if (const auto flow = number_in(*event, "flow_id")) alert.id = fmt::format("{}", *flow);
    alert.time = cut_text(text_in(*event, "timestamp"), kMaxWord);
    bool wrong = false;
    alert.source = address_in(*event, "src_ip", wrong);
    alert.destination = address_in(*event, "dest_ip", wrong);
    const auto source_port = port_in(*event, "src_port", wrong);
    const auto destination_port = port_in(*event, "dest_port", wrong);
    if (wrong) return Fault::kBadAddress;
    alert.connection = make_connection(text_in(*event, "proto"), alert.source, source_port, alert.destination,
                                       destination_port);
    return alert;
}

}  // namespace yagura::alerts
