// The speed of every matrix product beside what this machine could do at best, measured in the same run: GB/s
// of weights, which memory bounds for a few tokens, G multiply-adds/s, which arithmetic bounds for many, and
// the share of whichever bound is nearer.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "base/page_buffer.h"
#include "base/thread_pool.h"
#include "kernels/interleave.h"
#include "kernels/kernel_table.h"
#include "micro/peak.h"

namespace flexinfer {
namespace {

// The shape of gate and up of an 8B model together, many of them one after the other: caches shared by a
// whole socket hold hundreds of MiB. Where arithmetic is the bound, fewer rows do.
constexpr int64_t kRows = 28672;
constexpr size_t kWeightBytes = size_t{1} << 31;
constexpr int64_t kRowsOfPrompt = 2048;
constexpr int64_t kCols = 4096;
constexpr int64_t kPromptTokens = 512;

struct Bench {
  PageBuffer weights;
  PageBuffer floats;
  PageBuffer quantised;
  std::vector<float> out;
  std::array<std::unique_ptr<ThreadPool>, 3> pools;  // by their number of threads
  std::array<MachinePeak, 3> peaks;
};

// Bytes below 64 make finite halves of whichever two become a scale, and finite floats of any kind.
void fill(PageBuffer& buffer) {
  std::mt19937_64 random(1);
  for (uint64_t at = 0; at < buffer.size(); at += sizeof(uint64_t)) {
    const uint64_t bytes = random() & 0x3f3f3f3f3f3f3f3f;
    std::memcpy(buffer.data() + at, &bytes, sizeof bytes);
  }
}

void make_activations(Bench& bench) {
  std::mt19937 random(2);
  std::normal_distribution<float> normal;
  for (size_t t = 0; t < kPromptTokens; t++) {
    auto* row = reinterpret_cast<float*>(bench.floats.data()) + t * kCols;
    std::generate_n(row, kCols, [&] { return normal(random); });
    find_kernels("generic")->quantise_row(row, kCols,
                                          q8_row_at(bench.quantised.data() + t * q8_row_bytes(kCols), kCols));
  }
}

Result<Bench> make_bench() {
  Bench bench;
  FLEX_TRY(bench.weights, PageBuffer::allocate(kWeightBytes));
  FLEX_TRY(bench.floats, PageBuffer::allocate(kPromptTokens * kCols * sizeof(float)));
  FLEX_TRY(bench.quantised, PageBuffer::allocate(kPromptTokens * q8_row_bytes(kCols)));
  bench.out.resize(std::max(kRows * 8, kRowsOfPrompt * kPromptTokens));
  fill(bench.weights);
  make_activations(bench);
  for (int n : {1, 2}) {
    const auto i = static_cast<size_t>(n);
    bench.pools[i] = std::make_unique<ThreadPool>(n);
    bench.peaks[i] = measure_peak(*bench.pools[i], {bench.weights.data(), bench.weights.size()});
    fmt::print(
        "{} thread{}: memory read at {:.1f} GB/s; G multiply-adds/s in registers: {:.0f} of bytes, {:.0f} of "
        "floats\n",
        n, n == 1 ? "" : "s", bench.peaks[i].read_bytes * 1e-9, bench.peaks[i].byte_products * 1e-9,
        bench.peaks[i].float_products * 1e-9);
  }
  return bench;
}

MatmulArgs make_args(Bench& bench, GgmlType type, int64_t n_tokens, RowLayout layout) {
  const bool is_f32 = activation_kind(type) == ActivationKind::kF32;
  return {.weights = bench.weights.data(),
          .row_bytes = static_cast<size_t>(*row_bytes(type, kCols)),
          .n_rows = n_tokens == kPromptTokens ? kRowsOfPrompt : kRows,
          .cols = kCols,
          .activations = is_f32 ? bench.floats.data() : bench.quantised.data(),
          .activation_bytes = is_f32 ? kCols * sizeof(float) : q8_row_bytes(kCols),
          .n_tokens = n_tokens,
          .out = bench.out.data(),
          .out_stride = n_tokens == kPromptTokens ? kRowsOfPrompt : kRows,
          .layout = layout};
}

// Rows are shared out as in ops/matmul.cpp.
void multiply_on(ThreadPool& pool, MatmulFn matmul, const MatmulArgs& args) {
  pool.parallel_for(args.n_rows, kMostPanelRows, [&](int, int64_t begin, int64_t end) {
    MatmulArgs part = args;
    part.weights += static_cast<size_t>(begin) * args.row_bytes;
    part.n_rows = end - begin;
    part.out += begin;
    matmul(part);
  });
}

void multiply(benchmark::State& state, const KernelTable::Matmul& kernel, RowLayout layout, Bench& bench) {
  MatmulArgs args = make_args(bench, kernel.type, state.range(0), layout);
  const auto n_threads = static_cast<size_t>(state.range(1));
  const size_t matrix_bytes = args.row_bytes * static_cast<size_t>(args.n_rows);
  size_t matrix = 0;
  for ([[maybe_unused]] auto _ : state) {
    args.weights = bench.weights.data() + matrix++ % (kWeightBytes / matrix_bytes) * matrix_bytes;
    multiply_on(*bench.pools[n_threads], kernel.matmul, args);
    benchmark::ClobberMemory();
  }
  const auto bytes = static_cast<double>(matrix_bytes);
  const auto products = static_cast<double>(args.n_rows * kCols * args.n_tokens);
  const auto rate = [](double per_call) {
    return benchmark::Counter(per_call, benchmark::Counter::kIsIterationInvariantRate);
  };
  state.counters["GB/s"] = rate(bytes * 1e-9);
  state.counters["GMAC/s"] = rate(products * 1e-9);
  const MachinePeak& peak = bench.peaks[n_threads];
  const double product_peak =
      activation_kind(kernel.type) == ActivationKind::kF32 ? peak.float_products : peak.byte_products;
  state.counters["%memory"] = rate(100 * bytes / peak.read_bytes);
  if (product_peak > 0) state.counters["%peak"] = rate(100 * products / product_peak);
}

// Random bytes mean as much laid out as in rows.
void register_kernel(const KernelTable& table, const KernelTable::Matmul& kernel, RowLayout layout,
                     Bench& bench) {
  const bool is_interleaved = layout == RowLayout::kInterleaved;
  const std::string name = fmt::format("{}/{}{}", table.name, ggml_type_info(kernel.type).name,
                                       is_interleaved ? "/interleaved" : "");
  benchmark::RegisterBenchmark(
      name.c_str(),
      [&kernel, layout, &bench](benchmark::State& state) { multiply(state, kernel, layout, bench); })
      ->ArgNames({"tokens", "threads"})
      ->ArgsProduct({{1, 4, 8, kPromptTokens}, {1, 2}})
      ->MinTime(0.1)
      ->UseRealTime()
      ->Unit(benchmark::kMillisecond);
}

void register_benchmarks(Bench& bench) {
  for (const char* name : {"generic", "avx2", "avx512", "amx", "neon", "neon_dotprod", "neon_i8mm"}) {
    const KernelTable* table = find_kernels(name);
    if (table == nullptr) continue;
    for (const KernelTable::Matmul& kernel : table->matmuls) {
      if (kernel.matmul == nullptr) continue;
      register_kernel(*table, kernel, RowLayout::kStored, bench);
      if (table->panel_rows > 0 && has_panels(kernel.type))
        register_kernel(*table, kernel, RowLayout::kInterleaved, bench);
    }
  }
}

}  // namespace
}  // namespace flexinfer

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  auto bench = flexinfer::make_bench();
  if (!bench) {
    fmt::print(stderr, "{}\n", bench.error().message);
    return 1;
  }
  flexinfer::register_benchmarks(*bench);
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
