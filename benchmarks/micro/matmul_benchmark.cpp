// One core's speed of every matrix product of quantised weights, for each instruction set: GB/s of weights,
// which memory bounds for one token, and G multiply-adds/s, which arithmetic bounds for many.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <cstring>
#include <memory>
#include <random>
#include <vector>

#include "base/page_buffer.h"
#include "kernels/kernel_table.h"

namespace flexinfer {
namespace {

// The shape of gate and up of an 8B model together: larger than a cache in every type.
constexpr int64_t kRows = 28672;
constexpr int64_t kCols = 4096;
constexpr int64_t kMaxTokens = 64;

struct Operands {
  PageBuffer weights;
  PageBuffer activations;
  std::vector<float> out;
};

// Bytes below 64 make finite halves of whichever two become a scale.
void fill(PageBuffer& buffer) {
  std::mt19937_64 random(1);
  for (uint64_t at = 0; at < buffer.size(); at += sizeof(uint64_t)) {
    const uint64_t bytes = random() & 0x3f3f3f3f3f3f3f3f;
    std::memcpy(buffer.data() + at, &bytes, sizeof bytes);
  }
}

void quantise_activations(const PageBuffer& buffer) {
  std::mt19937 random(2);
  std::normal_distribution<float> normal;
  std::vector<float> row(kCols);
  for (int64_t t = 0; t < kMaxTokens; t++) {
    for (float& value : row)
      value = normal(random);
    std::byte* token = buffer.data() + static_cast<size_t>(t) * q8_row_bytes(kCols);
    find_kernels("generic")->quantise_row(row.data(), kCols, q8_row_at(token, kCols));
  }
}

Result<Operands> make_operands() {
  const uint64_t largest_row = *row_bytes(GgmlType::kQ8_0, kCols);
  Operands operands;
  FLEX_TRY(operands.weights, PageBuffer::allocate(kRows * largest_row));
  FLEX_TRY(operands.activations, PageBuffer::allocate(kMaxTokens * q8_row_bytes(kCols)));
  operands.out.resize(kRows * kMaxTokens);
  fill(operands.weights);
  quantise_activations(operands.activations);
  return operands;
}

void multiply(benchmark::State& state, const KernelTable::Matmul& kernel, Operands& operands) {
  const MatmulArgs args = {.weights = operands.weights.data(),
                           .row_bytes = static_cast<size_t>(*row_bytes(kernel.type, kCols)),
                           .n_rows = kRows,
                           .cols = kCols,
                           .activations = operands.activations.data(),
                           .activation_bytes = q8_row_bytes(kCols),
                           .n_tokens = state.range(0),
                           .out = operands.out.data(),
                           .out_stride = kRows};
  for ([[maybe_unused]] auto _ : state) {
    kernel.matmul(args);
    benchmark::ClobberMemory();
  }
  const auto rate = [](double per_call) {
    return benchmark::Counter(per_call * 1e-9, benchmark::Counter::kIsIterationInvariantRate);
  };
  state.counters["GB/s"] = rate(static_cast<double>(args.row_bytes) * kRows);
  state.counters["GMAC/s"] = rate(static_cast<double>(kRows * kCols * args.n_tokens));
}

void register_benchmarks(Operands& operands) {
  for (const char* name : {"generic", "avx2", "avx512"}) {
    const KernelTable* table = find_kernels(name);
    if (table == nullptr) continue;
    for (const KernelTable::Matmul& kernel : table->matmuls) {
      if (kernel.matmul == nullptr || activation_kind(kernel.type) != ActivationKind::kQ8) continue;
      benchmark::RegisterBenchmark(fmt::format("{}/{}", name, ggml_type_info(kernel.type).name).c_str(),
                                   [&](benchmark::State& state) { multiply(state, kernel, operands); })
          ->ArgName("tokens")
          ->Arg(1)
          ->Arg(4)
          ->Arg(kMaxTokens)
          ->MinTime(0.1)
          ->Unit(benchmark::kMillisecond);
    }
  }
}

}  // namespace
}  // namespace flexinfer

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  auto operands = flexinfer::make_operands();
  if (!operands) {
    fmt::print(stderr, "{}\n", operands.error().message);
    return 1;
  }
  flexinfer::register_benchmarks(*operands);
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
