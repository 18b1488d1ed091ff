// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "app/yaguractl/commands.h"
#include "app/yaguractl/table.h"

namespace yagura::ctl {

/// A method that is called for many items at a time, and answers with a result for each.
struct ItemCall {
    std::string method;              ///< "blocks.add"
    std::string list;                ///< the parameter that has the items: "targets"
    std::vector<std::string> words;  ///< items, or "-" for the lines of standard input
    Json params = Json::object();    ///< besides the items and the key
    std::string key;                 ///< may be empty. Batches behind the first have "/2", "/3" put behind it
};

/// How results are shown: a row for each.
struct ItemTable {
    std::vector<Table::Column> columns;
    std::function<std::vector<std::string>(const Json& result)> row;
};

/// Calls it for all items, a batch at a time, and prints what is answered to each batch: a table and in the
/// end a count of outcomes, or with --json an object for each batch. Returns the last answer, null if there
/// were no items. Throws Failure when an item was not done, after all have been tried; and at once when
/// yagura refuses a batch.
Json run(const Options& options, const ItemCall& call, const ItemTable& table);

}  // namespace yagura::ctl
