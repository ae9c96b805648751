// What the kernel tests share: every table that this processor runs, random data, and memory that faults when
// a kernel reaches past its end.
#pragma once

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "kernels/kernel_table.h"

namespace flexinfer {

// The last bytes before a page that may not be touched. Zeroed; misaligned where the size is.
class GuardedBuffer {
 public:
  explicit GuardedBuffer(size_t size);
  GuardedBuffer(const GuardedBuffer&) = delete;
  GuardedBuffer& operator=(const GuardedBuffer&) = delete;
  ~GuardedBuffer();

  std::byte* data() const { return data_; }

 private:
  std::byte* mapping_;
  size_t mapping_bytes_;
  std::byte* data_;
};

// Floats that end where memory ends.
class GuardedFloats {
 public:
  explicit GuardedFloats(size_t n)
      : buffer_(n * sizeof(float)), floats_(reinterpret_cast<float*>(buffer_.data()), n) {}
  explicit GuardedFloats(const std::vector<float>& values);

  float* data() const { return floats_.data(); }
  float& operator[](size_t i) const { return floats_[i]; }
  size_t size() const { return floats_.size(); }
  std::vector<float> copy() const { return {floats_.begin(), floats_.end()}; }

 private:
  GuardedBuffer buffer_;
  std::span<float> floats_;
};

std::vector<float> normal_floats(std::mt19937& random, size_t n, float deviation = 1.0f);

// Equal as bits: what `==` says of floats neither tells zeros apart nor NaNs alike.
testing::AssertionResult same_bits(std::span<const float> a, std::span<const float> b);

// Every table that this processor runs, from the plainest to the fastest.
std::vector<const KernelTable*> available_tables();

class KernelTest : public testing::TestWithParam<const KernelTable*> {
 protected:
  const KernelTable& kernels() const { return *GetParam(); }

  std::mt19937 random_{20240229};
};

inline std::string table_name(const testing::TestParamInfo<const KernelTable*>& test) {
  return test.param->name;
}

}  // namespace flexinfer
