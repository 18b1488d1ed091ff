// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <pcap/pcap.h>

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "net/parser.h"

namespace yagura::match {

/// Classic BPF that has passed bpf_validate. Empty: the expression can never match.
using BpfCode = std::vector<bpf_insn>;

/// Whether libpcap's optimiser runs. It is part of what tcpdump answers: 1.10.3 gets some expressions wrong,
/// such as "(host 2001:db8::2 or dst net 2001:db8::/47) and dst net 2001:db8::/47", which then loses packets.
enum class Optimize : bool { kNo, kUnlessLong };

/// libpcap's compiler for one link type. Control path; one thread at a time.
class BpfCompiler {
  public:
    explicit BpfCompiler(net::LinkType link_type);
    ~BpfCompiler();
    BpfCompiler(const BpfCompiler&) = delete;
    BpfCompiler& operator=(const BpfCompiler&) = delete;

    /// Compiles filter text. The error is libpcap's own message.
    base::Result<BpfCode> compile(const std::string& filter, Optimize optimize = Optimize::kUnlessLong);

  private:
    std::array<std::uint32_t, 6> header_;  ///< of the capture file that the handle reads
    pcap* handle_ = nullptr;
};

}  // namespace yagura::match
