// Arithmetic on floats, written once for every vector instruction set. The end of an array goes through the
// same instructions as its body, with the lanes beyond it masked, so that an element's bits do not depend on
// where it stands.
//
// An instruction set is a struct FloatIsa, with
//   kLanes             floats in a vector: 4, 8 or 16
//   kTokenTile         tokens that share one conversion of the weights, a power of two
//   Float, Int         vectors of kLanes floats and 32-bit integers
//   Double             a vector of half as many doubles
//   Halves             a vector of kLanes 16-bit numbers
//   FirstLanes         made of n: the first n lanes stand for elements, 0 < n <= kLanes
// and, where `lanes` is AllLanes or FirstLanes and lanes beyond those read as zero and are not written,
//   load, store        floats
//   load_halves        16-bit numbers
//   store_halves
//   fill_rest          a vector, with those of another one in the lanes beyond
// and on whole vectors
//   load_bytes         kLanes signed bytes as floats
//   broadcast          one number in every lane
//   broadcast_half     one 16-bit number at any address as floats
//   multiply_add       a * b + c, rounded once
//   max, min           of each lane; where either is NaN, the second
//   copy_sign          the magnitude of the first with the sign of the second
//   round              to the nearest integer, ties to even
//   truncate           to an Int, towards zero
//   scale_by_power     x * 2^n, rounded once, for x in [1/2, 2] and n an integer in [-150, 128]
//   rotate_pairs       each pair (a, b) to (a * cos - b * sin, b * cos + a * sin); the cosines and the sines
//                      of the pairs stand in the first half of their vectors
//   half_to_float      of Halves or of one number
//   float_to_half      the same, to the nearest, ties to even
//   bfloat_to_float
//   low_half           the first half of a Float as doubles
//   high_half
//   sum_of_lanes       of a Float or a Double, in pairs
//   sums_of_lanes      of four Floats, to four floats; the sum of one does not depend on the others
//   greatest_lane
// and on blocks of 32 elements in 32 / kLanes vectors
//   greatest_magnitude a NaN is the greatest of all
//   sum_of_sixteen     of half a block of Int
//   store_bytes        a block of Int as bytes
#pragma once

#include <cstddef>
#include <cstdint>

namespace flexinfer::simd {

struct AllLanes {};

// body(i, lanes) for each vector of an array of n elements that starts at element i.
template <class Isa, class Body>
[[gnu::always_inline]] inline void for_each_vector(int64_t n, Body body) {
  int64_t i = 0;
  for (; i + Isa::kLanes <= n; i += Isa::kLanes)
    body(i, AllLanes{});
  if (i < n) body(i, typename Isa::FirstLanes(n - i));
}

// A sum of many floats, kept in doubles.
template <class Isa>
class DoubleSum {
 public:
  void add(typename Isa::Float x) {
    low_ += Isa::low_half(x);
    high_ += Isa::high_half(x);
  }
  // The square of a float is exact in a double.
  void add_squares(typename Isa::Float x) {
    low_ += Isa::low_half(x) * Isa::low_half(x);
    high_ += Isa::high_half(x) * Isa::high_half(x);
  }
  double total() const { return Isa::sum_of_lanes(low_ + high_); }

 private:
  typename Isa::Double low_ = {};
  typename Isa::Double high_ = {};
};

}  // namespace flexinfer::simd
