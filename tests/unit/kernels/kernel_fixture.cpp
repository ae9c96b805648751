#include "unit/kernels/kernel_fixture.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cstdlib>

#include "kernels/candidates.h"

namespace flexinfer {

GuardedBuffer::GuardedBuffer(size_t size) {
  const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  const size_t usable = (size + page - 1) / page * page;
  mapping_bytes_ = usable + page;
  void* mapping = mmap(nullptr, mapping_bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  mapping_ = static_cast<std::byte*>(mapping);
  if (mapping == MAP_FAILED || mprotect(mapping_ + usable, page, PROT_NONE) != 0) std::abort();
  data_ = mapping_ + usable - size;
}

GuardedBuffer::~GuardedBuffer() {
  munmap(mapping_, mapping_bytes_);
}

GuardedFloats::GuardedFloats(const std::vector<float>& values) : GuardedFloats(values.size()) {
  std::copy(values.begin(), values.end(), floats_.begin());
}

std::vector<float> normal_floats(std::mt19937& random, size_t n, float deviation) {
  std::normal_distribution<float> normal(0.0f, deviation);
  std::vector<float> values(n);
  for (float& value : values)
    value = normal(random);
  return values;
}

testing::AssertionResult same_bits(std::span<const float> a, std::span<const float> b) {
  if (a.size() != b.size())
    return testing::AssertionFailure() << a.size() << " and " << b.size() << " elements";
  for (size_t i = 0; i < a.size(); i++) {
    if (std::bit_cast<uint32_t>(a[i]) == std::bit_cast<uint32_t>(b[i])) continue;
    return testing::AssertionFailure() << "element " << i << ": " << a[i] << " and " << b[i];
  }
  return testing::AssertionSuccess();
}

std::vector<const KernelTable*> available_tables() {
  std::vector<const KernelTable*> tables;
  for (const KernelCandidate& candidate : kernel_candidates()) {
    if (candidate.is_supported()) tables.insert(tables.begin(), candidate.table);
  }
  return tables;
}

}  // namespace flexinfer
