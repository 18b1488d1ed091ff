// SPDX-License-Identifier: BSD-3-Clause
#include "flow/datagram_assembler.h"

#include <algorithm>
#include <array>

namespace yagura::flow {

/// A datagram of which fragments have come.
struct DatagramAssembler::Progress {
    static constexpr std::uint32_t kUnknown = 0xffffffff;

    RunList runs;
    std::uint32_t id;
    std::uint32_t seen_end;  ///< of the data that has come
    std::uint32_t size;      ///< kUnknown until the last fragment came
    std::uint16_t serial;
    std::uint8_t direction;
    std::uint8_t proto;

    bool whole() const { return runs.bytes() == size; }
};

/// The datagrams in progress, taken out of the store to be worked on.
struct DatagramAssembler::Table {
    Table(DatagramAssembler& owner, BlockStore& block_store) : assembler(owner), store(block_store) {
        BlockStore::Cursor(store, assembler.table_).read(all.data(), assembler.count_ * sizeof(Progress));
    }
    void put_back() {
        if (assembler.count_ == 0) {
            store.free(assembler.table_);
            return;
        }
        BlockStore::Cursor(store, assembler.table_).write(all.data(), assembler.count_ * sizeof(Progress));
    }
    Progress* find(std::uint32_t id, unsigned direction) {
        const auto end = all.begin() + assembler.count_;
        const auto found = std::find_if(
            all.begin(), end, [&](const Progress& p) { return p.id == id && p.direction == direction; });
        return found == end ? nullptr : &*found;
    }
    void drop(Progress* progress) {
        progress->runs.clear(store);
        std::copy(progress + 1, all.data() + assembler.count_, progress);
        --assembler.count_;
    }
    /// Null: no room.
    Progress* begin(const net::FragmentPart& fragment, unsigned direction, AssemblyCounters& counters);

    DatagramAssembler& assembler;
    BlockStore& store;
    std::array<Progress, kMostDatagrams> all;
};

DatagramAssembler::Progress* DatagramAssembler::Table::begin(const net::FragmentPart& fragment,
                                                             unsigned direction, AssemblyCounters& counters) {
    if (assembler.table_.empty()) {
        static constexpr std::array<std::uint8_t, sizeof(all)> kPlaces{};
        if (!store.append(assembler.table_, kPlaces)) return nullptr;
    }
    const std::uint16_t serial = assembler.begun_++;
    const auto too_old = [&] { return static_cast<std::uint16_t>(serial - all[0].serial) >= kMostAge; };
    while (assembler.count_ == kMostDatagrams || (assembler.count_ > 0 && too_old())) {
        counters.incomplete.add(1);
        drop(all.data());
    }
    Progress& made = all[assembler.count_++];
    made = {.id = fragment.id,
            .size = Progress::kUnknown,
            .serial = serial,
            .direction = static_cast<std::uint8_t>(direction),
            .proto = fragment.proto};
    return &made;
}

std::optional<DatagramAssembler::Datagram> DatagramAssembler::offer(const net::FragmentPart& fragment,
                                                                    unsigned direction, BlockStore& store,
                                                                    std::span<std::uint8_t> buffer,
                                                                    AssemblyCounters& counters) {
    const std::uint32_t end = fragment.offset + fragment.size;
    if (fragment.size == 0 || end > kMostBytes || (fragment.more && fragment.size % 8 != 0)) {
        counters.damaged.add(1);
        return {};
    }
    Table table(*this, store);
    Progress* progress = table.find(fragment.id, direction);
    if (progress == nullptr) progress = table.begin(fragment, direction, counters);
    if (progress == nullptr) {
        counters.no_room.add(1);
        return {};
    }
    if (fragment.offset == 0) progress->proto = fragment.proto;

    if (progress->size == Progress::kUnknown && !fragment.more && end >= progress->seen_end) {
        progress->size = end;
    } else if (progress->size != Progress::kUnknown
                   ? end > progress->size || (!fragment.more && end != progress->size)
                   : !fragment.more) {
        counters.contradictions.add(1);
    }
    // Up to the end of the datagram as the first last fragment gave it.
    const std::uint32_t left = progress->size > fragment.offset ? progress->size - fragment.offset : 0;
    const base::Bytes data = fragment.data.first(std::min<std::size_t>(fragment.data.size(), left));
    progress->seen_end =
        std::max(progress->seen_end, fragment.offset + static_cast<std::uint32_t>(data.size()));
    const auto added = progress->runs.add(store, fragment.offset, data, kMostBytes);
    if (added.overlap > 0) {
        counters.overlaps.add(1);
        counters.overlap_bytes.add(added.overlap);
    }
    std::optional<Datagram> datagram;
    if (added.taken < data.size()) {
        counters.no_room.add(1);
        table.drop(progress);
    } else if (progress->whole()) {
        RunList::Run run = progress->runs.pop_front(store);
        BlockStore::Cursor(store, run.bytes).read(buffer.data(), run.size());
        store.free(run.bytes);
        datagram = {progress->proto, buffer.first(run.size())};
        counters.datagrams.add(1);
        table.drop(progress);
    }
    table.put_back();
    return datagram;
}

void DatagramAssembler::clear(BlockStore& store, AssemblyCounters& counters) {
    Table table(*this, store);
    counters.incomplete.add(count_);
    while (count_ > 0) table.drop(table.all.data());
    table.put_back();
}

}  // namespace yagura::flow
