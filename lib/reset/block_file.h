// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"
#include "reset/block_list.h"

namespace yagura::reset {

/// The block list as a file: text, a line for each entry, so that it can be read and searched by anybody; its
/// first line has the version, its last the number of entries and a CRC-32C over all before it, which finds
/// damage. Against tampering there are the file's rights: one that others can write is refused.
///
///     yagura-blocks 1
///     192.0.2.0/24<TAB>1764340000000000000<TAB>-<TAB>scanner
///     end 1 1a2b3c4d
///
/// Columns: what is blocked; when it was, ns since the epoch; when it expires ("-": never); why.
struct SavedBlocks {
    std::uint32_t entries = 0;
    std::uint32_t expired = 0;  ///< on loading: left out
};

/// Writes what has not expired to a new file, to the disk, and puts it in the place of the old one: whatever
/// happens meanwhile, there is either the old file or the new one. Only its owner can read it. For the
/// list's writer; takes a second for a million entries.
base::Result<SavedBlocks> save_blocks(const std::string& path, const BlockList& list, std::uint64_t now);

/// Reads a file into an empty list. All or nothing: after an error the list is empty. Refused: what is no
/// regular file, belongs to somebody else (but root), can be written by others, or lies in a folder that
/// others can write; any line that is not as it must be; more entries than the list's capacity; a CRC that
/// does not fit.
base::Result<SavedBlocks> load_blocks(const std::string& path, BlockList& list, std::uint64_t now);

}  // namespace yagura::reset
