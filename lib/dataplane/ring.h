// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <fmt/format.h>
#include <rte_ring.h>

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <span>

#include "base/result.h"

namespace yagura::dataplane {

/// A lockless ring of pointers between two threads: one puts in, one takes out.
template <class T>
class Ring {
  public:
    /// Holds `size` pointers. Its memory is ordinary, not the EAL's, which has room for some thousand rings
    /// only.
    static base::Result<std::unique_ptr<Ring>> create(unsigned size) {
        const unsigned slots = rte_align32pow2(size + 1);
        const ssize_t bytes = rte_ring_get_memsize(slots);
        if (bytes < 0) return base::Error{fmt::format("a ring cannot hold {} packets", size)};
        const std::size_t whole =
            RTE_ALIGN_CEIL(static_cast<std::size_t>(bytes), std::size_t{RTE_CACHE_LINE_SIZE});
        auto* ring = static_cast<rte_ring*>(std::aligned_alloc(RTE_CACHE_LINE_SIZE, whole));
        if (ring == nullptr) return base::Error{fmt::format("no memory for a ring of {} packets", size)};
        if (rte_ring_init(ring, "", size, RING_F_SP_ENQ | RING_F_SC_DEQ | RING_F_EXACT_SZ) != 0) {
            std::free(ring);
            return base::Error{fmt::format("a ring cannot hold {} packets", size)};
        }
        return std::unique_ptr<Ring>(new Ring(ring));
    }
    ~Ring() { std::free(ring_); }
    Ring(const Ring&) = delete;
    Ring& operator=(const Ring&) = delete;

    /// Takes the first n of the items and returns n. Producer only.
    [[nodiscard]] unsigned put(std::span<T* const> items) {
        return rte_ring_sp_enqueue_burst(ring_, reinterpret_cast<void* const*>(items.data()),
                                         static_cast<unsigned>(items.size()), nullptr);
    }
    /// Fills up to items.size() and returns how many. Consumer only.
    [[nodiscard]] unsigned take(std::span<T*> items) {
        return rte_ring_sc_dequeue_burst(ring_, reinterpret_cast<void**>(items.data()),
                                         static_cast<unsigned>(items.size()), nullptr);
    }
    unsigned room() const { return rte_ring_free_count(ring_); }
    unsigned count() const { return rte_ring_count(ring_); }

  private:
    explicit Ring(rte_ring* ring) : ring_(ring) {}
    rte_ring* ring_;
};

}  // namespace yagura::dataplane
