// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "app/bench/card/card_choice.h"
#include "app/bench/card/card_study.h"
#include "app/bench/report.h"
#include "dataplane/lcore_plan.h"

namespace yagura::bench {

/// The card of a configuration: what each feature adds, what that makes together and what was measured, and
/// what other traffic would make of it. `hz`: of the time stamp counter.
Report card_report(const broker::LoadedConfig& loaded, const dataplane::LcorePlan& plan,
                   const CardChoice& choice, const CardFigures& figures, std::uint64_t hz);

}  // namespace yagura::bench
