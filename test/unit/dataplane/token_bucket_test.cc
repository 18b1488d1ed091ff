// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/token_bucket.h"

#include <catch2/catch.hpp>
#include <vector>

#include "support/random.h"

namespace yagura::dataplane {
namespace {

__extension__ typedef __int128 Wide;

constexpr std::uint64_t kNanoseconds = 1'000'000'000;
constexpr std::uint64_t kRates[] = {
    1'000,       9'999,         64'000,        1'000'000,       33'333'333,
    100'000'000, 1'000'000'000, 9'999'999'999, 100'000'000'000, 1'000'000'000'000};
constexpr std::uint64_t kClocks[] = {kNanoseconds, 2'099'998'123, 4'294'967'291};

/// The definition, in numbers that have room for anything.
class Reference {
  public:
    Reference(std::uint64_t rate, std::uint64_t burst_bytes, std::uint64_t hz, std::uint64_t now)
        : rate_(rate), hz_(hz), capacity_(Wide{burst_bytes} * 8 * hz), level_(capacity_), last_(now) {}

    bool offer(std::uint64_t now, std::uint32_t bytes) {
        if (now > last_) {
            level_ = std::min(capacity_, level_ + Wide{now - last_} * rate_);
            last_ = now;
        } else if (last_ - now > hz_ / 100) {
            last_ = now;
        }
        const Wide units = Wide{bytes} * 8 * hz_;
        if (level_ < std::min(units, capacity_)) return false;
        level_ -= units;
        return true;
    }

  private:
    std::uint64_t rate_, hz_;
    Wide capacity_, level_;
    std::uint64_t last_;
};

TEST_CASE("a bucket does what its definition says, for all rates, sizes, arrivals and jumps of the clock") {
    test::Random random(20);
    for (const std::uint64_t rate : kRates) {
        for (const std::uint64_t hz : kClocks) {
            for (const std::uint64_t burst :
                 {std::uint64_t{1}, std::uint64_t{1514}, std::uint64_t{9000}, std::uint64_t{1'000'000}}) {
                std::uint64_t now = random.word() >> 8;
                TokenBucket bucket(rate, burst, hz, now);
                Reference reference(rate, burst, hz, now);
                // What a packet takes, so that about half of them pass.
                const std::uint64_t packet_ticks = std::max<std::uint64_t>(1, 800 * 8 * hz / rate);
                int passed = 0;
                constexpr int kPackets = 3000;
                for (int i = 0; i < kPackets; ++i) {
                    const std::uint32_t bytes = random.one_in(50)
                                                    ? random.between(9000, TokenBucket::kMaxPacket)
                                                    : random.between(0, 1518);
                    now += random.word() % (packet_ticks + 1);
                    if (random.one_in(100))
                        now += random.word() >> random.between(8, 40);  // idle, up to years
                    if (random.one_in(100)) now -= std::min(now, random.word() % (hz / 100 + 1));
                    if (random.one_in(300)) now -= std::min(now, random.word() >> random.between(8, 40));
                    bucket.refill(now);
                    const bool pass = bucket.take(bytes);
                    if (pass != reference.offer(now, bytes)) FAIL("rate " << rate << ", packet " << i);
                    passed += pass;
                }
                CAPTURE(rate, hz, burst);
                CHECK(passed > 0);
                CHECK(passed < kPackets);
            }
        }
    }
}

/// Offers more than the rate, asks every `turn` ticks, and gives what passed: (tick, bits).
struct Passed {
    std::uint64_t tick;
    std::uint64_t bits;
};
std::vector<Passed> backlogged(std::uint64_t rate, std::uint64_t burst, std::uint64_t hz, double seconds) {
    test::Random random(rate + hz);
    std::uint64_t now = random.word() >> 8;
    const std::uint64_t end = now + static_cast<std::uint64_t>(seconds * static_cast<double>(hz));
    TokenBucket bucket(rate, burst, hz, now);
    std::vector<Passed> passed;
    std::uint32_t bytes = random.between(60, 1514);
    // A turn is shorter than the burst lasts, and at most 100 us.
    const std::uint64_t turn = std::max<std::uint64_t>(1, std::min(hz / 10'000, burst * 8 * hz / rate / 2));
    for (; now < end; now += 1 + random.word() % turn) {
        bucket.refill(now);
        std::uint64_t bits = 0;
        while (bucket.take(bytes)) {
            bits += std::uint64_t{bytes} * 8;
            bytes = random.between(60, 1514);
        }
        if (bits > 0) passed.push_back({now, bits});
    }
    return passed;
}

TEST_CASE("a backlogged tool gets its rate to 1 % over any second") {
    for (const std::uint64_t rate :
         {std::uint64_t{10'000'000}, std::uint64_t{33'333'333}, std::uint64_t{1'000'000'000},
          std::uint64_t{99'999'999'999}, std::uint64_t{1'000'000'000'000}}) {
        // 1 TB would take a minute: a hundredth of a second of it, by the same measure.
        const double window = rate > 10'000'000'000 ? 0.01 : 1.0;
        const std::uint64_t burst =
            std::max<std::uint64_t>(1514, static_cast<std::uint64_t>(double(rate) * window * 0.004) / 8);
        for (const std::uint64_t hz : kClocks) {
            const auto passed = backlogged(rate, burst, hz, 2.5 * window);
            REQUIRE(passed.size() > 100);
            const auto ticks = static_cast<std::uint64_t>(window * static_cast<double>(hz));
            const double due = static_cast<double>(rate) * window;
            // A window begins with each packet; the first one finds the burst that was saved.
            std::uint64_t sum = 0;
            std::size_t behind = 0;
            double least = 2;
            double most = 0;
            for (std::size_t ahead = 0; ahead < passed.size(); ++ahead) {
                sum += passed[ahead].bits;
                while (passed[ahead].tick - passed[behind].tick >= ticks) {
                    sum -= passed[behind].bits;
                    ++behind;
                    // From here on the window is whole.
                    least = std::min(least, static_cast<double>(sum) / due);
                }
                most = std::max(most, static_cast<double>(sum) / due);
            }
            CAPTURE(rate, hz, least, most);
            CHECK(least > 0.99);
            CHECK(most < 1.01);
        }
    }
}

TEST_CASE("a rate below a packet per second is kept over many packets") {
    for (const std::uint64_t hz : kClocks) {
        std::uint64_t now = 5;
        TokenBucket bucket(1000, 2 * 1514, hz, now);
        std::uint64_t bits = 0;
        const std::uint64_t seconds = 100'000;
        for (std::uint64_t tenth = 0; tenth < 10 * seconds; ++tenth) {
            bucket.refill(now += hz / 10);
            while (bucket.take(1514)) bits += 1514 * 8;
        }
        const double share = static_cast<double>(bits) / (1000.0 * static_cast<double>(seconds));
        CHECK(share > 0.999);
        CHECK(share < 1.001);
    }
}

TEST_CASE("after years without a packet there is one burst, and no more") {
    for (const std::uint64_t rate : kRates) {
        for (const std::uint64_t hz : kClocks) {
            TokenBucket bucket(rate, 10'000, hz, 0);
            for (const std::uint64_t now : {UINT64_MAX / 2, UINT64_MAX}) {
                bucket.refill(now);
                int passed = 0;
                while (bucket.take(100)) ++passed;
                CAPTURE(rate, hz, now);
                CHECK(passed == 100);
            }
        }
    }
}

TEST_CASE("a clock that is set back costs at most the 10 ms in which it could be disorder") {
    constexpr std::uint64_t kRate = 1'000'000;  // 125 bytes a millisecond
    constexpr std::uint64_t kMillisecond = kNanoseconds / 1000;
    std::uint64_t now = 100 * kNanoseconds;
    TokenBucket bucket(kRate, 125, kNanoseconds, now);
    CHECK(bucket.take(125));
    bucket.refill(now -= 5 * kMillisecond);
    CHECK_FALSE(bucket.take(1));
    bucket.refill(now += 5 * kMillisecond);
    CHECK_FALSE(bucket.take(1));  // the time between has been counted before
    bucket.refill(now += kMillisecond);
    CHECK(bucket.take(125));
    bucket.refill(now -= 50 * kNanoseconds);
    CHECK_FALSE(bucket.take(1));
    bucket.refill(now += kMillisecond);
    CHECK(bucket.take(125));
}

TEST_CASE("what a packet took can be given back, and the bucket holds no more for it") {
    TokenBucket bucket(8000, 1000, kNanoseconds, 0);
    CHECK(bucket.take(1000));
    CHECK_FALSE(bucket.take(1));
    bucket.give_back(600);
    CHECK(bucket.take(600));
    CHECK_FALSE(bucket.take(1));
    for (int n = 0; n < 3; ++n) bucket.give_back(600);
    CHECK(bucket.take(1000));
    CHECK_FALSE(bucket.take(1));
}

TEST_CASE("a packet larger than the burst passes a full bucket, and is paid off") {
    std::uint64_t now = 0;
    TokenBucket bucket(8000, 1000, kNanoseconds, now);  // 1,000 bytes a second
    CHECK(bucket.take(65'536));
    CHECK_FALSE(bucket.take(0));
    bucket.refill(now += 64 * kNanoseconds);
    CHECK_FALSE(bucket.take(1));
    bucket.refill(now += kNanoseconds);
    CHECK(bucket.take(400));
    CHECK_FALSE(bucket.take(65'536));
    bucket.refill(now += kNanoseconds);
    CHECK(bucket.take(65'536));
}

}  // namespace
}  // namespace yagura::dataplane
