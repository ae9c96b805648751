// Weights that lie in memory whole: hands them out in runs of any length, watches the order, and fails on
// demand.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "model/model.h"
#include "residency/weight_source.h"

namespace flexinfer {

class MemorySource final : public WeightSource {
 public:
  // Reads the files' weights. The model must outlive it. Throws where they cannot be read.
  MemorySource(const Model& model, const std::string& path, int64_t rows_at_once);

  // From here on the acquisition of this step's row fails with `error`.
  void fail_at(size_t step, int64_t row, Error error) { failure_ = {step, row, std::move(error)}; }
  void fail_look_ups(Error error) { look_up_error_ = std::move(error); }
  void heal() {
    failure_.reset();
    look_up_error_.reset();
  }

  const std::vector<SweepOptions>& sweeps() const { return sweeps_; }
  const std::vector<size_t>& acquired() const { return acquired_; }  // steps of the last sweep, each once
  int n_leases() const { return n_leases_; }                         // held now

  void begin_sweep(const SweepOptions& options) override;
  Status choose_experts(size_t block, std::span<const int32_t> experts) override;
  Result<WeightLease> acquire(size_t step, int64_t row_begin) override;
  // Of every third step they are not, so that those before and behind must be told apart.
  bool at_hand(size_t step, int64_t) const override { return step % 3 != 1; }
  Status read_embedding_rows(std::span<const int32_t> rows, std::byte* out) override;
  ReadStats stats() const override { return {}; }

 protected:
  void release(LeasedSlots slots) override;

 private:
  size_t next_step() const;

  struct Failure {
    size_t step;
    int64_t row;
    Error error;
  };

  const Model& model_;
  const int64_t rows_at_once_;
  std::vector<std::vector<std::byte>> matrices_;  // parallel to the schedule's steps
  std::vector<std::byte> embedding_;
  std::optional<Failure> failure_;
  std::optional<Error> look_up_error_;
  std::vector<SweepOptions> sweeps_;
  std::vector<size_t> acquired_;
  int64_t next_row_ = 0;
  size_t n_blocks_chosen_ = 0;  // in the last sweep
  std::vector<bool> skipped_;   // by step: an expert's that the sweep has not chosen
  int n_leases_ = 0;
};

}  // namespace flexinfer
