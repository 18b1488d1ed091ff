// SPDX-License-Identifier: BSD-3-Clause
#include "app/alerts/line_splitter.h"

namespace yagura::alerts {

void LineSplitter::append(std::string_view bytes) {
    // What was given out makes room only here, so that many small lines are not moved many times.
    if (given_ > 0) {
        bytes_.erase(0, given_);
        scanned_ -= given_;
        given_ = 0;
    }
    bytes_.append(bytes);
}

void LineSplitter::clear() {
    bytes_.clear();
    given_ = scanned_ = 0;
    skipping_ = ended_ = false;
}

std::optional<LineSplitter::Line> LineSplitter::next() {
    for (;;) {
        const std::size_t found = bytes_.find('\n', scanned_);
        const bool whole = found != std::string::npos;
        const std::size_t end = whole ? found : bytes_.size();
        scanned_ = end;
        std::string_view text(bytes_.data() + given_, end - given_);
        if (!whole && !ended_) {
            if (text.size() <= max_line_) return std::nullopt;
            // Its rest comes, and goes.
            given_ = end;
            if (skipping_) return std::nullopt;
            skipping_ = true;
            return Line{.text = {}, .too_long = true};
        }
        if (!whole && text.empty()) {
            ended_ = skipping_ = false;
            return std::nullopt;
        }
        given_ = scanned_ = whole ? end + 1 : end;
        if (skipping_) {
            skipping_ = false;
            continue;
        }
        if (text.size() > max_line_) return Line{.text = {}, .too_long = true};
        if (text.ends_with('\r')) text.remove_suffix(1);
        return Line{.text = text};
    }
}

}  // namespace yagura::alerts
