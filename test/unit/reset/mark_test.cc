// SPDX-License-Identifier: BSD-3-Clause
#include "reset/mark.h"

#include <catch2/catch.hpp>
#include <numeric>
#include <vector>

using namespace yagura;

TEST_CASE("sip_hash gives what its authors' reference gives") {
    // Appendix A of the paper: key 00..0f, bytes 00..0e.
    std::vector<std::uint8_t> bytes(15);
    std::iota(bytes.begin(), bytes.end(), std::uint8_t{0});
    const reset::MarkKey key{0x0706050403020100, 0x0f0e0d0c0b0a0908};
    CHECK(reset::sip_hash(key, bytes) == 0xa129ca6149be45e5);
    // vectors_sip64 of the reference: no bytes, and eight.
    CHECK(reset::sip_hash(key, {}) == 0x726fdb47dd0e0e31);
    CHECK(reset::sip_hash(key, base::Bytes(bytes).first(8)) == 0x93f5f5799a932462);
}
