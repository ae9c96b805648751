#include "gguf/file_type.h"

#include <algorithm>
#include <iterator>

namespace flexinfer {

std::optional<uint32_t> file_type_of(GgmlType type) {
  using enum GgmlType;
  struct Row {
    GgmlType type;
    uint32_t number;
  };
  static constexpr Row kRows[] = {{kF32, 0},   {kF16, 1},     {kQ4_0, 2},    {kQ4_1, 3},
                                  {kQ8_0, 7},  {kQ5_0, 8},    {kQ5_1, 9},    {kQ2_K, 10},
                                  {kQ3_K, 11}, {kQ4_K, 14},   {kQ5_K, 16},   {kQ6_K, 18},
                                  {kBF16, 32}, {kIQ4_NL, 25}, {kIQ4_XS, 30}, {kMXFP4, 38}};
  const auto* found = std::ranges::find(kRows, type, &Row::type);
  if (found == std::end(kRows)) return std::nullopt;
  return found->number;
}

}  // namespace flexinfer
