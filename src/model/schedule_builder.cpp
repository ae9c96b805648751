#include "model/schedule_builder.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <vector>

#include "ops/matmul.h"

namespace flexinfer {

void ScheduleBuilder::fail(ErrorCode code, const std::string& message) {
  if (!error_) error_ = Error{code, fmt::format("{}: {}", file_.paths().front(), message)};
}

const TensorInfo* ScheduleBuilder::find(const std::string& name, std::initializer_list<int64_t> dims) {
  const TensorInfo* tensor = file_.find_tensor(name);
  if (tensor == nullptr) {
    fail(ErrorCode::kCorrupt, fmt::format("tensor '{}' is missing", name));
    return nullptr;
  }
  used_.insert(name);
  std::vector<uint64_t> wanted(dims.begin(), dims.end());
  wanted.resize(tensor->dims.size(), 1);
  if (!std::equal(wanted.begin(), wanted.end(), tensor->dims.begin())) {
    fail(ErrorCode::kCorrupt,
         fmt::format("tensor '{}' has shape ({}), expected ({})", name,
                     fmt::join(tensor->dims.begin(), tensor->dims.begin() + tensor->n_dims, ", "),
                     fmt::join(dims, ", ")));
    return nullptr;
  }
  return tensor;
}

std::optional<WeightStep> ScheduleBuilder::find_matrix(int layer, Role role, const std::string& name,
                                                       int64_t rows, int64_t cols) {
  return make_matrix(layer, role, name, rows, cols, find(name, {cols, rows}));
}

std::optional<WeightStep> ScheduleBuilder::make_matrix(int layer, Role role, const std::string& name,
                                                       int64_t rows, int64_t cols, const TensorInfo* tensor) {
  if (tensor == nullptr) return std::nullopt;
  if (!can_multiply(tensor->type)) {
    fail(ErrorCode::kUnsupported, fmt::format("tensor '{}' is of type {}, which cannot be computed with",
                                              name, ggml_type_info(tensor->type).name));
    return std::nullopt;
  }
  WeightStep step;
  step.layer = layer;
  step.role = role;
  step.name = name;
  step.type = tensor->type;
  step.rows = rows;
  step.cols = cols;
  step.row_bytes = tensor->extent.size / static_cast<uint64_t>(rows);
  step.extent = tensor->extent;
  return step;
}

size_t ScheduleBuilder::matrix(int layer, Role role, const std::string& name, int64_t rows, int64_t cols) {
  const std::optional<WeightStep> step = find_matrix(layer, role, name, rows, cols);
  if (step) schedule_.steps.push_back(*step);
  return schedule_.steps.size() - 1;
}

std::vector<size_t> ScheduleBuilder::matrices(int layer, const std::string& name,
                                              std::initializer_list<MatrixPart> parts, int64_t cols) {
  int64_t rows = 0;
  for (const MatrixPart& part : parts)
    rows += part.rows;
  std::vector<size_t> steps(parts.size());
  const std::optional<WeightStep> whole = find_matrix(layer, parts.begin()->role, name, rows, cols);
  if (!whole) return steps;
  uint64_t offset = whole->extent.offset;
  std::transform(parts.begin(), parts.end(), steps.begin(), [&](const MatrixPart& part) {
    WeightStep step = *whole;
    step.role = part.role;
    step.rows = part.rows;
    step.extent.offset = offset;
    step.extent.size = static_cast<uint64_t>(part.rows) * step.row_bytes;
    offset += step.extent.size;
    schedule_.steps.push_back(std::move(step));
    return schedule_.steps.size() - 1;
  });
  return steps;
}

size_t ScheduleBuilder::experts(int layer, std::span<const ExpertTensor> tensors, int64_t n_experts,
                                int64_t n_used) {
  std::vector<WeightStep> matrices;  // over all experts
  for (const ExpertTensor& tensor : tensors) {
    const TensorInfo* found = find(tensor.name, {tensor.cols, tensor.rows, n_experts});
    const auto matrix =
        make_matrix(layer, tensor.role, tensor.name, tensor.rows * n_experts, tensor.cols, found);
    if (!matrix) return 0;
    matrices.push_back(*matrix);
  }
  const size_t block = schedule_.expert_blocks.size();
  schedule_.expert_blocks.push_back({schedule_.steps.size(), static_cast<int32_t>(n_experts)});
  schedule_.n_experts_used = n_used;
  for (int64_t expert = 0; expert < n_experts; ++expert) {
    for (WeightStep step : matrices) {
      step.block = static_cast<int32_t>(block);
      step.name += fmt::format("[{}]", expert);
      step.rows /= n_experts;
      step.extent.size /= static_cast<uint64_t>(n_experts);
      step.extent.offset += static_cast<uint64_t>(expert) * step.extent.size;
      schedule_.steps.push_back(std::move(step));
    }
  }
  return block;
}

size_t ScheduleBuilder::vector(const std::string& name, int64_t size) {
  return add_vector(name, size, find(name, {size}));
}

size_t ScheduleBuilder::add_vector(const std::string& name, int64_t size, const TensorInfo* tensor) {
  if (tensor == nullptr) return 0;
  if (tensor->type != GgmlType::kF32) {
    fail(ErrorCode::kUnsupported,
         fmt::format("tensor '{}' is of type {}, expected F32", name, ggml_type_info(tensor->type).name));
  }
  schedule_.constants.push_back({name, tensor->type, size, tensor->extent});
  return schedule_.constants.size() - 1;
}

std::optional<size_t> ScheduleBuilder::optional_vector(const std::string& name, int64_t size) {
  if (file_.find_tensor(name) == nullptr) return std::nullopt;
  return vector(name, size);
}

std::optional<size_t> ScheduleBuilder::optional_vectors(const std::string& name, int64_t n, int64_t size) {
  if (file_.find_tensor(name) == nullptr) return std::nullopt;
  return add_vector(name, n * size, find(name, {size, n}));
}

void ScheduleBuilder::embedding_and_head(const std::string& embedding, const std::string& head, int layer,
                                         int64_t rows, int64_t cols) {
  schedule_.tied_embedding = file_.find_tensor(head) == nullptr;
  const std::optional<WeightStep> table = find_matrix(layer, Role::kTokenEmbedding, embedding, rows, cols);
  if (table) schedule_.embedding = *table;
  matrix(layer, Role::kOutputHead, schedule_.tied_embedding ? embedding : head, rows, cols);
}

Result<WeightSchedule> ScheduleBuilder::finish(int n_layers) {
  for (const TensorInfo& tensor : file_.tensors()) {
    if (!used_.contains(tensor.name)) {
      fail(ErrorCode::kUnsupported,
           fmt::format("tensor '{}' is not one this architecture uses", tensor.name));
    }
  }
  if (error_) return tl::unexpected(*error_);
  schedule_.n_layers = n_layers;
  return std::move(schedule_);
}

size_t LayerTensors::experts(int64_t hidden_dim, int64_t ffn_dim, int64_t n_experts, int64_t n_used) {
  const ExpertTensor tensors[kExpertMatrices] = {
      {Role::kFfnGate, full_name("ffn_gate_exps.weight"), ffn_dim, hidden_dim},
      {Role::kFfnUp, full_name("ffn_up_exps.weight"), ffn_dim, hidden_dim},
      {Role::kFfnDown, full_name("ffn_down_exps.weight"), hidden_dim, ffn_dim}};
  return schedule_.experts(layer_, tensors, n_experts, n_used);
}

std::string LayerTensors::full_name(std::string_view name) const {
  return fmt::format("blk.{}.{}", layer_, name);
}

}  // namespace flexinfer
