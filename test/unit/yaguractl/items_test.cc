// SPDX-License-Identifier: BSD-3-Clause
#include "app/yaguractl/items.h"

#include <catch2/catch.hpp>
#include <sstream>
#include <string>
#include <vector>

namespace yagura::ctl {
namespace {

using Words = std::vector<std::string>;

TEST_CASE("items are the words, and the lines of standard input where - stands") {
    std::istringstream lines("tcp a:1 > b:2\n\n  # not this\n\t10.0.0.0/8 \r\nlast");
    Items items({"first", "-", "end"}, lines);
    CHECK(items.next_batch() == Words{"first", "tcp a:1 > b:2", "10.0.0.0/8", "last", "end"});
    CHECK(items.next_batch().empty());
}

TEST_CASE("nothing is read of standard input that was not asked for") {
    std::istringstream lines("x\n");
    Items items({"a"}, lines);
    CHECK(items.next_batch() == Words{"a"});
    std::string line;
    CHECK(std::getline(lines, line));
}

TEST_CASE("items come in batches of a thousand, none of them empty before the end") {
    std::string text;
    for (int i = 0; i < 2000; ++i) text += std::to_string(i) + "\n";
    std::istringstream lines(text);
    Items items({"-", "-"}, lines);  // the second finds nothing more
    const Words first = items.next_batch();
    const Words second = items.next_batch();
    CHECK(first.size() == Items::kBatch);
    CHECK(first.front() == "0");
    CHECK(second.size() == 1000);
    CHECK(second.back() == "1999");
    CHECK(items.next_batch().empty());
}

}  // namespace
}  // namespace yagura::ctl
