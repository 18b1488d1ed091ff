// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "broker/exit_status.h"
#include "broker/policy_loader.h"
#include "dataplane/pipeline.h"
#include "drivers/pcap/capture_source.h"
#include "port/packet_pool.h"

namespace yagura::broker {

/// What is asked of every command that runs captures through the pipeline.
struct CaptureOptions {
    std::string config;                       ///< path
    std::vector<std::string> inputs;          ///< values of --in
    std::string lcores;                       ///< of --lcores; empty: as the configuration says
    std::optional<std::uint64_t> stop_after;  ///< packets
};

/// Why a command ends before it has begun.
struct Failure {
    ExitStatus status;
    std::string message;
};

/// Everything that captures need to be run: checked, opened and allocated, nothing written.
struct CaptureRun {
    LoadedConfig loaded;
    dataplane::LcorePlan plan;
    std::vector<pcap::CaptureInput> captures;
    std::unique_ptr<port::PacketPool> pool;
    std::unique_ptr<port::PacketPool> release_pool;
    std::unique_ptr<pcap::CaptureSource> source;

    /// Starts DPDK's environment: once in a process.
    std::optional<Failure> open(const CaptureOptions& options);
    /// Of a pipeline that loses nothing; without tools, and without logs.
    dataplane::PipelineOptions pipeline_options(unsigned burst, const std::string& spool_folder) const;
    /// Starts the pipeline, waits for its end, or an interrupt, and stops it. Shows progress on a terminal.
    base::Result<void> run(dataplane::Pipeline& pipeline) const;
    /// Every buffer has come back.
    bool pools_whole() const { return pool->whole() && release_pool->whole(); }
};

}  // namespace yagura::broker
