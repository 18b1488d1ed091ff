// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include "match/compiled_rules.h"
#include "match/header_fields.h"

namespace yagura::match {

/// What filters that depend on the flow alone are asked of: a key, in one direction.
struct KeyQuestion {
    explicit KeyQuestion(const net::FlowKey& key)
        : fields(fields_of_key(key)), header(synthetic_header(key)) {}
    base::Bytes bytes() const { return {header.bytes.data(), header.size}; }

    HeaderFields fields;
    SyntheticHeader header;
};

/// What any filter may be asked of: the bytes of one packet at a layer. A packet without IP is asked as a
/// frame whatever the layer.
class PacketQuestion {
  public:
    PacketQuestion(const PacketView& packet, net::LinkType link_type)
        : packet_(packet), link_type_(link_type) {}

    std::uint32_t wire_length() const { return packet_.wire_length; }
    bool is_frame(rules::Layer layer) const { return offset(layer) == net::kNoOffset; }
    base::Bytes bytes(rules::Layer layer) const {
        return is_frame(layer)
                   ? packet_.frame
                   : packet_.frame.subspan(std::min<std::size_t>(offset(layer), packet_.frame.size()));
    }
    const HeaderFields& fields(rules::Layer layer) {
        const auto at = static_cast<std::size_t>(layer);
        if (!known_[at]) {
            fields_[at] =
                is_frame(layer) ? fields_of_frame(packet_.frame, link_type_) : fields_of_ip(bytes(layer));
            known_[at] = true;
        }
        return fields_[at];
    }

  private:
    std::uint16_t offset(rules::Layer layer) const {
        return layer == rules::Layer::kInner   ? packet_.parsed->inner_ip
               : layer == rules::Layer::kOuter ? packet_.parsed->outer_ip
                                               : net::kNoOffset;
    }

    const PacketView& packet_;
    net::LinkType link_type_;
    std::array<HeaderFields, 3> fields_;
    std::array<bool, 3> known_{};
};

}  // namespace yagura::match
