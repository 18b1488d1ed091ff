// SPDX-License-Identifier: BSD-3-Clause
#include "rules/response_reader.h"

#include <fmt/format.h>

#include <bitset>
#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "rules/addresses.h"
#include "rules/keys.h"
#include "rules/quantity_reader.h"

namespace yagura::rules {
namespace {

/// Like read_path(), of a path that means the same wherever yagura was started.
void read_absolute_path(const Fields& fields, std::string_view key, std::string& out, ErrorList& errors) {
    std::string path;
    read_path(fields, key, path, errors);
    if (path.empty()) return;
    if (path.front() != '/') {
        errors.add(fields.place(key), fmt::format("{} is not an absolute path", in_quotes(path)),
                   "begin it with /");
        return;
    }
    out = std::move(path);
}

/// A whole number of 32 bits.
void read_count(const Fields& fields, std::string_view key, std::string_view meaning, std::uint64_t low,
                std::uint64_t high, std::uint32_t& out, ErrorList& errors) {
    const Json* value = fields.find(key);
    if (value == nullptr) return;
    if (const auto count = read_whole_number(*value, fields.place(key), meaning, low, high, errors))
        out = static_cast<std::uint32_t>(*count);
}

std::optional<IpPrefix> read_prefix(const Json& value, const Place& place, ErrorList& errors) {
    const auto* text = value.get_ptr<const std::string*>();
    if (text == nullptr) {
        report_type(value, place, "a prefix", R"("10.0.0.0/8")", errors);
        return std::nullopt;
    }
    const auto prefix = parse_prefix(*text);
    if (!prefix) {
        errors.add(place, fmt::format("{} is not a prefix", in_quotes(*text)),
                   R"(an address of IPv4 or IPv6, and the length of the prefix where it is not a host: )"
                   R"("10.0.0.0/8")");
        return std::nullopt;
    }
    const IpPrefix masked = without_host_bits(*prefix);
    if (masked == *prefix) return prefix;
    errors.add(place, fmt::format("{} has bits set behind its length", in_quotes(*text)),
               fmt::format(R"(write "{}", or "{}" for the one address)", prefix_text(masked),
                           net::to_string(prefix->address, prefix->ip_version)));
    return std::nullopt;
}

std::vector<IpPrefix> read_prefixes(const Json::array_t& items, const Place& place, ErrorList& errors) {
    std::vector<IpPrefix> prefixes;
    if (items.size() > kMaxNeverCutPrefixes) {
        errors.add(place, fmt::format("there are {} prefixes", items.size()),
                   fmt::format("at most {}", kMaxNeverCutPrefixes));
        return prefixes;
    }
    std::set<std::string> seen;
    for (std::size_t i = 0; i < items.size(); ++i) {
        const auto prefix = read_prefix(items[i], {place, i}, errors);
        if (!prefix) continue;
        if (!seen.insert(prefix_text(*prefix)).second) {
            errors.add({place, i}, fmt::format("{} stands twice", shown(items[i])), "name it once");
            continue;
        }
        prefixes.push_back(*prefix);
    }
    return prefixes;
}

std::vector<std::uint16_t> read_port_numbers(const Json::array_t& items, const Place& place,
                                             ErrorList& errors) {
    std::vector<std::uint16_t> ports;
    std::bitset<kMaxPortNumber + 1> seen;
    for (std::size_t i = 0; i < items.size(); ++i) {
        const auto port =
            read_whole_number(items[i], {place, i}, "a port's number", 1, kMaxPortNumber, errors);
        if (!port) continue;
        if (seen.test(*port)) {
            errors.add({place, i}, fmt::format("{} stands twice", *port), "name it once");
            continue;
        }
        seen.set(*port);
        ports.push_back(static_cast<std::uint16_t>(*port));
    }
    return ports;
}

void read_never_cut(const Fields& response, Response& out, ErrorList& errors) {
    if (response.object("never_cut") == nullptr) return;
    const Place place = response.place("never_cut");
    const auto fields = Fields::open(*response.find("never_cut"), place, kNeverCutKeys, {}, {}, errors);
    if (const auto* prefixes = fields->array("prefixes"))
        out.never_prefixes = read_prefixes(*prefixes, fields->place("prefixes"), errors);
    if (const auto* ports = fields->array("ports"))
        out.never_ports = read_port_numbers(*ports, fields->place("ports"), errors);
}

void read_blocks(const Fields& response, Response& out, ErrorList& errors) {
    if (response.object("blocks") == nullptr) return;
    const Place place = response.place("blocks");
    const auto fields = Fields::open(*response.find("blocks"), place, kBlocksKeys, {}, {}, errors);
    read_absolute_path(*fields, "file", out.blocks_file, errors);
    read_count(*fields, "capacity", "a number of blocks", 1, kMaxBlocks, out.blocks_capacity, errors);
}

/// A station's own address.
std::optional<net::MacAddress> read_mac(const Fields& fields, std::string_view key, ErrorList& errors) {
    const auto text = fields.string(key);
    if (!text) return std::nullopt;
    const auto address = parse_mac(*text);
    if (!address) {
        errors.add(fields.place(key), fmt::format("{} is not an Ethernet address", in_quotes(*text)),
                   R"(six pairs of hexadecimal digits: "02:00:00:00:00:01")");
        return std::nullopt;
    }
    if (*address != net::MacAddress{} && (address->front() & 1) == 0) return address;
    errors.add(fields.place(key), fmt::format("{} is no station's address", in_quotes(*text)),
               "write a unicast address: its first byte is even, and it is not all zeros");
    return std::nullopt;
}

}  // namespace

Response read_response(const Json& value, const Place& place, ErrorList& errors) {
    Response response;
    const auto fields = Fields::open(value, place, kResponseKeys, "an object", kResponseExample, errors);
    if (!fields) {
        response.enabled = true;
        return response;
    }
    response.enabled = fields->boolean("enabled").value_or(fields->has("enabled"));
    response.dry_run = fields->boolean("dry_run").value_or(response.dry_run);
    read_never_cut(*fields, response, errors);
    read_absolute_path(*fields, "stop_file", response.stop_file, errors);
    read_blocks(*fields, response, errors);
    read_count(*fields, "kills", "a number of connections", 1, kMaxKills, response.kills, errors);
    read_count(*fields, "frames_per_second", "a number of frames", 1, kMaxFrameRate,
               response.frames_per_second, errors);
    response.from_tools = fields->boolean("from_tools").value_or(response.from_tools);
    if (!response.stop_file.empty() && response.stop_file == response.blocks_file) {
        errors.add(place, fmt::format("{} is both stop_file and blocks/file", in_quotes(response.stop_file)),
                   "give each a path of its own");
    }
    return response;
}

std::optional<Route> read_route(const Fields& port, ErrorList& errors) {
    if (port.object("route") == nullptr) return std::nullopt;
    const Place place = port.place("route");
    const auto fields = Fields::open(*port.find("route"), place, kRouteKeys, {}, {}, errors);
    const auto own_mac = read_mac(*fields, "own_mac", errors);
    const auto next_hop = read_mac(*fields, "next_hop", errors);
    if (!own_mac || !next_hop) return std::nullopt;
    if (*own_mac == *next_hop) {
        errors.add(place, "own_mac and next_hop are the same",
                   "next_hop is the station that passes the frames on");
        return std::nullopt;
    }
    return Route{.own_mac = *own_mac, .next_hop = *next_hop};
}

std::optional<BlockAction> read_block(const Fields& rule, ErrorList& errors) {
    if (rule.object("block") == nullptr) return std::nullopt;
    BlockAction block;
    const Place place = rule.place("block");
    const auto fields = Fields::open(*rule.find("block"), place, kBlockKeys, {}, {}, errors);
    block.ttl = read_duration(*fields, "ttl", kMinBlockTime, kMaxBlockTime, errors);
    block.what = fields->choice("what", kBlockWhats).value_or(block.what);
    return block;
}

void resolve_injects(Config& config, const Names& names, const Place& place, ErrorList& errors) {
    std::vector<std::string_view> network_ports;
    for (const Port* port : config.network_ports()) network_ports.push_back(port->name);
    for (Port& port : config.ports) {
        if (port.inject.empty()) continue;
        const Place entry(place, port.name);
        const Place key(entry, "inject");
        const auto found = names.all.find(port.inject);
        const Named::Kind kind = found == names.all.end() ? Named::Kind::kBroken : found->second.kind;
        if (port.inject == port.name) {
            errors.add(key, fmt::format("{} is this port itself", in_quotes(port.inject)),
                       "name another network port; frames leave by a port's own side without the key");
        } else if (found == names.all.end()) {
            errors.add(key, fmt::format("unknown network port {}", in_quotes(port.inject)),
                       errors.full() ? std::string()
                                     : suggestion(port.inject, network_ports, "known network ports"));
        } else if (kind == Named::Kind::kToolPort) {
            errors.add(key, fmt::format("{} is a tool port", in_quotes(port.inject)),
                       R"(frames that cut connections leave by a port whose role is "network")");
        } else if (kind == Named::Kind::kNetworkPort) {
            continue;
        }
        port.inject.clear();
    }
}

}  // namespace yagura::rules
