#include "runtime/random_weights.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "base/bytes.h"
#include "quant/dequantize.h"
#include "quant/unpack.h"

namespace flexinfer {
namespace {

using Pattern = RandomWeights::Pattern;

constexpr uint64_t kWordBytes = sizeof(uint64_t);
constexpr uint64_t kPieceBytes = 16 * kKiB;  // stays in the first cache between the passes over it
constexpr uint64_t kUnitBlocks = 8;          // whole words, whatever the size of a block

// SplitMix64 (Steele, Lea, Flood): the word at `index` of the stream `seed`.
uint64_t random_word(uint64_t seed, uint64_t index) {
  uint64_t z = seed + (index + 1) * 0x9e3779b97f4a7c15;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

// FNV-1a.
uint64_t hash(std::string_view text) {
  uint64_t value = 0xcbf29ce484222325;
  for (const char c : text)
    value = (value ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return value;
}

// A block of random bits as `out` made into one of weights: its scales are replaced, its quants stay as they
// are.
template <class Block>
void shape(Block& block, const Pattern& pattern) {
  block.d = pattern.scales[block.d % 16];
}

void shape(BlockMXFP4& block, const Pattern& pattern) {
  block.e = pattern.exponents[block.e % 16];
}

void shape(BlockQ8_0& block, const Pattern& pattern) {
  block.d = pattern.scales[block.d % 16];
  for (int8_t& q : block.qs)
    q = std::max<int8_t>(q, -127);  // no quantiser makes -128
}

template <class Block>
void set_scale_and_minimum(Block& block, Half& minimum, const Pattern& pattern) {
  const size_t i = block.d % 16;
  block.d = pattern.scales[i];
  minimum = pattern.minima[i];
}

void shape(BlockQ4_1& block, const Pattern& pattern) {
  set_scale_and_minimum(block, block.m, pattern);
}
void shape(BlockQ5_1& block, const Pattern& pattern) {
  set_scale_and_minimum(block, block.m, pattern);
}

// Each group's minimum gets the code of its scale. Here both are nibbles of a byte; codes of 8 to 15.
void shape(BlockQ2_K& block, const Pattern& pattern) {
  set_scale_and_minimum(block, block.dmin, pattern);
  for (uint8_t& codes : block.scales)
    codes = static_cast<uint8_t>((codes % 8 + 8) * 0x11);
}

// Here bytes 0-3 hold scales, 4-7 minima, and 8-11 the low bits of four more in their two nibbles.
template <class Block>
void shape_packed(Block& block, const Pattern& pattern) {
  set_scale_and_minimum(block, block.dmin, pattern);
  for (int i = 0; i < 4; ++i) {
    block.scales[4 + i] = block.scales[i];
    block.scales[8 + i] = static_cast<uint8_t>(block.scales[8 + i] % 16 * 0x11);
  }
}
void shape(BlockQ4_K& block, const Pattern& pattern) {
  shape_packed(block, pattern);
}
void shape(BlockQ5_K& block, const Pattern& pattern) {
  shape_packed(block, pattern);
}

template <class Block>
void shape_blocks(std::span<std::byte> out, const Pattern& pattern) {
  auto* blocks = reinterpret_cast<Block*>(out.data());
  for (Block& block : std::span(blocks, out.size() / sizeof(Block)))
    shape(block, pattern);
}

// `bits` in every lane of a word.
constexpr uint64_t in_lanes(uint16_t bits) {
  return bits * uint64_t{0x0001000100010001};
}
constexpr uint64_t in_lanes(uint32_t bits) {
  return bits * uint64_t{0x0000000100000001};
}

// Words of floats keep random signs and mantissas and get the bits of the smallest magnitude added: as bit
// patterns of floats are in order, that spans one octave from there.
constexpr uint64_t kF32Random = in_lanes(uint32_t{0x807fffff});
constexpr uint64_t kF16Random = in_lanes(uint16_t{0x83ff});
constexpr uint64_t kBF16Random = in_lanes(uint16_t{0x807f});
constexpr uint64_t kAllRandom = ~uint64_t{0};

uint64_t lanes_of(GgmlType type, float value) {
  switch (type) {
    case GgmlType::kF32:
      return in_lanes(std::bit_cast<uint32_t>(value));
    case GgmlType::kF16:
      return in_lanes(float_to_half(value));
    case GgmlType::kBF16:
      return in_lanes(float_to_bfloat16(value));
    default:
      return 0;  // the bits of blocks stay as they are
  }
}

// Mean squares of uniformly random numbers.
constexpr double kOctave = 7.0 / 3.0;  // from 1 to 2
constexpr double below(double n) {
  return (n - 1) * (2 * n - 1) / 6;
}  // whole, from 0 to n - 1
constexpr double centred(double n) {
  return (n * n - 1) / 12;
}  // the same less their mean
constexpr double around_zero(double n) {
  return centred(n) + 0.25;
}  // whole, from -n/2 to n/2 - 1
// Levels that nibbles stand for.
constexpr double of_levels(const int8_t (&levels)[16]) {
  double sum = 0;
  for (const int8_t level : levels)
    sum += static_cast<double>(level) * level;
  return sum / 16;
}
constexpr double kEightToFifteen = centred(8) + 11.5 * 11.5;

// Powers of two, as e8m0 writes them, for `at` from 0 to 1: as many of the next greater one that the mean
// square is that of `scale`.
uint8_t exponent(double scale, double at) {
  constexpr int kBias = 127;
  const int lower = std::ilogb(scale);
  const double share = (std::pow(scale / std::ldexp(1.0, lower), 2) - 1) / 3;
  return static_cast<uint8_t>(std::clamp(lower + (at < share ? 1 : 0) + kBias, 0, 254));
}

}  // namespace

struct RandomWeights::Kind {
  GgmlType type;
  double mean_square;    // of the weights where d is 1
  double minimum_ratio;  // of m or dmin to d: it centres the weights
  uint64_t random_bits;  // of a word
  void (*shape)(std::span<std::byte> out, const Pattern& pattern);
};

const RandomWeights::Kind* RandomWeights::find_kind(GgmlType type) {
  using enum GgmlType;
  static constexpr Kind kKinds[] = {
      {kF32, kOctave, 0, kF32Random, nullptr},
      {kF16, kOctave, 0, kF16Random, nullptr},
      {kBF16, kOctave, 0, kBF16Random, nullptr},
      {kQ4_0, around_zero(16), 0, kAllRandom, shape_blocks<BlockQ4_0>},
      {kQ4_1, centred(16), -7.5, kAllRandom, shape_blocks<BlockQ4_1>},
      {kQ5_0, around_zero(32), 0, kAllRandom, shape_blocks<BlockQ5_0>},
      {kQ5_1, centred(32), -15.5, kAllRandom, shape_blocks<BlockQ5_1>},
      {kQ8_0, around_zero(256), 0, kAllRandom, shape_blocks<BlockQ8_0>},
      {kQ2_K, centred(4) * kEightToFifteen, 1.5, kAllRandom, shape_blocks<BlockQ2_K>},
      {kQ3_K, around_zero(8) * around_zero(64), 0, kAllRandom, shape_blocks<BlockQ3_K>},
      {kQ4_K, centred(16) * below(64), 7.5, kAllRandom, shape_blocks<BlockQ4_K>},
      {kQ5_K, centred(32) * below(64), 15.5, kAllRandom, shape_blocks<BlockQ5_K>},
      {kQ6_K, around_zero(64) * around_zero(256), 0, kAllRandom, shape_blocks<BlockQ6_K>},
      {kIQ4_NL, of_levels(kIq4Levels), 0, kAllRandom, shape_blocks<BlockIQ4_NL>},
      {kIQ4_XS, around_zero(64) * of_levels(kIq4Levels), 0, kAllRandom, shape_blocks<BlockIQ4_XS>},
      {kMXFP4, of_levels(kMxfp4Levels) / 4, 0, kAllRandom, shape_blocks<BlockMXFP4>},
  };
  const auto* found = std::ranges::find(kKinds, type, &Kind::type);
  return found == std::end(kKinds) ? nullptr : found;
}

bool RandomWeights::supports(GgmlType type) {
  return find_kind(type) != nullptr;
}

// The scales spread around their mean as those of a trained model do. Half of them are negative where quants
// have no minimum, for their mean is -1/2 then.
RandomWeights::RandomWeights(GgmlType type, double deviation, uint64_t seed, std::string_view tensor_name)
    : kind_(find_kind(type)), seed_(random_word(seed, hash(tensor_name))) {
  const double scale = deviation / std::sqrt(kind_->mean_square);
  const double spread = std::sqrt(1.0 + centred(8) / 100.0);  // of 0.65, 0.75 ... 1.35
  added_bits_ = lanes_of(type, static_cast<float>(scale));
  for (size_t i = 0; i < pattern_.scales.size(); ++i) {
    const double magnitude = scale * (0.65 + 0.1 * static_cast<double>(i % 8)) / spread;
    const bool negative = kind_->minimum_ratio == 0 && i >= 8;
    pattern_.scales[i] = float_to_half(static_cast<float>(negative ? -magnitude : magnitude));
    pattern_.minima[i] = float_to_half(static_cast<float>(magnitude * kind_->minimum_ratio));
    pattern_.exponents[i] = exponent(scale, static_cast<double>(i) / 16.0);
  }
}

uint64_t RandomWeights::unit_bytes() const {
  return kUnitBlocks * ggml_type_info(kind_->type).block_bytes;
}

void RandomWeights::fill(uint64_t offset, std::span<std::byte> out) const {
  const uint64_t piece_bytes = align_down(kPieceBytes, unit_bytes());
  while (!out.empty()) {
    const uint64_t n = std::min<uint64_t>(piece_bytes, out.size());
    fill_piece(offset, out.first(n));
    offset += n;
    out = out.subspan(n);
  }
}

void RandomWeights::fill_piece(uint64_t offset, std::span<std::byte> out) const {
  const uint64_t kept = kind_->random_bits;
  const uint64_t first = offset / kWordBytes;
  const uint64_t n_words = out.size() / kWordBytes;
  for (uint64_t i = 0; i < n_words; ++i) {
    const uint64_t word = (random_word(seed_, first + i) & kept) + added_bits_;
    std::memcpy(out.data() + i * kWordBytes, &word, kWordBytes);
  }
  const uint64_t last = (random_word(seed_, first + n_words) & kept) + added_bits_;
  std::memcpy(out.data() + n_words * kWordBytes, &last, out.size() % kWordBytes);
  if (kind_->shape != nullptr) kind_->shape(out, pattern_);
}

}  // namespace flexinfer
