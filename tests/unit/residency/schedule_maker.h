// Made-up weights for the tests of src/residency: schedules in the shape of a transformer, and files of
// random bytes behind them, so that every row can be compared with its place in its file.
#pragma once

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "io/file.h"
#include "residency/planner.h"
#include "residency/weight_schedule.h"
#include "unit/io/scratch_file.h"

namespace flexinfer {

struct Shape {
  uint32_t seed = 1;
  int n_layers = 3;
  int64_t hidden = 256;  // a multiple of 32
  int64_t vocab = 700;
  int64_t group_size = 4;  // query heads that share a key-value head
  uint32_t n_files = 1;
  int32_t n_experts = 0;  // of each layer's FFN; 0: it has none
  int32_t n_experts_used = 1;
  bool tied = false;
  bool alike = false;    // every layer has the types of the first
  bool aligned = false;  // tensors lie at multiples of 32, else at any byte
};

inline void showValue(const Shape& shape, std::ostream& out) {
  out << "seed " << shape.seed << ", layers " << shape.n_layers << ", hidden " << shape.hidden << ", vocab "
      << shape.vocab << ", group " << shape.group_size << ", files " << shape.n_files << ", tied "
      << shape.tied << ", alike " << shape.alike << ", aligned " << shape.aligned;
}

class ScheduleMaker {
 public:
  explicit ScheduleMaker(const Shape& shape) : shape_(shape), random_(shape.seed), ends_(shape.n_files) {
    for (uint64_t& end : ends_)
      end = random_() % 10000;  // a header
    draw_types();
  }

  WeightSchedule make() {
    WeightSchedule schedule;
    schedule.n_layers = shape_.n_layers;
    schedule.tied_embedding = shape_.tied;
    schedule.n_experts_used = shape_.n_experts_used;
    if (!shape_.tied) schedule.embedding = matrix(0, Role::kTokenEmbedding, shape_.vocab, shape_.hidden);
    for (int layer = 0; layer < shape_.n_layers; ++layer)
      add_layer(layer, schedule);
    schedule.steps.push_back(matrix(shape_.n_layers, Role::kOutputHead, shape_.vocab, shape_.hidden));
    if (shape_.tied) schedule.embedding = schedule.steps.back();
    return schedule;
  }

 private:
  void draw_types() {
    constexpr std::array kTypes = {GgmlType::kF32, GgmlType::kF16, GgmlType::kQ8_0, GgmlType::kQ4_0,
                                   GgmlType::kI8};
    for (GgmlType& type : types_)
      type = kTypes[random_() % kTypes.size()];
  }

  Extent place(uint64_t size) {
    const auto file = static_cast<uint32_t>(random_() % ends_.size());
    uint64_t& end = ends_[file];
    end = shape_.aligned ? align_up(end, 32) : end + random_() % 100;
    const Extent extent{file, end, size};
    end += size;
    return extent;
  }

  WeightStep matrix(int layer, Role role, int64_t rows, int64_t cols) {
    WeightStep step;
    step.layer = layer;
    step.role = role;
    step.name = "matrix " + std::to_string(layer) + "." + std::to_string(static_cast<int>(role));
    step.type = types_[static_cast<size_t>(role)];
    step.rows = rows;
    step.cols = step.type == GgmlType::kI8 ? cols + 1 : cols;  // a row may have any number of bytes
    step.row_bytes = row_bytes(step.type, static_cast<uint64_t>(step.cols)).value();
    step.extent = place(static_cast<uint64_t>(rows) * step.row_bytes);
    return step;
  }

  void add_layer(int layer, WeightSchedule& schedule) {
    const int64_t hidden = shape_.hidden;
    if (!shape_.alike) draw_types();
    schedule.constants.push_back({"norm", GgmlType::kF32, hidden, place(static_cast<uint64_t>(hidden) * 4)});
    auto add = [&](Role role, int64_t rows, int64_t cols) {
      schedule.steps.push_back(matrix(layer, role, rows, cols));
    };
    add(Role::kAttentionQ, hidden, hidden);
    add(Role::kAttentionK, std::max<int64_t>(1, hidden / shape_.group_size), hidden);
    add(Role::kAttentionV, std::max<int64_t>(1, hidden / shape_.group_size), hidden);
    add(Role::kAttentionOutput, hidden, hidden);
    if (shape_.n_experts > 0) {
      add(Role::kRouter, shape_.n_experts, hidden);
      add_experts(layer, schedule);
      return;
    }
    const int64_t ffn = 3 * hidden;
    add(Role::kFfnGate, ffn, hidden);
    add(Role::kFfnUp, ffn, hidden);
    add(Role::kFfnDown, hidden, ffn);
  }

  // Three tensors, each with all experts.
  void add_experts(int layer, WeightSchedule& schedule) {
    const int64_t n = shape_.n_experts;
    const int64_t hidden = shape_.hidden;
    const int64_t ffn = 2 * hidden;
    const std::array tensors = {matrix(layer, Role::kFfnGate, n * ffn, hidden),
                                matrix(layer, Role::kFfnUp, n * ffn, hidden),
                                matrix(layer, Role::kFfnDown, n * hidden, ffn)};
    const auto block = static_cast<int32_t>(schedule.expert_blocks.size());
    schedule.expert_blocks.push_back({schedule.steps.size(), shape_.n_experts});
    for (int32_t expert = 0; expert < n; ++expert) {
      for (WeightStep step : tensors) {
        step.block = block;
        step.rows /= n;
        step.extent.size /= static_cast<uint64_t>(n);
        step.extent.offset += static_cast<uint64_t>(expert) * step.extent.size;
        schedule.steps.push_back(step);
      }
    }
  }

  const Shape shape_;
  std::mt19937 random_;
  std::vector<uint64_t> ends_;  // of what has been placed in each file
  std::array<GgmlType, 10> types_{};
};

inline WeightSchedule make_schedule(const Shape& shape) {
  return ScheduleMaker(shape).make();
}

// From `low` to `high`, both included, whatever the size that rapidcheck has reached.
template <class T>
T draw(T low, T high) {
  return *rc::gen::resize(rc::kNominalSize, rc::gen::inRange<T>(low, high + 1));
}

inline Shape draw_shape(int most_layers, int64_t most_hidden) {
  Shape shape;
  shape.seed = draw<uint32_t>(0, 1u << 30);
  shape.n_layers = draw(1, most_layers);
  shape.hidden = 32 * draw<int64_t>(1, most_hidden / 32);
  shape.vocab = draw<int64_t>(1, 4 * shape.hidden);
  shape.group_size = draw<int64_t>(1, 8);
  shape.n_files = draw<uint32_t>(1, 3);
  shape.tied = *rc::gen::arbitrary<bool>();
  shape.alike = *rc::gen::arbitrary<bool>();
  shape.aligned = *rc::gen::arbitrary<bool>();
  RC_LOG() << "shape: ";
  showValue(shape, RC_LOG());
  return shape;
}

// One whose layers have experts.
inline Shape draw_mixture(int most_layers, int64_t most_hidden) {
  Shape shape = draw_shape(most_layers, most_hidden);
  shape.n_experts = draw(1, 6);
  shape.n_experts_used = draw(1, shape.n_experts);
  RC_LOG() << "with experts: ";
  showValue(shape, RC_LOG());
  return shape;
}

inline Shape draw_dense_or_mixture(int most_layers, int64_t most_hidden) {
  return *rc::gen::arbitrary<bool>() ? draw_mixture(most_layers, most_hidden)
                                     : draw_shape(most_layers, most_hidden);
}

// Any budget from the smallest that works to a little more than enough.
inline PlanRequest draw_request(const WeightSchedule& schedule) {
  const uint64_t least = minimum_weight_bytes(schedule);
  const uint64_t enough = std::max(least, full_weight_bytes(schedule));
  PlanRequest request;
  request.weight_bytes = draw(least, enough + enough / 10);
  request.slot_bytes = draw<uint64_t>(0, enough / 4);
  request.lock = *rc::gen::element(LockPolicy::kBalanced, LockPolicy::kPrefix, LockPolicy::kNone);
  request.preserve = *rc::gen::element(Preservation::kFlexible, Preservation::kAttention, Preservation::kFfn);
  RC_LOG() << "weight_bytes " << request.weight_bytes << ", slot_bytes " << request.slot_bytes << ", lock "
           << static_cast<int>(request.lock) << ", preserve " << static_cast<int>(request.preserve) << "\n";
  return request;
}

// A schedule with its bytes, in memory and in files where the tests run.
class MadeWeights {
 public:
  explicit MadeWeights(const Shape& shape) : schedule_(make_schedule(shape)) {
    std::vector<uint64_t> sizes(shape.n_files);
    auto cover = [&](const Extent& extent) {
      sizes[extent.file] = std::max(sizes[extent.file], extent.end());
    };
    for (const WeightStep& step : schedule_.steps)
      cover(step.extent);
    for (const ConstantWeight& constant : schedule_.constants)
      cover(constant.extent);
    cover(schedule_.embedding.extent);
    for (const uint64_t size : sizes) {
      contents_.push_back(random_bytes(size, shape.seed + static_cast<uint32_t>(contents_.size())));
      scratch_.push_back(std::make_unique<ScratchFile>(contents_.back()));
      files_.push_back(File::open_direct(scratch_.back()->path()).value());
    }
  }

  const WeightSchedule& schedule() const { return schedule_; }
  const std::vector<std::vector<std::byte>>& contents() const { return contents_; }
  std::span<const File> files() const { return files_; }

  const std::byte* at(const Extent& extent) const { return contents_[extent.file].data() + extent.offset; }
  // Whether `bytes` are the rows [begin, end) of a matrix.
  bool are_rows(const WeightStep& step, int64_t begin, int64_t end, const std::byte* bytes) const {
    const uint64_t offset = static_cast<uint64_t>(begin) * step.row_bytes;
    return std::memcmp(bytes, at(step.extent) + offset,
                       static_cast<uint64_t>(end - begin) * step.row_bytes) == 0;
  }

 private:
  const WeightSchedule schedule_;
  std::vector<std::vector<std::byte>> contents_;
  std::vector<std::unique_ptr<ScratchFile>> scratch_;
  std::vector<File> files_;
};

}  // namespace flexinfer
