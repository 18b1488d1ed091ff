// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "app/alerts/descriptor.h"
#include "app/alerts/input.h"
#include "base/result.h"

namespace yagura::alerts {

/// A log file, as it grows. Followed over rotation: when another file stands at its path, the old one is read
/// to its end and then the new one from its beginning; when it was cut, it is read from its
/// beginning. One that is not there is waited for.
class FileInput : public Input {
  public:
    using Clock = std::chrono::steady_clock;
    enum class Begin : std::uint8_t { kAtStart, kAtEnd };
    enum class Then : std::uint8_t { kFollow, kEnd };
    /// Of a file that is begun at its end, or after its first lines were overwritten: the lines that it
    /// begins with, as long as they are taken (a Zeek log has its header there).
    using HeadLine = std::function<bool(std::string_view line)>;

    /// An error when it is there and no file, or cannot be read; with Then::kEnd also when it is not there.
    static base::Result<std::unique_ptr<FileInput>> open(const std::string& path, Begin begin, Then then,
                                                         const HeadLine& head);

    std::optional<LineSplitter::Line> next() override;
    void add_to(std::vector<pollfd>& polled) const override;
    bool ended() const override { return ended_; }

    /// How often the path is looked at for another file, and the file for what the kernel does not tell
    /// (NFS).
    static constexpr std::chrono::milliseconds kLookEvery{250};

  private:
    FileInput(std::string path, Then then);
    base::Result<bool> open_file();
    void read_head(const HeadLine& head);
    void watch();
    void clear_events() const;
    bool skip_to_end();
    /// Reads on; false when there is no more for now.
    bool read();
    /// What was read last.
    void take_note(std::string_view bytes);
    /// At the end of what is there: goes on with the file that stands at the path now, if it is another.
    bool go_on();

    std::string path_;
    Then then_;
    Descriptor file_;
    Descriptor events_;  ///< inotify
    int watched_ = -1;
    dev_t device_ = 0;
    ino_t inode_ = 0;
    off_t position_ = 0;
    std::string
        known_;  ///< the last bytes before position_: while they stand there it is still the same file
    LineSplitter lines_;
    Clock::time_point look_at_path_;
    bool ended_ = false;
};

}  // namespace yagura::alerts
