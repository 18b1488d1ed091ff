// SPDX-License-Identifier: BSD-3-Clause
#include "broker/file_writer.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>

namespace yagura::broker {

FileWriter::FileWriter(std::string path)
    : path_(std::move(path)), temporary_(path_ + ".part"), file_(std::fopen(temporary_.c_str(), "wb")) {
    if (!file_) error_ = errno;
}

FileWriter::~FileWriter() {
    if (!file_) return;
    file_.reset();
    std::remove(temporary_.c_str());
}

void FileWriter::write(std::string_view text) {
    if (error_ == 0 && std::fwrite(text.data(), 1, text.size(), file_.get()) != text.size()) error_ = errno;
}

base::Result<void> FileWriter::close() {
    if (file_) {
        // fclose() reports what the last write could not.
        if (std::fclose(file_.release()) != 0 && error_ == 0) error_ = errno;
        if (error_ == 0 && std::rename(temporary_.c_str(), path_.c_str()) != 0) error_ = errno;
        if (error_ != 0) std::remove(temporary_.c_str());
    }
    if (error_ == 0) return {};
    return base::Error{fmt::format("{}: cannot be written: {}", path_, std::strerror(error_))};
}

base::Result<void> write_file(const std::string& path, std::string_view text) {
    FileWriter file(path);
    file.write(text);
    return file.close();
}

}  // namespace yagura::broker
