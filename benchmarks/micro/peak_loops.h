// Multiply-adds in registers with one instruction set: what arithmetic alone could reach.
#pragma once

namespace flexinfer {

// Each does about n of its instructions and returns how many pairs of numbers that multiplied.
struct PeakLoops {
  double (*multiply_bytes)(int n);
  double (*multiply_floats)(int n);
};

// The fastest ones that this processor runs; nullptr where this build has none.
const PeakLoops* find_peak_loops();

// n steps of independent chains, more of them than a multiply-add's latency takes to hide. `step` takes and
// gives a chain's vector of type Vector.
template <class Vector, class Step>
[[gnu::always_inline]] inline int run_chains(int n, Step step) {
  constexpr int kChains = 12;
  Vector chains[kChains] = {};
  for (Vector& chain : chains)
    asm volatile("" : "+v"(chain));  // or the compiler would see that all are equal, and keep one
  for (int i = 0; i < n; i += kChains) {
#pragma GCC unroll 12
    for (Vector& chain : chains)
      chain = step(chain);
  }
  for (Vector& chain : chains)
    asm volatile("" : "+v"(chain));  // or nobody would use it
  return (n + kChains - 1) / kChains * kChains;
}

// A zero that the compiler does not know to be one.
template <class Vector>
[[gnu::always_inline]] inline Vector unknown_zero() {
  Vector x = {};
  asm volatile("" : "+v"(x));
  return x;
}

}  // namespace flexinfer
