// The products of many tokens by the tile registers of AMX; all else as AVX-512 does it. See
// kernels/simd/matmul_quant_panel.h.
#pragma once

#include <algorithm>

#include "kernels/amx/tiles.h"
#include "kernels/avx512/quant_isa.h"
#include "kernels/simd/matmul_quant_many.h"

namespace flexinfer::amx {

// A group of a vector is one product of tiles: the tokens' values, a token in each row, times the weights as
// they lie in PanelGroup. Its sums come back from the tile through memory, a token's in each vector. Three
// groups are under way at once: one is multiplied while the sums of the one before it are stored and those of
// the one before that are scaled and added up.
template <class Format, int n_vectors>
class TokenTiles {
 public:
  using Isa = typename Format::Isa;
  using Float = typename Isa::Float;
  using Int = typename Isa::Int;
  using Chunk = simd::PanelChunk<Format, n_vectors>;
  static constexpr int kTokens = Isa::kTokenTile;
  static_assert(Format::kScales == 1);  // products of 16 columns cost as much as those of 32

  explicit TokenTiles(const Chunk& chunk) : chunk_(chunk) {}
  TokenTiles(const TokenTiles&) = delete;
  TokenTiles& operator=(const TokenTiles&) = delete;
  ~TokenTiles() { release_tiles(); }

  // sums[t][v] += the chunk . token first + t, for all n_tokens.
  void multiply(const MatmulArgs& args, int64_t first, int64_t n_tokens, Float (*sums)[n_vectors]) {
    bool is_begun = false;
    for (int64_t t = 0; t < n_tokens; t += kTokens) {
      const auto n = static_cast<int>(std::min<int64_t>(kTokens, n_tokens - t));
      shape_for(n);
      point_at(args, first + t, n);
      if (!is_begun) begin();
      // Another shape ends what is under way, and groups must go on in turn.
      goes_on_ = t + 2 * kTokens <= n_tokens && chunk_.n_groups % 2 == 0;
      multiply_tile(args, first + t, n, sums + t);
      is_begun = goes_on_;
    }
  }

 private:
  static constexpr bool kHasMinimums = Format::kEncoding.has_minimums;

  // Tiles: the sums of two groups in turn, a vector each, the tokens and the weights.
  static constexpr int kSums = 0;
  static constexpr int kValues = 4;
  static constexpr int kWeights = 6;

  void shape_for(int n_tokens) {
    if (n_tokens == shaped_for_) return;
    shaped_for_ = n_tokens;
    TileShapes shapes;
    for (int i = 0; i < 2 * n_vectors; i++)
      shapes.set(kSums + i, n_tokens, sizeof(Int));
    shapes.set(kValues, n_tokens, simd::kGroup);
    for (int v = 0; v < n_vectors; v++)
      shapes.set(kWeights + v, simd::kGroupWords, sizeof(Int));
    set_shapes(shapes);
  }

  void point_at(const MatmulArgs& args, int64_t first, int n_tokens) {
    const auto cols = static_cast<size_t>(args.cols);
    stride_ = args.activation_bytes;
    const std::byte* tokens = args.activations + static_cast<size_t>(first) * stride_;
    values_ = tokens + chunk_.first * simd::kGroup;
    for (int t = 0; t < kTokens; t++) {
      const std::byte* token = tokens + static_cast<size_t>(std::min(t, n_tokens - 1)) * stride_;
      scales_[t] = token + q8_scales_offset(cols) + chunk_.first * sizeof(float);
      if constexpr (kHasMinimums)
        simd::load_sums<Format>(token + q8_sums_offset(cols) + chunk_.first * 2 * sizeof(int16_t),
                                value_sums_[t]);
    }
  }

  void begin() {
    multiply_group<0>(values_, 0);
    if (chunk_.n_groups > 1) multiply_group<1>(values_, 1);
    store_group<0>();
  }

  void multiply_tile(const MatmulArgs& args, int64_t first, int n_tokens, Float (*panel_sums)[n_vectors]) {
    Float sums[n_vectors][kTokens];
    simd::begin_tile(args, chunk_, first, n_tokens, panel_sums, sums);
    int g = 0;
    for (; g + 1 < chunk_.n_groups; g += 2) {
      add_next<0>(g, sums);
      add_next<1>(g + 1, sums);
    }
    if (g < chunk_.n_groups) add_next<0>(g, sums);
    simd::end_tile(args, chunk_, first, n_tokens, sums, panel_sums);
  }

  // The same groups of the tokens of the next tile: they lie where the first cache does not expect them.
  [[gnu::always_inline]] void ask_ahead(const std::byte* values) const {
#pragma GCC unroll 16
    for (size_t t = 0; t < kTokens; t++)
      __builtin_prefetch(values + (kTokens + t) * stride_);
  }

  // Of two groups in turn, of which `parity` tells one from the other.
  template <int parity, int v>
  [[gnu::always_inline]] void multiply_vector(int g) const {
    constexpr int kSum = kSums + parity * n_vectors + v;
    load_tile<kWeights + v>(chunk_.groups[v][g].weights, sizeof(Int));
    clear<kSum>();
    add_products<kSum, kValues, kWeights + v>();
  }
  template <int parity>
  [[gnu::always_inline]] void multiply_group(const std::byte* tokens, int g) const {
    const std::byte* values = tokens + g * simd::kGroup;
    load_tile<kValues>(values, stride_);
    multiply_vector<parity, 0>(g);
    if constexpr (n_vectors > 1) multiply_vector<parity, 1>(g);
    if constexpr (parity == 0) ask_ahead(values);
  }
  template <int parity>
  [[gnu::always_inline]] void store_group() {
    store_tile<kSums + parity * n_vectors>(dots_[parity][0], sizeof(Int));
    if constexpr (n_vectors > 1) store_tile<kSums + parity * n_vectors + 1>(dots_[parity][1], sizeof(Int));
  }

  // Adds group g while the one after it is stored and the one after that multiplied.
  template <int parity>
  [[gnu::always_inline]] void add_next(int g, Float (&sums)[n_vectors][kTokens]) {
    const int n_groups = chunk_.n_groups;
    if (g + 2 < n_groups) {
      multiply_group<parity>(values_, g + 2);
    } else if (goes_on_) {
      multiply_group<parity>(values_ + kTokens * stride_, g + 2 - n_groups);
    }
    if (g + 1 < n_groups || goes_on_) store_group<1 - parity>();
    add_group<parity>(g, sums);
  }

  // sums += the products of group g, in the order that matmul_quant_panel.h says.
  template <int parity>
  [[gnu::always_inline]] void add_group(int g, Float (&sums)[n_vectors][kTokens]) const {
#pragma GCC unroll 16
    for (int t = 0; t < kTokens; t++) {
      const auto scale = simd::load<float>(scales_[t] + static_cast<size_t>(g) * sizeof(float));
#pragma GCC unroll 2
      for (int v = 0; v < n_vectors; v++)
        sums[v][t] =
            Isa::multiply_add(total(g, v, dots_[parity][v][t], t), simd::broadcast<Float>(scale), sums[v][t]);
    }
  }
  [[gnu::always_inline]] Float total(int g, int v, const Int& dots, int t) const {
    const auto& group = chunk_.groups[v][g];
    const Float product = __builtin_convertvector(dots, Float) * group.scales[0];
    if constexpr (!kHasMinimums) return product;
    return Isa::multiply_add(group.minimums[0], simd::broadcast<Float>(value_sums_[t][g]), product);
  }

  const Chunk& chunk_;
  int shaped_for_ = 0;
  bool goes_on_ =
      false;  // with the next tokens, whose first two groups are begun while the last ones are added
  const std::byte* values_ = nullptr;
  size_t stride_ = 0;
  const std::byte* scales_[kTokens];
  simd::PartSums<Format> value_sums_[kHasMinimums ? kTokens : 1];  // where there are minimums
  Int dots_[2][n_vectors][kTokens] = {};  // those of tokens that are not there stay zero
};

struct QuantIsa : avx512::QuantIsa {
  static constexpr int kTokenTile = 12;  // with their sums of two vectors, all that the registers hold
  static constexpr int kSignedBias = 0;  // products take both operands as signed bytes

  // The bytes less their offset.
  template <simd::Encoding encoding>
  [[gnu::always_inline]] static void arrange(Word (&weights)[simd::kGroupWords]) {
    if constexpr (encoding.has_minimums || encoding.offset == 0) return;
#pragma GCC unroll 8
    for (Word& word : weights)
      word = reinterpret_cast<Word>(_mm512_sub_epi8(reinterpret_cast<__m512i>(word),
                                                    _mm512_set1_epi8(static_cast<char>(encoding.offset))));
  }

  template <class Format, int n_vectors>
  static void multiply_chunk(const MatmulArgs& args, const simd::PanelChunk<Format, n_vectors>& chunk,
                             int64_t first, int64_t n_tokens, Float (*sums)[n_vectors]) {
    TokenTiles<Format, n_vectors>(chunk).multiply(args, first, n_tokens, sums);
  }
};

}  // namespace flexinfer::amx
