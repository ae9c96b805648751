#include "kernels/generic/float_product.h"

#include <algorithm>

#include "quant/dequantize.h"

namespace flexinfer::generic {
namespace {

constexpr int kLanes = 8;
constexpr int64_t kTokenTile = 8;  // tokens that share one conversion of the weights
constexpr int64_t kChunk = 64;  // columns converted at once: whole blocks of the types that a cache may hold

struct Sum {
  float lanes[kLanes] = {};

  void add_products(const float* a, const float* b, int64_t n) {
    int64_t i = 0;
    for (; i + kLanes <= n; i += kLanes) {
      for (int lane = 0; lane < kLanes; lane++)
        lanes[lane] += a[i + lane] * b[i + lane];
    }
    for (int lane = 0; i + lane < n; lane++)
      lanes[lane] += a[i + lane] * b[i + lane];
  }

  float total() const {
    return ((lanes[0] + lanes[4]) + (lanes[2] + lanes[6])) + ((lanes[1] + lanes[5]) + (lanes[3] + lanes[7]));
  }
};

const float* activations_of(const MatmulArgs& args, int64_t token) {
  return reinterpret_cast<const float*>(args.activations +
                                        static_cast<size_t>(token) * args.activation_bytes);
}

// Row `row` with the tokens [first, first + n_tokens), n_tokens <= kTokenTile.
void multiply_tile(const GgmlTypeInfo& type, const MatmulArgs& args, int64_t row, int64_t first,
                   int64_t n_tokens) {
  const std::byte* weights = args.weights + static_cast<size_t>(row) * args.row_bytes;
  Sum sums[kTokenTile];
  for (int64_t col = 0; col < args.cols; col += kChunk) {
    float chunk[kChunk];
    const int64_t n = std::min(kChunk, args.cols - col);
    dequantize_row(type.type, weights + col / type.block_elements * type.block_bytes, n, chunk);
    for (int64_t t = 0; t < n_tokens; t++)
      sums[t].add_products(chunk, activations_of(args, first + t) + col, n);
  }
  for (int64_t t = 0; t < n_tokens; t++)
    args.out[(first + t) * args.out_stride + row] = sums[t].total();
}

}  // namespace

void multiply_by_floats(GgmlType weight_type, const MatmulArgs& args) {
  const GgmlTypeInfo& type = ggml_type_info(weight_type);
  for (int64_t row = 0; row < args.n_rows; row++) {
    for (int64_t token = 0; token < args.n_tokens; token += kTokenTile) {
      multiply_tile(type, args, row, token, std::min(kTokenTile, args.n_tokens - token));
    }
  }
}

}  // namespace flexinfer::generic
