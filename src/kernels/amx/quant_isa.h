// The products of many tokens by the tile registers of AMX; all else as AVX-512 does it. See
// kernels/simd/matmul_quant_panel.h.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "kernels/amx/tiles.h"
#include "kernels/avx512/quant_isa.h"
#include "kernels/simd/ask_ahead.h"
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

  TokenTiles() {
    TileShapes shapes;
    for (int i = 0; i < 2 * n_vectors; i++)
      shapes.set(kSums + i, kTokens, sizeof(Int));
    shapes.set(kValues, kTokens, simd::kGroup);
    for (int v = 0; v < n_vectors; v++)
      shapes.set(kWeights + v, simd::kGroupWords, sizeof(Int));
    set_shapes(shapes);
  }
  TokenTiles(const TokenTiles&) = delete;
  TokenTiles& operator=(const TokenTiles&) = delete;
  ~TokenTiles() { release_tiles(); }

  // As simd::ChunkProducts.
  void multiply(const MatmulArgs& args, const Chunk& chunk, simd::LinesAhead ahead, int64_t first,
                int64_t n_tokens, Float (*sums)[n_vectors]) {
    chunk_ = &chunk;
    ahead_ = ahead;
    stride_ = args.activation_bytes;
    goes_on_ = false;
    Tokens tokens = tokens_at(args, first);
    values_ = values_of(tokens, n_tokens);
    for (int64_t t = 0; t < n_tokens; t += kTokens) {
      const bool is_last = t + kTokens >= n_tokens;
      const auto n = static_cast<int>(is_last ? n_tokens - t : kTokens);
      if (!goes_on_) begin();
      goes_on_ = !is_last && chunk.n_groups % 2 == 0;
      read_scales(tokens, n);
      tokens = next_ = tokens_at(args, first + t + kTokens);
      if (!is_last) next_values_ = values_of(tokens, n_tokens - t - kTokens);
      multiply_tile(args, first + t, n, sums + t);
      values_ = next_values_;
    }
  }

 private:
  static constexpr bool kHasMinimums = Format::kEncoding.has_minimums;
  static constexpr size_t kChunkBytes = simd::kChunkGroups * simd::kGroup;

  // Tiles: the sums of two groups in turn, a vector each, the tokens and the weights.
  static constexpr int kSums = 0;
  static constexpr int kValues = 4;
  static constexpr int kWeights = 6;

  // Where sums of integers begin. With a minimum to add to each the vectors' arithmetic is the bound: what
  // spares it a conversion (see kIntegerBias) is worth loading a tile that would else be cleared.
  static constexpr int32_t kFirstInteger = kHasMinimums ? simd::kFirstInteger<Format> : 0;

  // What a token has in the chunk. That of the one after it lies stride_ bytes further on.
  struct Tokens {
    const std::byte* values;
    const std::byte* scales;
    const std::byte* sums;
  };
  Tokens tokens_at(const MatmulArgs& args, int64_t token) const {
    const auto cols = static_cast<size_t>(args.cols);
    const std::byte* begin = args.activations + static_cast<size_t>(token) * stride_;
    return {begin + chunk_->first * simd::kGroup,
            begin + q8_scales_offset(cols) + chunk_->first * sizeof(float),
            begin + q8_sums_offset(cols) + chunk_->first * 2 * sizeof(int16_t)};
  }

  // The values of a tile's tokens, `stride` bytes apart.
  struct Values {
    const std::byte* first;
    size_t stride;
  };
  // Where there are fewer tokens than a tile takes, the last of them more than once.
  Values values_of(const Tokens& tokens, int64_t n_tokens) {
    if (n_tokens >= kTokens) return {tokens.values, stride_};
    for (int t = 0; t < kTokens; t++)
      std::memcpy(filled_[t],
                  tokens.values + static_cast<size_t>(std::min<int64_t>(t, n_tokens - 1)) * stride_,
                  static_cast<size_t>(chunk_->n_groups) * simd::kGroup);
    return {filled_[0], kChunkBytes};
  }

  void read_scales(Tokens tokens, int n_tokens) {
    for (int t = 0; t < kTokens; t++) {
      std::memcpy(scales_[t], tokens.scales, sizeof scales_[t]);
      if constexpr (kHasMinimums) simd::load_sums<Format>(tokens.sums, value_sums_[t]);
      const size_t step = t + 1 < n_tokens ? stride_ : 0;
      tokens.scales += step;
      tokens.sums += step;
    }
  }

  void begin() {
    multiply_group<0>(values_, 0);
    if (chunk_->n_groups > 1) multiply_group<1>(values_, 1);
    store_group<0>();
  }

  // From the first groups, begun, to where those of the next tile are.
  void multiply_tile(const MatmulArgs& args, int64_t first, int n_tokens, Float (*panel_sums)[n_vectors]) {
    Float sums[n_vectors][kTokens];
    simd::begin_tile(args, *chunk_, first, n_tokens, panel_sums, sums);
    int g = 0;
    for (; g + 1 < chunk_->n_groups; g += 2) {
      add_next<0>(g, sums);
      add_next<1>(g + 1, sums);
    }
    if (g < chunk_->n_groups) add_next<0>(g, sums);
    simd::end_tile(args, *chunk_, first, n_tokens, sums, panel_sums);
  }

  [[gnu::always_inline]] static void ask_for_line(const std::byte* from) {
    simd::ask_for<simd::AskedTo::kFirstCache>(from, simd::kLine);
  }
  // Asks for a share of what the next tile takes and of the next chunk.
  template <int parity>
  [[gnu::always_inline]] void ask_ahead(int g) {
    constexpr size_t kShare = kTokens / 2;
    constexpr int kLineGroups = simd::kLine / simd::kGroup;
    static_assert(kTokens % 2 == 0 && kLineGroups == 2);
    const std::byte* values = next_.values + g / kLineGroups * simd::kLine;
#pragma GCC unroll 8
    for (size_t t = parity * kShare; t < (parity + 1) * kShare; t++)
      ask_for_line(values + t * stride_);
    if (g < kTokens) {
      ask_for_line(next_.scales + static_cast<size_t>(g) * stride_);
      if constexpr (kHasMinimums) ask_for_line(next_.sums + static_cast<size_t>(g) * stride_);
    }
    ahead_.ask_for_share();
  }

  // Of two groups in turn, of which `parity` tells one from the other.
  template <int parity, int v>
  [[gnu::always_inline]] void multiply_vector(int g) const {
    constexpr int kSum = kSums + parity * n_vectors + v;
    load_tile<kWeights + v>(chunk_->groups[v][g].weights, sizeof(Int));
    if constexpr (kFirstInteger == 0) {
      clear<kSum>();
    } else {
      load_tile<kSum>(&first_integers_, 0);
    }
    add_products<kSum, kValues, kWeights + v>();
  }
  template <int parity>
  [[gnu::always_inline]] void multiply_group(const Values& tokens, int g) const {
    const std::byte* values = tokens.first + g * simd::kGroup;
    load_tile<kValues>(values, tokens.stride);
    multiply_vector<parity, 0>(g);
    if constexpr (n_vectors > 1) multiply_vector<parity, 1>(g);
  }
  template <int parity>
  [[gnu::always_inline]] void store_group() {
    store_tile<kSums + parity * n_vectors>(dots_[parity][0], sizeof(Int));
    if constexpr (n_vectors > 1) store_tile<kSums + parity * n_vectors + 1>(dots_[parity][1], sizeof(Int));
  }

  // Adds group g while the one after it is stored and the one after that multiplied.
  template <int parity>
  [[gnu::always_inline]] void add_next(int g, Float (&sums)[n_vectors][kTokens]) {
    const int n_groups = chunk_->n_groups;
    if (g + 2 < n_groups) {
      multiply_group<parity>(values_, g + 2);
    } else if (goes_on_) {
      multiply_group<parity>(next_values_, g + 2 - n_groups);
    }
    if (g + 1 < n_groups || goes_on_) store_group<1 - parity>();
    ask_ahead<parity>(g);
    add_group<parity>(g, sums);
  }

  // sums += the products of group g, in the order that matmul_quant_panel.h says.
  template <int parity>
  [[gnu::always_inline]] void add_group(int g, Float (&sums)[n_vectors][kTokens]) const {
#pragma GCC unroll 16
    for (int t = 0; t < kTokens; t++) {
#pragma GCC unroll 2
      for (int v = 0; v < n_vectors; v++)
        sums[v][t] = Isa::multiply_add(total(g, v, dots_[parity][v][t], t),
                                       simd::broadcast<Float>(scales_[t][g]), sums[v][t]);
    }
  }
  [[gnu::always_inline]] Float total(int g, int v, const Int& dots, int t) const {
    const auto& group = chunk_->groups[v][g];
    if constexpr (!kHasMinimums) return __builtin_convertvector(dots, Float) * group.scales[0];
    return Isa::multiply_add(group.minimums[0], simd::broadcast<Float>(value_sums_[t][g]),
                             simd::scaled(group, 0, dots));
  }

  const Chunk* chunk_ = nullptr;
  simd::LinesAhead ahead_;
  size_t stride_ = 0;  // between two tokens
  Values values_{};
  Values next_values_{};
  Tokens next_{};
  // With the next tile, whose first two groups are begun while the last ones are added: groups in turn.
  bool goes_on_ = false;
  alignas(64) float scales_[kTokens][simd::kChunkGroups];
  alignas(64) simd::PartSums<Format> value_sums_[kHasMinimums ? kTokens : 1];  // where there are minimums
  alignas(64) std::byte filled_[kTokens][kChunkBytes];
  const Int first_integers_ = Int{} + kFirstInteger;
  Int dots_[2][n_vectors][kTokens];
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
  using ChunkProducts = TokenTiles<Format, n_vectors>;
};

}  // namespace flexinfer::amx
