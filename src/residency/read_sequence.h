// The reads of a sweep in the order of their use, those of every expert among them: a pure function of
// schedule and plan.
#pragma once

#include <cstdint>
#include <vector>

#include "residency/planner.h"

namespace flexinfer {

// One request. A streamed read brings rows [row_begin, row_end) of its step into a slot, every sweep. A
// locked read brings a page-aligned piece of the step's locked run into the arena, once, and into one huge
// page: two reads at once into an untouched one would clear it twice. Rows lie across a piece's borders, so a
// row is there when all pieces up to its end are.
struct SweepRead {
  uint32_t step = 0;
  bool locked = false;
  uint32_t ordinal = 0;  // of a locked piece: among the locked ones
  int64_t row_begin = 0;
  int64_t row_end = 0;  // of a locked piece: rows of the step complete once it and all before it have arrived
  Extent read;          // page-aligned
  uint64_t required = 0;      // bytes of it that hold weights; the rest may lie past the end of the file
  uint64_t arena_offset = 0;  // of a locked piece: where its first byte goes
};

// After the head come the locked rows of an embedding of its own, as step n_steps: no sweep waits for them.
struct ReadSequence {
  std::vector<SweepRead> reads;
  std::vector<uint32_t> first_read;    // by step, the embedding and one past it: indices into reads
  size_t head_begin = 0;               // first read of the output head
  std::vector<uint32_t> locked_reads;  // indices into reads, by ordinal
  std::vector<uint32_t>
      first_locked_piece;   // by step, the embedding and one past it: ordinals of the locked reads
  uint32_t n_streamed = 0;  // streamed reads of a whole sweep that chooses no experts
  uint32_t n_streamed_before_head = 0;

  // The streamed reads of one step.
  uint32_t n_streamed_of(size_t step) const {
    return first_read[step + 1] - first_read[step] -
           (first_locked_piece[step + 1] - first_locked_piece[step]);
  }
  uint32_t n_locked() const { return static_cast<uint32_t>(locked_reads.size()); }
};

ReadSequence make_read_sequence(const WeightSchedule& schedule, const ResidencyPlan& plan);

}  // namespace flexinfer
