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

uint64_t sum_of_words(std::span<const std::byte> bytes) {
  typedef uint64_t Words __attribute__((vector_size(64)));
  Words sum = {};
  for (size_t at = 0; at + sizeof sum <= bytes.size(); at += sizeof sum) {
    Words words;
    std::memcpy(&words, bytes.data() + at, sizeof words);
    sum += words;
  }
  return sum[0] + sum[1] + sum[2] + sum[3] + sum[4] + sum[5] + sum[6] + sum[7];
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
