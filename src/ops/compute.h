// What an operation computes with: the kernels of this processor and the threads of this run.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/function_ref.h"
#include "base/thread_pool.h"
#include "kernels/kernel_table.h"

namespace flexinfer {

// Borrowed by every operation; the pool is used by one thread at a time.
struct Compute {
  const KernelTable& kernels;
  ThreadPool& pool;

  // Calls fn(begin, end) for parts of [0, n), multiples of `grain` long, that the threads share out. An item
  // is work on so many elements: where all of them together are not worth waking a thread for, it is one
  // part. One item is done by the caller: a part of a split may split it.
  void split(int64_t n, int64_t elements_each, FunctionRef<void(int64_t begin, int64_t end)> fn,
             int64_t grain = 1) const {
    split_among_workers(
        n, elements_each, [&](int, int64_t begin, int64_t end) { fn(begin, end); }, grain);
  }

  // The same, for what needs memory of its own on each thread: `worker` is below pool.size().
  void split_among_workers(int64_t n, int64_t elements_each,
                           FunctionRef<void(int worker, int64_t begin, int64_t end)> fn,
                           int64_t grain = 1) const {
    const bool worth_waking = elements_each > kWorthWaking / std::max<int64_t>(n, 1);
    pool.parallel_for(n, worth_waking ? grain : n, fn);
  }

 private:
  static constexpr int64_t kWorthWaking = 32768;  // elements: some microseconds of one thread
};

// Rows of f32 activations, `stride` floats apart; every row starts on a 64-byte border.
struct Rows {
  float* data = nullptr;
  int64_t n_rows = 0;
  int64_t cols = 0;
  int64_t stride = 0;

  float* row(int64_t index) const { return data + index * stride; }
  Rows first(int64_t n) const { return {data, n, cols, stride}; }
  Rows only(int64_t index) const { return {row(index), 1, cols, stride}; }
};

// Floats from one row to the next so that each starts on a 64-byte border.
constexpr int64_t padded_cols(int64_t cols) {
  return (cols + 15) / 16 * 16;
}

}  // namespace flexinfer
