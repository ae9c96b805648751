// What it costs to hand work to the threads and to wait for the last of them: the price of every region of a
// forward pass.
#include <benchmark/benchmark.h>

#include <chrono>
#include <thread>

#include "base/thread_pool.h"

namespace flexinfer {
namespace {

constexpr int64_t kGrains = 64;

// Regions that follow at once: the workers still spin.
void run_region(benchmark::State& state) {
  ThreadPool pool(static_cast<int>(state.range(0)));
  for (auto _ : state)
    pool.run([](int worker, int) { benchmark::DoNotOptimize(worker); });
}

// The same as a loop whose parts workers take from each other.
void run_loop(benchmark::State& state) {
  ThreadPool pool(static_cast<int>(state.range(0)));
  for (auto _ : state) {
    pool.parallel_for(kGrains, 1,
                      [](int, int64_t begin, int64_t end) { benchmark::DoNotOptimize(begin + end); });
  }
}

// A region after a pause in which the workers have gone to sleep, as after waiting for the disk.
void run_region_after_a_pause(benchmark::State& state) {
  using Clock = std::chrono::steady_clock;
  ThreadPool pool(static_cast<int>(state.range(0)));
  for (auto _ : state) {
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    const auto start = Clock::now();
    pool.run([](int worker, int) { benchmark::DoNotOptimize(worker); });
    state.SetIterationTime(std::chrono::duration<double>(Clock::now() - start).count());
  }
}

void register_benchmarks() {
  const auto hardware = static_cast<int64_t>(std::thread::hardware_concurrency());
  for (int64_t threads = 1; threads <= hardware; threads *= 2) {
    const auto add = [&](const char* name, void (*function)(benchmark::State&)) {
      return benchmark::RegisterBenchmark(name, function)->ArgName("threads")->Arg(threads);
    };
    add("region", run_region)->UseRealTime();
    add("loop", run_loop)->UseRealTime();
    add("region_after_a_pause", run_region_after_a_pause)->UseManualTime()->Iterations(500);
  }
}

}  // namespace
}  // namespace flexinfer

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  flexinfer::register_benchmarks();
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
