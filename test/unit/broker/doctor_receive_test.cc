// SPDX-License-Identifier: BSD-3-Clause
#include "unit/broker/machine.h"

using namespace yagura;
using namespace yagura::broker;
using namespace yagura::broker::doctor;

TEST_CASE("the hash by which an interface lays connections on its channels should be symmetric") {
    Machine machine;
    machine.receive_sides = {{"one", {.channels = 1, .symmetric = false}},
                             {"silent", {.channels = 4, .symmetric = {}}},
                             {"fair", {.channels = 4, .symmetric = true}},
                             {"unfair", {.channels = 4, .symmetric = false}}};
    const auto finding = [&](const std::string& iface) {
        return look_once(check_receive_side, machine, {.ports = {network("net_af_packet0,iface=" + iface)}});
    };
    CHECK(finding("one").status == Status::kOk);
    CHECK(finding("silent").status == Status::kOk);
    CHECK(finding("silent").found == "silent receives by 4 channels, and does not tell its hash");
    CHECK(finding("fair").status == Status::kOk);
    CHECK(finding("unfair").status == Status::kWarning);
    CHECK_THAT(finding("unfair").fix, Catch::Matchers::StartsWith("ethtool -X unfair hkey 6d:5a:6d:5a") &&
                                          Catch::Matchers::Contains("rx-flow-hash tcp4 sdfn"));
    // Nothing is known of it, or nothing is received by it.
    CHECK(look(check_receive_side, machine, {.ports = {network("net_af_packet0,iface=other")}}).empty());
    CHECK(
        look(check_receive_side, machine, {.ports = {tool("net_af_packet0,iface=unfair"), network("loop:")}})
            .empty());
}

TEST_CASE("AF_XDP has to take all channels that there are") {
    Machine machine;
    machine.receive_sides = {{"a", {.channels = 2, .symmetric = true}}};
    const auto first = [&](const std::string& more) {
        return look(check_receive_side, machine, {.ports = {network("net_af_xdp0,iface=a" + more)}})[0];
    };
    CHECK(first("").status == Status::kWarning);
    CHECK(first("").found == "AF_XDP takes 1 of the 2 channels of a");
    CHECK(first("").fix == "ethtool -L a combined 1");
    CHECK(first(",queue_count=2").status == Status::kOk);
    CHECK(first(",start_queue=1,queue_count=2").fix == "ethtool -L a combined 2, and write start_queue=0");
}

TEST_CASE("a key under which directions do not matter is the same two bytes again and again") {
    const std::vector<std::uint8_t> symmetric{0x6d, 0x5a, 0x6d, 0x5a, 0x6d, 0x5a};
    std::vector<std::uint8_t> broken = symmetric;
    broken[5] = 0x5b;
    CHECK(is_symmetric_key(symmetric));
    CHECK_FALSE(is_symmetric_key(broken));
    CHECK_FALSE(is_symmetric_key({}));
}

TEST_CASE("folders of the control socket and the audit log can be made, or run says so") {
    Machine machine;
    machine.folder("/run").folder("/var/log/yagura");
    const Task task{.control_files = {{"control socket", "/run/yagura/control.sock"},
                                      {"audit log", "/var/log/yagura/audit.jsonl"}}};
    const Findings good = look(check_control_files, machine, task);
    REQUIRE(good.size() == 2);
    CHECK(good[0].found == "/run/yagura/control.sock: /run takes its folder");
    CHECK(good[1].found == "/var/log/yagura/audit.jsonl: /var/log/yagura may be written to");
    CHECK(worst(good) == Status::kOk);
    // Somebody else's, or no folder at all: root may write anywhere, but not below a file.
    machine.file("/file", "");
    const Finding finding =
        look_once(check_control_files, machine, {.control_files = {{"audit log", "/file/x/audit"}}});
    CHECK(finding.status == Status::kError);
    CHECK_THAT(finding.fix, Catch::Matchers::Contains("mkdir -p /file/x") &&
                                Catch::Matchers::Contains("LogsDirectory=yagura"));
    CHECK(look(check_control_files, machine, {}).empty());
}
