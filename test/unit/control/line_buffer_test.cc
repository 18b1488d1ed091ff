// SPDX-License-Identifier: BSD-3-Clause
#include "control/line_buffer.h"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

namespace yagura::control {
namespace {

std::vector<std::string> all_lines(LineBuffer& buffer) {
    std::vector<std::string> lines;
    while (const auto line = buffer.next()) lines.emplace_back(*line);
    return lines;
}

TEST_CASE("lines come out whole, however they are cut") {
    const std::string text = "one\n\ntwo and more\r\nthree\nrest";
    const std::vector<std::string> expected{"one", "", "two and more\r", "three"};
    for (std::size_t piece = 1; piece <= text.size(); ++piece) {
        CAPTURE(piece);
        LineBuffer buffer(100);
        std::vector<std::string> lines;
        for (std::size_t at = 0; at < text.size(); at += piece) {
            buffer.append(std::string_view(text).substr(at, piece));
            for (std::string& line : all_lines(buffer)) lines.push_back(std::move(line));
        }
        CHECK(lines == expected);
        CHECK_FALSE(buffer.has_line());
        buffer.end();
        CHECK(buffer.has_line());
        CHECK(all_lines(buffer) == std::vector<std::string>{"rest"});
        CHECK(buffer.size() == 0);
    }
}

TEST_CASE("a line that is too long is known before its end has come") {
    LineBuffer buffer(4);
    buffer.append("1234");
    CHECK_FALSE(buffer.too_long());
    buffer.append("5");
    CHECK(buffer.too_long());
}

TEST_CASE("a line that is too long is known behind others, and with its end") {
    LineBuffer buffer(4);
    buffer.append("1234\n12345\n");
    CHECK_FALSE(buffer.too_long());
    CHECK(buffer.next() == "1234");
    CHECK(buffer.too_long());
}

TEST_CASE("what was given out takes no memory any more") {
    LineBuffer buffer(10);
    for (int i = 0; i < 1000; ++i) {
        buffer.append("12345\n123");
        CHECK(buffer.next());
        CHECK_FALSE(buffer.next());
        buffer.append("\n");
        CHECK(buffer.next() == "123");
        CHECK_FALSE(buffer.next());
    }
    CHECK(buffer.size() == 0);
}

}  // namespace
}  // namespace yagura::control
