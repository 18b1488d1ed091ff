// SPDX-License-Identifier: BSD-3-Clause
#include "broker/block_keeper.h"

#include <fmt/format.h>
#include <sys/random.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/clock.h"
#include "base/diagnostics.h"
#include "broker/flow_name.h"
#include "broker/utc.h"
#include "reset/block_file.h"

namespace yagura::broker {
namespace {

using std::chrono::milliseconds;

/// Places that one tick looks at for what has expired.
constexpr std::uint32_t kLooks = 4096;
constexpr milliseconds kSaveSoon{500};
/// Saving takes one part in so many of the time.
constexpr int kSaveShare = 50;

std::string time_of(std::uint64_t ns) {
    return utc_ms(std::chrono::system_clock::time_point(std::chrono::nanoseconds(ns)));
}

}  // namespace

BlockKeeper::BlockKeeper(const rules::Response& settings, const reset::NeverCut& never, std::uint64_t seed)
    : file_(settings.blocks_file), never_(never), list_(settings.blocks_capacity, seed) {}

base::Result<std::unique_ptr<BlockKeeper>> BlockKeeper::open(const rules::Response& settings,
                                                             const reset::NeverCut& never) {
    std::uint64_t seed = 0;
    if (getrandom(&seed, sizeof seed, 0) != sizeof seed) return base::Error{"there are no random numbers"};
    std::unique_ptr<BlockKeeper> keeper(new BlockKeeper(settings, never, seed));
    if (keeper->file_.empty()) return keeper;
    auto lock = reset::FileLock::take(keeper->file_);
    if (!lock) return lock.error();
    keeper->lock_.emplace(std::move(*lock));
    // What nobody can save the next run does not know. Tried again by the first tick, with the rights that
    // are left then.
    if (auto place = reset::Draft::make(keeper->file_); !place) return place.error();
    keeper->dirty_ = true;
    struct stat there {};
    if (stat(keeper->file_.c_str(), &there) != 0 && errno == ENOENT) return keeper;
    if (auto loaded = reset::load_blocks(keeper->file_, keeper->list_, base::realtime_ns()); !loaded)
        return loaded.error();
    keeper->remove_forbidden();
    return keeper;
}

/// never_cut may say more than it did when the list was saved.
void BlockKeeper::remove_forbidden() {
    constexpr std::size_t kPage = 4096;
    const std::uint64_t now = base::realtime_ns();
    std::uint32_t from = 0;
    do {
        const reset::BlockList::Page page = list_.list(from, kPage, now, {});
        for (const reset::Block& block : page.blocks) {
            if (!never_.forbids(block.target)) continue;
            base::diagnose("yagura run: {} is blocked no more: never_cut has something of it\n",
                           reset::to_string(block.target));
            remove(block.target);
        }
        from = page.next;
    } while (from != 0);
}

BlockKeeper::Added BlockKeeper::add(const Entry& entry, bool cuts) {
    if (never_.forbids(entry.target)) return Added::kNever;
    const std::uint64_t now = base::realtime_ns();
    const std::uint64_t expires =
        entry.ttl ? now + static_cast<std::uint64_t>(entry.ttl->count()) : reset::Block::kForever;
    const reset::Block block{
        .target = entry.target, .created = now, .expires = expires, .reason = entry.reason};
    const auto added = entry.extends ? list_.extend(block, now) : list_.add(block, now);
    switch (added) {
        case reset::BlockList::Added::kFull:
            return Added::kFull;
        case reset::BlockList::Added::kBadReason:
            return Added::kBadReason;
        case reset::BlockList::Added::kKept:
            return Added::kKept;
        case reset::BlockList::Added::kNew:
        case reset::BlockList::Added::kChanged:
            break;
    }
    dirty_ = true;
    if (cuts) changes_.fetch_add(1, std::memory_order_release);
    return added == reset::BlockList::Added::kNew ? Added::kNew : Added::kChanged;
}

BlockKeeper::Added BlockKeeper::would_add(const Entry& entry) const {
    if (never_.forbids(entry.target)) return Added::kNever;
    if (list_.find(entry.target)) return Added::kChanged;
    return list_.size() == list_.capacity() ? Added::kFull : Added::kNew;
}

bool BlockKeeper::remove(const reset::BlockTarget& target) {
    if (!list_.remove(target)) return false;
    dirty_ = true;
    return true;
}

control::Json BlockKeeper::to_json(const reset::Block& block) {
    control::Json json{{"target", reset::to_string(block.target)}, {"since", time_of(block.created)}};
    json["until"] = block.expires == reset::Block::kForever ? control::Json(nullptr)
                                                            : control::Json(time_of(block.expires));
    json["reason"] = block.reason;
    return json;
}

base::Result<reset::BlockTarget> BlockKeeper::target_of(const std::string& text) {
    if (auto target = reset::parse_block_target(text)) return *target;
    if (const auto network = reset::parse_network(text)) {
        return base::Error{
            fmt::format("it has bits set behind its length: write {} for the network, or {} for "
                        "the one host",
                        reset::to_string(*network), text.substr(0, text.find('/')))};
    }
    const auto flow = parse_flow_name(text);
    if (flow && !flow->any_protocol) return reset::BlockTarget::connection(flow->key);
    return base::Error{
        "write an address, a prefix, or a connection: 192.0.2.1, 10.0.0.0/8, tcp 10.0.0.1:4000 192.0.2.2:80"};
}

std::vector<reset::Block> BlockKeeper::covering(const reset::BlockTarget& target) const {
    const std::uint64_t now = base::realtime_ns();
    std::vector<reset::Block> blocks = list_.covering(target.a, target.ip_version, now);
    if (target.kind == reset::BlockTarget::Kind::kPrefix) {
        std::erase_if(blocks, [&](const reset::Block& block) { return block.target.length > target.length; });
        return blocks;
    }
    if (auto own = list_.find(target); own && own->expires > now) blocks.insert(blocks.begin(), *own);
    for (reset::Block& block : list_.covering(target.b, target.ip_version, now)) {
        if (std::ranges::find(blocks, block) == blocks.end()) blocks.push_back(std::move(block));
    }
    return blocks;
}

std::string BlockKeeper::tick() {
    list_.expire(base::realtime_ns(), kLooks);
    if (!dirty_ || file_.empty() || Clock::now() < save_at_) return {};
    return save();
}

std::string BlockKeeper::save() {
    if (!dirty_ || file_.empty()) return {};
    const auto begin = Clock::now();
    const auto saved = reset::save_blocks(file_, list_, base::realtime_ns());
    const auto end = Clock::now();
    save_at_ = end + std::max<Clock::duration>(kSaveSoon, (end - begin) * kSaveShare);
    std::string failed = saved ? std::string() : saved.error().message;
    if (saved) {
        dirty_ = false;
        saved_ = base::realtime_ns();
    }
    if (failed == failed_) return {};
    failed_ = failed;
    return failed;
}

control::Json BlockKeeper::saving() const {
    if (file_.empty()) return nullptr;
    return {{"file", file_},
            {"saved", saved_ == 0 ? control::Json(nullptr) : control::Json(time_of(saved_))},
            {"pending", dirty_},
            {"error", failed_.empty() ? control::Json(nullptr) : control::Json(failed_)}};
}

}  // namespace yagura::broker
