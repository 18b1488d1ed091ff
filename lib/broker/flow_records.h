// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <cstdio>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "dataplane/flow_log.h"
#include "drivers/pcap/record_sorter.h"
#include "rules/config.h"

namespace yagura::broker {

/// The records of one select lcore's flows, in the order in which they end: in a file without a name, as
/// lines of flows.jsonl. The lcore's thread writes, another reads when it has stopped.
class FlowSpool final : public dataplane::FlowLog {
  public:
    /// In this folder. The configuration must outlive it.
    static base::Result<std::unique_ptr<FlowSpool>> create(const std::string& folder,
                                                           const rules::Config& config);

    void flow_ended(const flow::FlowEntry& flow, const flow::FlowDetails& details,
                    const select::Selector& selector) override;

    /// Ends writing; next() then gives the records in the order of the flows' first packets.
    base::Result<void> rewind();
    /// False at the end, or when something failed (error()). The line ends with a newline.
    bool next();
    const pcap::RecordIndex& place() const { return place_; }
    const std::string& line() const { return line_; }
    const std::string& error() const { return error_; }

  private:
    struct Close {
        void operator()(std::FILE* file) const { std::fclose(file); }
    };
    FlowSpool(const std::string& path, std::FILE* file, const rules::Config& config);
    void fail();

    std::string path_;  ///< for messages
    const rules::Config& config_;
    std::vector<const rules::Port*> tools_;
    std::unique_ptr<std::FILE, Close> file_;
    pcap::RecordSorter sorter_;
    std::uint64_t size_ = 0;
    std::vector<match::RuleIndex> matched_;
    pcap::RecordIndex place_{};
    std::string line_;
    std::string error_;
};

/// Merges the records into PATH, in the order of the flows' first packets. Returns how many.
base::Result<std::uint64_t> write_flows(const std::string& path,
                                        std::span<const std::unique_ptr<FlowSpool>> spools);

}  // namespace yagura::broker
