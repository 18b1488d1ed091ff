// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "match/bpf_analysis.h"
#include "match/bpf_program.h"
#include "match/plain_filter.h"
#include "match/program_set.h"
#include "match/questions.h"
#include "rules/rule.h"

namespace yagura::match {

/// A filter by its place in a FilterSet.
using FilterIndex = std::uint32_t;

enum class FilterKind : std::uint8_t {
    kNever,    ///< cannot match anything
    kPlain,    ///< its ways say it all
    kProgram,  ///< BPF
};

struct Filter {
    FilterKind kind = FilterKind::kNever;
    rules::Layer layer = rules::Layer::kInner;
    /// Layer inner, and the answer for a flow's packets is the answer for its key.
    bool per_flow = false;
    /// kProgram, per_flow: keys need not be asked by a program, the ways say it.
    bool keys_by_ways = false;
    std::uint32_t first_way = 0;  ///< its PlainConjunctions, if it has them
    std::uint32_t way_count = 0;
    ProgramIndex ip_program = kRejectsAll;     ///< kProgram: for bytes that begin with an IP header
    ProgramIndex frame_program = kRejectsAll;  ///< kProgram: for frames
};

struct FilterError {
    std::string place;  ///< as in CompileError
    std::string reason;
    std::string fix;
};

/// All filters of a policy, each different one once.
class FilterSet {
  public:
    explicit FilterSet(net::LinkType link_type);

    /// Compiles a filter, or finds it compiled.
    std::variant<FilterIndex, FilterError> add(const std::string& text, std::optional<rules::Layer> layer);
    /// After the last add() and before the first question.
    void seal();

    std::size_t size() const { return filters_.size(); }
    const Filter& operator[](FilterIndex filter) const { return filters_[filter]; }
    std::span<const PlainConjunction> ways(FilterIndex filter) const {
        return {ways_.data() + filters_[filter].first_way, filters_[filter].way_count};
    }
    bool jit_active() const { return programs_.jit_active(); }

    /// Only for filters that are per_flow.
    bool holds(FilterIndex filter, const KeyQuestion& key) const;
    bool holds(FilterIndex filter, PacketQuestion& packet) const;

  private:
    using Answer = std::variant<FilterIndex, FilterError>;
    using Name = std::pair<std::string, std::optional<rules::Layer>>;

    Answer compile(const std::string& text, std::optional<rules::Layer> wanted);
    void add_ways(Filter& filter, std::span<const PlainConjunction> ways);
    std::optional<FilterError> add_programs(Filter& filter, const std::string& text,
                                            FragmentTests fragment_tests);

    struct Compilers {
        BpfCompiler ip;
        BpfCompiler frame;
    };
    std::unique_ptr<Compilers> compilers_;  ///< null once sealed
    std::map<Name, Answer> known_;          ///< empty once sealed
    std::vector<Filter> filters_;
    std::vector<PlainConjunction> ways_;
    ProgramSet programs_;
};

}  // namespace yagura::match
