// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <pcap/pcap.h>

#include <span>

namespace yagura::match {

/// How fragment tests (the low 13 bits of an IPv4 header's bytes 6 and 7) in a program are to be read.
enum class FragmentTests : bool {
    kOfPorts,    ///< made by libpcap before it reads a port: a flow's key stands for all of its fragments
    kMeantToBe,  ///< may be what the user asked: "ip[6:2] & 0x1fff != 0"
};

/// True when a DLT_RAW program gives the same answer for every packet of a flow whose key is exact
/// (net::ParsedPacket::key_is_exact), and that answer is the one for synthetic_header(key). Then it depends
/// on nothing but IP version, protocol, addresses and the ports of TCP, UDP and SCTP.
///
/// Abstract interpretation over bits, once per version and protocol number: each bit of a value is a known
/// constant, a function of the flow, or anybody's guess. A branch on a guess makes the answer no. Never says
/// yes wrongly; says no to what it does not follow (loops, addresses that are computed).
bool depends_on_flow_only(std::span<const bpf_insn> program, FragmentTests fragment_tests);

/// True when no path of the program accepts.
bool never_accepts(std::span<const bpf_insn> program);

}  // namespace yagura::match
