// The weights under a plan: an arena of locked rows that the first sweep fills, and a ring of slots through
// which the rest streams, sweep after sweep, without a pause between them.
//
// Reads are issued in the order in which compute will acquire them, so both kinds are first-in first-out:
// read i of the streamed ones goes to slot i mod n_slots. Slots lie one after the other, so that a row which
// two reads bring lies in one piece; only the beginning of one that goes round the ring's end is copied, to
// before the first slot. A slot is read into again as soon as the leases on it have ended. An expert's reads
// are issued once it is chosen: nothing behind a block that has yet to choose is streamed, so the order of
// the reads stays that of their use. The thread that computes also owns the reader: a submission costs
// microseconds, and there is nothing to lock.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/function_ref.h"
#include "base/page_buffer.h"
#include "io/async_reader.h"
#include "io/file.h"
#include "residency/locked_experts.h"
#include "residency/planner.h"
#include "residency/read_sequence.h"
#include "residency/weight_layout.h"
#include "residency/weight_source.h"

namespace flexinfer {

// Reads of the locked arena in flight during the first sweep, beside one for each slot.
inline constexpr unsigned kArenaReadsInFlight = 32;
// The depth that a store's reader needs.
constexpr unsigned reader_depth(const ResidencyPlan& plan) {
  return plan.n_slots + kArenaReadsInFlight + kLookupRows;
}

enum class Lookahead : uint8_t {
  kSweep,  // reads run ahead of compute as far as there are slots, into the next sweep
  kNone,   // a step's rows are read when it is reached, and compute waits: for comparison
};

class WeightStore final : public WeightSource {
 public:
  // Allocates the arena and the slots and reads the constants. Schedule and files must outlive the store; the
  // plan is of this schedule. reader->depth() >= reader_depth(plan). Locked rows are laid out as `layout`
  // does it, which must outlive the store; with none they stay as in the file.
  static Result<std::unique_ptr<WeightStore>> create(const WeightSchedule& schedule,
                                                     const ResidencyPlan& plan, std::span<const File> files,
                                                     std::unique_ptr<AsyncReader> reader, Lookahead lookahead,
                                                     WeightLayout* layout = nullptr);
  ~WeightStore() override;

  void begin_sweep(const SweepOptions& options) override;
  Status choose_experts(size_t block, std::span<const int32_t> experts) override;
  Result<WeightLease> acquire(size_t step, int64_t row_begin) override;
  bool at_hand(size_t step, int64_t row_begin) const override;
  Status read_embedding_rows(std::span<const int32_t> rows, std::byte* out) override;
  ReadStats stats() const override;

 protected:
  void release(LeasedSlots slots) override;

 private:
  // A read that may be in flight, and what it is for.
  struct Slot {
    ReadRequest request;
    size_t read = 0;         // index into the sequence
    uint32_t uses_left = 0;  // leases on it that have yet to end; until then it holds what was read
  };

  WeightStore(const WeightSchedule& schedule, const ResidencyPlan& plan, std::unique_ptr<AsyncReader> reader,
              Lookahead lookahead, WeightLayout* layout);
  Status allocate();

  Result<WeightLease> acquire_locked(size_t step, int64_t row_begin);
  Result<WeightLease> acquire_streamed(size_t step, int64_t row_begin);
  const LockedRows& locked_rows(size_t step) const;
  const WeightStep& matrix(size_t step) const;
  std::byte* arena_row(size_t step, int64_t row) const;
  std::byte* slot(uint64_t index) const;
  const std::byte* streamed_rows(const SweepRead& read, const RowRun& run, uint32_t slot) const;
  int64_t rows_filled(size_t step) const;
  int64_t panel_rows(size_t step) const;
  int64_t rows_ready(size_t step) const;
  void lay_out_ready_rows(size_t step);
  void copy_arena_row(size_t step, int64_t row, std::byte* out) const;

  void issue_reads(size_t through_step);
  bool issue_next(size_t through_step);
  bool undecided(const WeightStep& step) const;
  bool issue_locked(size_t read);
  bool issue_streamed(size_t read);
  void start(Slot& slot, size_t read, std::byte* destination, bool untouched);
  void note_completions();
  // Waits, issuing reads meanwhile, until `ready()`; ends with the error of `awaited()` where that read has
  // failed.
  Status wait_for(size_t step, FunctionRef<bool()> ready, FunctionRef<const Slot*()> awaited);
  void land_reads();
  void forget_streams();
  bool piece_failed() const;
  void forget_pieces();
  ReadRequest lookup_request(int32_t row, uint32_t place) const;
  Status read_embedding_round(std::span<const int32_t> rows, std::byte* out);

  const WeightSchedule& schedule_;
  const ResidencyPlan plan_;
  const ReadSequence sequence_;
  const Lookahead lookahead_;
  WeightLayout* const layout_;
  LockedExperts experts_;
  PageBuffer arena_;
  PageBuffer slot_memory_;
  PageBuffer lookup_memory_;

  std::vector<Slot> slots_;        // the ring of streamed reads
  std::vector<Slot> arena_reads_;  // the ring of reads into the arena
  uint64_t streams_issued_ = 0;    // over all sweeps; the next goes to slot streams_issued_ % n_slots
  uint64_t streams_acquired_ = 0;  // all of whose rows were leased
  uint32_t runs_acquired_ = 0;     // row runs of the next one that were
  uint32_t pieces_issued_ = 0;     // of the arena, once in a lifetime
  uint32_t pieces_arrived_ = 0;    // all before this one are there
  std::vector<int64_t> laid_out_;  // by step: its locked rows that are laid out, from the first on

  SweepOptions sweep_;
  uint64_t sweep_number_ = 0;   // of the sweep that computes; 0 before the first
  uint64_t cursor_sweep_ = 1;   // the sweep of the next read to issue: this one or the next
  size_t cursor_ = 0;           // its index in the sequence
  uint32_t streams_left_ = 0;   // streamed reads that this sweep is known to use and has yet to acquire whole
  int32_t blocks_decided_ = 0;  // expert blocks whose experts this sweep has chosen
  std::vector<bool> chosen_;    // by step: an expert's that this sweep has chosen

  uint64_t constant_bytes_read_ = 0;
  uint64_t stall_ns_ = 0;
  std::unique_ptr<AsyncReader> reader_;  // last: its end waits for reads that land in the memory above
};

}  // namespace flexinfer
