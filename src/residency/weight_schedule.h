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
  kRouter,  // chooses the experts of a token
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
// row_bytes. One expert's part of a tensor is a matrix of its own.
struct WeightStep {
  int layer = 0;  // the output head is layer n_layers
  Role role = Role::kAttentionQ;
  std::string name;
  GgmlType type = GgmlType::kF32;
  int64_t rows = 0;
  int64_t cols = 0;
  uint64_t row_bytes = 0;
  Extent extent;
  int32_t block = -1;  // of an expert's matrix: the expert block that it belongs to

  bool is_expert() const { return block >= 0; }
};

// The matrices of one expert.
inline constexpr size_t kExpertMatrices = 3;

// The experts of one layer: n_experts * kExpertMatrices steps in a row, from first_step on, expert by expert,
// each its gate, up and down. A sweep uses only those that a token of its batch has chosen.
struct ExpertBlock {
  size_t first_step = 0;
  int32_t n_experts = 0;

  size_t step_of(int32_t expert) const { return first_step + static_cast<size_t>(expert) * kExpertMatrices; }
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
  std::vector<ExpertBlock> expert_blocks;
  int64_t n_experts_used = 0;  // experts that a token chooses in each block
  std::vector<ConstantWeight> constants;
  WeightStep embedding;
  bool tied_embedding = false;

  size_t head_step() const { return steps.size() - 1; }
  // How often a token's sweep uses a step: 1, or for an expert's the chance that a router without favourites
  // chooses it.
  double use_share(const WeightStep& step) const;
  uint64_t constant_bytes() const;  // as f32 in memory
  uint64_t matrix_bytes() const;    // all steps, and the embedding where it is a matrix of its own
};

}  // namespace flexinfer
