// How an architecture's file states its weights: each tensor once, with the shape it must have.
#pragma once

#include <initializer_list>
#include <optional>
#include <set>
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
  // A vector; its index among the constants.
  size_t vector(const std::string& name, int64_t size);
  // The same, where the file has it.
  std::optional<size_t> optional_vector(const std::string& name, int64_t size);
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
  size_t vector(std::string_view name, int64_t size) { return schedule_.vector(full_name(name), size); }
  std::optional<size_t> optional_vector(std::string_view name, int64_t size) {
    return schedule_.optional_vector(full_name(name), size);
  }
  void ignore(std::string_view name) { schedule_.ignore(full_name(name)); }

 private:
  std::string full_name(std::string_view name) const;

  ScheduleBuilder& schedule_;
  int layer_;
};

}  // namespace flexinfer
