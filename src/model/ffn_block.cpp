#include "model/ffn_block.h"

#include "ops/elementwise.h"

namespace flexinfer {
namespace {

// Of the reference implementation of gpt-oss.
constexpr float kSwigluAlpha = 1.702F;
constexpr float kSwigluLimit = 7.0F;

void activate(Workspace& w, const Rows& gate, const Rows& up) {
  switch (w.model.hyperparameters.activation) {
    case Activation::kSilu:
      return silu_multiply(w.compute, gate, up);
    case Activation::kGelu:
      return gelu_multiply(w.compute, gate, up);
    case Activation::kClampedSwiglu:
      return swiglu_clamped(w.compute, kSwigluAlpha, kSwigluLimit, gate, up);
  }
}

// normed = down (activation(gate norm(x)) * up norm(x))
Status dense_ffn(Workspace& w, const FfnWeights& weights) {
  Activations& a = w.activations;
  MatmulInput input = w.normed_input(a.x, weights.norm, a.normed, weights.gate);
  FLEX_CHECK(w.project(input, {{weights.gate, a.gate}, {weights.up, a.up}}));
  MatmulInput activated = activated_input(w, a.gate, a.up, weights.down);
  return w.project(activated, {{weights.down, a.normed}});
}

}  // namespace

MatmulInput activated_input(Workspace& w, const Rows& gate, const Rows& up, size_t matrix) {
  return w.make_input(gate, matrix, [&](int64_t t) { activate(w, gate.only(t), up.only(t)); });
}

Status ffn_block(Workspace& w, const FfnWeights& weights) {
  Activations& a = w.activations;
  FLEX_CHECK(dense_ffn(w, weights));
  w.norm_if(weights.post_norm, a.normed);
  add_rows(w.compute, a.normed, a.x);
  return {};
}

}  // namespace flexinfer
