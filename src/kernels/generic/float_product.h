// The product of weights of any computable type and float activations, in plain C++.
#pragma once

#include "kernels/kernel_table.h"

namespace flexinfer::generic {

// As MatmulArgs says, with f32 activations whatever the type of the weights. cols is a whole number of
// blocks. An output element is summed in eight lanes, lane i taking the columns that leave i when divided by
// eight.
void multiply_by_floats(GgmlType weight_type, const MatmulArgs& args);

}  // namespace flexinfer::generic
