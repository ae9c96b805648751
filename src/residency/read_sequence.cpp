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

// Rows of a step whose last byte lies in a read, counting from `first_row`; none where row_begin == row_end.
RowRun row_run(const WeightStep& step, uint32_t index, int64_t first_row, const Extent& read) {
  const auto rows_before = [&](uint64_t offset) {  // that end there or earlier
    if (offset <= step.extent.offset) return first_row;
    return std::clamp(static_cast<int64_t>((offset - step.extent.offset) / step.row_bytes), first_row,
                      step.rows);
  };
  RowRun run{index, false, rows_before(read.offset), rows_before(read.end())};
  run.begins_before =
      step.extent.offset + static_cast<uint64_t>(run.row_begin) * step.row_bytes < read.offset;
  return run;
}

void add_row_runs(const WeightSchedule& schedule, const ResidencyPlan& plan, const StreamedRun& run,
                  SweepRead& read, std::vector<RowRun>& row_runs) {
  read.first_run = static_cast<uint32_t>(row_runs.size());
  for (size_t i = run.first_step; i <= run.last_step; ++i) {
    const RowRun rows = row_run(schedule.steps[i], static_cast<uint32_t>(i), plan.steps[i].rows, read.read);
    if (rows.row_begin < rows.row_end) row_runs.push_back(rows);
  }
  read.n_runs = static_cast<uint32_t>(row_runs.size()) - read.first_run;
  read.n_uses = read.n_runs;
  read.step = row_runs[read.first_run].step;
}

// The streamed reads alone, in the order of use.
std::vector<SweepRead> streamed_reads(const WeightSchedule& schedule, const ResidencyPlan& plan,
                                      std::vector<RowRun>& row_runs) {
  std::vector<SweepRead> reads;
  for (const StreamedRun& run : streamed_runs(schedule, plan.steps)) {
    const uint64_t rows_end = run.read.offset + run.required;
    for (uint64_t begin = run.read.offset; begin < run.read.end(); begin += plan.slot_size) {
      SweepRead read;
      read.read = {run.read.file, begin, std::min(plan.slot_size, run.read.end() - begin)};
      read.required = std::min(read.read.end(), rows_end) - begin;
      add_row_runs(schedule, plan, run, read, row_runs);
      if (row_runs[read.first_run].begins_before) ++reads.back().n_uses;
      reads.push_back(read);
    }
  }
  return reads;
}

void begin_step(ReadSequence& sequence) {
  sequence.first_read.push_back(static_cast<uint32_t>(sequence.reads.size()));
  sequence.first_locked_piece.push_back(sequence.n_locked());
}

}  // namespace

ReadSequence make_read_sequence(const WeightSchedule& schedule, const ResidencyPlan& plan) {
  ReadSequence sequence;
  const std::vector<SweepRead> streamed = streamed_reads(schedule, plan, sequence.row_runs);
  auto next = streamed.begin();
  for (uint32_t i = 0; i < schedule.steps.size(); ++i) {
    if (i == schedule.head_step()) {
      sequence.head_begin = sequence.reads.size();
      sequence.n_streamed_before_head = sequence.n_streamed;
    }
    begin_step(sequence);
    add_locked_pieces(schedule.steps[i], i, plan.steps[i], sequence);
    for (; next != streamed.end() && next->step == i; ++next) {
      sequence.reads.push_back(*next);
      if (!schedule.steps[i].is_expert()) ++sequence.n_streamed;
    }
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
