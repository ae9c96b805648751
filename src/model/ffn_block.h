// The feed-forward half of a layer.
#pragma once

#include <cstddef>

#include "base/result.h"
#include "model/workspace.h"

namespace flexinfer {

// x += feed-forward of norm(x), for the tokens of the batch.
Status ffn_block(Workspace& w, const FfnWeights& weights);

// gate = activation(gate) * up, with the model's activation: the input of this matrix.
MatmulInput activated_input(Workspace& w, const Rows& gate, const Rows& up, size_t matrix);

}  // namespace flexinfer
