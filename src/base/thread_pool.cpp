#include "base/thread_pool.h"

#include <algorithm>
#include <chrono>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace flexinfer {
namespace {

// Long enough to bridge the gap between two regions of a forward pass, short enough not to burn a core that
// waits for the disk.
constexpr int kSpins = 4000;

// Longer than a step of any matrix, shorter than the kernel lets a neighbour run at a time.
constexpr std::chrono::milliseconds kHeldUp{1};

// In regions: one that is held up so soon after another shows a neighbour, not a chance, of which a virtual
// machine has some in a second. Then workers do not spin for a while; those who sleep come late to a region.
constexpr int kSuspiciousRegions = 30;
constexpr int kCalmRegions = 300;

// Below the generation in the gate: a bit, then the number of workers that have entered.
constexpr int kGenerationShift = 32;
constexpr uint64_t kClosed = uint64_t{1} << 31;

// A worker takes such a part of what is left of a share at a time: others can help with the rest, and all end
// a region within a grain. Each time costs a product some hundred nanoseconds.
constexpr int64_t kPartsOfTheRest = 2;

void cpu_relax() {
#if defined(__x86_64__)
  _mm_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// Waits until `value` differs from `old`: spins, then sleeps on the atomic's futex.
template <class T>
T wait_for_change(const std::atomic<T>& value, T old, int n_spins) {
  for (int i = 0; i < n_spins; ++i) {
    const T seen = value.load(std::memory_order_acquire);
    if (seen != old) return seen;
    cpu_relax();
  }
  value.wait(old, std::memory_order_acquire);
  return value.load(std::memory_order_acquire);
}

}  // namespace

Range static_range(int64_t n, int index, int count, int64_t grain) {
  const int64_t n_grains = (n + grain - 1) / grain;
  const int64_t begin = n_grains * index / count * grain;
  const int64_t end = n_grains * (index + 1) / count * grain;
  return {std::min(begin, n), std::min(end, n)};
}

ThreadPool::ThreadPool(int n_threads)
    : n_threads_(std::max(1, n_threads)), worker_spins_(kSpins), shares_(static_cast<size_t>(n_threads_)) {
  threads_.reserve(static_cast<size_t>(n_threads_ - 1));
  for (int worker = 1; worker < n_threads_; ++worker) {
    threads_.emplace_back([this, worker] { worker_loop(worker); });
  }
}

ThreadPool::~ThreadPool() {
  stopping_.store(true, std::memory_order_relaxed);
  generation_.fetch_add(1, std::memory_order_release);
  generation_.notify_all();
  for (std::thread& thread : threads_)
    thread.join();
}

void ThreadPool::run(FunctionRef<void(int, int)> fn) {
  if (n_threads_ == 1) {
    fn(0, 1);
    return;
  }
  begin_region(fn);
  fn(0, n_threads_);
  wait_for_workers(n_threads_ - 1);
}

void ThreadPool::begin_region(const FunctionRef<void(int, int)>& fn) {
  task_ = &fn;
  n_left_.store(0, std::memory_order_relaxed);
  if (n_suspicious_regions_ > 0) --n_suspicious_regions_;
  if (n_calm_regions_ > 0 && --n_calm_regions_ == 0) worker_spins_.store(kSpins, std::memory_order_relaxed);
  const uint32_t generation = generation_.load(std::memory_order_relaxed) + 1;
  gate_.store(uint64_t{generation} << kGenerationShift, std::memory_order_release);
  generation_.store(generation, std::memory_order_release);
  generation_.notify_all();
}

void ThreadPool::wait_for_workers(int n) {
  int left = n_left_.load(std::memory_order_acquire);
  for (int i = 0; left < n && i < kSpins; ++i) {
    cpu_relax();
    left = n_left_.load(std::memory_order_acquire);
  }
  if (left >= n) return;
  const auto start = std::chrono::steady_clock::now();
  for (; left < n; left = n_left_.load(std::memory_order_acquire))
    n_left_.wait(left, std::memory_order_acquire);
  if (std::chrono::steady_clock::now() - start < kHeldUp) return;
  if (n_suspicious_regions_ > 0) {
    worker_spins_.store(0, std::memory_order_relaxed);
    n_calm_regions_ = kCalmRegions;
  }
  n_suspicious_regions_ = kSuspiciousRegions;
}

void ThreadPool::parallel_for(int64_t n, int64_t grain, FunctionRef<void(int, int64_t, int64_t)> fn) {
  if (n <= grain || n_threads_ == 1) {
    if (n > 0) fn(0, 0, n);
    return;
  }
  for (int worker = 0; worker < n_threads_; ++worker) {
    const Range range = static_range(n, worker, n_threads_, grain);
    Share& share = shares_[static_cast<size_t>(worker)];
    share.next.store(range.begin, std::memory_order_relaxed);
    share.end = range.end;
  }
  const auto work = [&](int worker, int n_workers) {
    for (int i = 0; i < n_workers; ++i) {
      Share& share = shares_[static_cast<size_t>((worker + i) % n_workers)];
      for (int64_t left; (left = share.end - share.next.load(std::memory_order_relaxed)) > 0;) {
        const int64_t step = (left + kPartsOfTheRest * grain - 1) / (kPartsOfTheRest * grain) * grain;
        const int64_t begin = share.next.fetch_add(step, std::memory_order_relaxed);
        if (begin < share.end) fn(worker, begin, std::min(begin + step, share.end));
      }
    }
  };
  const FunctionRef<void(int, int)> task = work;
  begin_region(task);
  work(0, n_threads_);
  const uint64_t gate = gate_.fetch_or(kClosed, std::memory_order_acq_rel);
  wait_for_workers(static_cast<int>(gate & (kClosed - 1)));
}

void ThreadPool::worker_loop(int worker) {
  uint32_t seen = 0;
  while (true) {
    seen = wait_for_change(generation_, seen, worker_spins_.load(std::memory_order_relaxed));
    if (stopping_.load(std::memory_order_relaxed)) return;
    if (!enter_region(seen)) continue;
    (*task_)(worker, n_threads_);
    n_left_.fetch_add(1, std::memory_order_acq_rel);
    n_left_.notify_one();
  }
}

// False where the region is over, or may not be entered any more.
bool ThreadPool::enter_region(uint32_t region) {
  uint64_t gate = gate_.load(std::memory_order_acquire);
  while (gate >> kGenerationShift == region && (gate & kClosed) == 0) {
    if (gate_.compare_exchange_weak(gate, gate + 1, std::memory_order_acq_rel)) return true;
  }
  return false;
}

}  // namespace flexinfer
