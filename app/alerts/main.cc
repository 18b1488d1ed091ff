// SPDX-License-Identifier: BSD-3-Clause
#include <fmt/format.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <optional>
#include <string>
#include <vector>

#include "app/alerts/program.h"
#include "app/completion/bash_completion.h"
#include "base/diagnostics.h"
#include "rules/config.h"

namespace {

using namespace yagura;
using alerts::Exit;

constexpr std::size_t kMaxMap = 16u << 20;

struct Options {
    alerts::ProgramOptions program{.socket = rules::Control{}.socket};
    alerts::SourceOptions source;
    std::string map;
    std::string max_age = "1m";
    std::string socket_mode = "0600";
    std::vector<std::string> suricata;
    std::vector<std::string> zeek;
    std::vector<std::string> snort;
};

void complain(const std::string& words) {
    base::diagnose("yagura-alerts: {}\n", words);
}

int status_of(Exit status) {
    return static_cast<int>(status);
}

/// Of a file that nobody else can write: who can, can have connections cut.
base::Result<std::string> read_file(const std::string& path) {
    const auto failed = [&] { return base::Error{fmt::format("{}: {}", path, std::strerror(errno))}; };
    std::FILE* file = std::fopen(path.c_str(), "rbe");
    if (file == nullptr) return failed();
    struct stat status {};
    std::string text;
    std::array<char, 65536> bytes;
    errno = 0;
    bool sound = fstat(fileno(file), &status) == 0;
    while (sound && text.size() <= kMaxMap) {
        const std::size_t n = std::fread(bytes.data(), 1, bytes.size(), file);
        text.append(bytes.data(), n);
        if (n == 0) break;
    }
    sound = sound && std::ferror(file) == 0;
    const auto fault = failed();
    std::fclose(file);
    if (!sound) return fault;
    if ((status.st_mode & (S_IWGRP | S_IWOTH)) != 0 && S_ISREG(status.st_mode))
        return base::Error{
            fmt::format("{}: others can write it (mode {:o}); chmod go-w", path, status.st_mode & 07777u)};
    if (text.size() > kMaxMap)
        return base::Error{fmt::format("{}: it is larger than {} bytes", path, kMaxMap)};
    return text;
}

/// Nothing, and words, when it is not as it must be.
std::optional<alerts::VerdictMap> read_map(const std::string& path) {
    const auto text = read_file(path);
    if (!text) {
        complain(text.error().message);
        return std::nullopt;
    }
    std::vector<rules::ConfigError> errors;
    alerts::VerdictMap map = alerts::VerdictMap::read(*text, errors);
    for (const rules::ConfigError& error : errors) complain(fmt::format("{}: {}", path, error.to_string()));
    if (!errors.empty()) return std::nullopt;
    return map;
}

bool read_quantities(Options& options) {
    const auto age = rules::parse_duration(options.max_age);
    if (!age) {
        complain(fmt::format("--max-age {}: write for instance 30s or 5m", options.max_age));
        return false;
    }
    options.program.max_age = *age;
    std::size_t end = 0;
    const bool octal = !options.socket_mode.empty() && options.socket_mode.size() <= 4 &&
                       options.socket_mode.find_first_not_of("01234567") == std::string::npos;
    const unsigned long mode = octal ? std::stoul(options.socket_mode, &end, 8) : 0;
    if (!octal || mode > 0777) {
        complain(fmt::format("--socket-mode {}: write it in octal digits: 0660", options.socket_mode));
        return false;
    }
    options.source.socket_mode = static_cast<unsigned>(mode);
    return true;
}

std::optional<std::vector<alerts::Source>> open_sources(const Options& options) {
    std::vector<alerts::Source> sources;
    bool well = true;
    unsigned standard_inputs = 0;
    const auto open = [&](const std::vector<std::string>& names, alerts::Format format) {
        for (const std::string& name : names) {
            if (name == "-" && ++standard_inputs > 1) {
                complain("standard input can be read once only");
                well = false;
                continue;
            }
            auto source = alerts::Source::open(name, format, options.source);
            if (source) {
                sources.push_back(std::move(*source));
            } else {
                complain(source.error().message);
                well = false;
            }
        }
    };
    open(options.suricata, alerts::Format::kSuricata);
    open(options.zeek, alerts::Format::kZeek);
    open(options.snort, alerts::Format::kSnort);
    if (!well) return std::nullopt;
    if (sources.empty()) {
        complain("there is nothing to read: name a log by --suricata, --zeek or --snort");
        return std::nullopt;
    }
    return sources;
}

/// A descriptor that can be read when the program is asked for something: to end, or to read its map anew.
int signals_for_us() {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    sigprocmask(SIG_BLOCK, &set, nullptr);
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

int run(Options& options) {
    // Verdicts are asked for, whoever reads what is said of them.
    signal(SIGPIPE, SIG_IGN);
    if (options.map.empty()) {
        complain("--map is missing: yagura-alerts --help");
        return status_of(Exit::kUsage);
    }
    if (!read_quantities(options)) return status_of(Exit::kUsage);
    options.source.once = options.program.once;
    const int signals = signals_for_us();
    auto map = read_map(options.map);
    if (!map) return status_of(Exit::kUsage);
    auto sources = open_sources(options);
    if (!sources) return status_of(Exit::kUsage);
    alerts::Program program(*std::move(map), [&options] { return read_map(options.map); },
                            *std::move(sources), options.program,
                            {.verdict =
                                 [](const std::string& line) {
                                     std::fputs((line + '\n').c_str(), stdout);
                                     std::fflush(stdout);
                                 },
                             .trouble = complain});
    const Exit status = program.run(signals);
    complain(program.summary());
    close(signals);
    if (std::ferror(stdout) != 0) {
        complain("the output cannot be written");
        return status_of(Exit::kNotAllDone);
    }
    return status_of(status);
}

void add_options(CLI::App& app, Options& options) {
    app.add_option("--map", options.map, "Which alerts are answered, and how (JSON)")->type_name("FILE");
    constexpr const char* kInput =
        "; - is standard input, unix:PATH and unixgram:PATH are sockets to listen on";
    app.add_option("--suricata", options.suricata, fmt::format("Suricata's EVE log{}", kInput))
        ->type_name("PATH");
    app.add_option("--zeek", options.zeek, fmt::format("Zeek's notice.log, in JSON or not{}", kInput))
        ->type_name("PATH");
    app.add_option("--snort", options.snort, fmt::format("What alert_fast of Snort writes{}", kInput))
        ->type_name("PATH");
    app.add_option("--socket", options.program.socket, "yagura's control socket")
        ->type_name("PATH")
        ->envname("YAGURA_SOCKET")
        ->capture_default_str();
    app.add_flag("--dry-run", options.program.dry_run,
                 "Ask yagura for nothing, only say what would be asked for");
    app.add_flag("--once", options.program.once, "Read what is there, from its beginning, and end");
    app.add_flag("--from-start", options.source.from_start,
                 "Read files from their beginning, not from their end");
    app.add_option("--queue", options.program.capacity, "So many verdicts may wait for yagura")
        ->check(CLI::Range(1, 1'000'000))
        ->capture_default_str()
        ->type_name("N");
    app.add_option("--max-age", options.max_age, "Verdicts that have waited longer are not done any more")
        ->capture_default_str()
        ->type_name("TIME");
    app.add_option("--socket-mode", options.socket_mode, "Who may write to the sockets that this makes")
        ->capture_default_str()
        ->type_name("MODE");
}

}  // namespace

int main(int argc, char** argv) {
    CLI::App app{"yagura-alerts: has a running yagura cut or block what tools raise alerts of.",
                 "yagura-alerts"};
    app.set_version_flag("--version", std::string("yagura-alerts ") + YAGURA_VERSION);
    app.footer(
        "Exit status: 0 all was done; 1 something was not done, or not understood; 2 wrong usage, a wrong "
        "map;\n3 with "
        "--once: no yagura answers.");
    Options options;
    add_options(app, options);
    std::string shell;
    CLI::App* completion = app.add_subcommand("completion", "Print the completion for a shell");
    completion->add_option("shell", shell, "bash")->required()->check(CLI::IsMember({"bash"}));
    try {
        app.parse(argc, argv);
        if (!completion->parsed()) return run(options);
        fmt::print("{}", yagura::app::bash_completion(app));
        return 0;
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? 0 : status_of(Exit::kUsage);
    } catch (const std::exception& error) {
        complain(error.what());
        return status_of(Exit::kNotAllDone);
    }
}
