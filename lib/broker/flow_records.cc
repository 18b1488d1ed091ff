// SPDX-License-Identifier: BSD-3-Clause
#include "broker/flow_records.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "broker/file_writer.h"
#include "broker/report.h"

namespace yagura::broker {
namespace {

std::string seconds(std::uint64_t ns) {
    return fmt::format("{}.{:09}", ns / 1'000'000'000, ns % 1'000'000'000);
}

/// A record of flows.jsonl.
Json flow_json(const flow::FlowEntry& flow, const flow::FlowDetails& details,
               const std::vector<match::RuleIndex>& matched, std::uint64_t offered,
               const rules::Config& config, const std::vector<const rules::Port*>& tools) {
    Json json;
    json["first"] = seconds(details.first_ns);
    json["last"] = seconds(details.last_ns);
    json["proto"] = net::protocol_name(flow.key.proto);
    json["src"] = net::to_string(flow.key.src, flow.key.ip_version);
    json["sport"] = flow.key.sport;
    json["dst"] = net::to_string(flow.key.dst, flow.key.ip_version);
    json["dport"] = flow.key.dport;
    json["vlans"] = Json::array();
    for (std::size_t i = 0; i < details.vlan_count; ++i) json["vlans"].push_back(details.vlans[i]);
    json["tunnel"] = nullptr;
    if (details.tunnel != net::Tunnel::kNone) {
        json["tunnel"] = {{"type", net::tunnel_name(details.tunnel)}, {"id", details.tunnel_id}};
    }
    json["rules"] = Json::array();
    for (const match::RuleIndex rule : matched) json["rules"].push_back(config.rules[rule].id);
    json["tools"] = Json::array();
    for (std::uint64_t mask = offered; mask != 0; mask &= mask - 1) {
        json["tools"].push_back(tools[static_cast<std::size_t>(std::countr_zero(mask))]->name);
    }
    json["packets"] = details.packets;
    json["bytes"] = details.bytes;
    json["complete"] = !flow.incomplete;
    json["seen"] = to_json({details.seen_packets, details.seen_bytes});
    return json;
}

/// Entries of 32 bytes.
constexpr std::size_t kSortedAtOnce = std::size_t{1} << 14;

}  // namespace

FlowSpool::FlowSpool(const std::string& path, std::FILE* file, const rules::Config& config)
    : path_(path), config_(config), tools_(config.tool_ports()), file_(file), sorter_(path, kSortedAtOnce) {}

base::Result<std::unique_ptr<FlowSpool>> FlowSpool::create(const std::string& folder,
                                                           const rules::Config& config) {
    const std::string path = folder + "/flows.spool";
    std::string name = path + ".XXXXXX";
    const int fd = mkostemp(name.data(), O_CLOEXEC);
    std::FILE* const file = fd < 0 ? nullptr : fdopen(fd, "w+b");
    if (file == nullptr)
        return base::Error{fmt::format("{}: cannot be made: {}", name, std::strerror(errno))};
    unlink(name.c_str());
    return std::unique_ptr<FlowSpool>(new FlowSpool(path, file, config));
}

void FlowSpool::fail() {
    if (error_.empty()) error_ = fmt::format("{}: {}", path_, std::strerror(errno));
}

void FlowSpool::flow_ended(const flow::FlowEntry& flow, const flow::FlowDetails& details,
                           const select::Selector& selector) {
    if (!error_.empty()) return;
    matched_.clear();
    selector.append_forward_rules(flow, matched_);
    const std::string line =
        flow_json(flow, details, matched_, selector.offered_tools(flow), config_, tools_).dump() + "\n";
    if (std::fwrite(line.data(), 1, line.size(), file_.get()) != line.size()) return fail();
    if (!sorter_.add({.order_time = details.first.time,
                      .order_record = details.first.record(),
                      .offset = size_,
                      .size = static_cast<std::uint32_t>(line.size()),
                      .order_file = details.first.file()})) {
        error_ = sorter_.error();
    }
    size_ += line.size();
}

base::Result<void> FlowSpool::rewind() {
    if (std::fflush(file_.get()) != 0) fail();
    if (!error_.empty()) return base::Error{error_};
    return sorter_.begin_merge();
}

bool FlowSpool::next() {
    if (!sorter_.next(place_)) {
        error_ = sorter_.error();
        return false;
    }
    line_.resize(place_.size);
    const auto read =
        pread(fileno(file_.get()), line_.data(), line_.size(), static_cast<off_t>(place_.offset));
    if (read == static_cast<ssize_t>(line_.size())) return true;
    if (read >= 0) errno = EIO;
    fail();
    return false;
}

base::Result<std::uint64_t> write_flows(const std::string& path,
                                        std::span<const std::unique_ptr<FlowSpool>> spools) {
    std::vector<FlowSpool*> heads;
    const auto advance = [&](FlowSpool* spool) { return spool->next(); };
    for (const auto& spool : spools) {
        if (auto ready = spool->rewind(); !ready) return ready.error();
        if (advance(spool.get())) heads.push_back(spool.get());
    }
    FileWriter out(path);
    std::uint64_t count = 0;
    while (!heads.empty()) {
        const auto first = std::ranges::min_element(
            heads, [](const FlowSpool* a, const FlowSpool* b) { return a->place() < b->place(); });
        out.write((*first)->line());
        ++count;
        if (!advance(*first)) heads.erase(first);
    }
    for (const auto& spool : spools) {
        if (!spool->error().empty()) return base::Error{spool->error()};
    }
    if (auto closed = out.close(); !closed) return closed.error();
    return count;
}

}  // namespace yagura::broker
