// Where compute gets its weights from, and the handle that proves they are there.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "residency/weight_schedule.h"

namespace flexinfer {

class WeightSource;

// The slots that rows lie in: one, or two where they begin in the one before.
struct LeasedSlots {
  uint32_t first = 0;
  uint32_t last = 0;
};

// The right to read rows [row_begin, row_end) of one step now. Move-only; its end gives its slots back for
// the next reads. Must not outlive its source, and is used and ended on the thread that acquired it.
class WeightLease {
 public:
  WeightLease(const std::byte* rows, int64_t row_begin, int64_t row_end, bool laid_out = false)
      : rows_(rows), row_begin_(row_begin), row_end_(row_end), laid_out_(laid_out) {}
  WeightLease(const std::byte* rows, int64_t row_begin, int64_t row_end, WeightSource& source,
              LeasedSlots slots)
      : rows_(rows), row_begin_(row_begin), row_end_(row_end), source_(&source), slots_(slots) {}
  WeightLease(WeightLease&& other) noexcept
      : rows_(other.rows_),
        row_begin_(other.row_begin_),
        row_end_(other.row_end_),
        laid_out_(other.laid_out_),
        source_(std::exchange(other.source_, nullptr)),
        slots_(other.slots_) {}
  WeightLease& operator=(WeightLease&&) = delete;
  ~WeightLease();

  const std::byte* rows() const { return rows_; }  // the bytes of row_begin()
  int64_t row_begin() const { return row_begin_; }
  int64_t row_end() const { return row_end_; }
  // Whether the whole panels of the rows, from row_begin() on, are as the source's layout leaves them; what
  // is left of the rows, and else all of them, are as in the file.
  bool laid_out() const { return laid_out_; }

 private:
  const std::byte* rows_;
  int64_t row_begin_;
  int64_t row_end_;
  bool laid_out_ = false;
  WeightSource* source_ = nullptr;  // null where there is no slot to give back
  LeasedSlots slots_;
};

struct SweepOptions {
  bool with_head = true;         // whether the output head is used in this sweep
  bool another_follows = false;  // whether reads may go on into a next sweep
};

struct ReadStats {
  uint64_t bytes_read = 0;   // from disk, padding included
  uint64_t ahead_bytes = 0;  // of it, for a sweep that has not begun
  uint64_t stall_ns = 0;     // time acquire waited
  // Experts that sweeps have chosen: in memory for good, and to be read.
  uint64_t expert_hits = 0;
  uint64_t expert_misses = 0;
};

// Used by one thread. A sweep acquires the steps in the schedule's order, each from row 0 up to its last row,
// each lease beginning where the one before ended; the head only where the sweep has it. Of an expert block,
// the experts that were chosen, after they were.
class WeightSource {
 public:
  virtual ~WeightSource() = default;

  // Begins a sweep; no lease is open. One that was left in the middle (an error, a cancel) is forgotten.
  virtual void begin_sweep(const SweepOptions& options) = 0;

  // Names the experts of a block that this sweep will use, in ascending order, each once: their reads begin.
  // Each block of the schedule in turn, before the first of its steps is acquired; kUsage where it is not its
  // turn.
  virtual Status choose_experts(size_t block, std::span<const int32_t> experts) = 0;

  // Rows of a step from row_begin on, as many as lie together and are there; waits for the first. kIo /
  // kCorrupt of the failed read; kCancelled soon after the stop token asks; kUsage where the order is not the
  // sweep's.
  virtual Result<WeightLease> acquire(size_t step, int64_t row_begin) = 0;

  // Whether acquire would give these rows at once, and they are in memory for good: their leases hold up no
  // read.
  virtual bool at_hand(size_t step, int64_t row_begin) const = 0;

  // Copies rows of the embedding, one after the other, to `out`. Rows are in range.
  virtual Status read_embedding_rows(std::span<const int32_t> rows, std::byte* out) = 0;

  // A constant of the schedule, as f32.
  std::span<const float> constant(size_t index) const { return constants_[index]; }

  virtual ReadStats stats() const = 0;
  const std::vector<std::string>& notes() const { return notes_; }
  void set_stop_token(std::stop_token stop) { stop_ = std::move(stop); }

 protected:
  friend class WeightLease;
  virtual void release(LeasedSlots slots) = 0;

  std::vector<std::vector<float>> constants_;
  std::vector<std::string> notes_;
  std::stop_token stop_;
};

inline WeightLease::~WeightLease() {
  if (source_ != nullptr) source_->release(slots_);
}

}  // namespace flexinfer
