// The arithmetic of the forward pass, one table per instruction set, chosen once at run time.
// Kernels see pointers and shapes: no file, no budget, no thread. All are pure functions of their arguments.
//
// The rule that everything else rests on: an output element has the same bits whichever rows or tokens are
// computed in the same call, however a call is split into several. Each element is summed in an order that
// depends only on its own row, its own activations and the instruction set.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/ggml_type.h"
#include "base/result.h"
#include "flexinfer/options.h"
#include "quant/q8_activations.h"

namespace flexinfer {

// What a weight type is multiplied with: plain floats (F32, F16, BF16) or 8-bit activations (all others).
enum class ActivationKind : uint8_t { kF32, kQ8 };

// How the rows of a matrix lie in memory.
enum class RowLayout : uint8_t {
  kStored,       // as in the file: one after the other
  kInterleaved,  // panels of KernelTable::panel_rows rows as kernels/interleave.h says; the rows left, which
                 // are no whole panel, as in the file
};

// The operands of one matrix product: out[t * out_stride + r] = row r of weights . activations of token t.
// Weights lie at any address. A token's activations are f32[cols] or the Q8Row layout, aligned to 64 bytes.
struct MatmulArgs {
  const std::byte* weights = nullptr;
  size_t row_bytes = 0;  // distance between two rows
  int64_t n_rows = 0;
  int64_t cols = 0;
  const std::byte* activations = nullptr;
  size_t activation_bytes = 0;  // distance between two tokens' activations
  int64_t n_tokens = 0;
  float* out = nullptr;
  int64_t out_stride = 0;  // elements between two tokens' outputs
  RowLayout layout = RowLayout::kStored;
};
using MatmulFn = void (*)(const MatmulArgs&);

// Bytes of one head's vector of head_dim elements in the cache; q8_0 wants head_dim to be a multiple of 32.
constexpr size_t cache_row_bytes(CacheType type, int64_t head_dim) {
  switch (type) {
    case CacheType::kF32:
      return static_cast<size_t>(head_dim) * 4;
    case CacheType::kF16:
      return static_cast<size_t>(head_dim) * 2;
    case CacheType::kQ8_0:
      return static_cast<size_t>(head_dim) / 32 * 34;
  }
  return 0;
}

// f32[head_dim] -> one row of the cache (f16: round to nearest even; q8_0: blocks as ggml's reference).
using CacheStoreFn = void (*)(const float* in, std::byte* out, int64_t head_dim);

// Positions that attention takes at a time; they lie in the cache one after the other.
inline constexpr int64_t kAttentionBlock = 256;

// Positions of a block that one query sees, counted from the block's first.
struct Visible {
  int64_t begin = 0;
  int64_t end = 0;
};

// Several queries that read the same keys and values. An element's bits do not depend on the other queries.
struct AttentionScoresArgs {
  const float* const* queries = nullptr;  // n_queries of head_dim
  int64_t n_queries = 0;
  int64_t head_dim = 0;
  const std::byte* keys = nullptr;  // of the block's first position
  Visible positions;                // to compute, at least those that any query sees
  float* scores = nullptr;          // n_queries rows, kAttentionBlock apart: scores[p] = q . k_p
};
struct AttentionValuesArgs {
  const float* weights = nullptr;    // n_queries rows, kAttentionBlock apart
  const Visible* visible = nullptr;  // n_queries
  int64_t n_queries = 0;
  int64_t head_dim = 0;
  const std::byte* values = nullptr;  // of the block's first position
  float* const* out = nullptr;  // out[d] = sum over the positions seen, in order, of weights[p] * v_p[d]
};
using AttentionScoresFn = void (*)(const AttentionScoresArgs&);
using AttentionValuesFn = void (*)(const AttentionValuesArgs&);

// What a softmax over some scores leaves to be divided: the greatest of them and the sum of the weights.
struct SoftmaxSum {
  float greatest = 0;
  float sum = 0;
};

struct KernelTable {
  const char* name;  // "generic", "avx2", "avx512", "amx", "neon", "neon_dotprod", "neon_i8mm"

  // Rows that matmuls like best interleaved, for the types that have panels; 0 where as in the file is best.
  int64_t panel_rows;

  // nullptr where a type cannot be computed.
  struct Matmul {
    GgmlType type;
    MatmulFn matmul;
  };
  std::array<Matmul, 16> matmuls;

  void (*quantise_row)(const float* in, int64_t cols, Q8Row out);
  void (*rms_norm)(const float* in, const float* weight, int64_t n, float epsilon, float* out);
  // In place: x[i] = exp(x[i] - max) / sum. n >= 1.
  void (*softmax)(float* x, int64_t n);
  // In place: x[i] = exp(x[i] - max), not divided by the sum. n >= 1.
  SoftmaxSum (*softmax_weights)(float* x, int64_t n);
  // out[i] = silu(gate[i]) * up[i]; out may be gate.
  void (*silu_multiply)(const float* gate, const float* up, int64_t n, float* out);
  // out[i] = gelu(gate[i]) * up[i], gelu(x) = x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3)));
  // out may be gate.
  void (*gelu_multiply)(const float* gate, const float* up, int64_t n, float* out);
  // out[i] = g * sigmoid(alpha * g) * (u + 1), g = min(gate[i], limit), u = up[i] within [-limit, limit];
  // out may be gate.
  void (*swiglu_clamped)(const float* gate, const float* up, int64_t n, float alpha, float limit, float* out);
  // x[i] += y[i]
  void (*add)(const float* y, int64_t n, float* x);
  // x[i] *= factor
  void (*scale)(float factor, int64_t n, float* x);
  // x[i] = x[i] * factor + y[i] * y_factor
  void (*blend)(float factor, const float* y, float y_factor, int64_t n, float* x);
  // x[i] = cap * tanh(x[i] * factor / cap)
  void (*soft_cap)(float factor, float cap, int64_t n, float* x);
  // Rotates the pairs (x[2i], x[2i+1]) of one head, i in [0, n_pairs), by the angles whose cosines and sines
  // are given.
  void (*rope_adjacent)(float* x, const float* cosines, const float* sines, int64_t n_pairs);
  // The same for the pairs (x[i], x[i + n_pairs]).
  void (*rope_halves)(float* x, const float* cosines, const float* sines, int64_t n_pairs);

  std::array<CacheStoreFn, kCacheTypes> cache_store;  // indexed by CacheType
  std::array<AttentionScoresFn, kCacheTypes> attention_scores;
  std::array<AttentionValuesFn, kCacheTypes> attention_values;

  MatmulFn find_matmul(GgmlType type) const;  // nullptr where the type cannot be computed
};

ActivationKind activation_kind(GgmlType weight_type);

// The best table this processor runs, or the one that the environment variable FLEXINFER_KERNELS names by
// KernelTable::name; set but empty it names none.
// kUsage where that name is unknown or the processor lacks what it needs.
Result<const KernelTable*> choose_kernels();
// By name, for tests and measurements; nullptr where unknown or where the processor lacks what it needs.
const KernelTable* find_kernels(std::string_view name);

}  // namespace flexinfer
