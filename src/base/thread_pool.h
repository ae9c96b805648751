// A small fork-join pool: every region runs the same function on all workers and waits for the last.
#pragma once

#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

#include "base/function_ref.h"

namespace flexinfer {

// The part of [0, n) that worker `index` of `count` works on: contiguous, sizes differ by at most one
// `grain`, and borders fall on multiples of `grain`.
struct Range {
  int64_t begin = 0;
  int64_t end = 0;
};
Range static_range(int64_t n, int index, int count, int64_t grain = 1);

// `run` is called from one thread at a time, the owner; it takes part as worker 0. Idle workers spin for some
// microseconds, then sleep in the kernel. Regions must not nest. `fn` must not throw. Destruction joins the
// workers.
//
// A busy neighbour on one core costs its share and no more. A loop does not wait for workers that have not
// begun when nothing is left to begin; and when workers were pushed off their core within a step twice in a
// while, so that all had to wait, they sleep between regions for a while. A worker that does not spin stays
// within its share of the core, and the kernel takes the core from it where it sleeps rather than within a
// step.
class ThreadPool {
 public:
  explicit ThreadPool(int n_threads);  // at least 1; 1 starts no thread
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int size() const { return n_threads_; }

  // Calls fn(worker, size()) on every worker at once and returns when all are done.
  void run(FunctionRef<void(int worker, int n_workers)> fn);

  // Calls fn(worker, begin, end) for parts of [0, n) that cover it once; borders fall on multiples of
  // `grain`. Each worker goes through its static_range in ever smaller steps and then helps others with the
  // rest of theirs: a worker whose core is taken by another process does not hold up the region for its whole
  // share. n <= grain is done by the caller alone.
  void parallel_for(int64_t n, int64_t grain, FunctionRef<void(int worker, int64_t begin, int64_t end)> fn);

 private:
  struct alignas(64) Share {  // a cache line each: workers count up their own
    std::atomic<int64_t> next{0};
    int64_t end = 0;
  };

  void begin_region(const FunctionRef<void(int, int)>& fn);
  void wait_for_workers(int n);
  void worker_loop(int worker);
  bool enter_region(uint32_t region);

  const int n_threads_;
  const FunctionRef<void(int, int)>* task_ = nullptr;  // written before generation_ is raised
  std::atomic<uint32_t> generation_{0};                // raised once a region; workers wait on it
  std::atomic<uint64_t> gate_{0};  // the region's generation, whether it is closed, how many have entered it
  std::atomic<int> n_left_{0};     // workers that have finished the region
  std::atomic<bool> stopping_{false};
  std::atomic<int> worker_spins_;
  int n_suspicious_regions_ = 0;  // to come until one that was held up is forgotten
  int n_calm_regions_ = 0;        // to come until workers spin again
  std::vector<Share> shares_;     // of the loop that runs; one a worker
  std::vector<std::thread> threads_;
};

}  // namespace flexinfer
