// SPDX-License-Identifier: BSD-3-Clause
#include "control/audit_chain.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <span>
#include <stdexcept>

#include "control/audit_files.h"

namespace yagura::control {
namespace {

// What each use of a key is for; none is the beginning of another.
constexpr std::string_view kRecordLabel = "yagura audit record\n";
constexpr std::string_view kHeadLabel = "yagura audit head\n";
constexpr std::string_view kNextLabel = "yagura audit next key\n";

constexpr std::string_view kKeyFileForm = "yagura audit key 1";
constexpr std::size_t kLogDigits = 32;
constexpr std::size_t kMaxKeyFile = 256;  ///< bytes

constexpr std::string_view kSealBegin = ",\"mac\":\"";
constexpr std::string_view kSealEnd = "\"}";
constexpr std::size_t kMacDigits = 2 * sizeof(Mac);
constexpr std::size_t kSealBytes = kSealBegin.size() + kMacDigits + kSealEnd.size();

std::string hex(std::span<const std::uint8_t> bytes) {
    static constexpr char kDigits[] = "0123456789abcdef";
    std::string text;
    text.reserve(2 * bytes.size());
    for (const std::uint8_t byte : bytes) {
        text += kDigits[byte >> 4];
        text += kDigits[byte & 15];
    }
    return text;
}

bool all_hex(std::string_view text) {
    return text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

const EVP_MD* sha256() {
    // Fetched once: EVP_sha256() looks the implementation up anew each time, which is ten times the hash.
    static EVP_MD* const md = EVP_MD_fetch(nullptr, "SHA256", nullptr);
    return md;
}

/// Wiped when it goes.
struct Scratch {
    std::array<char, kMaxKeyFile> bytes{};
    ~Scratch() { OPENSSL_cleanse(bytes.data(), bytes.size()); }
};

/// "PREFIX<value>\n" at the front of `text`, which moves behind it.
std::optional<std::string_view> take_line(std::string_view& text, std::string_view prefix) {
    const std::size_t end = text.find('\n');
    if (!text.starts_with(prefix) || end == std::string_view::npos) return std::nullopt;
    const std::string_view value = text.substr(prefix.size(), end - prefix.size());
    text.remove_prefix(end + 1);
    return value;
}

/// The text of a key file, into memory that is wiped.
std::string_view key_text(Scratch& scratch, std::string_view log, std::uint64_t sequence,
                          std::span<const std::uint8_t> bytes) {
    std::string digits = hex(bytes);
    const auto end = fmt::format_to_n(scratch.bytes.data(), scratch.bytes.size(),
                                      "{}\nlog {}\nnext {}\nkey {}\n", kKeyFileForm, log, sequence, digits);
    OPENSSL_cleanse(digits.data(), digits.size());
    return {scratch.bytes.data(), end.size};
}

}  // namespace

std::string to_hex(const Mac& mac) {
    return hex(mac);
}

std::optional<Mac> mac_from_hex(std::string_view text) {
    if (text.size() != kMacDigits || !all_hex(text)) return std::nullopt;
    Mac mac;
    for (std::size_t i = 0; i < mac.size(); ++i) {
        std::from_chars(text.data() + 2 * i, text.data() + 2 * i + 2, mac[i], 16);
    }
    return mac;
}

bool is_log_name(std::string_view text) {
    return text.size() == kLogDigits && all_hex(text);
}

AuditKey::~AuditKey() {
    OPENSSL_cleanse(bytes_.data(), bytes_.size());
}

base::Result<AuditKey> AuditKey::make() {
    AuditKey key;
    std::array<std::uint8_t, kLogDigits / 2> name;
    if (RAND_bytes(name.data(), name.size()) != 1 ||
        RAND_priv_bytes(key.bytes_.data(), static_cast<int>(key.bytes_.size())) != 1) {
        return base::Error{"there are no random numbers for a key of the audit log"};
    }
    key.log_ = hex(name);
    return key;
}

base::Result<AuditKey> AuditKey::read(const std::string& path) {
    const FileDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
    if (!file.ok()) return file_error(path, "cannot be read", errno);
    struct stat status;
    if (::fstat(file.get(), &status) != 0) return file_error(path, "cannot be read", errno);
    if (!S_ISREG(status.st_mode)) return base::Error{fmt::format("{}: is no regular file", path)};
    if ((status.st_mode & 077) != 0) {
        return base::Error{fmt::format("{}: others may use this key (mode {:04o}): chmod 0600 {}", path,
                                       status.st_mode & 07777, path)};
    }
    Scratch scratch;
    const ssize_t size = ::read(file.get(), scratch.bytes.data(), scratch.bytes.size());
    if (size < 0) return file_error(path, "cannot be read", errno);
    std::string_view text(scratch.bytes.data(), static_cast<std::size_t>(size));
    const base::Error damaged{fmt::format("{}: is no key of an audit log", path), true};
    const auto form = take_line(text, kKeyFileForm);
    const auto log = take_line(text, "log ");
    const auto next = take_line(text, "next ");
    const auto digits = take_line(text, "key ");
    if (!form || !form->empty() || !log || !next || !digits || !text.empty() || !is_log_name(*log)) {
        return damaged;
    }
    AuditKey key;
    key.log_ = *log;
    const auto [end, error] = std::from_chars(next->data(), next->data() + next->size(), key.sequence_);
    auto bytes = mac_from_hex(*digits);
    if (error != std::errc{} || end != next->data() + next->size() || key.sequence_ == 0 || !bytes) {
        return damaged;
    }
    key.bytes_ = *bytes;
    OPENSSL_cleanse(bytes->data(), bytes->size());
    return key;
}

base::Result<void> AuditKey::write_new(const std::string& path) const {
    Scratch scratch;
    return write_new_file(path, key_text(scratch, log_, sequence_, bytes_));
}

base::Result<void> AuditKey::replace(const std::string& path) const {
    // What cannot be opened cannot be overwritten; the new key is written all the same.
    const FileDescriptor old(::open(path.c_str(), O_WRONLY | O_CLOEXEC | O_NOFOLLOW));
    Scratch scratch;
    auto written = replace_file(path, key_text(scratch, log_, sequence_, bytes_));
    if (!written || !old.ok()) return written;
    constexpr std::array<char, kMaxKeyFile> kZeros{};
    if (::pwrite(old.get(), kZeros.data(), kZeros.size(), 0) > 0) ::fdatasync(old.get());
    return written;
}

Mac AuditKey::mac(std::string_view label, std::string_view body) const {
    std::string message;
    message.reserve(label.size() + body.size());
    message.append(label).append(body);
    Mac result;
    auto size = static_cast<unsigned>(result.size());
    // It can fail for want of memory alone, and no record may go out with a wrong one.
    if (HMAC(sha256(), bytes_.data(), static_cast<int>(bytes_.size()),
             reinterpret_cast<const unsigned char*>(message.data()), message.size(), result.data(),
             &size) == nullptr) {
        throw std::runtime_error("HMAC-SHA-256 failed");
    }
    return result;
}

Mac AuditKey::record_mac(std::string_view body) const {
    return mac(kRecordLabel, body);
}
Mac AuditKey::head_mac(std::string_view body) const {
    return mac(kHeadLabel, body);
}

void AuditKey::advance() {
    std::array<std::uint8_t, kNextLabel.size() + sizeof bytes_> message;
    std::memcpy(message.data(), kNextLabel.data(), kNextLabel.size());
    std::memcpy(message.data() + kNextLabel.size(), bytes_.data(), bytes_.size());
    auto size = static_cast<unsigned>(bytes_.size());
    if (EVP_Digest(message.data(), message.size(), bytes_.data(), &size, sha256(), nullptr) != 1) {
        throw std::runtime_error("SHA-256 failed");
    }
    OPENSSL_cleanse(message.data(), message.size());
    ++sequence_;
}

std::string sealed(std::string body, const Mac& mac) {
    body.append(kSealBegin).append(to_hex(mac)).append(kSealEnd);
    return body;
}

std::optional<SealedLine> unsealed(std::string_view line) {
    if (line.size() < kSealBytes || !line.ends_with(kSealEnd)) return std::nullopt;
    const std::string_view body = line.substr(0, line.size() - kSealBytes);
    const std::string_view seal = line.substr(body.size());
    if (!seal.starts_with(kSealBegin)) return std::nullopt;
    const auto mac = mac_from_hex(seal.substr(kSealBegin.size(), kMacDigits));
    if (!mac) return std::nullopt;
    return SealedLine{body, *mac};
}

}  // namespace yagura::control
