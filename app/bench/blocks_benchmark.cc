// SPDX-License-Identifier: BSD-3-Clause
// reset::BlockList beside DPDK's rte_hash and rte_lpm and the standard library's hash map: what it costs to
// ask whether either end of a flow is blocked.
//
// Every flow is another one, of which a share comes from addresses that are blocked. The peers are asked for
// both addresses, the source first, as the list does itself; a map of hosts knows no prefixes, and rte_lpm
// no IPv6, no connections, no expiry and no reader beside its writer.
#include <fmt/format.h>
#include <rte_cycles.h>
#include <rte_hash.h>
#include <rte_lpm.h>

#include <CLI/CLI.hpp>
#include <array>
#include <functional>
#include <memory>
#include <unordered_map>

#include "app/bench/benchmarks.h"
#include "base/hash.h"
#include "reset/block_list.h"

namespace yagura::bench {
namespace {

constexpr unsigned kBurstOfKeys = 32;
constexpr std::uint64_t kNow = 1'700'000'000'000'000'000;
constexpr std::uint32_t kShortest = 16;
constexpr std::uint32_t kLongest = 24;

struct BlocksChoice {
    std::vector<std::uint32_t> hosts{1'000, 100'000, 1'000'000};
    std::vector<std::uint32_t> prefixes{100, 1'000, 10'000};
    std::vector<unsigned> blocked{1, 50};
};

net::IpAddress address(std::uint32_t number) {
    net::IpAddress made{};
    base::store_be32(made.data(), number);
    return made;
}

/// The n-th that is blocked: all over the address space, each another one.
std::uint32_t scattered(std::uint32_t n) {
    return n * 0x9e3779b1u;
}
std::uint32_t length_of(std::uint32_t n) {
    return kShortest + n % (kLongest - kShortest + 1);
}

/// Is an end of the flow in it?
using Ask = std::function<bool(const net::FlowKey&)>;

/// Of addresses at random; the sources of `blocked` percent are inside the list's entries.
class Flows {
  public:
    Flows(std::uint32_t entries, unsigned blocked) : entries_(entries), blocked_(blocked) {}
    net::FlowKey next() {
        state_ += base::kHashA;
        const std::uint64_t r = base::mix(state_, base::kHashB);
        net::FlowKey key;
        key.ip_version = 4;
        key.proto = 6;
        const auto n = static_cast<std::uint32_t>((r >> 32) * entries_ >> 32);
        const bool is_blocked = (r & 0xffff) * 100 >> 16 < blocked_;
        key.src = address(is_blocked ? scattered(n) : static_cast<std::uint32_t>(base::mix(r, base::kHashC)));
        key.dst = address(static_cast<std::uint32_t>(base::mix(r, base::kHashD)));
        key.sport = static_cast<std::uint16_t>(r >> 8);
        key.dport = 443;
        return key;
    }

  private:
    std::uint64_t entries_;
    unsigned blocked_;
    std::uint64_t state_ = 0;
};

/// Lists of one size, and who is asked in turn.
struct Lists {
    std::uint32_t entries = 0;
    std::vector<Ask> asked;
    std::shared_ptr<std::uint64_t> found = std::make_shared<std::uint64_t>(0);

    /// Empty, or who gives another answer than the first.
    std::string difference() const {
        Flows same(entries, 50);
        for (int n = 0; n < 20'000; ++n) {
            const net::FlowKey key = same.next();
            const bool expected = asked[0](key);
            for (std::size_t i = 1; i < asked.size(); ++i) {
                if (asked[i](key) != expected) {
                    return fmt::format("among {} entries subject {} says otherwise of {}", entries, i,
                                       net::to_string(key.src, 4));
                }
            }
        }
        return {};
    }

    Group group(unsigned blocked) const {
        const auto flows = std::make_shared<Flows>(entries, blocked);
        Group group{.subjects = {}, .unit = kBurstOfKeys, .warm_up = 8192};
        for (const Ask& ask : asked) {
            group.subjects.push_back(
                {.run =
                     [ask, flows, found = found](std::size_t items, std::span<std::uint64_t> parts) {
                         std::array<net::FlowKey, kBurstOfKeys> keys;
                         for (std::size_t i = 0; i < items; i += kBurstOfKeys) {
                             for (net::FlowKey& key : keys) key = flows->next();
                             const std::uint64_t start = rte_rdtsc();
                             for (const net::FlowKey& key : keys) *found += ask(key) ? 1u : 0u;
                             parts[0] += rte_rdtsc() - start;
                         }
                     },
                 .parts = 1});
        }
        return group;
    }
};

Ask own_list(std::uint32_t entries, const std::function<reset::BlockTarget(std::uint32_t)>& target) {
    auto list = std::make_shared<reset::BlockList>(entries, 1);
    for (std::uint32_t n = 0; n < entries; ++n) (void)list->add({.target = target(n), .created = kNow}, kNow);
    return [list](const net::FlowKey& key) { return list->lookup(key, kNow).has_value(); };
}

base::Result<Lists> hosts(std::uint32_t entries) {
    Lists lists{.entries = entries, .asked = {}};
    lists.asked.push_back(own_list(
        entries, [](std::uint32_t n) { return reset::BlockTarget::host(address(scattered(n)), 4); }));

    const std::string name = fmt::format("blocks_{}", entries);
    rte_hash_parameters parameters{};
    parameters.name = name.c_str();
    parameters.entries = std::max<std::uint32_t>(entries, 8);
    parameters.key_len = sizeof(net::IpAddress);
    parameters.extra_flag = RTE_HASH_EXTRA_FLAGS_EXT_TABLE | RTE_HASH_EXTRA_FLAGS_RW_CONCURRENCY_LF;
    const std::shared_ptr<rte_hash> hash(rte_hash_create(&parameters), rte_hash_free);
    if (hash == nullptr) return base::Error{fmt::format("no memory for an rte_hash of {}", entries)};
    auto map = std::make_shared<std::unordered_map<std::uint32_t, std::uint64_t>>(entries);
    for (std::uint32_t n = 0; n < entries; ++n) {
        const net::IpAddress host = address(scattered(n));
        if (rte_hash_add_key(hash.get(), &host) < 0) return base::Error{"rte_hash takes no more"};
        map->emplace(base::load_u32(host.data()), kNow + 1);
    }
    lists.asked.push_back([hash](const net::FlowKey& key) {
        return rte_hash_lookup(hash.get(), &key.src) >= 0 || rte_hash_lookup(hash.get(), &key.dst) >= 0;
    });
    lists.asked.push_back([map](const net::FlowKey& key) {
        return map->count(base::load_u32(key.src.data())) != 0 ||
               map->count(base::load_u32(key.dst.data())) != 0;
    });
    return lists;
}

base::Result<Lists> prefixes(std::uint32_t entries) {
    Lists lists{.entries = entries, .asked = {}};
    lists.asked.push_back(own_list(entries, [](std::uint32_t n) {
        return reset::BlockTarget::prefix(address(scattered(n)), 4, static_cast<std::uint8_t>(length_of(n)));
    }));
    const std::string name = fmt::format("prefixes_{}", entries);
    const rte_lpm_config config{.max_rules = entries + 1, .number_tbl8s = 16, .flags = 0};
    const std::shared_ptr<rte_lpm> lpm(rte_lpm_create(name.c_str(), SOCKET_ID_ANY, &config), rte_lpm_free);
    if (lpm == nullptr) return base::Error{fmt::format("no memory for an rte_lpm of {}", entries)};
    for (std::uint32_t n = 0; n < entries; ++n) {
        if (rte_lpm_add(lpm.get(), scattered(n), static_cast<std::uint8_t>(length_of(n)), 1) < 0) {
            return base::Error{"rte_lpm takes no more"};
        }
    }
    lists.asked.push_back([lpm](const net::FlowKey& key) {
        std::uint32_t hop = 0;
        return rte_lpm_lookup(lpm.get(), base::load_be32(key.src.data()), &hop) == 0 ||
               rte_lpm_lookup(lpm.get(), base::load_be32(key.dst.data()), &hop) == 0;
    });
    return lists;
}

base::Result<Report> run_blocks(const BlocksChoice& choice, const Common& common) {
    std::uint64_t memory = 256;
    for (const std::uint32_t entries : choice.prefixes) memory += 72 + (entries >> 13);
    for (const std::uint32_t entries : choice.hosts) memory += 128 + (std::uint64_t{entries} * 96 >> 20);
    if (auto started = start(common.cpu, static_cast<unsigned>(memory)); !started) return started.error();
    ask_for_huge_pages();
    std::vector<Lists> all;
    const auto add = [&all](base::Result<Lists> lists) -> base::Result<void> {
        if (!lists) return lists.error();
        if (const std::string difference = lists->difference(); !difference.empty())
            return base::Error{difference};
        all.push_back(std::move(*lists));
        return {};
    };
    for (const std::uint32_t entries : choice.hosts) {
        if (auto added = add(hosts(entries)); !added) return added.error();
    }
    for (const std::uint32_t entries : choice.prefixes) {
        if (auto added = add(prefixes(entries)); !added) return added.error();
    }
    std::vector<Group> groups;
    for (const Lists& lists : all) {
        for (const unsigned blocked : choice.blocked) groups.push_back(lists.group(blocked));
    }
    const Measurement measurement = measure(groups, common.measure);

    Report report{.benchmark = "blocks", .tables = {}, .interrupted_share = measurement.interrupted_share};
    report.tables.push_back(
        {.title = "Is an end of this flow blocked, among so many hosts",
         .labels = {"hosts", "blocked flows, %"},
         .columns = {{"BlockList", "cycles per flow"},
                     {"rte_hash", "cycles per flow"},
                     {"rte_hash / BlockList", "", 2},
                     {"std::unordered_map", "cycles per flow"},
                     {"std::unordered_map / BlockList", "", 2}},
         .rows = {},
         .notes = {
             "So many of the flows come from a host that is blocked, the others from anywhere. All give "
             "the same answers, which is checked.",
             "rte_hash with lock-free readers, as the list has; std::unordered_map has "
             "IPv4 addresses alone as keys, and bears no writer beside a reader."}});
    report.tables.push_back(
        {.title = "The same among so many IPv4 prefixes of 16 to 24 bits",
         .labels = {"prefixes", "blocked flows, %"},
         .columns = {{"BlockList", "cycles per flow"},
                     {"rte_lpm", "cycles per flow"},
                     {"rte_lpm / BlockList", "", 2}},
         .rows = {},
         .notes = {"Nine lengths are in use: the list is asked up to 18 times for a flow. So many of the "
                   "flows come from a prefix that is blocked, of the others some do by chance. No more "
                   "prefixes, because rte_lpm looks at all rules of a length when it is given "
                   "one."}});
    for (std::size_t i = 0; i < groups.size(); ++i) {
        const std::size_t which = i / choice.blocked.size();
        const auto figure = [&](std::size_t subject) -> const Spread& {
            return measurement.groups[i].subjects[subject].parts[0];
        };
        Table::Row row{.labels = {std::to_string(all[which].entries),
                                  std::to_string(choice.blocked[i % choice.blocked.size()])},
                       .figures = {figure(0)}};
        for (std::size_t peer = 1; peer < all[which].asked.size(); ++peer) {
            row.figures.emplace_back(figure(peer));
            row.figures.emplace_back(ratio_by_repeat(figure(peer), figure(0)));
        }
        report.tables[which < choice.hosts.size() ? 0 : 1].rows.push_back(std::move(row));
    }
    return report;
}

}  // namespace

void add_blocks(CLI::App& app, Benchmark& chosen) {
    auto choice = std::make_shared<BlocksChoice>();
    CLI::App* command =
        app.add_subcommand("blocks", "Cycles to look a flow up in the block list, by its size");
    command->add_option("--hosts", choice->hosts, "Hosts in the list")
        ->delimiter(',')
        ->check(CLI::Range(16u, 1u << 23))
        ->capture_default_str();
    command->add_option("--prefixes", choice->prefixes, "Prefixes in the list")
        ->delimiter(',')
        ->check(CLI::Range(16u, 50'000u))
        ->capture_default_str();
    command->add_option("--blocked", choice->blocked, "Percent of the flows that come from what is blocked")
        ->delimiter(',')
        ->check(CLI::Range(0u, 100u))
        ->capture_default_str();
    command->callback([choice, &chosen] {
        chosen = [choice](const Common& common) { return run_blocks(*choice, common); };
    });
}

}  // namespace yagura::bench
