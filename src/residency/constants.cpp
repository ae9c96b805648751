#include "residency/constants.h"

#include <algorithm>
#include <cstring>

#include "base/bytes.h"
#include "base/page_buffer.h"
#include "residency/planner.h"

namespace flexinfer {

Result<Constants> read_constants(const WeightSchedule& schedule, std::span<const File> files) {
  Constants constants;
  uint64_t largest = 0;
  for (const ConstantWeight& constant : schedule.constants) {
    largest = std::max(largest, page_cover(constant.extent).size);
  }
  FLEX_TRY(const PageBuffer buffer, PageBuffer::allocate(largest));
  for (const ConstantWeight& constant : schedule.constants) {
    const File& file = files[constant.extent.file];
    const Extent cover = page_cover(constant.extent);
    FLEX_CHECK(file.read_at(cover.offset, buffer.data(), std::min(cover.size, file.size() - cover.offset)));
    constants.bytes_read += std::min(cover.size, file.size() - cover.offset);
    std::vector<float> values(static_cast<size_t>(constant.size));
    std::memcpy(values.data(), buffer.data() + (constant.extent.offset - cover.offset), constant.extent.size);
    constants.values.push_back(std::move(values));
  }
  return constants;
}

}  // namespace flexinfer
