// The reads of a sweep in the order of their use, those of every expert among them: a pure function of
// schedule and plan.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "residency/planner.h"

namespace flexinfer {

// Rows of one step that are there once a streamed read is: those whose last byte it brings. The first of them
// may begin in the read before, which lies before this one in memory.
struct RowRun {
  uint32_t step = 0;
  bool begins_before = false;
  int64_t row_begin = 0;
  int64_t row_end = 0;
};

// One request. A streamed read brings a slot full of a streamed run, or its rest, every sweep; at least one
// row ends in it. A locked read brings a page-aligned piece of the step's locked run into the arena, once,
// and into one huge page: two reads at once into an untouched one would clear it twice. Rows lie across the
// borders of both kinds; of a locked run a row is there when all pieces up to its end are.
struct SweepRead {
  uint32_t step = 0;  // the first with a row that this read completes
  bool locked = false;
  uint32_t first_run = 0;  // of a streamed read: its row runs, indices into row_runs
  uint32_t n_runs = 0;
  uint32_t n_uses = 0;   // row runs that lie in it, in whole or in part
  uint32_t ordinal = 0;  // of a locked piece: among the locked ones
  int64_t row_end = 0;  // of a locked piece: rows of the step complete once it and all before it have arrived
  Extent read;          // page-aligned
  uint64_t required = 0;      // bytes of it that hold weights; the rest may lie past the end of the file
  uint64_t arena_offset = 0;  // of a locked piece: where its first byte goes
};

// After the head come the locked rows of an embedding of its own, as step n_steps: no sweep waits for them.
struct ReadSequence {
  std::vector<SweepRead> reads;
  std::vector<RowRun> row_runs;        // of the streamed reads, in the order of use
  std::vector<uint32_t> first_read;    // by step, the embedding and one past it: indices into reads
  size_t head_begin = 0;               // first read of the output head
  std::vector<uint32_t> locked_reads;  // indices into reads, by ordinal
  std::vector<uint32_t>
      first_locked_piece;   // by step, the embedding and one past it: ordinals of the locked reads
  uint32_t n_streamed = 0;  // streamed reads of a whole sweep that chooses no experts
  uint32_t n_streamed_before_head = 0;

  // The streamed reads whose first step this is.
  uint32_t n_streamed_of(size_t step) const {
    return first_read[step + 1] - first_read[step] -
           (first_locked_piece[step + 1] - first_locked_piece[step]);
  }
  uint32_t n_locked() const { return static_cast<uint32_t>(locked_reads.size()); }
  std::span<const RowRun> runs_of(const SweepRead& read) const {
    return std::span(row_runs).subspan(read.first_run, read.n_runs);
  }
};

ReadSequence make_read_sequence(const WeightSchedule& schedule, const ResidencyPlan& plan);

}  // namespace flexinfer
