// What `general.file_type` says of a model's weights. Source: llama.cpp's enumeration of file types.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/ggml_type.h"

namespace flexinfer {

inline constexpr std::string_view kFileTypeKey = "general.file_type";
inline constexpr std::string_view kQuantizationVersionKey = "general.quantization_version";
inline constexpr uint32_t kQuantizationVersion = 2;  // of the block layouts in use today

// The number of a file whose matrices are all, or nearly all, of one type; nullopt where there is none.
std::optional<uint32_t> file_type_of(GgmlType type);

}  // namespace flexinfer
