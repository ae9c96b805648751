// A model as its file describes it: numbers, the weights in their order of use, and where each layer finds
// its own.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "base/result.h"
#include "gguf/gguf_file.h"
#include "model/hyperparameters.h"
#include "residency/weight_schedule.h"

namespace flexinfer {

// Indices into WeightSchedule::steps (the matrices) and ::constants (the vectors) of one layer.
struct LayerWeights {
  size_t q = 0;
  size_t k = 0;
  size_t v = 0;
  size_t attention_output = 0;
  size_t gate = 0;
  size_t up = 0;
  size_t down = 0;
  size_t attention_norm = 0;
  size_t ffn_norm = 0;
  std::optional<size_t> q_bias;
  std::optional<size_t> k_bias;
  std::optional<size_t> v_bias;
  std::optional<size_t> attention_output_bias;
};

struct Model {
  Hyperparameters hyperparameters;
  WeightSchedule schedule;
  std::vector<LayerWeights> layers;
  size_t output_norm = 0;              // constant
  std::optional<size_t> rope_factors;  // constant
};

// Reads and checks everything but the weights themselves. kUnsupported for an architecture, a tensor or a
// weight type that is not known, kCorrupt for a missing tensor or key, a wrong shape or numbers that
// contradict each other; each names the model's file and the tensor or key.
Result<Model> read_model(const GgufFile& file);

}  // namespace flexinfer
