#include "base/thread_pool.h"

#include <algorithm>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace flexinfer {
namespace {

// Long enough to bridge the gap between two regions of a forward pass, short enough not to burn a core that
// waits for the disk.
constexpr int kSpins = 4000;

// A worker takes its share in so many steps: what is left of it others can help with.
constexpr int64_t kStepsOfAShare = 8;

void cpu_relax() {
#if defined(__x86_64__)
  _mm_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// Waits until `value` differs from `old`: spins, then sleeps on the atomic's futex.
template <class T>
T wait_for_change(const std::atomic<T>& value, T old) {
  for (int i = 0; i < kSpins; ++i) {
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
    : n_threads_(std::max(1, n_threads)), shares_(static_cast<size_t>(n_threads_)) {
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
  task_ = &fn;
  pending_.store(n_threads_ - 1, std::memory_order_relaxed);
  generation_.fetch_add(1, std::memory_order_release);
  generation_.notify_all();
  fn(0, n_threads_);
  for (int left = pending_.load(std::memory_order_acquire); left != 0;)
    left = wait_for_change(pending_, left);
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
    share.step = (range.end - range.begin + kStepsOfAShare * grain - 1) / (kStepsOfAShare * grain) * grain;
  }
  run([&](int worker, int n_workers) {
    for (int i = 0; i < n_workers; ++i) {
      Share& share = shares_[static_cast<size_t>((worker + i) % n_workers)];
      while (share.next.load(std::memory_order_relaxed) < share.end) {
        const int64_t begin = share.next.fetch_add(share.step, std::memory_order_relaxed);
        if (begin < share.end) fn(worker, begin, std::min(begin + share.step, share.end));
      }
    }
  });
}

void ThreadPool::worker_loop(int worker) {
  uint32_t seen = 0;
  while (true) {
    seen = wait_for_change(generation_, seen);
    if (stopping_.load(std::memory_order_relaxed)) return;
    (*task_)(worker, n_threads_);
    if (pending_.fetch_sub(1, std::memory_order_acq_rel) == 1) pending_.notify_one();
  }
}

}  // namespace flexinfer
