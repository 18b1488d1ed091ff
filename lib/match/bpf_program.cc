// SPDX-License-Identifier: BSD-3-Clause
#include "match/bpf_program.h"

#include <pcap/pcap.h>

#include <cstdio>

namespace yagura::match {
namespace {

/// libpcap's MAXIMUM_SNAPLEN: what an accepting program returns.
constexpr std::uint32_t kSnapLength = 262144;

/// libpcap's optimiser works on all blocks again after each change: 64 port terms (800 characters) take 10 ms
/// more than without it, 128 take 100 ms, 256 (3,300 characters) more than a second. What it saves is paid
/// per packet: code is a tenth as long. Beyond this length the load time weighs more.
constexpr std::size_t kOptimizeUpTo = 2000;

}  // namespace

// Code for capture files, as tcpdump -r makes it: a handle from pcap_open_dead() counts as a live interface
// of this host, where DLT_NULL has only this system's AF_INET6 and "inbound" reads the kernel's ancillary
// data.
BpfCompiler::BpfCompiler(net::LinkType link_type)
    : header_{0xa1b2c3d4, 0x00040002, 0, 0, kSnapLength, static_cast<std::uint32_t>(link_type)} {
    std::FILE* file = fmemopen(header_.data(), sizeof header_, "rb");
    if (file == nullptr) return;
    char error[PCAP_ERRBUF_SIZE];
    handle_ = pcap_fopen_offline(file, error);
    if (handle_ == nullptr) std::fclose(file);
}

BpfCompiler::~BpfCompiler() {
    if (handle_ != nullptr) pcap_close(handle_);
}

base::Result<BpfCode> BpfCompiler::compile(const std::string& filter, Optimize optimize) {
    if (handle_ == nullptr) return base::Error{"libpcap does not know the link type"};
    if (filter.find('\0') != std::string::npos) return base::Error{"the filter contains a NUL character"};
    bpf_program program{};
    const bool optimized = optimize == Optimize::kUnlessLong && filter.size() <= kOptimizeUpTo;
    if (pcap_compile(handle_, &program, filter.c_str(), optimized, PCAP_NETMASK_UNKNOWN) != 0) {
        const std::string reason = pcap_geterr(handle_);
        if (reason == "expression rejects all packets") return BpfCode{};
        return base::Error{reason};
    }
    BpfCode code(program.bf_insns, program.bf_insns + program.bf_len);
    pcap_freecode(&program);
    if (bpf_validate(code.data(), static_cast<int>(code.size())) == 0) {
        return base::Error{"libpcap compiled it to a program that is not valid"};
    }
    return code;
}

}  // namespace yagura::match
