// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <rte_ring.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "base/result.h"

namespace yagura::dataplane {

/// A lockless ring of pointers between two threads: one puts in, one takes out.
template <class T>
class Ring {
  public:
    /// Holds `size` pointers, a power of two. The name must be unique in the process, 26 characters at most.
    static base::Result<std::unique_ptr<Ring>> create(const std::string& name, unsigned size) {
        rte_ring* ring = rte_ring_create(name.c_str(), size, SOCKET_ID_ANY,
                                         RING_F_SP_ENQ | RING_F_SC_DEQ | RING_F_EXACT_SZ);
        if (ring == nullptr) return base::Error{"cannot allocate the ring " + name};
        return std::unique_ptr<Ring>(new Ring(ring));
    }
    ~Ring() { rte_ring_free(ring_); }
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
