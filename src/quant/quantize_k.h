// Super-blocks of the K types from floats: scales and minimums are searched for the least square error.
#pragma once

#include "quant/blocks.h"

namespace flexinfer {

// `in`: kSuperBlock finite floats. The same bits on every machine.
void shrink(const float* in, BlockQ4_K& block);
void shrink(const float* in, BlockQ5_K& block);
void shrink(const float* in, BlockQ6_K& block);

}  // namespace flexinfer
