// The feed-forward half of a layer whose router sends each token to a few of its experts.
#pragma once

#include "base/result.h"
#include "model/workspace.h"

namespace flexinfer {

// x += the weighted feed-forwards of norm(x), for the tokens of the batch: expert by expert in ascending
// order, each over the tokens that chose it. A token's sum has the same order whatever its company.
Status expert_block(Workspace& w, const ExpertWeights& weights);

}  // namespace flexinfer
