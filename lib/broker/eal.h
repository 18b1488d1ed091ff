// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "dataplane/lcore_plan.h"

namespace yagura::broker {

struct EalOptions {
    std::string lcores;            ///< --lcores
    unsigned memory_mib = 256;     ///< when there are no hugepages
    bool hugepages = false;        ///< use them
    bool one_segment = false;      ///< memory in few files, as both ends of a vhost-user socket want it
    bool telemetry = false;        ///< DPDK's telemetry socket, if it can be
    std::vector<std::string> pci;  ///< PCI addresses to open; no other PCI device is touched
    bool pci_later = false;        ///< others may be opened later, by rte_dev_probe()
};

/// Starts DPDK's environment, once in a process. Messages below a warning are not printed. It keeps no files,
/// so that any number of yaguras run side by side.
/// Without telemetry where that has no place for its socket, which is said on stderr.
base::Result<void> start_eal(const EalOptions& options);
/// start_eal() has started telemetry.
bool has_telemetry();

/// The plan of a run: of the command line's --lcores where it is given (not empty), else of the
/// configuration.
base::Result<dataplane::LcorePlan> plan_lcores(const rules::LcoreSpec& configured, const std::string& option,
                                               const std::vector<unsigned>& cpus);

/// Hugepages that are free on this machine, in MiB.
unsigned free_hugepages_mib();

}  // namespace yagura::broker
