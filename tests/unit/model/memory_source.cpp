#include "unit/model/memory_source.h"

#include <algorithm>
#include <cstring>
#include <stdexcept>
#include <string_view>

#include "support/files.h"

namespace flexinfer {
namespace {

std::vector<std::byte> bytes_of(const std::string& file, const Extent& extent) {
  const std::string_view part = std::string_view(file).substr(extent.offset, extent.size);
  if (part.size() != extent.size) throw std::runtime_error("a weight lies outside the file");
  const auto* bytes = reinterpret_cast<const std::byte*>(part.data());
  return {bytes, bytes + part.size()};
}

}  // namespace

MemorySource::MemorySource(const Model& model, const std::string& path, int64_t rows_at_once)
    : model_(model), rows_at_once_(rows_at_once) {
  const std::string file = testing::read_bytes(path);
  for (const WeightStep& step : model.schedule.steps)
    matrices_.push_back(bytes_of(file, step.extent));
  embedding_ = bytes_of(file, model.schedule.embedding.extent);
  for (const ConstantWeight& constant : model.schedule.constants) {
    const std::vector<std::byte> bytes = bytes_of(file, constant.extent);
    constants_.emplace_back(static_cast<size_t>(constant.size));
    std::memcpy(constants_.back().data(), bytes.data(), bytes.size());
  }
}

void MemorySource::begin_sweep(const SweepOptions& options) {
  sweeps_.push_back(options);
  acquired_.clear();
  next_row_ = 0;
  n_blocks_chosen_ = 0;
  skipped_.assign(model_.schedule.steps.size(), false);
  for (size_t step = 0; step < skipped_.size(); ++step)
    skipped_[step] = model_.schedule.steps[step].is_expert();
}

Status MemorySource::choose_experts(size_t block, std::span<const int32_t> experts) {
  if (block != n_blocks_chosen_++) return make_error(ErrorCode::kUsage, "experts chosen out of order");
  for (const int32_t expert : experts) {
    const size_t first = model_.schedule.expert_blocks[block].step_of(expert);
    std::fill_n(skipped_.begin() + static_cast<std::ptrdiff_t>(first), kExpertMatrices, false);
  }
  return {};
}

size_t MemorySource::next_step() const {
  size_t step = acquired_.empty() ? 0 : acquired_.back() + 1;
  while (step < skipped_.size() && skipped_[step])
    ++step;
  return step;
}

Result<WeightLease> MemorySource::acquire(size_t step, int64_t row_begin) {
  const bool continues = !acquired_.empty() && next_row_ < model_.schedule.steps[acquired_.back()].rows;
  const size_t expected = continues ? acquired_.back() : next_step();
  if (step != expected || row_begin != (continues ? next_row_ : 0)) {
    return make_error(ErrorCode::kUsage, "weights were asked for out of order");
  }
  if (failure_ && failure_->step == step && failure_->row <= row_begin)
    return tl::unexpected(failure_->error);
  if (!at_hand(step, row_begin) && n_leases_ > 0)
    return make_error(ErrorCode::kUsage, "rows at hand wait for others that may have to be read");
  const WeightStep& weight = model_.schedule.steps[step];
  if (!continues) acquired_.push_back(step);
  next_row_ = std::min(weight.rows, row_begin + rows_at_once_);
  ++n_leases_;
  const std::byte* rows = matrices_[step].data() + static_cast<uint64_t>(row_begin) * weight.row_bytes;
  return WeightLease(rows, row_begin, next_row_, *this, LeasedSlots{});
}

Status MemorySource::read_embedding_rows(std::span<const int32_t> rows, std::byte* out) {
  if (look_up_error_) return tl::unexpected(*look_up_error_);
  const uint64_t row_bytes = model_.schedule.embedding.row_bytes;
  for (int32_t row : rows) {
    std::memcpy(out, embedding_.data() + static_cast<uint64_t>(row) * row_bytes, row_bytes);
    out += row_bytes;
  }
  return {};
}

void MemorySource::release(LeasedSlots) {
  --n_leases_;
}

}  // namespace flexinfer
