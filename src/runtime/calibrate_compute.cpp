#include "runtime/calibrate_compute.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "base/clock.h"
#include "base/page_buffer.h"
#include "kernels/interleave.h"
#include "ops/matmul.h"

namespace flexinfer {
namespace {

constexpr int64_t kCols = 4096;             // of the weights: whole blocks of every type
constexpr uint64_t kPartBytes = 64 * kMiB;  // that one product reads: a large matrix
constexpr int64_t kBatch = 64;              // tokens from which on a product is bound by arithmetic
constexpr int64_t kBatchRows = 1024;
constexpr int kRegions = 200;          // in one measurement of the pool
constexpr double kMemoryShare = 0.2;   // of the time; the rest is shared by the types
constexpr unsigned char kByte = 0x11;  // repeated, an ordinary number in every type: no zeros, no infinities

// Calls `work`, with the number of the call, until `seconds` are over, at least twice: the first call warms
// up. Seconds of the fastest call and of the median one.
struct Timing {
  double fastest = 0;
  double median = 0;
};
Timing time_calls(double seconds, const std::stop_token& stop, const std::function<void(size_t)>& work) {
  work(0);
  std::vector<double> times;
  const uint64_t start = now_ns();
  do {
    const uint64_t begin = now_ns();
    work(times.size() + 1);
    times.push_back(seconds_since(begin));
  } while (seconds_since(start) < seconds && !stop.stop_requested());
  std::sort(times.begin(), times.end());
  return {times.front(), times[times.size() / 2]};
}

// Four sums, so that no addition waits for the one before.
uint64_t sum_words(std::span<const std::byte> bytes) {
  uint64_t sums[4] = {};
  for (size_t i = 0; i + 32 <= bytes.size(); i += 32) {
    uint64_t words[4];
    std::memcpy(words, bytes.data() + i, sizeof words);
    for (int w = 0; w < 4; ++w)
      sums[w] += words[w];
  }
  return sums[0] + sums[1] + sums[2] + sums[3];
}

double memory_speed(ThreadPool& pool, const PageBuffer& memory, double seconds, const std::stop_token& stop) {
  std::vector<uint64_t> sums(static_cast<size_t>(pool.size()) * 8);  // a cache line for each thread
  const Timing timing = time_calls(seconds, stop, [&](size_t) {
    pool.run([&](int worker, int n_workers) {
      const Range range = static_range(static_cast<int64_t>(memory.size()), worker, n_workers, kPageBytes);
      sums[static_cast<size_t>(worker) * 8] = sum_words(memory.bytes().subspan(
          static_cast<size_t>(range.begin), static_cast<size_t>(range.end - range.begin)));
    });
  });
  return static_cast<double>(memory.size()) / timing.fastest;
}

double region_speed(ThreadPool& pool, const std::stop_token& stop) {
  const Timing timing = time_calls(0, stop, [&](size_t) {
    for (int i = 0; i < kRegions; ++i)
      pool.run([](int, int) {});
  });
  return timing.median / kRegions;
}

// Activations, scratch and outputs of the products.
struct Operands {
  PageBuffer storage;
  Rows in;
  Rows out;
  std::byte* scratch = nullptr;

  static Result<Operands> make(int64_t most_rows) {
    const uint64_t in_bytes = kBatch * kCols * sizeof(float);
    const uint64_t out_bytes =
        static_cast<uint64_t>(padded_cols(std::max(most_rows, kBatch * kBatchRows))) * 4;
    Operands operands;
    FLEX_TRY(operands.storage,
             PageBuffer::allocate(in_bytes + out_bytes + matmul_scratch_bytes(kBatch, kCols)));
    auto* data = reinterpret_cast<float*>(operands.storage.data());
    std::fill_n(data, kBatch * kCols, 0.5F);
    operands.in = {data, kBatch, kCols, kCols};
    operands.out = {data + kBatch * kCols, kBatch, kBatchRows, kBatchRows};
    operands.scratch = operands.storage.data() + in_bytes + out_bytes;
    return operands;
  }
};

// Times products of one type with weights that come from memory: each call takes another part of a set that
// is well beyond the caches.
class ProductTimer {
 public:
  ProductTimer(const Compute& compute, GgmlType type, const PageBuffer& weights, const Operands& operands,
               const std::stop_token& stop)
      : compute_(compute), type_(type), weights_(weights), operands_(operands), stop_(stop) {}

  ProductSpeed measure(double seconds) const {
    const bool interleaved = has_panels(type_) && compute_.kernels.panel_rows > 0;
    const RowLayout locked = interleaved ? RowLayout::kInterleaved : RowLayout::kStored;
    const double bytes = static_cast<double>(all_rows_) * static_cast<double>(stride_);
    const int64_t rows = std::min(all_rows_, kBatchRows);
    ProductSpeed speed{type_};
    speed.bytes_per_second = bytes / time(1, all_rows_, RowLayout::kStored, seconds / 3);
    speed.laid_out_bytes_per_second = bytes / time(1, all_rows_, locked, seconds / 3);
    speed.multiply_adds_per_second =
        static_cast<double>(rows * kCols * kBatch) / time(kBatch, rows, locked, seconds / 3);
    return speed;
  }

 private:
  double time(int64_t n_tokens, int64_t n_rows, RowLayout layout, double seconds) const {
    Rows in = operands_.in;
    in.n_rows = n_tokens;
    const Rows out{operands_.out.data, n_tokens, n_rows, n_rows};
    const auto multiply = [&](size_t call) {
      const std::byte* part = weights_.data() + call % n_parts_ * part_bytes_;
      const MatrixProduct product{type_, part, stride_, layout, out};
      MatmulInput(compute_, in, operands_.scratch).multiply({&product, 1});
    };
    return time_calls(seconds, stop_, multiply).median;
  }

  const Compute& compute_;
  const GgmlType type_;
  const PageBuffer& weights_;
  const Operands& operands_;
  const std::stop_token& stop_;
  const size_t stride_ = static_cast<size_t>(*row_bytes(type_, static_cast<uint64_t>(kCols)));
  const uint64_t part_bytes_ = std::min(kPartBytes, weights_.size());
  const uint64_t n_parts_ = weights_.size() / part_bytes_;
  // Whole panels.
  const int64_t all_rows_ = static_cast<int64_t>(part_bytes_ / stride_) / kMostPanelRows * kMostPanelRows;
};

}  // namespace

Result<ComputeSpeed> calibrate_compute(const Compute& compute, std::span<const GgmlType> types,
                                       double seconds, uint64_t memory_bytes, const std::stop_token& stop,
                                       const std::function<void(double)>& on_progress) {
  FLEX_TRY(const PageBuffer memory, PageBuffer::allocate(memory_bytes));
  std::memset(memory.data(), kByte, memory.size());
  const uint64_t smallest_row = *row_bytes(GgmlType::kQ2_K, static_cast<uint64_t>(kCols));
  const uint64_t part_bytes = std::min(kPartBytes, memory.size());
  FLEX_TRY(const Operands operands, Operands::make(static_cast<int64_t>(part_bytes / smallest_row)));
  ComputeSpeed speed;
  speed.memory_bytes_per_second = memory_speed(compute.pool, memory, seconds * kMemoryShare, stop);
  speed.region_seconds = region_speed(compute.pool, stop);
  const double part = seconds * (1 - kMemoryShare) / static_cast<double>(std::max<size_t>(types.size(), 1));
  for (size_t i = 0; i < types.size(); ++i) {
    on_progress(static_cast<double>(i) / static_cast<double>(types.size()));
    if (stop.stop_requested()) return make_error(ErrorCode::kCancelled, "cancelled");
    if (!can_multiply(types[i])) continue;
    speed.products.push_back(ProductTimer(compute, types[i], memory, operands, stop).measure(part));
    // What a product reads, memory gives.
    speed.memory_bytes_per_second =
        std::max(speed.memory_bytes_per_second, speed.products.back().laid_out_bytes_per_second);
  }
  speed.measured = true;
  return speed;
}

}  // namespace flexinfer
