// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "app/alerts/descriptor.h"
#include "app/alerts/input.h"
#include "base/result.h"

namespace yagura::alerts {

/// A Unix socket that tools write lines to: a stream socket for up to kMaxWriters at a time, or a datagram
/// socket, where a datagram is a line or several. Its place in the file system is given up with the object.
class SocketInput : public Input {
  public:
    enum class Kind : std::uint8_t { kStream, kDatagram };
    /// A socket that nobody serves any more is replaced; one that is served, and anything that is no socket,
    /// is an error. Whoever may write by `mode` can have connections cut.
    static base::Result<std::unique_ptr<SocketInput>> open(const std::string& path, Kind kind, mode_t mode);
    ~SocketInput() override;

    std::optional<LineSplitter::Line> next() override;
    void add_to(std::vector<pollfd>& polled) const override;
    bool ended() const override { return false; }

    static constexpr std::size_t kMaxWriters = 16;

  private:
    struct Writer {
        Descriptor socket;
        LineSplitter lines;
        bool ended = false;
    };

    SocketInput(std::string path, Kind kind, Descriptor socket);
    void accept_some();
    /// The next line of a writer; takes what has come. Sets `ended` when it has hung up and all is given out.
    std::optional<LineSplitter::Line> next_of(Writer& writer);
    std::optional<LineSplitter::Line> next_datagram();

    std::string path_;
    Kind kind_;
    Descriptor socket_;
    dev_t device_ = 0;  ///< what was made: somebody else's file at the same place stays
    ino_t inode_ = 0;
    std::vector<std::unique_ptr<Writer>> writers_;
    std::size_t turn_ = 0;  ///< whose line is next
    LineSplitter datagrams_;
    std::string datagram_;  ///< room for one
};

}  // namespace yagura::alerts
