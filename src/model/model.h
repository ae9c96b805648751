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

// A matrix is an index into WeightSchedule::steps, a vector one into ::constants. What only some models have
// is optional, and its operation is left out where it is absent.
struct AttentionWeights {
  size_t norm = 0;  // vector
  size_t q = 0;     // matrices
  size_t k = 0;
  size_t v = 0;
  size_t output = 0;
  std::optional<size_t> q_bias;  // vectors
  std::optional<size_t> k_bias;
  std::optional<size_t> v_bias;
  std::optional<size_t> output_bias;
  std::optional<size_t> q_norm;  // of each head, before it is turned
  std::optional<size_t> k_norm;
  std::optional<size_t> sinks;      // (n_heads): scores that have no value
  std::optional<size_t> post_norm;  // of what is added to the residual stream
};

struct FfnWeights {
  size_t norm = 0;  // vector
  size_t gate = 0;  // matrices
  size_t up = 0;
  size_t down = 0;
  std::optional<size_t> post_norm;  // vector: of what is added to the residual stream
};

struct ExpertWeights {
  size_t norm = 0;                    // vector
  size_t router = 0;                  // matrix
  size_t block = 0;                   // index into WeightSchedule::expert_blocks
  std::optional<size_t> router_bias;  // vectors; the experts' hold those of all, one after the other
  std::optional<size_t> gate_bias;
  std::optional<size_t> up_bias;
  std::optional<size_t> down_bias;
};

struct LayerWeights {
  AttentionWeights attention;
  FfnWeights ffn;
  std::optional<ExpertWeights> experts;  // instead of ffn
};

struct Model {
  Hyperparameters hyperparameters;
  WeightSchedule schedule;
  std::vector<LayerWeights> layers;  // parallel to Hyperparameters::layers
  size_t output_norm = 0;            // vector
  // Vectors by which the frequencies of every rope are divided; the long ones in contexts of more than
  // Hyperparameters::original_context_length, where there are two.
  std::optional<size_t> rope_factors;
  std::optional<size_t> long_rope_factors;
};

// Reads and checks everything but the weights themselves. kUnsupported for an architecture, a tensor or a
// weight type that is not known, kCorrupt for a missing tensor or key, a wrong shape or numbers that
// contradict each other; each names the model's file and the tensor or key.
Result<Model> read_model(const GgufFile& file);

}  // namespace flexinfer
