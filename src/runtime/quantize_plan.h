// What becomes of each tensor when a model is written in another type.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/ggml_type.h"
#include "base/result.h"
#include "gguf/gguf_file.h"

namespace flexinfer {

struct QuantizedTensor {
  const TensorInfo* source = nullptr;
  GgmlType type = GgmlType::kF32;

  uint64_t n_elements() const { return source->cols() * source->rows(); }
};

struct QuantizePlan {
  std::vector<QuantizedTensor> tensors;  // in the source's order
  std::vector<std::string> notes;        // what is not written in the type that was asked for, and why
};

// A pure function; the plan points into `file`. By the conventions that llama.cpp's files follow:
//  - Vectors, norms, biases and the routers of experts are not quantised: F16 and BF16 become F32, whatever
//    else they are stays.
//  - The output head (the embedding, where there is no other) is written in Q6_K where a smaller block type
//    was asked for: every token passes through it.
//  - Rows that are not whole blocks fall back: Q4_K to Q5_0, Q5_K to Q5_1, Q6_K to Q8_0; and these, like all
//    types of blocks of 32, to F16.
// kUsage for a type that cannot be written, kUnsupported where a tensor cannot be read as numbers.
Result<QuantizePlan> plan_quantize(const GgufFile& file, GgmlType type);

}  // namespace flexinfer
