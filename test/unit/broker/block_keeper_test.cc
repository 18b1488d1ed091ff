// SPDX-License-Identifier: BSD-3-Clause
#include "broker/block_keeper.h"

#include <unistd.h>

#include <catch2/catch.hpp>
#include <chrono>
#include <filesystem>
#include <set>

#include "broker/kill_switch.h"
#include "net/packet_builder.h"

using namespace yagura;
using broker::BlockKeeper;
using broker::KillSwitch;
using Added = BlockKeeper::Added;
using namespace std::chrono_literals;

namespace {

struct Keeping {
    Keeping() {
        std::string name = (std::filesystem::temp_directory_path() / "yagura-keeper-XXXXXX").string();
        REQUIRE(mkdtemp(name.data()) != nullptr);
        folder = name;
        settings.enabled = true;
        settings.blocks_file = (folder / "blocks").string();
        settings.blocks_capacity = 100;
    }
    ~Keeping() { std::filesystem::remove_all(folder); }
    std::unique_ptr<BlockKeeper> open() {
        auto keeper = BlockKeeper::open(settings, never);
        REQUIRE(keeper.ok());
        return std::move(*keeper);
    }
    std::string error() {
        auto keeper = BlockKeeper::open(settings, never);
        return keeper.ok() ? std::string() : keeper.error().message;
    }

    std::filesystem::path folder;
    rules::Response settings;
    reset::NeverCut never;
};

BlockKeeper::Entry entry(const char* text, const char* reason = "",
                         std::optional<std::chrono::nanoseconds> ttl = {}, bool extends = false) {
    return {.target = *BlockKeeper::target_of(text), .ttl = ttl, .reason = reason, .extends = extends};
}

std::set<std::string> texts(const std::vector<reset::Block>& blocks) {
    std::set<std::string> all;
    for (const reset::Block& block : blocks) all.insert(to_string(block.target));
    return all;
}

}  // namespace

TEST_CASE("what nobody has decided himself leaves what somebody has") {
    Keeping keeping;
    const auto keeper = keeping.open();
    REQUIRE(keeper->add(entry("192.0.2.1", "by hand")) == Added::kNew);
    const auto before = keeper->changes().load();
    CHECK(keeper->add(entry("192.0.2.1", "rule 7", 10min, true)) == Added::kKept);
    CHECK(keeper->changes().load() == before);
    const auto known = keeper->list().find(*BlockKeeper::target_of("192.0.2.1"));
    REQUIRE(known);
    CHECK(known->expires == reset::Block::kForever);
    CHECK(known->reason == "by hand");
    CHECK(keeper->add(entry("192.0.2.1", "shorter", 10min)) == Added::kChanged);
    CHECK(keeper->add(entry("192.0.2.1", "rule 7", 20min, true)) == Added::kChanged);
    CHECK(keeper->list().find(*BlockKeeper::target_of("192.0.2.1"))->reason == "shorter");
}

TEST_CASE("the entries that block something are found") {
    Keeping keeping;
    const auto keeper = keeping.open();
    for (const char* text : {"10.0.0.0/8", "10.1.2.3", "10.1.0.0/16", "192.0.2.2", "2001:db8::/32",
                             "tcp 10.1.2.3:4000 192.0.2.2:80", "tcp 10.1.2.3:4001 192.0.2.2:80"})
        REQUIRE(keeper->add(entry(text)) == Added::kNew);
    const auto covering = [&](const char* text) {
        return texts(keeper->covering(*BlockKeeper::target_of(text)));
    };
    using Texts = std::set<std::string>;
    CHECK(covering("10.1.2.3") == Texts{"10.0.0.0/8", "10.1.2.3", "10.1.0.0/16"});
    CHECK(covering("10.1.0.0/16") == Texts{"10.0.0.0/8", "10.1.0.0/16"});
    CHECK(covering("10.2.0.0/15") == Texts{"10.0.0.0/8"});
    CHECK(covering("11.0.0.1").empty());
    CHECK(covering("2001:db8::1") == Texts{"2001:db8::/32"});
    CHECK(covering("tcp 10.1.2.3:4000 > 192.0.2.2:80") ==
          Texts{to_string(*BlockKeeper::target_of("tcp 10.1.2.3:4000 192.0.2.2:80")), "10.0.0.0/8",
                "10.1.2.3", "10.1.0.0/16", "192.0.2.2"});
    CHECK(covering("tcp 10.9.9.9:1 > 10.9.9.8:2") == Texts{"10.0.0.0/8"});
}

TEST_CASE("a prefix with bits behind its length is refused by its network's own address") {
    for (const auto& [text, network, host] :
         {std::tuple{"10.1.2.3/8", "10.0.0.0/8", "10.1.2.3 "},
          std::tuple{"2001:db8::1/64", "2001:db8::/64", "2001:db8::1 "}}) {
        const auto target = BlockKeeper::target_of(text);
        REQUIRE_FALSE(target.ok());
        CHECK_THAT(target.error().message, Catch::Contains(network) && Catch::Contains(host));
    }
    CHECK_FALSE(BlockKeeper::target_of("nonsense").ok());
}

TEST_CASE("a list is one run's at a time, and kept for the next") {
    Keeping keeping;
    {
        const auto keeper = keeping.open();
        CHECK(keeper->saving()["saved"].is_null());
        CHECK(keeper->saving()["pending"] == true);
        CHECK_THAT(keeping.error(), Catch::Contains("blocks: another process keeps it (pid " +
                                                    std::to_string(getpid()) + ")"));
        REQUIRE(keeper->add(entry("192.0.2.1")) == Added::kNew);
        CHECK(keeper->tick().empty());
        CHECK(keeper->saving()["saved"].is_string());
        CHECK(keeper->saving()["pending"] == false);
        CHECK(keeper->saving()["error"].is_null());
    }
    CHECK(keeping.open()->list().size() == 1);
    keeping.settings.blocks_file.clear();
    const auto nowhere = keeping.open();
    CHECK(nowhere->saving().is_null());
    CHECK(keeping.error().empty());
}

TEST_CASE("a place where the list cannot be kept is found at the start, and told while it lasts") {
    Keeping keeping;
    keeping.settings.blocks_file = (keeping.folder / "none" / "blocks").string();
    CHECK_THAT(keeping.error(), Catch::Contains("none/blocks"));
    // Something stands where the next one is to be written.
    keeping.settings.blocks_file = (keeping.folder / "blocks").string();
    std::filesystem::create_directory(keeping.folder / "blocks.new");
    CHECK_THAT(keeping.error(), Catch::Contains("blocks.new"));
    std::filesystem::remove(keeping.folder / "blocks.new");
    const auto keeper = keeping.open();
    std::filesystem::create_directory(keeping.folder / "blocks.new");
    CHECK_THAT(keeper->save(), Catch::Contains("blocks.new"));
    CHECK_THAT(keeper->unsaved(), Catch::Contains("blocks.new"));
    CHECK(keeper->saving()["error"] == keeper->unsaved());
    CHECK(keeper->saving()["pending"] == true);
    CHECK(keeper->save().empty());  // said once
    std::filesystem::remove(keeping.folder / "blocks.new");
    CHECK(keeper->save().empty());
    CHECK(keeper->unsaved().empty());
    CHECK(keeper->saving()["error"].is_null());
}

TEST_CASE("who has disabled responses is known to the next run, until they are enabled") {
    Keeping keeping;
    const std::string file = (keeping.folder / "blocks.disabled").string();
    const auto next_run = [&] {
        KillSwitch next;
        next.open(file);
        return next.why();
    };
    KillSwitch now;
    now.open(file);
    CHECK(now.why().empty());
    CHECK(now.to_json().is_null());
    now.disable("uid 7", "an incident");
    CHECK(now.why() == "response.disable by uid 7: an incident");
    CHECK(now.to_json()["kept"] == true);
    CHECK_THAT(next_run(), Catch::Contains("response.disable by uid 7") && Catch::Contains(file) &&
                               Catch::Contains("an incident"));
    now.enable();
    CHECK(now.why().empty());
    CHECK(next_run().empty());
    // Whatever is in the file, it disables.
    for (const char* text : {"", "nonsense", "{", "[]", R"({"by": 7})"}) {
        INFO(text);
        REQUIRE(reset::replace_file(file, text).ok());
        CHECK_THAT(next_run(), Catch::Contains("response.disable by somebody"));
    }
    REQUIRE(reset::replace_file(file, "{\"by\": \"a\\u001b[2J\"}").ok());
    CHECK_THAT(next_run(), Catch::Contains("by a?[2J"));
}

TEST_CASE("a switch that cannot be kept says so") {
    Keeping keeping;
    KillSwitch lost;
    lost.open((keeping.folder / "none" / "x").string());
    CHECK(lost.trouble().empty());
    lost.disable("uid 0", "");
    CHECK(lost.to_json()["kept"] == false);
    CHECK_THAT(lost.trouble(), Catch::Contains("ends with this run"));
    lost.enable();
    CHECK(lost.trouble().empty());
    KillSwitch nowhere;
    nowhere.open("");
    nowhere.disable("uid 0", "");
    CHECK(nowhere.why() == "response.disable by uid 0");
    CHECK(nowhere.to_json()["kept"] == false);
    CHECK(nowhere.trouble().empty());
}
