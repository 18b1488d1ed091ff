// SPDX-License-Identifier: BSD-3-Clause
#include "unit/broker/machine.h"

using namespace yagura;
using namespace yagura::broker;
using namespace yagura::broker::doctor;

namespace {

void tell_cpus(Machine& machine, const char* isolated, const char* without_ticks) {
    machine.file("/sys/devices/system/cpu/online", "0-7");
    machine.file("/sys/devices/system/cpu/isolated", isolated);
    machine.file("/sys/devices/system/cpu/nohz_full", without_ticks);
}

Finding found_on(const Findings& findings, const std::string& subject, const std::string& check = "cpu") {
    for (const Finding& finding : findings) {
        if (finding.subject == subject && finding.check == check) return finding;
    }
    FAIL("nothing about " + subject);
    return {};
}

}  // namespace

TEST_CASE("CPUs that are isolated, without ticks and idle are as they should be") {
    Machine machine;
    tell_cpus(machine, "2-3,7", "2-3,7");
    machine.use.busy = {0.5, 0.0, 0.01, 0.05};
    const Findings good = look(check_cpus, machine, {.cpus = {2, 3}});
    REQUIRE(good.size() == 2);
    CHECK(good[0].found == "isolated, 1 % busy");
    CHECK(worst(good) == Status::kOk);
    CHECK(look_once(check_cpus, machine, {.cpus = {7}}).found == "isolated, load unknown");
    CHECK(look(check_cpus, machine, {}).empty());
}

TEST_CASE("what is wrong with the kernel's command line is told by CPU, and one line mends it") {
    Machine machine;
    const auto isolation = [&](std::vector<unsigned> cpus) {
        return found_on(look(check_cpus, machine, {.cpus = std::move(cpus)}), "isolation");
    };
    tell_cpus(machine, "3", "(null)");
    machine.file("/proc/cmdline", "quiet rcu_nocbs=1-3");
    const Finding all = isolation({0, 1, 3});
    CHECK(
        all.found ==
        "CPUs 0,1 of lcores are not isolated; CPUs 0,1,3 of lcores have the kernel's ticks; CPUs 0 of lcores "
        "run the kernel's RCU callbacks");
    CHECK_THAT(all.fix, Catch::Matchers::Contains("isolcpus=1,3 nohz_full=1,3 rcu_nocbs=1,3"));
    CHECK(isolation({3}).found == "CPUs 3 of lcores have the kernel's ticks");
    CHECK(isolation({0}).fix == "give the machine more CPUs");
    // Without ticks there are no callbacks, either; and rcu_nocbs alone is for all.
    tell_cpus(machine, "1", "2");
    machine.file("/proc/cmdline", "quiet");
    CHECK(isolation({2}).found == "CPUs 2 of lcores are not isolated");
    machine.file("/proc/cmdline", "rcu_nocbs quiet");
    CHECK(isolation({1}).found == "CPUs 1 of lcores have the kernel's ticks");
}

TEST_CASE("who works on an lcore's CPU is named, and moved to those that have no lcore") {
    Machine machine;
    tell_cpus(machine, "3", "2-3");
    machine.use.busy = {0, 0, 0.3, 0.2};
    machine.use.workers = {{.id = 30, .name = "ksoftirqd/2", .cpu = 2, .share = 0.2},
                           {.id = 4711, .name = "postgres", .cpu = 2, .share = 0.08},
                           {.id = 5, .name = "elsewhere", .cpu = 1, .share = 0.9},
                           {.id = 12, .name = "third", .cpu = 2, .share = 0.01},
                           {.id = 13, .name = "fourth", .cpu = 2, .share = 0.01},
                           {.id = 14, .name = "fifth", .cpu = 2, .share = 0.01},
                           {.id = 6, .name = "seldom", .cpu = 2, .share = 0.001}};
    const Findings findings = look(check_cpus, machine, {.cpus = {2, 3}});
    const Finding shared = found_on(findings, "CPU 2");
    CHECK(shared.status == Status::kWarning);
    CHECK(shared.found ==
          "not isolated, 30 % busy: ksoftirqd/2 30 (20.0 %), postgres 4711 (8.0 %), third 12 (1.0 %)");
    CHECK(shared.fix == "isolate it (below), or move them: taskset -pc 0,1,4,5,6,7 4711");
    const Finding isolated = found_on(findings, "CPU 3");
    CHECK(isolated.found == "isolated, 20 % busy");
    CHECK_THAT(isolated.fix, Catch::Matchers::StartsWith("taskset -pc 0,1,4,5,6,7 PID") &&
                                 Catch::Matchers::Contains("grep '^ *3 '"));
}

TEST_CASE("interrupts that come to an lcore's CPU are named with the command that moves each") {
    Machine machine;
    tell_cpus(machine, "2-3", "2-3");
    machine.use.busy = {0, 0, 0, 0};
    machine.use.interrupts = {{.number = 45, .name = "eth0-rx-0", .cpu = 2, .per_second = 2000},
                              {.number = 46, .name = "nvme0q1", .cpu = 2, .per_second = 50},
                              {.number = 47, .name = "rare", .cpu = 2, .per_second = 1},
                              {.number = 48, .name = "elsewhere", .cpu = 0, .per_second = 5000}};
    const Findings findings = look(check_cpus, machine, {.cpus = {2, 3}});
    const Finding finding = found_on(findings, "CPU 2", "interrupts");
    CHECK(finding.found == "45 (eth0-rx-0) 2000 a second, 46 (nvme0q1) 50 a second");
    CHECK_THAT(finding.fix,
               Catch::Matchers::StartsWith("echo 0,1,4,5,6,7 >/proc/irq/45/smp_affinity_list; echo "
                                           "0,1,4,5,6,7 >/proc/irq/46/smp_affinity_list"));
    CHECK(findings.size() == 3);
    machine.file("/sys/devices/system/cpu/online", "2-3");
    CHECK(found_on(look(check_cpus, machine, {.cpus = {2, 3}}), "CPU 2", "interrupts").fix ==
          "leave a CPU to the others (\"lcores\" of the configuration)");
}

namespace {

void thread(Machine& machine, int process, int id, const char* name, unsigned cpu, std::uint64_t run_ns) {
    const std::string folder = fmt::format("/proc/{}/task/{}/", process, id);
    std::string stat = fmt::format("{} ({}) S", id, name);
    for (int field = 4; field < 39; ++field) stat += fmt::format(" {}", field);
    machine.file(folder + "stat", fmt::format("{} {} 0 0", stat, cpu));
    machine.file(folder + "schedstat", fmt::format("{} 12 3", run_ns));
    machine.file(folder + "comm", name);
}

}  // namespace

TEST_CASE("what CPUs did is the difference of what the kernel counted") {
    Machine machine;
    machine.file("/proc/stat", "cpu  1 2 3 4\ncpu0 10 0 0 90 0 0 0 0 0 0\ncpu2 1 1 1 1 1 1 1 1 0 0\nintr 5");
    machine.file("/proc/interrupts",
                 "            CPU0       CPU2\n"
                 "  4:          7          1   IO-APIC   4-edge      ttyS0\n"
                 " 45:        100       1000   PCI-MSI 1572864-edge      eth0-rx-0\n"
                 "LOC:     999999     999999   Local timer interrupts\n"
                 "ERR:          0");
    thread(machine, 10, 10, "calm", 0, 5'000'000);
    thread(machine, 10, 11, "a (b) c)", 2, 1'000'000);
    thread(machine, getpid(), getpid(), "ourselves", 0, 0);
    machine.folder("/proc/12/task").folder("/proc/irq/45");
    const CpuCounts before = CpuCounts::of(machine);
    CHECK(CpuUse::between(before, before, 0.5).busy == std::vector<double>{0, 0, 0});
    CHECK(CpuUse::between(before, before, 0.5).workers.empty());

    machine.file("/proc/stat", "cpu  1 2 3 4\ncpu0 35 0 0 165 0 0 0 0 0 0\ncpu2 1 1 1 1 1 1 1 1 0 0\nintr 5");
    machine.file("/proc/interrupts",
                 "            CPU0       CPU2\n"
                 "  4:          7          1   IO-APIC   4-edge      ttyS0\n"
                 " 45:        100       2000   PCI-MSI 1572864-edge      eth0-rx-0\n"
                 " 46:          0          5   PCI-MSI 1572865-edge      new-one\n");
    thread(machine, 10, 11, "a (b) c)", 2, 51'000'000);
    thread(machine, 13, 13, "began", 0, 10'000'000);
    thread(machine, getpid(), getpid(), "ourselves", 0, 400'000'000);
    const CpuUse use = CpuUse::between(before, CpuCounts::of(machine), 0.5);
    CHECK(use.busy == std::vector<double>{0.25, 0, 0});
    REQUIRE(use.workers.size() == 2);
    CHECK(use.workers[0].name == "a (b) c)");
    CHECK(use.workers[0].cpu == 2);
    CHECK(use.workers[0].share == Approx(0.1));
    CHECK(use.workers[1].name == "began");
    CHECK(use.workers[1].share == Approx(0.02));
    REQUIRE(use.interrupts.size() == 1);
    CHECK(use.interrupts[0].number == 45);
    CHECK(use.interrupts[0].cpu == 2);
    CHECK(use.interrupts[0].name == "eth0-rx-0");
    CHECK(use.interrupts[0].per_second == Approx(2000));
}

TEST_CASE("a real machine has threads and interrupts") {
    const CpuCounts counts = CpuCounts::of(Host());
    CHECK_FALSE(counts.cpus.empty());
    CHECK(counts.threads.count(getpid()) == 0);
    CHECK(counts.threads.count(getppid()) == 1);
}
