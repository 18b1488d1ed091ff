// SPDX-License-Identifier: BSD-3-Clause
#include "broker/doctor/doctor.h"

#include <linux/capability.h>

#include "unit/broker/machine.h"

using namespace yagura;
using namespace yagura::broker;
using namespace yagura::broker::doctor;

TEST_CASE("hugepages are asked of the nodes of the lcores' CPUs, and the command says how many lack") {
    Machine machine;
    machine.pages(0, 10, 4).pages(1, 300, 300);
    machine.folder("/sys/devices/system/cpu/cpu2/node0").folder("/sys/devices/system/cpu/cpu3/node1");
    const Task task{.cpus = {2, 3}, .memory_mib = 400};
    const Findings findings = look(check_hugepages, machine, task);
    REQUIRE(findings.size() == 2);
    CHECK(findings[0].subject == "node 0");
    CHECK(findings[0].status == Status::kWarning);
    // 8 MiB are free of 400: 196 pages more than the 10 that there are.
    CHECK(findings[0].fix ==
          "echo 206 >/sys/devices/system/node/node0/hugepages/hugepages-2048kB/nr_hugepages");
    CHECK(findings[1].subject == "node 1");
    CHECK(findings[1].status == Status::kOk);
}

TEST_CASE("the page size with the most memory free counts") {
    Machine machine;
    machine.pages(0, 10, 4);
    machine.file("/sys/devices/system/node/node0/hugepages/hugepages-1048576kB/nr_hugepages", "2");
    machine.file("/sys/devices/system/node/node0/hugepages/hugepages-1048576kB/free_hugepages", "1");
    CHECK(look_once(check_hugepages, machine, {.memory_mib = 400}).status == Status::kOk);
    const Finding finding = look_once(check_hugepages, machine, {.memory_mib = 1500});
    CHECK(finding.fix == "echo 3 >/sys/devices/system/node/node0/hugepages/hugepages-1048576kB/nr_hugepages");
}

TEST_CASE("net_virtio_user cannot do without hugepages") {
    Machine machine;
    machine.pages(0, 0, 0);
    const std::string device = "net_virtio_user0,path=/tmp/s";
    CHECK(look_once(check_hugepages, machine, {.ports = {tool(device)}, .memory_mib = 1}).status ==
          Status::kError);
    CHECK(look_once(check_hugepages, machine, {.ports = {tool("loop:")}, .memory_mib = 1}).status ==
          Status::kWarning);
    CHECK(look_once(check_hugepages, Machine(), {}).status == Status::kWarning);
}

TEST_CASE("packet sockets lock memory, within a limit unless they may lock any") {
    Machine machine;
    const Task task{.ports = {network("net_af_packet0,iface=a"), tool("net_af_packet1,iface=b")}};
    machine.file("/proc/self/limits",
                 "Limit                     Soft Limit           Hard Limit           Units\n"
                 "Max locked memory         8388608              8388608              bytes");
    machine.capabilities(0);
    const Finding finding = look_once(check_locked_memory, machine, task);
    CHECK(finding.status == Status::kError);
    CHECK(finding.found == "160 MiB for packet sockets; the limit is 8 MiB");
    machine.capabilities(capability(CAP_IPC_LOCK));
    CHECK(look_once(check_locked_memory, machine, task).status == Status::kOk);
    machine.capabilities(0).file("/proc/self/limits",
                                 "Max locked memory         unlimited            unlimited");
    CHECK(look_once(check_locked_memory, machine, task).status == Status::kOk);
    CHECK(look(check_locked_memory, machine, {.ports = {tool("loop:")}}).empty());
}

TEST_CASE("an interface must be there, and should be up") {
    Machine machine;
    machine.interface("eth0").interface("eth1", "down");
    const Task up{.ports = {network("net_af_packet0,iface=eth0")}};
    CHECK(look_once(check_devices, machine, up).status == Status::kOk);
    const Finding down = look_once(check_devices, machine, {.ports = {network("net_af_xdp0,iface=eth1")}});
    CHECK(down.status == Status::kWarning);
    CHECK(down.fix == "ip link set dev eth1 up");
    const Finding none = look_once(check_devices, machine, {.ports = {network("net_af_packet0,iface=eth2")}});
    CHECK(none.status == Status::kError);
    CHECK(none.subject == "port \"lan\"");
    CHECK_THAT(none.fix, Catch::Matchers::Contains("(eth0, eth1)"));
    CHECK(look(check_devices, machine, {.ports = {tool("net_tap0"), tool("pcap:f")}}).empty());
}

TEST_CASE("a tap needs a name that fits and that nobody has") {
    Machine machine;
    machine.interface("eth0");
    const auto tap = [&](const char* device) {
        return look_once(check_devices, machine, {.ports = {tool(device)}});
    };
    CHECK(tap("net_tap0,iface=exactly15letter").status == Status::kOk);
    CHECK_THAT(tap("net_tap0,iface=exactly16letters").fix, Catch::Matchers::Contains("at most 15"));
    machine.interface("made").file("/sys/class/net/made/tun_flags", "0x1002");
    CHECK(tap("net_tap0,iface=made").status == Status::kOk);
    CHECK_THAT(tap("net_tap0,iface=eth0").fix, Catch::Matchers::Contains("ip link del dev eth0"));
    CHECK(look(check_devices, machine, {.ports = {tool("net_tap0")}}).empty());
}

TEST_CASE("a device belongs to one port") {
    Machine machine;
    machine.symlink("/sys/bus/pci/devices/0000:3b:00.1/driver", "../../drivers/vfio-pci");
    const auto last = [&](const char* first, const char* second) {
        const Findings findings = look(check_devices, machine, {.ports = {network(first), tool(second)}});
        return findings.empty() ? Finding{} : findings.back();
    };
    CHECK(last("net_ring0", "net_ring1").status == Status::kOk);
    CHECK(last("loop:", "loop:").status == Status::kOk);
    CHECK(last("pcap:f", "pcap:f").status == Status::kOk);  // the file's own error says more
    CHECK(last("3b:00.1", "0000:3b:00.1,x=1").found == "0000:3b:00.1 is the device of port \"lan\"");
    const Finding shared = last("net_ring0", "net_ring0,x=1");
    CHECK(shared.status == Status::kError);
    CHECK(shared.subject == "port \"ids\"");
    CHECK(shared.found == "net_ring0 is the device of port \"lan\"");
}

TEST_CASE("a PCI device must be there and bound to a driver that DPDK can use") {
    Machine machine;
    const std::string devices = "/sys/bus/pci/devices/";
    machine.symlink(devices + "0000:3b:00.0/driver", "../../drivers/ixgbe");
    machine.folder(devices + "0000:3b:00.0/net/eth4").interface("eth4");
    machine.symlink(devices + "0000:3b:00.1/driver", "../../drivers/vfio-pci");
    machine.folder(devices + "0000:3b:00.2");
    const auto device = [&](const char* address) {
        return look_once(check_devices, machine, {.ports = {network(address)}});
    };
    CHECK(device("0000:3b:00.1").status == Status::kOk);
    CHECK(device("3b:00.1,rx=1").status == Status::kOk);
    const Finding kernels = device("3b:00.0");
    CHECK(kernels.status == Status::kError);
    CHECK(kernels.fix == "modprobe vfio-pci && dpdk-devbind.py --bind=vfio-pci 0000:3b:00.0");
    CHECK_THAT(kernels.means, Catch::Matchers::Contains("eth4"));
    machine.folder("/sys/bus/pci/drivers/vfio-pci");
    CHECK(device("3b:00.2").fix == "dpdk-devbind.py --bind=vfio-pci 0000:3b:00.2");
    CHECK_THAT(device("3b:00.3").found, Catch::Matchers::Contains("there is no PCI device 0000:3b:00.3"));
}

TEST_CASE("an IOMMU is wanted by devices that are bound to vfio-pci, and by nobody else") {
    Machine machine;
    CHECK(look_once(check_iommu, machine, {.ports = {tool("loop:")}}).status == Status::kOk);
    const Task task{.ports = {network("3b:00.1")}};
    machine.symlink("/sys/bus/pci/devices/0000:3b:00.1/driver", "../../drivers/vfio-pci");
    machine.file("/proc/cpuinfo", "vendor_id : AuthenticAMD");
    const Finding off = look_once(check_iommu, machine, task);
    CHECK(off.status == Status::kError);
    CHECK_THAT(off.fix, Catch::Matchers::Contains("amd_iommu=on iommu=pt"));
    machine.file("/sys/module/vfio/parameters/enable_unsafe_noiommu_mode", "Y");
    CHECK(look_once(check_iommu, machine, task).status == Status::kWarning);
    machine.folder("/sys/kernel/iommu_groups/0");
    CHECK(look_once(check_iommu, machine, task).status == Status::kOk);
}

TEST_CASE("offloads matter where slots are small, and the line turns off those that are on") {
    Machine machine;
    machine.interfaces["a"] = {.tso = true, .gso = true, .gro = false, .lro = true};
    machine.interfaces["b"] = {};
    CHECK(look_once(check_offloads, machine, {.ports = {network("net_af_packet0,iface=a")}}).status ==
          Status::kOk);
    const std::string small = ",framesz=2048,blocksz=4096";
    const Finding finding =
        look_once(check_offloads, machine, {.ports = {network("net_af_packet0,iface=a" + small)}});
    CHECK(finding.status == Status::kWarning);
    CHECK_THAT(finding.fix, Catch::Matchers::StartsWith("ethtool -K a tso off gso off lro off "));
    CHECK(look_once(check_offloads, machine, {.ports = {network("net_af_packet0,iface=b" + small)}}).status ==
          Status::kOk);
    CHECK(
        look_once(check_offloads, machine, {.ports = {network("net_af_packet0,iface=a,framesz=7")}}).status ==
        Status::kError);
    CHECK(look(check_offloads, machine, {.ports = {network("net_tap0")}}).empty());
}

TEST_CASE("a tool's MTU must take what the network's offloads make") {
    Machine machine;
    machine.interface("t").interface("wide", "up", 65535);
    machine.interfaces["a"] = {.tso = true};
    machine.interfaces["b"] = {};
    const auto findings = [&](const char* lan, const char* ids) {
        return look(check_offloads, machine,
                    {.ports = {network(fmt::format("net_af_packet0,iface={}", lan)),
                               tool(fmt::format("net_af_packet1,iface={}", ids))}});
    };
    CHECK(findings("b", "t").size() == 1);
    CHECK(findings("a", "wide").back().status == Status::kOk);
    const Finding narrow = findings("a", "t").back();
    CHECK(narrow.check == "mtu");
    CHECK(narrow.status == Status::kWarning);
    CHECK_THAT(narrow.fix, Catch::Matchers::StartsWith("ip link set dev t mtu 65535"));
}

TEST_CASE("the clock should be read without a system call, and tick evenly") {
    struct Row {
        const char* source;
        const char* available;
        const char* flags;
        Status status;
        const char* fix;
    };
    const auto row =
        GENERATE(Row{"tsc", "tsc hpet", "flags : fpu constant_tsc nonstop_tsc", Status::kOk, ""},
                 Row{"kvm-clock", "kvm-clock", "flags : constant_tsc nonstop_tsc", Status::kOk, ""},
                 Row{"hpet", "hpet acpi_pm", "flags : fpu", Status::kWarning, "tsc=reliable"},
                 Row{"hpet", "tsc hpet", "flags : constant_tsc nonstop_tsc", Status::kWarning, "echo tsc >"},
                 Row{"tsc", "tsc", "flags : constant_tsc", Status::kWarning, "invtsc"});
    INFO(row.source << " " << row.flags);
    Machine machine;
    machine.file("/sys/devices/system/clocksource/clocksource0/current_clocksource", row.source);
    machine.file("/sys/devices/system/clocksource/clocksource0/available_clocksource", row.available);
    machine.file("/proc/cpuinfo", row.flags);
    const Finding finding = look_once(check_clock, machine, {});
    CHECK(finding.status == row.status);
    CHECK_THAT(finding.fix, Catch::Matchers::Contains(row.fix));
}

TEST_CASE("capabilities that a port lacks are named, and the command gives all that the ports need") {
    Machine machine;
    const Task task{.ports = {network("net_af_packet0,iface=a"), tool("net_tap0"), tool("loop:")}};
    machine.capabilities(capability(CAP_NET_ADMIN));
    const Finding finding = look_once(check_capabilities, machine, task);
    CHECK(finding.status == Status::kError);
    CHECK(finding.subject == "port \"lan\"");
    CHECK(finding.found == "cap_net_raw is lacking");
    CHECK_THAT(finding.fix, Catch::Matchers::Contains("setcap cap_net_raw,cap_net_admin,cap_ipc_lock+ep"));
    machine.capabilities(0);
    CHECK(look(check_capabilities, machine, task).size() == 2);
    CHECK(look_once(check_capabilities, machine, {.ports = {tool("loop:")}}).found ==
          "needed for the ports: none");
    machine.capabilities(kAll);
    CHECK(look_once(check_capabilities, machine, task).status == Status::kOk);
}

TEST_CASE("what is kept while running is less than what opens a port") {
    using ethdev::DeviceKind;
    for (const DeviceKind kind : {DeviceKind::kAfPacket, DeviceKind::kVhost, DeviceKind::kVirtioUser,
                                  DeviceKind::kMemory, DeviceKind::kOther}) {
        CHECK(to_run(kind, "") == 0);
    }
    CHECK(capability_names(to_run(DeviceKind::kTap, "")) == "cap_net_admin");
    CHECK(capability_names(to_run(DeviceKind::kPci, "vfio-pci")) == "cap_ipc_lock");
    CHECK(capability_names(to_open(DeviceKind::kPci, "igb_uio")) == "cap_sys_rawio,cap_sys_admin");
}

TEST_CASE("files that ports and the configuration need") {
    Machine machine;
    machine.file("/dev/net/tun", "").folder("/there");
    CHECK(look(check_files, machine,
               {.ports = {tool("net_tap0"), tool("pcap:/tmp/x.pcap"), tool("pcap:x.pcap")}})
              .empty());
    CHECK(look_once(check_files, Machine(), {.ports = {tool("net_tap0")}}).fix == "modprobe tun");
    const Finding folder = look_once(check_files, machine, {.ports = {tool("pcap:/no/such/folder/x.pcap")}});
    CHECK(folder.status == Status::kError);
    CHECK_THAT(folder.fix, Catch::Matchers::StartsWith("mkdir -p /no/such/folder"));
    CHECK(look_once(check_files, machine, {.ports = {tool("net_vhost0,iface=/no/such/s")}}).status ==
          Status::kError);

    machine.file("/run/s", "");
    CHECK(look(check_files, machine,
               {.ports = {network("net_virtio_user0,path=/run/s"),
                          network("net_virtio_user1,path=/tmp/t,server=1")}})
              .empty());
    CHECK(look_once(check_files, machine, {.ports = {network("net_virtio_user0,path=/run/t")}}).found ==
          "nobody listens at \"/run/t\"");
    CHECK(look_once(check_files, machine, {.ports = {network("net_virtio_user0")}}).status == Status::kError);

    const std::string config = machine.path("/there/config").string();
    machine.file("/there/config", "{}");
    std::filesystem::permissions(config, std::filesystem::perms(0640));
    CHECK(look_once(check_files, machine, {.config = config}).status == Status::kOk);
    std::filesystem::permissions(config, std::filesystem::perms(0660));
    const Finding open = look_once(check_files, machine, {.config = config});
    CHECK(open.status == Status::kError);
    CHECK(open.fix == "chmod go-w " + config);
}

TEST_CASE("obstacles are errors about ports alone; the worst finding is the machine's") {
    Machine machine;
    machine.pages(0, 0, 0).capabilities(kAll).interface("eth1", "down");
    const Task task{.ports = {network("net_af_packet0,iface=eth0"), network("net_af_packet1,iface=eth1")},
                    .memory_mib = 100};
    const Findings found = obstacles(machine, task);
    REQUIRE(found.size() == 1);
    CHECK_THAT(found[0].found, Catch::Matchers::Contains("no interface \"eth0\""));
    CHECK(worst(examine(machine, task)) == Status::kError);
    CHECK(worst({}) == Status::kOk);
    const std::string text = to_text(found);
    CHECK_THAT(text, Catch::Matchers::StartsWith("error    device, port \"lan\""));
    CHECK_THAT(text, Catch::Matchers::Contains("means: ") && Catch::Matchers::Contains("fix: "));
}

TEST_CASE("lists of CPUs are numbers and ranges") {
    CHECK(parse_cpu_list("0-2,5,7-8\n") == std::vector<unsigned>{0, 1, 2, 5, 7, 8});
    CHECK(parse_cpu_list("").empty());
    CHECK(parse_cpu_list("x,3") == std::vector<unsigned>{3});
    CHECK(parse_cpu_list("4-999999999").size() == 4092);
}
