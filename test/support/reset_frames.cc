// SPDX-License-Identifier: BSD-3-Clause
// reset_frames IN OUT: what lib/reset makes for each frame of a capture. Writes the frames that come out to
// OUT and a line for each attempt: number of the frame in IN, what was asked for, and what is wrong with it
// or `ok`. For comparison with other people's checksums and dissectors.
#include <fmt/format.h>
#include <pcap/pcap.h>

#include <vector>

#include "net/parser.h"
#include "net/protocol_numbers.h"
#include "reset/reset_builder.h"

using namespace yagura;
using namespace yagura::net::tcp_flag;

namespace {

class Output {
  public:
    Output(const reset::ResetBuilder& builder, pcap_dumper_t* file) : builder_(builder), file_(file) {}

    void write(std::uint64_t number, const char* what, reset::Crafted crafted, base::Bytes bytes) {
        bool own = false;
        if (crafted.ok()) {
            const base::Bytes frame = bytes.first(crafted.size);
            const auto parsed = net::parse(frame, frame.size(), net::LinkType::kEthernet);
            own = builder_.is_own(frame, parsed);
            const pcap_pkthdr header{{}, crafted.size, crafted.size};
            pcap_dump(reinterpret_cast<u_char*>(file_), &header, frame.data());
        }
        fmt::print("{}\t{}\t{}\t{}\n", number, what,
                   crafted.ok() ? "ok" : reset::refusal_name(crafted.refusal), own ? "own" : "");
    }

  private:
    const reset::ResetBuilder& builder_;
    pcap_dumper_t* file_;
};

void answer(std::uint64_t number, base::Bytes frame, const reset::ResetBuilder& builder, Output& output) {
    const auto parsed = net::parse(frame, frame.size(), net::LinkType::kEthernet);
    std::vector<std::uint8_t> buffer(reset::ResetBuilder::kMaxUnreachableFrame);
    reset::Encapsulation onward;
    const reset::Refusal taken = reset::Encapsulation::take(frame, parsed, onward);
    reset::Encapsulation back = onward;
    const reset::Refusal reversed = taken == reset::Refusal::kNone ? back.reverse() : taken;
    const auto attempt = [&](const char* what, reset::Refusal way, auto&& make) {
        const reset::Crafted crafted = way == reset::Refusal::kNone ? make() : reset::Crafted{.refusal = way};
        output.write(number, what, crafted, buffer);
    };
    if (parsed.key.proto == net::ip_proto::kTcp) {
        const reset::Segment reset{.seq = 0xfffffffe, .ack = 0x01020304, .flags = kRst | kAck};
        attempt("reset_onward", taken,
                [&] { return builder.segment(onward, parsed.key, {.ttl = 61}, reset, buffer); });
        attempt("reset_back", reversed,
                [&] { return builder.segment(back, parsed.key.reversed(), {.ttl = 62}, reset, buffer); });
    }
    attempt("unreachable", reversed, [&] {
        return builder.unreachable(back, frame, parsed, reset::Unreachable::kPort, {.ttl = 63}, buffer);
    });
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 3) {
        fmt::print(stderr, "usage: reset_frames IN OUT\n");
        return 2;
    }
    char error[PCAP_ERRBUF_SIZE];
    pcap_t* const in = pcap_open_offline(argv[1], error);
    if (in == nullptr || pcap_datalink(in) != DLT_EN10MB) {
        fmt::print(stderr, "reset_frames: {}: {}\n", argv[1], in == nullptr ? error : "not Ethernet");
        return 1;
    }
    pcap_t* const format = pcap_open_dead(DLT_EN10MB, 65535);
    pcap_dumper_t* const out = pcap_dump_open(format, argv[2]);
    if (out == nullptr) {
        fmt::print(stderr, "reset_frames: {}\n", pcap_geterr(format));
        return 1;
    }
    const reset::ResetBuilder builder({0x0123456789abcdef, 0xfedcba9876543210});
    Output output(builder, out);
    pcap_pkthdr* header = nullptr;
    const u_char* bytes = nullptr;
    for (std::uint64_t number = 0; pcap_next_ex(in, &header, &bytes) == 1; ++number) {
        answer(number, {bytes, header->caplen}, builder, output);
    }
    pcap_dump_close(out);
    pcap_close(format);
    pcap_close(in);
    return 0;
}
