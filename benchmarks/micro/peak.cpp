#include "micro/peak.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstring>

#include "micro/peak_loops.h"

namespace flexinfer {
namespace {

constexpr int kRepeats = 10;           // the fastest counts
constexpr int kLoopSteps = 1'000'000;  // a fraction of a millisecond

// Seconds of the fastest of some runs of fn on all threads at once.
template <class Fn>
double fastest_seconds(ThreadPool& pool, Fn fn) {
  double fastest = 1e9;
  for (int i = 0; i < kRepeats; i++) {
    const auto begin = std::chrono::steady_clock::now();
    pool.run(fn);
    const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - begin;
    fastest = std::min(fastest, taken.count());
  }
  return fastest;
}

double measure_products(ThreadPool& pool, double (*loop)(int n)) {
  std::atomic<double> products = 0;  // the same on every thread
  const double seconds = fastest_seconds(pool, [&](int, int) { products = loop(kLoopSteps); });
  return products * pool.size() / seconds;
}

// In vectors that every processor has, several at a time: the sums must not wait for each other.
uint64_t sum_of_words(std::span<const std::byte> bytes) {
  typedef uint64_t Words __attribute__((vector_size(16)));
  constexpr size_t kSums = 4;
  Words sums[kSums] = {};
  for (size_t at = 0; at + sizeof sums <= bytes.size(); at += sizeof sums) {
#pragma GCC unroll 4
    for (size_t i = 0; i < kSums; i++) {
      Words words;
      std::memcpy(&words, bytes.data() + at + i * sizeof words, sizeof words);
      sums[i] += words;
    }
  }
  const Words sum = (sums[0] + sums[1]) + (sums[2] + sums[3]);
  return sum[0] + sum[1];
}

double measure_reading(ThreadPool& pool, std::span<const std::byte> memory) {
  std::atomic<uint64_t> sum = 0;  // what is read must be used
  const double seconds = fastest_seconds(pool, [&](int worker, int n_workers) {
    const Range part = static_range(static_cast<int64_t>(memory.size()), worker, n_workers, 4096);
    sum += sum_of_words(
        memory.subspan(static_cast<size_t>(part.begin), static_cast<size_t>(part.end - part.begin)));
  });
  return static_cast<double>(memory.size()) / seconds;
}

}  // namespace

MachinePeak measure_peak(ThreadPool& pool, std::span<const std::byte> memory) {
  MachinePeak peak;
  peak.read_bytes = measure_reading(pool, memory);
  if (const PeakLoops* loops = find_peak_loops()) {
    peak.byte_products = measure_products(pool, loops->multiply_bytes);
    peak.float_products = measure_products(pool, loops->multiply_floats);
  }
  return peak;
}

}  // namespace flexinfer
