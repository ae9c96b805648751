// What an operation computes with: the kernels of this processor and the threads of this run.
#pragma once

#include <cstdint>

#include "base/function_ref.h"
#include "base/thread_pool.h"
#include "kernels/kernel_table.h"

namespace flexinfer {

// Borrowed by every operation; the pool is used by one thread at a time.
struct Compute {
  const KernelTable& kernels;
  ThreadPool& pool;

  // Calls fn(begin, end) over [0, n) split among the threads; a single item is not worth waking them for.
  void split(int64_t n, FunctionRef<void(int64_t begin, int64_t end)> fn) const {
    if (n == 1) {
      fn(0, 1);
    } else {
      pool.parallel_for(n, 1, fn);
    }
  }
};

// Rows of f32 activations, `stride` floats apart; every row starts on a 64-byte border.
struct Rows {
  float* data = nullptr;
  int64_t n_rows = 0;
  int64_t cols = 0;
  int64_t stride = 0;

  float* row(int64_t index) const { return data + index * stride; }
};

// Floats from one row to the next so that each starts on a 64-byte border.
constexpr int64_t padded_cols(int64_t cols) {
  return (cols + 15) / 16 * 16;
}

}  // namespace flexinfer
