// SPDX-License-Identifier: BSD-3-Clause
#include "flow/tcp_state.h"

#include <catch2/catch.hpp>
#include <sstream>
#include <string>

#include "segment_words.h"

using yagura::flow::is_opening_answer;
using yagura::flow::is_opening_segment;
using yagura::flow::is_over;
using yagura::flow::TcpState;
using yagura::test::segment_from_word;

namespace {

TcpState after(const std::string& segments) {
    TcpState state = TcpState::kOpening;
    std::istringstream words(segments);
    for (std::string word; words >> word;) state = next_state(state, segment_from_word(word));
    return state;
}

}  // namespace

TEST_CASE("the state of a connection after its segments") {
    struct Row {
        const char* what;
        const char* segments;
        TcpState state;
    };
    const auto row = GENERATE(values<Row>({
        {"a SYN", ">S", TcpState::kOpening},
        {"a SYN and its answer: half open", ">S <SA", TcpState::kOpening},
        {"the handshake", ">S <SA >A", TcpState::kEstablished},
        {"both ends open at once", ">S <S >SA <SA >A", TcpState::kEstablished},
        {"only the client is captured", ">S >A", TcpState::kEstablished},
        {"only the server is captured", ">SA >AD", TcpState::kEstablished},
        {"picked up in the middle, at an acknowledgement", ">A", TcpState::kEstablished},
        {"picked up in the middle, at data", "<AD", TcpState::kEstablished},
        {"no flags at all: a scan, or a later fragment", ">-", TcpState::kOpening},
        {"a later fragment of an established connection", ">S <SA >A >-D", TcpState::kEstablished},
        {"a FIN from the client", ">S <SA >A >FA", TcpState::kFinBySrc},
        {"the same FIN again", ">A >FA >FA", TcpState::kFinBySrc},
        {"a FIN from the server", ">A <FA", TcpState::kFinByDst},
        {"data goes on against a FIN", ">A >FA <AD <AD >A", TcpState::kFinBySrc},
        {"FINs from both", ">A >FA <FA >A", TcpState::kClosed},
        {"FINs from both, the server's first", ">A <FA >FA <A", TcpState::kClosed},
        {"a FIN alone", ">F", TcpState::kFinBySrc},
        {"nothing opens what both have closed: data", ">A >FA <FA >AD <AD", TcpState::kClosed},
        {"nothing opens what both have closed: a reset and data", ">A >FA <FA >R >AD", TcpState::kClosed},
        {"refused", ">S <RA", TcpState::kResetByDst},
        {"reset by the client", ">A <AD >R", TcpState::kResetBySrc},
        {"reset with data in flight from the other end", ">A >R <AD <AD", TcpState::kResetBySrc},
        {"the one who has reset acknowledges", ">A >R >A", TcpState::kResetBySrc},
        {"the one who has reset sends data: it was not he", ">A >R >AD", TcpState::kEstablished},
        {"the same for the server", ">A <RA <AD", TcpState::kEstablished},
        {"a spoofed reset against a spoofed opening", ">S >R >SD", TcpState::kResetBySrc},
        {"resets to both ends", ">A >R <R", TcpState::kResetByBoth},
        {"the same, a third time", ">A <R >R <R", TcpState::kResetByBoth},
        {"resets to both ends, the client goes on", ">A >R <R >AD", TcpState::kEstablished},
        {"resets to both ends, the server goes on", ">A >R <R <AD", TcpState::kEstablished},
        {"data and FIN from the one who has reset", ">A >R >FAD", TcpState::kFinBySrc},
        {"reset after a FIN", ">A >FA >R", TcpState::kResetBySrc},
        {"reset by the other end after a FIN", ">A >FA <R", TcpState::kResetByDst},
        {"a SYN within the connection", ">A <A >S", TcpState::kEstablished},
    }));
    CAPTURE(row.what, row.segments);
    CHECK(after(row.segments) == row.state);
}

TEST_CASE("a connection is over after a reset, or a FIN from every end that was seen") {
    for (const bool answered : {false, true}) {
        CAPTURE(answered);
        CHECK_FALSE(is_over(TcpState::kOpening, answered));
        CHECK_FALSE(is_over(TcpState::kEstablished, answered));
        CHECK(is_over(TcpState::kFinBySrc, answered) != answered);
        CHECK(is_over(TcpState::kFinByDst, answered) != answered);
        CHECK(is_over(TcpState::kClosed, answered));
        CHECK(is_over(TcpState::kResetBySrc, answered));
        CHECK(is_over(TcpState::kResetByDst, answered));
        CHECK(is_over(TcpState::kResetByBoth, answered));
    }
}

TEST_CASE("a SYN with anything that ends or answers is no opening") {
    for (unsigned flags = 0; flags < 256; ++flags) {
        const unsigned connection = flags & 0x17;
        CHECK(is_opening_segment(static_cast<std::uint8_t>(flags)) == (connection == 0x02));
        CHECK(is_opening_answer(static_cast<std::uint8_t>(flags)) == (connection == 0x12));
    }
}
