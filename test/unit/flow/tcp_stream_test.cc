// SPDX-License-Identifier: BSD-3-Clause
#include "flow/tcp_stream.h"

#include <catch2/catch.hpp>
#include <map>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <utility>
#include <vector>

using namespace yagura;
using flow::BlockStore;
using flow::RunList;
using flow::Segment;
using flow::StreamContext;
using flow::StreamCounters;
using flow::StreamLimits;
using flow::TcpStream;

namespace {

constexpr std::uint8_t kFin = 1, kSyn = 2, kRst = 4, kAck = 16;

base::Bytes bytes_of(const std::string& text) {
    return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

/// Writes down what it gets: "abc[5]de": five bytes were lost.
struct TextSink {
    std::string text;
    std::size_t calls = 0;
    std::size_t wanted_calls = ~std::size_t{0};
    bool bytes(base::Bytes bytes) {
        text.append(bytes.begin(), bytes.end());
        return ++calls < wanted_calls;
    }
    void gap(std::uint64_t size) { text += "[" + std::to_string(size) + "]"; }
};

struct Direction {
    explicit Direction(StreamLimits limits = {}, std::uint64_t memory = 1 << 20,
                       std::size_t scratch_size = 65536)
        : store(memory), scratch(scratch_size), context{store, limits, counters, scratch} {}
    ~Direction() {
        stream.clear(store);
        CHECK(store.blocks_used() == 0);
    }

    bool take(std::uint32_t seq, const std::string& payload, std::uint8_t flags = kAck,
              std::uint32_t cut_off = 0) {
        return stream.take(
            {seq, flags, bytes_of(payload), static_cast<std::uint32_t>(payload.size()) + cut_off}, context,
            sink);
    }
    bool flush() { return stream.flush(context, sink); }

    BlockStore store;
    StreamCounters counters;
    std::vector<std::uint8_t> scratch;
    StreamContext context;
    TcpStream stream;
    TextSink sink;
};

}  // namespace

TEST_CASE("a direction's bytes come in order, each once") {
    struct Step {
        std::uint32_t seq;
        std::string payload;
        std::uint8_t flags = kAck;
        std::uint32_t cut_off = 0;  ///< bytes that a snap length kept back
    };
    struct Row {
        const char* what;
        std::vector<Step> steps;
        std::string before_flush;
        std::string after_flush;
        bool finished = false;
    };
    const Row row = GENERATE(values<Row>({
        {"in order", {{99, "", kSyn}, {100, "abc"}, {103, "de"}}, "abcde", "abcde"},
        {"to a FIN", {{99, "", kSyn}, {100, "abc"}, {103, "", kFin | kAck}}, "abc", "abc", true},
        {"a FIN with data", {{99, "", kSyn}, {100, "abc", kFin | kAck}}, "abc", "abc", true},
        {"a FIN before its data", {{99, "", kSyn}, {103, "", kFin | kAck}, {100, "abc"}}, "abc", "abc", true},
        {"a FIN whose data never comes", {{99, "", kSyn}, {103, "", kFin}}, "", "[3]", true},
        {"nothing but SYN and FIN", {{99, "", kSyn}, {100, "", kFin}}, "", "", true},
        {"no data at all", {{100, ""}, {100, ""}}, "", ""},
        {"out of order", {{99, "", kSyn}, {103, "de"}, {105, "f"}, {100, "abc"}}, "abcdef", "abcdef"},
        {"a hole at the end", {{99, "", kSyn}, {100, "abc"}, {105, "f"}}, "abc", "abc[2]f"},
        {"two holes", {{99, "", kSyn}, {102, "c"}, {105, "f"}}, "", "[2]c[2]f"},
        {"retransmitted",
         {{99, "", kSyn}, {100, "abc"}, {100, "abc"}, {101, "b"}, {103, "d"}},
         "abcd",
         "abcd"},
        {"retransmitted with more", {{99, "", kSyn}, {100, "abc"}, {100, "ABCDE"}}, "abcDE", "abcDE"},
        {"delivered bytes stay", {{99, "", kSyn}, {100, "abc"}, {101, "XYZ"}}, "abcZ", "abcZ"},
        {"waiting bytes stay", {{99, "", kSyn}, {102, "cd"}, {100, "ABCDEF"}}, "ABcdEF", "ABcdEF"},
        {"several waiting runs",
         {{99, "", kSyn}, {102, "c"}, {104, "e"}, {106, "g"}, {100, "ABCDEF"}},
         "ABcDeFg",
         "ABcDeFg"},
        {"mid-stream", {{500, "abc"}, {503, "de"}}, "abcde", "abcde"},
        {"mid-stream, older bytes later", {{500, "abc"}, {490, "1234567890ABCD"}}, "abcD", "abcD"},
        {"mid-stream, an acknowledgement first", {{400, ""}, {500, "abc"}}, "abc", "abc"},
        {"mid-stream, at the FIN", {{500, "", kFin}, {497, "abc"}}, "", "", true},
        {"data with the SYN", {{99, "abc", kSyn}, {103, "de"}}, "abcde", "abcde"},
        {"data with the SYN twice", {{99, "abc", kSyn}, {99, "abc", kSyn}, {103, "d"}}, "abcd", "abcd"},
        {"data with the SYN and without", {{99, "abc", kSyn}, {99, "", kSyn}, {100, "abcd"}}, "abcd", "abcd"},
        {"SYN twice", {{99, "", kSyn}, {99, "", kSyn}, {100, "abc"}}, "abc", "abc"},
        {"another SYN before data counts", {{99, "", kSyn}, {7000, "", kSyn}, {7001, "abc"}}, "abc", "abc"},
        {"another SYN after data does not",
         {{99, "", kSyn}, {100, "abc"}, {7000, "xyz", kSyn}, {103, "d"}},
         "abcd",
         "abcd"},
        {"another SYN while data waits does not",
         {{99, "", kSyn}, {101, "bc"}, {7000, "", kSyn}, {100, "a"}},
         "abc",
         "abc"},
        {"another SYN after data that was cut off does not",
         {{99, "", kSyn}, {100, "", kAck, 3}, {7000, "", kSyn}, {100, "abc"}},
         "abc",
         "abc"},
        {"a SYN that comes late", {{100, "abc"}, {99, "", kSyn}, {103, "d"}}, "abcd", "abcd"},
        {"a SYN elsewhere that comes late", {{100, "abc"}, {50, "", kSyn}, {103, "d"}}, "abcd", "abcd"},
        {"keep-alives", {{99, "", kSyn}, {100, "abc"}, {102, ""}, {102, "?"}, {103, "d"}}, "abcd", "abcd"},
        {"a keep-alive before any data", {{99, "", kSyn}, {99, "?"}, {100, "abc"}}, "abc", "abc"},
        {"zero-window probes", {{99, "", kSyn}, {100, "a"}, {100, "a"}, {100, "abc"}}, "abc", "abc"},
        {"data beyond the FIN",
         {{99, "", kSyn}, {100, "abc", kFin}, {100, "abcdef"}, {103, "x"}},
         "abc",
         "abc",
         true},
        {"data beyond a FIN ahead",
         {{99, "", kSyn}, {103, "", kFin}, {102, "cd"}, {100, "ab"}},
         "abc",
         "abc",
         true},
        {"a FIN before what was seen",
         {{99, "", kSyn}, {100, "abc"}, {101, "", kFin}, {103, "d", kFin}},
         "abcd",
         "abcd",
         true},
        {"a FIN before what waits", {{99, "", kSyn}, {102, "c"}, {101, "", kFin}, {100, "ab"}}, "abc", "abc"},
        {"a second FIN elsewhere",
         {{99, "", kSyn}, {103, "", kFin}, {105, "", kFin}, {100, "abcde"}},
         "abc",
         "abc",
         true},
        {"a RST's payload is no data", {{99, "", kSyn}, {100, "go away", kRst}, {100, "abc"}}, "abc", "abc"},
        {"a RST ends nothing", {{99, "", kSyn}, {100, "a"}, {101, "", kRst}, {101, "bc"}}, "abc", "abc"},
        {"cut by a snap length", {{99, "", kSyn}, {100, "abc", kAck, 4}, {107, "d"}}, "abc", "abc[4]d"},
        {"cut, and sent again",
         {{99, "", kSyn}, {100, "abc", kAck, 2}, {105, "f"}, {100, "abcde"}},
         "abcdef",
         "abcdef"},
        {"cut at the end", {{99, "", kSyn}, {100, "abc", kAck, 2}}, "abc", "abc[2]"},
        {"cut before a FIN", {{99, "", kSyn}, {100, "abc", kAck | kFin, 2}}, "abc", "abc[2]", true},
        {"nothing left by the snap length", {{99, "", kSyn}, {100, "", kAck, 2}, {102, "c"}}, "", "[2]c"},
        {"far ahead of any window", {{99, "", kSyn}, {100 + (1U << 30) + 1, "x"}, {100, "a"}}, "a", "a"},
        {"far behind any window", {{99, "", kSyn}, {100 - (1U << 30) - 1, "x"}, {100, "a"}}, "a", "a"},
        {"over the wrap",
         {{0xfffffffd, "", kSyn}, {0xfffffffe, "abcd"}, {3, "fg"}, {2, "e"}},
         "abcdefg",
         "abcdefg"},
        {"a FIN at the wrap",
         {{0xfffffffb, "", kSyn}, {0xffffffff, "d", kFin}, {0xfffffffc, "abc"}},
         "abcd",
         "abcd",
         true},
    }));
    INFO(row.what);
    Direction d;
    for (const Step& step : row.steps) CHECK(d.take(step.seq, step.payload, step.flags, step.cut_off));
    CHECK(d.sink.text == row.before_flush);
    CHECK(d.flush());
    CHECK(d.sink.text == row.after_flush);
    CHECK(d.stream.finished() == row.finished);
    CHECK(d.stream.waiting_bytes() == 0);
}

TEST_CASE("what was skipped is counted") {
    Direction d;
    StreamCounters& c = d.counters;
    CHECK(d.take(100, "abcdef"));
    CHECK(d.take(100, "abc"));
    CHECK(d.take(105, "?"));  // as a keep-alive
    CHECK(c.retransmissions.get() == 2);
    CHECK(c.retransmitted_bytes.get() == 4);
    CHECK(d.take(104, "XYg"));
    CHECK(d.take(109, "jkl"));
    CHECK(d.take(109, "J"));  // of bytes that wait
    CHECK(c.retransmissions.get() == 3);
    CHECK(d.take(108, "iJ"));
    CHECK(d.take(107, "hIJKLm"));
    CHECK(d.sink.text == "abcdefghijklm");
    CHECK(c.overlaps.get() == 3);
    CHECK(c.overlap_bytes.get() == 2 + 1 + 4);
    CHECK(c.out_of_order.get() == 2);
    CHECK(d.take(98, "yzA"));
    CHECK(c.before_start.get() == 1);
    CHECK(c.before_start_bytes.get() == 2);
    CHECK(d.take(116, "", kFin));
    CHECK(d.take(115, "pqr"));
    CHECK(c.after_end.get() == 1);
    CHECK(c.after_end_bytes.get() == 2);
    CHECK(d.take(117, "", kFin));
    CHECK(c.ignored_fin.get() == 1);
    CHECK(d.take(5, "", kSyn));
    CHECK(c.ignored_syn.get() == 1);
    CHECK(d.take(0x70000000, "x"));
    CHECK(c.out_of_window.get() == 1);
    CHECK(c.gaps.get() == 0);
    CHECK(d.flush());
    CHECK(d.sink.text == "abcdefghijklm[2]p");
    CHECK(c.gaps.get() == 1);
    CHECK(c.gap_bytes.get() == 2);
    CHECK(d.stream.position() == 16);
}

TEST_CASE("a limit that is reached gives up the first hole") {
    SECTION("bytes") {
        Direction d({.reorder_bytes = 4});
        CHECK(d.take(99, "", kSyn));
        CHECK(d.take(102, "cd"));
        CHECK(d.take(106, "gh"));
        CHECK(d.sink.text.empty());
        CHECK(d.take(110, "k"));
        CHECK(d.sink.text == "[2]cd");
        CHECK(d.take(104, "ef"));  // the next hole can still be filled
        CHECK(d.sink.text == "[2]cdefgh");
        CHECK(d.take(100, "ab"));  // what was given up comes too late
        CHECK(d.counters.retransmissions.get() == 1);
        CHECK(d.flush());
        CHECK(d.sink.text == "[2]cdefgh[2]k");
        CHECK(d.counters.gaps.get() == 2);
    }
    SECTION("a segment before all that waits ends the hole") {
        Direction d({.reorder_bytes = 4});
        CHECK(d.take(99, "", kSyn));
        CHECK(d.take(108, "ijkl"));
        CHECK(d.take(103, "def"));
        CHECK(d.sink.text == "[3]def");
        CHECK(d.take(106, "gh"));
        CHECK(d.sink.text == "[3]defghijkl");
    }
    SECTION("nothing may wait") {
        Direction d({.reorder_bytes = 0});
        CHECK(d.take(99, "", kSyn));
        CHECK(d.take(102, "cd"));
        CHECK(d.take(105, "f"));
        CHECK(d.sink.text == "[2]cd[1]f");
    }
    SECTION("runs") {
        Direction d;
        CHECK(d.take(99, "", kSyn));
        for (std::uint32_t i = 1; i <= RunList::kMostRuns; ++i) CHECK(d.take(100 + 2 * i, "x"));
        CHECK(d.sink.text.empty());
        CHECK(d.take(100 + 2 * RunList::kMostRuns + 2, "y"));
        CHECK(d.sink.text == "[2]x");
    }
    SECTION("the store") {
        Direction d({}, 3 * BlockStore::kBlockSize);
        CHECK(d.take(99, "", kSyn));
        CHECK(d.take(102, std::string(300, 'x')));
        CHECK(d.take(500, std::string(300, 'y')));
        CHECK(d.sink.text == "[2]" + std::string(300, 'x'));
        CHECK(d.stream.waiting_bytes() == 300);
    }
    SECTION("a short snap length") {
        Direction d;
        for (std::uint32_t i = 0; i < 200; ++i) CHECK(d.take(100 + 1000 * i, "head", kAck, 996));
        CHECK(d.stream.position() > 130'000);
        CHECK(d.sink.text.substr(0, 21) == "head[996]head[996]hea");
    }
}

TEST_CASE("a hole that the receiver has is given up after some patience") {
    struct Row {
        const char* what;
        std::uint32_t ack;
        bool given_up;
    };
    const Row row = GENERATE(values<Row>({
        {"acknowledged to its end", 102, true},
        {"acknowledged beyond", 103, true},
        {"acknowledged in part", 101, false},
        {"not acknowledged", 100, false},
        {"an absurd acknowledgement", 102 + (1U << 30), false},
        {"an old acknowledgement", 50, false},
    }));
    INFO(row.what);
    Direction d;
    CHECK(d.take(99, "", kSyn));
    CHECK(d.take(102, "c"));
    CHECK(d.take(105, "f"));  // a second hole, not acknowledged
    d.stream.acknowledge(row.ack);
    for (unsigned i = 1; i < TcpStream::kPatience; ++i) {
        CHECK(d.take(105 + i, "."));
        CHECK(d.sink.text.empty());
    }
    CHECK(d.take(105 + TcpStream::kPatience, "."));
    CHECK(d.sink.text == (row.given_up ? "[2]c" : ""));
    CHECK(d.take(100, "ab"));
    CHECK(d.take(103, "de"));
    CHECK(d.sink.text == (row.given_up ? "[2]c" : "abc") + ("def" + std::string(TcpStream::kPatience, '.')));
}

TEST_CASE("several acknowledged holes are given up at once") {
    Direction d;
    CHECK(d.take(99, "", kSyn));
    for (std::uint32_t i = 1; i <= 10; ++i) CHECK(d.take(100 + 2 * i, "x"));
    d.stream.acknowledge(120);
    for (std::uint32_t i = 1; i <= TcpStream::kPatience; ++i) CHECK(d.take(200 + i, "y"));
    CHECK(d.sink.text == "[2]x[1]x[1]x[1]x[1]x[1]x[1]x[1]x[1]x[1]x");
}

TEST_CASE("acknowledgements before the stream begins mean nothing") {
    Direction d;
    d.stream.acknowledge(5000);
    CHECK(d.take(99, "", kSyn));
    CHECK(d.take(102, "c"));
    for (std::uint32_t i = 1; i <= 2 * TcpStream::kPatience; ++i) CHECK(d.take(102 + i, "."));
    CHECK(d.sink.text.empty());
}

TEST_CASE("what waited is given in pieces as large as the scratch buffer") {
    Direction d({}, 1 << 20, 1000);
    CHECK(d.take(99, "", kSyn));
    for (std::uint32_t i = 0; i < 25; ++i) CHECK(d.take(101 + 100 * i, std::string(100, 'x')));
    CHECK(d.sink.calls == 0);
    CHECK(d.take(100, "a"));
    CHECK(d.sink.calls == 4);
    CHECK(d.sink.text == "a" + std::string(2500, 'x'));
}

TEST_CASE("a sink that wants no more gets no more") {
    const std::size_t wanted = GENERATE(range(1, 5));
    Direction d({}, 1 << 20, 2);
    d.sink.wanted_calls = wanted;
    CHECK(d.take(99, "", kSyn));
    CHECK(d.take(103, "DEFG"));
    CHECK(d.take(110, "K"));
    CHECK_FALSE(d.take(100, "abcdefghi"));  // abc, DE, FG, hi
    CHECK(d.sink.calls == wanted);
    CHECK(d.sink.text == std::string("abcDEFGhi").substr(0, 1 + 2 * wanted));
}

TEST_CASE("a stream of more than 4 GiB keeps its place") {
    struct CountingSink {
        std::uint64_t total = 0;
        bool bytes(base::Bytes bytes) {
            total += bytes.size();
            return true;
        }
        void gap(std::uint64_t) { FAIL(); }
    } sink;
    BlockStore store(1 << 20);
    StreamCounters counters;
    std::vector<std::uint8_t> scratch(65536);
    const StreamContext context{store, {}, counters, scratch};
    TcpStream stream;
    const std::vector<std::uint8_t> large(1 << 20);
    std::uint32_t seq = 0xfff00000;
    const auto take = [&](std::uint32_t at, std::size_t size, std::uint8_t flags) {
        const auto wire_size = static_cast<std::uint32_t>(size);
        return stream.take({at, flags, base::Bytes(large).first(size), wire_size}, context, sink);
    };
    REQUIRE(take(seq - 1, 0, kSyn));
    for (int i = 0; i < 5 * 1024; ++i, seq += 1 << 20) REQUIRE(take(seq, large.size(), kAck));
    // Out of order at the end, and no acknowledgement was ever seen: nothing is given up.
    for (std::uint32_t i = 0; i < 2 * TcpStream::kPatience; ++i) REQUIRE(take(seq + 10 + i, 1, kAck));
    CHECK(sink.total == std::uint64_t{5} << 30);
    CHECK(take(seq - 100, 110, kAck));
    CHECK(take(seq + 10 + 2 * TcpStream::kPatience, 0, kFin));
    CHECK(stream.position() == (std::uint64_t{5} << 30) + 10 + 2 * TcpStream::kPatience);
    CHECK(sink.total == stream.position());
    CHECK(stream.finished());
    CHECK(counters.gaps.get() == 0);
}

namespace {

/// The stream by the definition: a map of bytes, the first one seen at each place.
struct Reference {
    std::map<std::uint64_t, char> first;
    std::optional<std::uint64_t> fin;

    void take(std::int64_t begin, const std::string& payload, std::uint64_t position) {
        for (std::size_t i = 0; i < payload.size(); ++i) {
            const std::int64_t place = begin + static_cast<std::int64_t>(i);
            if (place < static_cast<std::int64_t>(position)) continue;  // delivered, or given up
            if (fin && static_cast<std::uint64_t>(place) >= *fin) continue;
            first.emplace(place, payload[i]);
        }
    }
    std::string text(std::uint64_t end) const {
        std::string text;
        std::uint64_t next = 0;
        for (const auto& [place, c] : first) {
            if (place != next) text += "[" + std::to_string(place - next) + "]";
            text += c;
            next = place + 1;
        }
        if (next < end) text += "[" + std::to_string(end - next) + "]";
        return text;
    }
};

/// Adjacent gaps as one: a hole may be given up in parts.
std::string joined_gaps(const std::string& text) {
    std::string joined;
    std::uint64_t gap = 0;
    for (std::size_t i = 0; i < text.size();) {
        if (text[i] == '[') {
            std::size_t digits = 0;
            gap += std::stoull(text.substr(i + 1), &digits);
            i += digits + 2;
            continue;
        }
        if (gap > 0) joined += "[" + std::to_string(std::exchange(gap, 0)) + "]";
        joined += text[i++];
    }
    return gap > 0 ? joined + "[" + std::to_string(gap) + "]" : joined;
}

struct Part {
    std::int64_t begin;
    std::string payload;
    std::uint8_t flags;
};

std::vector<Part> random_conversation(std::mt19937& random, std::size_t size, bool with_fin) {
    std::vector<Part> parts;
    for (std::size_t at = 0; at < size;) {
        const std::size_t n = std::min<std::size_t>(size - at, 1 + random() % (random() % 3 == 0 ? 400 : 12));
        parts.push_back({static_cast<std::int64_t>(at), std::string(n, ' '), kAck});
        at += n;
    }
    if (with_fin) {
        if (parts.empty() || random() % 2 == 0) {
            parts.push_back({static_cast<std::int64_t>(size), "", kAck | kFin});
        } else {
            parts.back().flags |= kFin;
        }
    }
    // Copies, and overlaps at any place, before the start and beyond the end too.
    for (std::size_t copies = random() % 6; copies > 0; --copies) {
        parts.insert(
            parts.begin() + static_cast<long>(random() % (parts.size() + 1)),
            {static_cast<std::int64_t>(random() % (size + 20)) - 10, std::string(random() % 60, ' '), kAck});
    }
    // Reordered within a window.
    const std::size_t window = random() % 3 == 0 ? 1 : 1 + random() % 20;
    for (std::size_t i = 0; i < parts.size(); ++i) {
        const std::size_t last = std::min(parts.size() - 1, i + window - 1);
        std::swap(parts[i], parts[i + random() % (last - i + 1)]);
    }
    // Every byte that is sent differs from other bytes for its place.
    for (Part& part : parts) {
        for (char& c : part.payload) c = static_cast<char>('a' + random() % 26);
    }
    if (random() % 4 == 0) {  // losses
        std::erase_if(parts, [&](const Part& part) { return (part.flags & kFin) == 0 && random() % 8 == 0; });
    }
    return parts;
}

}  // namespace

TEST_CASE("a stream gives what a map of the first bytes gives") {
    // One seed is one case; in blocks, so that the framework's own work does not dominate.
    constexpr unsigned kPerBlock = 1000;
    const auto block = GENERATE(range(0U, 30U));
    std::vector<std::uint8_t> scratch_memory(65536);
    unsigned forced = 0;  // cases with a hole that a limit gave up
    for (unsigned seed = block * kPerBlock; seed < (block + 1) * kPerBlock; ++seed) {
        std::mt19937 random(seed);
        const bool limited = random() % 2 == 0;
        const bool with_syn = random() % 4 != 0;
        StreamLimits limits;
        std::uint64_t memory = 1 << 20;
        if (limited && random() % 3 != 0) limits.reorder_bytes = static_cast<std::uint32_t>(random() % 200);
        if (limited && random() % 3 == 0) memory = random() % 8 * BlockStore::kBlockSize;
        BlockStore store(memory);
        StreamCounters counters;
        const std::span<std::uint8_t> scratch{scratch_memory.data(),
                                              random() % 2 == 0 ? 65536 : 1 + random() % 300};
        const StreamContext context{store, limits, counters, scratch};
        TextSink sink;
        TcpStream stream;
        Reference reference;

        const auto parts = random_conversation(random, random() % 2000, random() % 2 == 0);
        const auto start =
            static_cast<std::uint32_t>(random() % 2 == 0 ? random() : std::uint32_t{0} - random() % 2000);
        std::uint32_t first = start;
        bool ok = true;
        if (with_syn) ok = stream.take({start - 1, kSyn, {}, 0}, context, sink);
        bool begun = with_syn;
        std::uint64_t seen_end = 0;
        for (const Part& part : parts) {
            if (!begun && part.payload.empty() && (part.flags & kFin) == 0) continue;
            const std::uint32_t seq = start + static_cast<std::uint32_t>(part.begin);
            if (!begun) first = seq;
            begun = true;
            const auto begin = static_cast<std::int64_t>(static_cast<std::int32_t>(seq - first));
            const std::int64_t end = begin + static_cast<std::int64_t>(part.payload.size());
            if ((part.flags & kFin) != 0 && !reference.fin && end >= static_cast<std::int64_t>(seen_end)) {
                reference.fin = static_cast<std::uint64_t>(end);
            }
            reference.take(begin, part.payload, stream.position());
            if (!part.payload.empty() && end > 0 &&
                !(reference.fin && static_cast<std::uint64_t>(end) > *reference.fin)) {
                seen_end = std::max(seen_end, static_cast<std::uint64_t>(end));
            }
            if (reference.fin) seen_end = *reference.fin;
            const auto size = static_cast<std::uint32_t>(part.payload.size());
            ok = ok && stream.take({seq, part.flags, bytes_of(part.payload), size}, context, sink);
            if (!limited) {  // all that is in order is out, and there is no gap yet
                std::uint64_t in_order = 0;
                while (reference.first.count(in_order) != 0) ++in_order;
                ok = ok && stream.position() == in_order && counters.gaps.get() == 0;
            }
            ok = ok && stream.waiting_bytes() <= limits.reorder_bytes;
        }
        if (counters.gaps.get() > 0) ++forced;
        const bool flushed = stream.flush(context, sink);
        const std::string expected = reference.text(seen_end);
        if (!ok || !flushed || joined_gaps(sink.text) != expected || stream.position() != seen_end ||
            store.blocks_used() != 0 || stream.finished() != reference.fin.has_value()) {
            CAPTURE(seed, limited, with_syn, limits.reorder_bytes, memory);
            CHECK(ok);
            CHECK(flushed);
            CHECK(joined_gaps(sink.text) == expected);
            CHECK(stream.position() == seen_end);
            CHECK(stream.finished() == reference.fin.has_value());
            REQUIRE(store.blocks_used() == 0);
            FAIL("seed " << seed);
        }
    }
    CHECK(forced > kPerBlock / 10);
}

TEST_CASE("segments of one byte take no more than the limits of their direction") {
    const auto seed = GENERATE(range(1U, 6U));
    CAPTURE(seed);
    std::mt19937 engine(seed);
    const auto random = [&] { return static_cast<std::uint32_t>(engine()); };
    constexpr std::uint32_t kLimit = 4096;
    Direction d({.reorder_bytes = kLimit});
    CHECK(d.take(99, "", kSyn));
    bool ok = true;
    std::uint32_t base = 100;
    for (std::uint32_t i = 0; i < 50'000; ++i) {
        // Mostly downwards and next to each other, which would waste a block each.
        if (i % 3000 == 0) base += 6000;
        const std::uint32_t seq = random() % 16 == 0 ? base + random() % 6000 : base + 3000 - i % 3000;
        ok = ok && d.take(seq, "x") && d.stream.waiting_bytes() <= kLimit;
    }
    CHECK(ok);
    CHECK(d.store.blocks_peak() <= 2 * kLimit / BlockStore::kDataSize + RunList::kMostRuns + 8);
}
