// Pseudo-random weights, made straight as the blocks of a type: as fast as memory, the same bytes on every
// machine.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "base/ggml_type.h"
#include "quant/blocks.h"

namespace flexinfer {

// Immutable; thread-safe. A weight depends on the seed, the tensor's name and its place in the tensor, and on
// nothing else. The weights of a tensor have a mean near zero: a common offset would grow from layer to
// layer, until every token ends in the same vector.
class RandomWeights {
 public:
  // F32, F16, BF16, the Q types of 32 elements, the K types, IQ4_NL, IQ4_XS and MXFP4.
  static bool supports(GgmlType type);

  // `deviation`: the standard deviation of the weights, met within some hundredths. Requires supports(type).
  RandomWeights(GgmlType type, double deviation, uint64_t seed, std::string_view tensor_name);

  // fill() works on whole units, but for the last of a tensor: whole blocks and whole random words.
  uint64_t unit_bytes() const;

  // The tensor's bytes from `offset` on, which is a multiple of unit_bytes(); `out` holds whole blocks,
  // aligned to 2 bytes.
  void fill(uint64_t offset, std::span<std::byte> out) const;

  // What the scales of a random block become.
  struct Pattern {
    std::array<Half, 16> scales{};  // one of them is a block's d, and the one at the same place its m or dmin
    std::array<Half, 16> minima{};
    std::array<uint8_t, 16> exponents{};  // where a scale is a power of two
  };

 private:
  struct Kind;
  static const Kind* find_kind(GgmlType type);
  void fill_piece(uint64_t offset, std::span<std::byte> out) const;

  const Kind* kind_;
  Pattern pattern_;
  uint64_t added_bits_ = 0;  // to the random ones of every word
  uint64_t seed_;
};

}  // namespace flexinfer
