#include "residency/read_sequence.h"

#include <algorithm>

#include "base/bytes.h"

namespace flexinfer {
namespace {

constexpr uint64_t kLockedPieceBytes = kHugePageBytes;

void add_locked_pieces(const WeightStep& step, uint32_t index, const LockedRows& locked,
                       ReadSequence& sequence) {
  if (locked.rows == 0) return;
  const uint64_t data_begin = step.extent.offset;
  const uint64_t data_end = data_begin + static_cast<uint64_t>(locked.rows) * step.row_bytes;
  const Extent cover = page_cover({step.extent.file, data_begin, data_end - data_begin});
  const uint64_t place = align_down(locked.arena_offset, kPageBytes);  // of the cover
  for (uint64_t begin = cover.offset, end = 0; begin < cover.end(); begin = end) {
    const uint64_t arena_offset = place + (begin - cover.offset);
    end = std::min(begin + kLockedPieceBytes - arena_offset % kLockedPieceBytes, cover.end());
    SweepRead piece;
    piece.step = index;
    piece.locked = true;
    piece.ordinal = sequence.n_locked();
    piece.row_end = static_cast<int64_t>((std::min(end, data_end) - data_begin) / step.row_bytes);
    piece.read = {cover.file, begin, end - begin};
    piece.required = std::min(end, data_end) - begin;
    piece.arena_offset = arena_offset;
    sequence.locked_reads.push_back(static_cast<uint32_t>(sequence.reads.size()));
    sequence.reads.push_back(piece);
  }
}

void add_streamed_slices(const WeightStep& step, uint32_t index, const LockedRows& locked, uint64_t slot_size,
                         ReadSequence& sequence) {
  for (const StreamedSlice& slice : streamed_slices(step, locked.rows, slot_size)) {
    SweepRead read;
    read.step = index;
    read.row_begin = slice.row_begin;
    read.row_end = slice.row_end;
    read.read = slice.read;
    read.required =
        step.extent.offset + static_cast<uint64_t>(slice.row_end) * step.row_bytes - slice.read.offset;
    sequence.reads.push_back(read);
    if (!step.is_expert()) ++sequence.n_streamed;
  }
}

void begin_step(ReadSequence& sequence) {
  sequence.first_read.push_back(static_cast<uint32_t>(sequence.reads.size()));
  sequence.first_locked_piece.push_back(sequence.n_locked());
}

}  // namespace

ReadSequence make_read_sequence(const WeightSchedule& schedule, const ResidencyPlan& plan) {
  ReadSequence sequence;
  for (uint32_t i = 0; i < schedule.steps.size(); ++i) {
    if (i == schedule.head_step()) {
      sequence.head_begin = sequence.reads.size();
      sequence.n_streamed_before_head = sequence.n_streamed;
    }
    begin_step(sequence);
    add_locked_pieces(schedule.steps[i], i, plan.steps[i], sequence);
    add_streamed_slices(schedule.steps[i], i, plan.steps[i], plan.slot_size, sequence);
  }
  begin_step(sequence);
  if (!schedule.tied_embedding) {
    add_locked_pieces(schedule.embedding, static_cast<uint32_t>(schedule.steps.size()), plan.embedding,
                      sequence);
  }
  begin_step(sequence);
  return sequence;
}

}  // namespace flexinfer
