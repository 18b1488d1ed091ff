// SPDX-License-Identifier: BSD-3-Clause
#include "app/alerts/source.h"

#include <fmt/format.h>
#include <unistd.h>

#include <numeric>
#include <utility>

#include "app/alerts/file_input.h"
#include "app/alerts/snort_reader.h"
#include "app/alerts/socket_input.h"
#include "app/alerts/stream_input.h"
#include "app/alerts/suricata_reader.h"
#include "rules/report.h"

namespace yagura::alerts {

Reading read_line(Format format, std::string_view line, ZeekReader& zeek) {
    if (line.empty()) return Other{};
    switch (format) {
        case Format::kSuricata:
            return read_suricata(line);
        case Format::kZeek:
            return zeek.read(line);
        case Format::kSnort:
            return read_snort(line);
    }
    return Other{};
}

Source::Source(std::string name, Format format, std::unique_ptr<Input> input)
    : name_(std::move(name)),
      format_(format),
      input_(std::move(input)),
      zeek_(std::make_unique<ZeekReader>()) {}

base::Result<Source> Source::open(const std::string& name, Format format, const SourceOptions& options) {
    if (name == "-") return Source("standard input", format, std::make_unique<StreamInput>(STDIN_FILENO));
    for (const auto& [prefix, kind] :
         {std::pair{std::string_view("unix:"), SocketInput::Kind::kStream},
          std::pair{std::string_view("unixgram:"), SocketInput::Kind::kDatagram}}) {
        if (!name.starts_with(prefix)) continue;
        if (options.once)
            return base::Error{fmt::format("{}: a socket has no end: it does not go with --once", name)};
        auto input = SocketInput::open(name.substr(prefix.size()), kind, options.socket_mode);
        if (!input) return input.error();
        return Source(name, format, std::move(*input));
    }
    Source source(name, format, nullptr);
    // The columns of a Zeek log stand in front of what is skipped.
    FileInput::HeadLine head;
    if (format == Format::kZeek) {
        head = [&source](std::string_view line) {
            if (line.starts_with('#')) source.zeek_->read(line);
            return line.starts_with('#');
        };
    }
    auto input = FileInput::open(
        name, options.from_start || options.once ? FileInput::Begin::kAtStart : FileInput::Begin::kAtEnd,
        options.once ? FileInput::Then::kEnd : FileInput::Then::kFollow, head);
    if (!input) return input.error();
    source.input_ = std::move(*input);
    return source;
}

std::optional<Reading> Source::next(const std::function<void(const std::string&)>& complain) {
    const auto line = input_->next();
    if (!line) return std::nullopt;
    ++lines_;
    Reading reading = line->too_long ? Reading(Fault::kTooLong) : read_line(format_, line->text, *zeek_);
    if (const auto* fault = std::get_if<Fault>(&reading)) {
        if (faults_[static_cast<std::size_t>(*fault)]++ == 0) {
            complain(fmt::format("{}: line {} {}{}; further ones like it are counted", name_, lines_,
                                 fault_text(*fault),
                                 line->text.empty() ? std::string() : ": " + rules::in_quotes(line->text)));
        }
    }
    return reading;
}

std::uint64_t Source::not_understood() const {
    return std::accumulate(faults_.begin(), faults_.end(), std::uint64_t{0});
}

}  // namespace yagura::alerts
