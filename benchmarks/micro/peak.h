// What this machine could do at best, measured: the bounds that kernels stand beside.
#pragma once

#include <cstddef>
#include <span>

#include "base/thread_pool.h"

namespace flexinfer {

struct MachinePeak {
  double read_bytes = 0;      // per second, of memory
  double byte_products = 0;   // multiply-adds per second in registers; 0 where no loop of ours is for this
  double float_products = 0;  // processor
};

// Of all threads of the pool together. `memory` is much larger than the caches and has been written.
MachinePeak measure_peak(ThreadPool& pool, std::span<const std::byte> memory);

}  // namespace flexinfer
