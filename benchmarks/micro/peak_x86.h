#pragma once

#include "micro/peak_loops.h"

namespace flexinfer {

extern const PeakLoops kPeakLoopsAvx512;  // each needs what the kernels of its name need
extern const PeakLoops kPeakLoopsAvx2;

}  // namespace flexinfer
