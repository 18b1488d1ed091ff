// SPDX-License-Identifier: BSD-3-Clause
#include "app/yaguractl/table.h"

#include <catch2/catch.hpp>

namespace yagura::ctl {
namespace {

TEST_CASE("columns are as wide as their widest cell") {
    Table table({{"name"}, {"packets", Table::Align::kRight}, {""}});
    table.add({"a", "1,000,000,000", "x"});
    table.add({"größer", "2", ""});
    CHECK(table.text() ==
          "name          packets\n"
          "a       1,000,000,000  x\n"
          "größer              2\n");
}

TEST_CASE("a list that goes on has no titles, and columns as wide as they are") {
    Table table({{"packets", Table::Align::kRight}, {"name"}});
    table.add({"1", "a"});
    CHECK(table.text(Table::Titles::kLeftOut) == "      1  a\n");
}

TEST_CASE("what would garble a terminal is replaced") {
    Table table({{"name"}});
    table.add({"a\x1b[2Jb\n\x7f"});
    CHECK(table.text() == "name\na?[2Jb??\n");
}

TEST_CASE("numbers are written for people") {
    CHECK(grouped(0) == "0");
    CHECK(grouped(999) == "999");
    CHECK(grouped(1000) == "1,000");
    CHECK(grouped(18446744073709551615u) == "18,446,744,073,709,551,615");
    CHECK(short_number(0) == "0");
    CHECK(short_number(999) == "999");
    CHECK(short_number(999.6) == "1.00 k");
    CHECK(short_number(12'345) == "12.3 k");
    CHECK(short_number(123'456'789, "bit/s") == "123 Mbit/s");
    CHECK(short_number(5, "bit/s") == "5 bit/s");
    CHECK(duration(0) == "0.0s");
    CHECK(duration(59'950) == "59.9s");
    CHECK(duration(60'000) == "1m 0s");
    CHECK(duration(3'661'000) == "1h 1m");
    CHECK(duration(90'000'000) == "1d 1h");
}

}  // namespace
}  // namespace yagura::ctl
