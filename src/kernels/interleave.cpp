#include "kernels/interleave.h"

#include <cstring>

#include "kernels/kernel_table.h"

namespace flexinfer {
namespace {

// Calls fn(offset, bytes of the unit as a constant) for every unit of a block.
template <class Fn>
void for_each_unit(GgmlType type, Fn fn) {
  const GgmlTypeInfo& info = ggml_type_info(type);
  const size_t rest = info.block_bytes % 4;
  const size_t begin = info.block_elements == 32 ? rest : 0;
  const size_t end = info.block_bytes - (rest - begin);
  const auto one = [&](size_t offset) {
    if (rest == 1) fn(offset, std::integral_constant<size_t, 1>());
    if (rest == 2) fn(offset, std::integral_constant<size_t, 2>());
  };
  if (begin > 0) one(0);
  for (size_t offset = begin; offset < end; offset += 4)
    fn(offset, std::integral_constant<size_t, 4>());
  if (end < info.block_bytes) one(end);
}

}  // namespace

bool has_panels(GgmlType type) {
  return activation_kind(type) == ActivationKind::kQ8;
}

void interleave_rows(GgmlType type, const std::byte* rows, size_t row_bytes, int64_t n_rows, std::byte* out) {
  const size_t block_bytes = ggml_type_info(type).block_bytes;
  const auto n = static_cast<size_t>(n_rows);
  for (size_t block = 0; block < row_bytes; block += block_bytes) {
    for_each_unit(type, [&](size_t offset, auto unit) {
      const std::byte* from = rows + block + offset;
      std::byte* to = out + (block + offset) * n;
      for (size_t r = 0; r < n; r++)
        std::memcpy(to + r * unit, from + r * row_bytes, unit);
    });
  }
}

void copy_interleaved_row(GgmlType type, const std::byte* panel, size_t row_bytes, int64_t n_rows,
                          int64_t row, std::byte* out) {
  const size_t block_bytes = ggml_type_info(type).block_bytes;
  const auto n = static_cast<size_t>(n_rows);
  const auto r = static_cast<size_t>(row);
  for (size_t block = 0; block < row_bytes; block += block_bytes) {
    for_each_unit(type, [&](size_t offset, auto unit) {
      std::memcpy(out + block + offset, panel + (block + offset) * n + r * unit, unit);
    });
  }
}

}  // namespace flexinfer
