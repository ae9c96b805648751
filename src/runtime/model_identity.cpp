#include "runtime/model_identity.h"

#include <algorithm>
#include <span>
#include <type_traits>
#include <variant>

#include "base/bytes.h"
#include "base/page_buffer.h"

namespace flexinfer {
namespace {

void add(Hash& hash, const MetadataValue& value) {
  hash.add(value.index());
  std::visit(
      [&hash](const auto& held) {
        using T = std::decay_t<decltype(held)>;
        if constexpr (std::is_arithmetic_v<T> || std::is_same_v<T, std::string>) {
          hash.add(held);
        } else if constexpr (std::is_same_v<T, NestedArray>) {
          hash.add(held.n_elements);
        } else if constexpr (std::is_same_v<T, StringList>) {
          for (size_t i = 0; i < held.size(); ++i)
            hash.add(held[i]);
        } else {
          hash.add(std::as_bytes(std::span(held)));
        }
      },
      value);
}

}  // namespace

uint64_t model_identity(const GgufFile& file) {
  Hash hash;
  hash.add(file.file_bytes());
  for (const auto& [key, value] : file.metadata().values()) {
    hash.add(key);
    add(hash, value);
  }
  for (const TensorInfo& tensor : file.tensors()) {
    hash.add(tensor.name);
    hash.add(tensor.type);
    hash.add(std::as_bytes(std::span(tensor.dims)));
    hash.add(tensor.extent.file);
    hash.add(tensor.extent.offset);
  }
  return hash.value();
}

Result<uint64_t> sample_weights(const WeightSchedule& schedule, std::span<const File> files, Hash& hash) {
  FLEX_TRY(PageBuffer page, PageBuffer::allocate(kPageBytes));
  uint64_t n_read = 0;
  int32_t last_block = -1;
  for (const WeightStep& step : schedule.steps) {
    if (step.is_expert() && step.block == last_block) continue;
    last_block = step.block;
    const File& file = files[step.extent.file];
    const uint64_t offset = align_down(step.extent.offset, kPageBytes);
    const uint64_t needed = std::min(kPageBytes, file.size() - offset);
    FLEX_TRY(const uint64_t arrived, file.read_at_least(offset, page.data(), kPageBytes, needed));
    hash.add(std::span<const std::byte>(page.data(), needed));
    n_read += arrived;
  }
  return n_read;
}

}  // namespace flexinfer
