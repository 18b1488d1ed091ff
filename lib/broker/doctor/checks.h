// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "broker/doctor/host.h"
#include "rules/config.h"

namespace yagura::broker::doctor {

enum class Status : std::uint8_t { kOk, kWarning, kError };
const char* status_name(Status status);  ///< "ok", "warning", "error"

/// One thing that was looked at.
struct Finding {
    std::string check;    ///< area: "hugepages"
    std::string subject;  ///< what of it: "node 0", a port, a CPU; may be empty
    Status status = Status::kOk;
    std::string found;  ///< what is there
    std::string means;  ///< what follows from it; empty when it is ok
    std::string fix;    ///< the command that mends it, or what to write; empty when it is ok
};
using Findings = std::vector<Finding>;

/// What yagura is to do on the machine.
struct Task {
    std::vector<rules::Port> ports;  ///< of the configuration; empty without one
    std::vector<unsigned> cpus;      ///< of its lcores
    unsigned memory_mib = 0;         ///< of hugepages
    std::string config;              ///< path of the file; empty: none
    /// What the control plane makes, by what it is for ("control socket"): files whose folders must be there,
    /// or be made.
    std::vector<std::pair<std::string, std::string>> control_files;
};

/// Each adds what it finds of its area, in a fixed order.
void check_hugepages(const Host& host, const Task& task, Findings& findings);
void check_locked_memory(const Host& host, const Task& task, Findings& findings);
void check_devices(const Host& host, const Task& task, Findings& findings);
void check_iommu(const Host& host, const Task& task, Findings& findings);
void check_offloads(const Host& host, const Task& task, Findings& findings);
void check_receive_side(const Host& host, const Task& task, Findings& findings);
void check_cpus(const Host& host, const Task& task, Findings& findings);
void check_clock(const Host& host, const Task& task, Findings& findings);
void check_capabilities(const Host& host, const Task& task, Findings& findings);
void check_files(const Host& host, const Task& task, Findings& findings);
void check_control_files(const Host& host, const Task& task, Findings& findings);

/// "0000:3b:00.1", whatever form it is given in.
std::string full_pci_address(const std::string& address);
/// The driver that a PCI device is bound to; empty: none.
std::string pci_driver(const Host& host, const std::string& address);

}  // namespace yagura::broker::doctor
