#include "model/ffn_block.h"

#include "ops/elementwise.h"

namespace flexinfer {
namespace {

// Of the reference implementation of gpt-oss.
constexpr float kSwigluAlpha = 1.702F;
constexpr float kSwigluLimit = 7.0F;

// normed = down (activation(gate normed) * up normed)
Status dense_ffn(Workspace& w, const FfnWeights& weights) {
  Activations& a = w.activations;
  MatmulInput input = w.input(a.normed);
  FLEX_CHECK(w.project(input, {{weights.gate, a.gate}, {weights.up, a.up}}));
  activate(w, a.gate, a.up);
  MatmulInput activated = w.input(a.gate);
  return w.project(activated, {{weights.down, a.normed}});
}

}  // namespace

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

Status ffn_block(Workspace& w, const FfnWeights& weights) {
  Activations& a = w.activations;
  w.norm(a.x, weights.norm, a.normed);
  FLEX_CHECK(dense_ffn(w, weights));
  w.norm_if(weights.post_norm, a.normed);
  add_rows(w.compute, a.normed, a.x);
  return {};
}

}  // namespace flexinfer
