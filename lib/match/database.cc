// SPDX-License-Identifier: BSD-3-Clause
#include "match/database.h"

#include <cstdlib>
#include <cstring>
#include <vector>

namespace yagura::match {
namespace {

struct CompileErrorDeleter {
    void operator()(hs_compile_error_t* error) const { hs_free_compile_error(error); }
};
using HsError = std::unique_ptr<hs_compile_error_t, CompileErrorDeleter>;

struct Free {
    void operator()(char* memory) const { std::free(memory); }
};
using Text = std::unique_ptr<char, Free>;  // of Hyperscan's allocator, which nobody has changed

}  // namespace

CompiledDatabase compile_here(const DatabaseOrder& order) {
    std::vector<const char*> texts;
    std::vector<unsigned> flags;
    std::vector<unsigned> ids;
    std::vector<hs_expr_ext_t> places(order.expressions.size());
    std::vector<const hs_expr_ext_t*> place_pointers;
    for (std::size_t i = 0; i < order.expressions.size(); ++i) {
        const DatabaseOrder::Expression& expression = order.expressions[i];
        texts.push_back(expression.text.c_str());
        flags.push_back(expression.flags);
        ids.push_back(expression.id);
        if (expression.min_offset != 0) {
            places[i].flags |= HS_EXT_FLAG_MIN_OFFSET;
            places[i].min_offset = expression.min_offset;
        }
        if (expression.max_offset) {
            places[i].flags |= HS_EXT_FLAG_MAX_OFFSET;
            places[i].max_offset = *expression.max_offset;
        }
        place_pointers.push_back(&places[i]);
    }
    hs_database_t* database = nullptr;
    hs_compile_error_t* raw_error = nullptr;
    const hs_error_t status =
        hs_compile_ext_multi(texts.data(), flags.data(), ids.data(), place_pointers.data(),
                             static_cast<unsigned>(order.expressions.size()),
                             order.streams ? HS_MODE_STREAM : HS_MODE_BLOCK, nullptr, &database, &raw_error);
    const HsError error(raw_error);
    if (status == HS_SUCCESS) return {Database(database), -1, {}};
    return {nullptr, error ? error->expression : -1, error ? error->message : "out of memory"};
}

Database deserialized(std::string_view bytes) {
    hs_database_t* database = nullptr;
    if (hs_deserialize_database(bytes.data(), bytes.size(), &database) != HS_SUCCESS) return nullptr;
    return Database(database);
}

DatabaseAnswer compile_database(const DatabaseOrder& order) {
    CompiledDatabase compiled = compile_here(order);
    if (!compiled.database) return {{}, compiled.expression, std::move(compiled.reason)};
    char* bytes = nullptr;
    std::size_t size = 0;
    if (hs_serialize_database(compiled.database.get(), &bytes, &size) != HS_SUCCESS) {
        return {{}, -1, "no memory to write the database down"};
    }
    const Text owner(bytes);
    return {std::string(bytes, size), -1, {}};
}

bool is_database(std::string_view bytes, bool streams) {
    char* text = nullptr;
    if (hs_serialized_database_info(bytes.data(), bytes.size(), &text) != HS_SUCCESS) return false;
    const Text owner(text);
    return std::strstr(text, streams ? "Mode: STREAM" : "Mode: BLOCK") != nullptr;
}

std::string database_platform() {
    hs_platform_info_t platform{};
    hs_populate_platform(&platform);
    return std::string("Hyperscan ") + hs_version() + ", tune " + std::to_string(platform.tune) +
           ", features " + std::to_string(platform.cpu_features);
}

}  // namespace yagura::match
