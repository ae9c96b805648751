// How an architecture's file states its weights: each tensor once, with the shape it must have.
#pragma once

#include <initializer_list>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "gguf/gguf_file.h"
#include "model/model.h"

namespace flexinfer {

// Some of a matrix's rows, and what they are for.
struct MatrixPart {
  Role role;
  int64_t rows;
};

// One matrix of every expert: a tensor (n_experts, rows, cols).
struct ExpertTensor {
  Role role = Role::kFfnGate;
  std::string name;
  int64_t rows = 0;
  int64_t cols = 0;
};

// Collects a schedule. The first error is kept and everything after it ignored, so that a declaration reads
// as a list.
class ScheduleBuilder {
 public:
  explicit ScheduleBuilder(const GgufFile& file) : file_(file) {}

  // A matrix (rows, cols) used next in the sweep; its index among the steps.
  size_t matrix(int layer, Role role, const std::string& name, int64_t rows, int64_t cols);
  // Several matrices that the file keeps as one, their rows one after the other: a step of its own for each,
  // in the same order.
  std::vector<size_t> matrices(int layer, const std::string& name, std::initializer_list<MatrixPart> parts,
                               int64_t cols);
  // A layer's experts: gate, up and down of each; the index of their block. A token uses n_used of them.
  size_t experts(int layer, std::span<const ExpertTensor> tensors, int64_t n_experts, int64_t n_used);
  // A vector; its index among the constants.
  size_t vector(const std::string& name, int64_t size);
  // The same, where the file has it.
  std::optional<size_t> optional_vector(const std::string& name, int64_t size);
  // Vectors (n, size) of one tensor as one, where the file has it.
  std::optional<size_t> optional_vectors(const std::string& name, int64_t n, int64_t size);
  // The embedding (rows, cols), and the head: its own matrix, or the embedding again where the file has none.
  void embedding_and_head(const std::string& embedding, const std::string& head, int layer, int64_t rows,
                          int64_t cols);
  // A tensor of older files that holds nothing the engine needs.
  void ignore(const std::string& name) { used_.insert(name); }

  // The schedule, or the first error; kUnsupported where the file has a tensor that was not declared.
  Result<WeightSchedule> finish(int n_layers);

 private:
  std::optional<WeightStep> find_matrix(int layer, Role role, const std::string& name, int64_t rows,
                                        int64_t cols);
  std::optional<WeightStep> make_matrix(int layer, Role role, const std::string& name, int64_t rows,
                                        int64_t cols, const TensorInfo* tensor);
  size_t add_vector(const std::string& name, int64_t size, const TensorInfo* tensor);
  const TensorInfo* find(const std::string& name, std::initializer_list<int64_t> dims);
  void fail(ErrorCode code, const std::string& message);

  const GgufFile& file_;
  WeightSchedule schedule_;
  std::set<std::string> used_;
  std::optional<Error> error_;
};

// The tensors of one layer, named without their "blk.LAYER." in front.
class LayerTensors {
 public:
  LayerTensors(ScheduleBuilder& schedule, int layer) : schedule_(schedule), layer_(layer) {}

  size_t matrix(Role role, std::string_view name, int64_t rows, int64_t cols) {
    return schedule_.matrix(layer_, role, full_name(name), rows, cols);
  }
  std::vector<size_t> matrices(std::string_view name, std::initializer_list<MatrixPart> parts, int64_t cols) {
    return schedule_.matrices(layer_, full_name(name), parts, cols);
  }
  size_t experts(int64_t hidden_dim, int64_t ffn_dim, int64_t n_experts, int64_t n_used);
  size_t vector(std::string_view name, int64_t size) { return schedule_.vector(full_name(name), size); }
  std::optional<size_t> optional_vector(std::string_view name, int64_t size) {
    return schedule_.optional_vector(full_name(name), size);
  }
  std::optional<size_t> optional_vectors(std::string_view name, int64_t n, int64_t size) {
    return schedule_.optional_vectors(full_name(name), n, size);
  }
  void ignore(std::string_view name) { schedule_.ignore(full_name(name)); }

 private:
  std::string full_name(std::string_view name) const;

  ScheduleBuilder& schedule_;
  int layer_;
};

}  // namespace flexinfer
