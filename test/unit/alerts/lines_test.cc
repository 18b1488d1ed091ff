// SPDX-License-Identifier: BSD-3-Clause
#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "app/alerts/line_splitter.h"

namespace yagura::alerts {
namespace {

std::vector<std::string> all(LineSplitter& lines) {
    std::vector<std::string> out;
    while (const auto line = lines.next())
        out.push_back(line->too_long ? "<too long>" : std::string(line->text));
    return out;
}

using Lines = std::vector<std::string>;

TEST_CASE("lines come whole, however they are cut") {
    const std::string text = "one\ntwo\r\n\n  three \nrest";
    for (std::size_t piece = 1; piece <= text.size(); ++piece) {
        CAPTURE(piece);
        LineSplitter lines;
        Lines out;
        for (std::size_t at = 0; at < text.size(); at += piece) {
            lines.append(std::string_view(text).substr(at, piece));
            for (const std::string& line : all(lines)) out.push_back(line);
        }
        CHECK(out == Lines{"one", "two", "", "  three "});
        lines.end();
        CHECK(all(lines) == Lines{"rest"});
        CHECK(all(lines).empty());
    }
}

TEST_CASE("a line that is too long is told of once, costs no more than the bound, and the next is read") {
    for (std::size_t piece = 1; piece <= 64; ++piece) {
        CAPTURE(piece);
        const std::string text =
            std::string(8, 'a') + "\n" + std::string(9, 'b') + "\nc\n" + std::string(100, 'd') + "\ne\n";
        LineSplitter lines(8);
        Lines out;
        for (std::size_t at = 0; at < text.size(); at += piece) {
            lines.append(std::string_view(text).substr(at, piece));
            for (const std::string& line : all(lines)) out.push_back(line);
            CHECK(lines.size() <= 8);
        }
        CHECK(out == Lines{"aaaaaaaa", "<too long>", "c", "<too long>", "e"});
    }
}

TEST_CASE("the end in the middle of a line that is too long ends it; then others may come") {
    LineSplitter lines(4);
    lines.append("abcdefgh");
    CHECK(all(lines) == Lines{"<too long>"});
    lines.append("ij");
    lines.end();
    CHECK(all(lines).empty());
    lines.append("xy\nz");
    CHECK(all(lines) == Lines{"xy"});
    lines.clear();
    lines.append("w\n");
    CHECK(all(lines) == Lines{"w"});
}

}  // namespace
}  // namespace yagura::alerts
