// What the tests of operations share: rows of activations, and threads to compute with.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <random>
#include <vector>

#include "ops/compute.h"
#include "unit/kernels/kernel_fixture.h"

namespace flexinfer {

// Of one rounding, relative to its result.
inline constexpr double kRounding = std::numeric_limits<float>::epsilon() / 2;

// Owns rows; the last one ends where the allocation does, but for its padding.
class Matrix {
 public:
  Matrix(int64_t n_rows, int64_t cols)
      : lines_(static_cast<size_t>(n_rows * padded_cols(cols) / 16)),
        rows_{lines_.data()->values, n_rows, cols, padded_cols(cols)} {}
  Matrix(std::mt19937& random, int64_t n_rows, int64_t cols, float deviation = 1.0f) : Matrix(n_rows, cols) {
    std::normal_distribution<float> normal(0.0f, deviation);
    for (int64_t r = 0; r < n_rows; ++r) {
      std::generate_n(row(r), cols, [&] { return normal(random); });
    }
  }
  Matrix(const Matrix& other) : lines_(other.lines_), rows_(other.rows_) {
    rows_.data = lines_.data()->values;
  }
  Matrix& operator=(const Matrix&) = delete;

  const Rows& rows() const { return rows_; }
  Rows part(int64_t first, int64_t n_rows) const { return {row(first), n_rows, rows_.cols, rows_.stride}; }
  float* row(int64_t r) const { return rows_.row(r); }
  float at(int64_t r, int64_t col) const { return row(r)[col]; }

  // All elements, row after row, without the padding.
  std::vector<float> values() const {
    std::vector<float> all;
    for (int64_t r = 0; r < rows_.n_rows; ++r)
      all.insert(all.end(), row(r), row(r) + rows_.cols);
    return all;
  }

 private:
  struct alignas(64) Line {
    float values[16] = {};
  };
  std::vector<Line> lines_;
  Rows rows_;
};

// Some threads of one table's kernels.
class Workers {
 public:
  Workers(const KernelTable& kernels, int n_threads) : pool_(n_threads), compute_{kernels, pool_} {}
  const Compute& compute() const { return compute_; }

 private:
  ThreadPool pool_;
  Compute compute_;
};

inline constexpr int kThreadCounts[] = {1, 2, 3, 5};

// Every table, on one thread unless a test says otherwise.
class OpsTest : public KernelTest {
 protected:
  const Compute& compute() const { return one_.compute(); }

 private:
  Workers one_{kernels(), 1};
};

}  // namespace flexinfer
