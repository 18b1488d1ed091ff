// SPDX-License-Identifier: BSD-3-Clause
// Methods of the control socket: the configuration that is in effect.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "broker/control_plane.h"

namespace yagura::broker {
namespace {

using control::Answer;
using control::Arguments;
using control::Call;
using control::Effect;
using control::Json;
using control::ParameterType;
using control::Role;
using control::RpcCode;
using control::RpcError;

/// Bytes of text in one answer.
constexpr std::size_t kPiece = 128u << 10;

bool continues_character(char c) {
    return (static_cast<unsigned char>(c) & 0xc0) == 0x80;
}

Answer config_piece(LiveRun& run, const Arguments& arguments) {
    const auto version = arguments.number("version");
    if (version && *version != run.version) {
        return RpcError{.code = RpcCode::kConflict,
                        .message = fmt::format("version {} is in effect by now: begin anew", run.version),
                        .field = "params/version"};
    }
    const std::string& text = run.canonical();
    const std::size_t begin = std::min<std::size_t>(arguments.number("cursor").value_or(0), text.size());
    if (begin < text.size() && continues_character(text[begin])) {
        return RpcError{.code = RpcCode::kInvalidParams,
                        .message = "cursor is `next` of the answer before",
                        .field = "params/cursor"};
    }
    std::size_t end = std::min(begin + kPiece, text.size());
    while (end < text.size() && continues_character(text[end])) --end;
    return Json{{"config_version", run.version},
                {"config", text.substr(begin, end - begin)},
                {"next", end < text.size() ? Json(end) : Json(nullptr)}};
}

/// Puts the text in the file's place: the old or the new one is there, whole, at any moment.
base::Result<void> replace_file(const std::string& path, std::string_view text) {
    const auto failed = [&](const char* what) {
        return base::Error{fmt::format("{}: {}: {}", path, what, std::strerror(errno))};
    };
    struct stat old {};
    if (stat(path.c_str(), &old) != 0) return failed("cannot be looked at");
    std::string temporary = path + ".XXXXXX";
    const int file = mkostemp(temporary.data(), O_CLOEXEC);
    if (file < 0) return failed("no file can be made beside it");
    std::size_t done = 0;
    while (done < text.size()) {
        const ssize_t n = write(file, text.data() + done, text.size() - done);
        if (n <= 0) break;
        done += static_cast<std::size_t>(n);
    }
    const bool same_owner =
        (old.st_uid == geteuid() && old.st_gid == getegid()) || fchown(file, old.st_uid, old.st_gid) == 0;
    const bool written =
        done == text.size() && same_owner && fchmod(file, old.st_mode & 07777) == 0 && fsync(file) == 0;
    const int error = errno;
    close(file);
    if (written && rename(temporary.c_str(), path.c_str()) == 0) return {};
    if (!written) errno = error;
    const base::Error reason = failed("cannot be written");
    unlink(temporary.c_str());
    return reason;
}

/// The worker's: a disk may take its time.
control::Outcome save(const std::string& file, std::uint64_t version, const std::string& text) {
    std::error_code error;
    // A link stays one.
    const std::string path = std::filesystem::canonical(file, error);
    if (auto saved = replace_file(error ? file : path, text); !saved) {
        return RpcError{.code = RpcCode::kConflict, .message = saved.error().message};
    }
    return Json{{"file", file}, {"config_version", version}, {"bytes", text.size()}};
}

}  // namespace

void add_config_commands(control::CommandTable& table, ControlPlane& plane) {
    table.add(
        {.name = "config.get",
         .help = "The configuration in effect, in its canonical form; in pieces when it is long",
         .right = Role::kViewer,
         .effect = Effect::kReads,
         .parameters = {{.name = "cursor",
                         .type = ParameterType::kNumber,
                         .help = "where to go on: `next` of the answer before"},
                        {.name = "version",
                         .type = ParameterType::kNumber,
                         .help =
                             "`config_version` of the answer before: an error when another is in effect"}},
         .handler = [&plane](const Arguments& arguments, Call&) -> Answer {
             return config_piece(plane.run(), arguments);
         }});
    table.add({.name = "config.save",
               .help =
                   "Writes the configuration in effect, in its canonical form, to the file that yagura was "
                   "started with. Comments go",
               .right = Role::kAdmin,
               .effect = Effect::kChanges,
               .parameters = {},
               .handler = [&plane](const Arguments&, Call& call) -> Answer {
                   return plane.later(call, [&plane](const Reloader::Done& done) {
                       LiveRun& run = plane.run();
                       plane.worker().submit(
                           [done, file = run.config_path, version = run.version, text = run.canonical()] {
                               return [done, outcome = save(file, version, text)] { done(outcome); };
                           });
                   });
               }});
}

}  // namespace yagura::broker
