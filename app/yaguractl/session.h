// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "app/client/session.h"

/// The session with a yagura is shared with other clients of it.
namespace yagura::ctl {

using client::all_pages;
using client::Failure;
using client::Json;
using client::Session;
using client::Status;
using client::words_of;

}  // namespace yagura::ctl
