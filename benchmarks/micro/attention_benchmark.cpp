// Attention of one layer over a long cache, all threads of the machine: time of a decoding step and of a
// prompt chunk beside the bytes of keys and values that they read.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <cstring>
#include <random>
#include <vector>

#include "base/page_buffer.h"
#include "base/processors.h"
#include "base/thread_pool.h"
#include "ops/attention.h"

namespace flexinfer {
namespace {

// Heads as those of an 8B model.
const AttentionShape kShape = {.n_heads = 32, .n_kv_heads = 8, .head_dim = 128, .scale = 0.088F};
constexpr int64_t kLayers = 8;  // together larger than a cache, so that each step reads memory

struct CacheMemory {
  CacheLayer layer;
  PageBuffer memory;
};

std::vector<float> normal_floats(int64_t n) {
  std::mt19937 random(2);
  std::normal_distribution<float> normal;
  std::vector<float> values(static_cast<size_t>(n));
  for (float& value : values)
    value = normal(random);
  return values;
}

// Rows of a cache, a few of them over and over: what is stored does not matter, but that numbers are such as
// a model makes, not ones that take a processor longer.
void fill(const KernelTable& kernels, const CacheMemory& cache) {
  constexpr int64_t kRows = 64;
  const std::vector<float> floats = normal_floats(kRows * kShape.head_dim);
  const CacheStoreFn store = kernels.cache_store[static_cast<size_t>(cache.layer.type)];
  const size_t n_rows = cache.memory.size() / cache.layer.row_bytes;
  for (size_t row = 0; row < n_rows; row++) {
    store(floats.data() + row * 31 % kRows * kShape.head_dim,
          cache.memory.data() + row * cache.layer.row_bytes, kShape.head_dim);
  }
}

Result<CacheMemory> make_cache(const KernelTable& kernels, CacheType type, int64_t n_positions) {
  CacheMemory cache;
  cache.layer.type = type;
  cache.layer.capacity = n_positions;
  cache.layer.n_kv_heads = kShape.n_kv_heads;
  cache.layer.row_bytes = cache_row_bytes(type, kShape.head_dim);
  cache.layer.sequence_bytes = cache_sequence_bytes(n_positions, kShape.n_kv_heads, cache.layer.row_bytes);
  FLEX_TRY(cache.memory, PageBuffer::allocate(cache.layer.sequence_bytes * kLayers));
  fill(kernels, cache);
  return cache;
}

// The last n_tokens of n_positions attend, one layer after the other.
void attend_last(benchmark::State& state, const KernelTable& kernels, CacheType type, int64_t n_tokens) {
  const int64_t n_positions = state.range(0);
  auto cache = make_cache(kernels, type, n_positions);
  if (!cache) return state.SkipWithError(cache.error().message.c_str());
  ThreadPool pool(available_cores());
  const Compute compute{kernels, pool};
  const int64_t cols = kShape.n_heads * kShape.head_dim;
  std::vector<float> queries = normal_floats(n_tokens * cols);
  std::vector<float> out(queries.size());
  std::vector<int32_t> positions;
  for (int64_t t = 0; t < n_tokens; t++)
    positions.push_back(static_cast<int32_t>(n_positions - n_tokens + t));
  const std::vector<int32_t> sequences(positions.size(), 0);
  auto scratch = PageBuffer::allocate(attention_scratch_bytes(kShape, n_tokens, n_positions, pool.size()));
  if (!scratch) return state.SkipWithError(scratch.error().message.c_str());
  int64_t step = 0;
  for ([[maybe_unused]] auto _ : state) {
    CacheLayer layer = cache->layer;
    layer.data = cache->memory.data() + static_cast<size_t>(step++ % kLayers) * layer.sequence_bytes;
    attend(compute, kShape, {}, {positions, sequences}, {queries.data(), n_tokens, cols, cols}, layer,
           scratch->data(), {out.data(), n_tokens, cols, cols});
    benchmark::ClobberMemory();
  }
  const auto rate = [](double per_call) {
    return benchmark::Counter(per_call * 1e-9, benchmark::Counter::kIsIterationInvariantRate);
  };
  state.counters["GB/s"] = rate(static_cast<double>(cache->layer.sequence_bytes));
  state.counters["GMAC/s"] = rate(static_cast<double>(2 * n_tokens * n_positions * cols));
}

// What a loop may take at best: every thread only reads.
void read_memory(benchmark::State& state) {
  auto buffer = PageBuffer::allocate(uint64_t{1} << 30);
  if (!buffer) return state.SkipWithError(buffer.error().message.c_str());
  std::memset(buffer->data(), 1, buffer->size());
  ThreadPool pool(available_cores());
  std::vector<uint64_t> sums(static_cast<size_t>(pool.size()) * 8);
  constexpr int64_t kPiece = 1 << 18;
  for ([[maybe_unused]] auto _ : state) {
    pool.parallel_for(static_cast<int64_t>(buffer->size()) / kPiece, 1,
                      [&](int worker, int64_t begin, int64_t end) {
                        const auto* words = reinterpret_cast<const uint64_t*>(buffer->data());
                        uint64_t sum = 0;
                        for (int64_t i = begin * kPiece / 8; i < end * kPiece / 8; i++)
                          sum += words[i];
                        sums[static_cast<size_t>(worker) * 8] += sum;
                      });
    benchmark::DoNotOptimize(sums.data());
  }
  state.counters["GB/s"] = benchmark::Counter(static_cast<double>(buffer->size()) * 1e-9,
                                              benchmark::Counter::kIsIterationInvariantRate);
}

void register_attention(const KernelTable& table, const char* cache_name, CacheType type) {
  for (const int64_t n_tokens : {1, 4, 64}) {
    benchmark::RegisterBenchmark(
        fmt::format("attention/{}/{}/tokens:{}", table.name, cache_name, n_tokens).c_str(),
        [&table, type, n_tokens](benchmark::State& state) { attend_last(state, table, type, n_tokens); })
        ->ArgName("positions")
        ->Arg(4096)
        ->Arg(8192)
        ->Arg(32768)
        ->MinTime(0.2)
        ->UseRealTime()
        ->Unit(benchmark::kMicrosecond);
  }
}

void register_benchmarks() {
  benchmark::RegisterBenchmark("memory/read", read_memory)->UseRealTime()->Unit(benchmark::kMillisecond);
  for (const char* name : {"generic", "avx2", "avx512", "neon"}) {
    const KernelTable* table = find_kernels(name);
    if (table == nullptr) continue;
    register_attention(*table, "f32", CacheType::kF32);
    register_attention(*table, "f16", CacheType::kF16);
    register_attention(*table, "q8_0", CacheType::kQ8_0);
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
