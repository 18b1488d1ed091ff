// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdio>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

namespace yagura::broker {

/// Writes a file whole: as PATH.part first, then in its place. Without close() nothing of it stays.
class FileWriter {
  public:
    explicit FileWriter(std::string path);
    ~FileWriter();
    FileWriter(const FileWriter&) = delete;
    FileWriter& operator=(const FileWriter&) = delete;

    /// What cannot be written shows in close().
    void write(std::string_view text);
    /// Puts the file in its place. The error names it.
    base::Result<void> close();

  private:
    struct Close {
        void operator()(std::FILE* file) const { std::fclose(file); }
    };
    std::string path_;
    std::string temporary_;
    std::unique_ptr<std::FILE, Close> file_;
    int error_ = 0;  ///< errno of the first failure
};

base::Result<void> write_file(const std::string& path, std::string_view text);

}  // namespace yagura::broker
