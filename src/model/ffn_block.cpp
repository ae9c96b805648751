#include "model/ffn_block.h"

#include "ops/elementwise.h"

namespace flexinfer {
namespace {

// a.gate = activation(a.gate) * a.up
void activate(Workspace& w) {
  Activations& a = w.activations;
  switch (w.model.hyperparameters.activation) {
    case Activation::kSilu:
      return silu_multiply(w.compute, a.gate, a.up);
    case Activation::kGelu:
      return gelu_multiply(w.compute, a.gate, a.up);
  }
}

// normed = down (activation(gate normed) * up normed)
Status dense_ffn(Workspace& w, const FfnWeights& weights) {
  Activations& a = w.activations;
  MatmulInput input = w.input(a.normed);
  FLEX_CHECK(w.project(weights.gate, input, a.gate));
  FLEX_CHECK(w.project(weights.up, input, a.up));
  activate(w);
  MatmulInput activated = w.input(a.gate);
  return w.project(weights.down, activated, a.normed);
}

}  // namespace

Status ffn_block(Workspace& w, const FfnWeights& weights) {
  Activations& a = w.activations;
  w.norm(a.x, weights.norm, a.normed);
  FLEX_CHECK(dense_ffn(w, weights));
  w.norm_if(weights.post_norm, a.normed);
  add_rows(w.compute, a.normed, a.x);
  return {};
}

}  // namespace flexinfer
