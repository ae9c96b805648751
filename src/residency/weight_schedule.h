// The ordered list of the weights that one sweep uses. An architecture writes it once; planner, store,
// forward pass and statistics are its readers.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/ggml_type.h"
#include "io/file.h"

namespace flexinfer {

// What a matrix is for, as far as residency cares: preservation policies choose by it.
enum class Role : uint8_t {
  kAttentionQ,
  kAttentionK,
  kAttentionV,
  kAttentionOutput,
  kFfnGate,
  kFfnUp,
  kFfnDown,
  kOutputHead,
  kTokenEmbedding,
};

constexpr bool is_attention(Role role) {
  return role <= Role::kAttentionOutput;
}
constexpr bool is_ffn(Role role) {
  return role >= Role::kFfnGate && role <= Role::kFfnDown;
}

// One matrix and where its rows lie in the file: row r is the row_bytes bytes at extent.offset + r *
// row_bytes.
struct WeightStep {
  int layer = 0;  // the output head is layer n_layers
  Role role = Role::kAttentionQ;
  std::string name;
  GgmlType type = GgmlType::kF32;
  int64_t rows = 0;
  int64_t cols = 0;
  uint64_t row_bytes = 0;
  Extent extent;
};

// A vector: small, always resident (norms, biases, rope factors).
struct ConstantWeight {
  std::string name;
  GgmlType type = GgmlType::kF32;
  int64_t size = 0;  // elements
  Extent extent;
};

// Steps stand in the order of their use: layer by layer, the output head last. The embedding is looked up by
// row and is no step of the sweep; with tied embeddings it is the head's matrix (`embedding` then repeats its
// place).
struct WeightSchedule {
  int n_layers = 0;
  std::vector<WeightStep> steps;
  std::vector<ConstantWeight> constants;
  WeightStep embedding;
  bool tied_embedding = false;

  size_t head_step() const { return steps.size() - 1; }
  uint64_t constant_bytes() const;  // as f32 in memory
  uint64_t matrix_bytes() const;    // all steps, and the embedding where it is a matrix of its own
};

}  // namespace flexinfer
