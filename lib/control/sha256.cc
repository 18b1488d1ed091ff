// SPDX-License-Identifier: BSD-3-Clause
#include "control/sha256.h"

#include <openssl/evp.h>

#include <stdexcept>

namespace yagura::control {

Sha256 sha256_of(std::string_view bytes) {
    Sha256 hash{};
    auto size = static_cast<unsigned>(hash.size());
    if (EVP_Digest(bytes.data(), bytes.size(), hash.data(), &size, EVP_sha256(), nullptr) != 1) {
        throw std::runtime_error("SHA-256 failed");
    }
    return hash;
}

}  // namespace yagura::control
