#include "residency/read_sequence.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <cmath>
#include <numeric>

#include "unit/residency/schedule_maker.h"

namespace flexinfer {
namespace {

constexpr int kMostLayers = 6;
constexpr int64_t kMostHidden = 2048;

const WeightStep& step_of(const WeightSchedule& schedule, const SweepRead& read) {
  return read.step < schedule.steps.size() ? schedule.steps[read.step] : schedule.embedding;
}

RC_GTEST_PROP(ReadSequence, KeepsTheOrderOfUse, ()) {
  const WeightSchedule schedule = make_schedule(draw_dense_or_mixture(kMostLayers, kMostHidden));
  const ResidencyPlan plan = plan_residency(schedule, draw_request(schedule)).value();
  const ReadSequence sequence = make_read_sequence(schedule, plan);
  uint32_t n_locked = 0;
  uint32_t n_streamed = 0;
  for (size_t i = 0; i < sequence.reads.size(); ++i) {
    const SweepRead& read = sequence.reads[i];
    RC_ASSERT((i < sequence.head_begin) == (read.step < schedule.head_step()));
    RC_ASSERT(sequence.first_read[read.step] <= i && i < sequence.first_read[read.step + 1]);
    if (read.locked) {
      RC_ASSERT(read.ordinal == n_locked);
      RC_ASSERT(sequence.first_locked_piece[read.step] <= n_locked);
      RC_ASSERT(n_locked < sequence.first_locked_piece[read.step + 1]);
      RC_ASSERT(sequence.locked_reads[n_locked] == i);
    }
    if (read.locked) {
      ++n_locked;
    } else if (!step_of(schedule, read).is_expert()) {
      ++n_streamed;
    }
    if (i == 0) continue;
    const SweepRead& before = sequence.reads[i - 1];
    RC_ASSERT(before.step <= read.step);
    RC_ASSERT(before.step < read.step || before.locked || !read.locked);
  }
  RC_ASSERT(n_locked == sequence.n_locked());
  RC_ASSERT(n_streamed == sequence.n_streamed);
}

RC_GTEST_PROP(ReadSequence, CoversEveryLockedRunExactlyOnce, ()) {
  const WeightSchedule schedule = make_schedule(draw_dense_or_mixture(kMostLayers, kMostHidden));
  const ResidencyPlan plan = plan_residency(schedule, draw_request(schedule)).value();
  const ReadSequence sequence = make_read_sequence(schedule, plan);
  std::vector<uint64_t> arrived(schedule.steps.size() + 1);  // bytes of each step's cover
  for (const SweepRead& read : sequence.reads) {
    if (!read.locked) continue;
    const WeightStep& step = step_of(schedule, read);
    const LockedRows& locked = read.step < plan.steps.size() ? plan.steps[read.step] : plan.embedding;
    const Extent run{step.extent.file, step.extent.offset,
                     static_cast<uint64_t>(locked.rows) * step.row_bytes};
    const Extent cover = page_cover(run);
    uint64_t& done = arrived[read.step];
    RC_ASSERT(read.read.file == run.file);
    RC_ASSERT(read.read.offset == cover.offset + done);
    RC_ASSERT(read.read.size % kPageBytes == 0u);
    RC_ASSERT(read.arena_offset == align_down(locked.arena_offset, kPageBytes) + done);
    RC_ASSERT(read.arena_offset / kHugePageBytes ==
              (read.arena_offset + read.read.size - 1) / kHugePageBytes);
    done += read.read.size;
    RC_ASSERT(done <= cover.size);
    const uint64_t data_end = std::min(read.read.end(), run.end());
    RC_ASSERT(read.required == data_end - read.read.offset);
    RC_ASSERT(read.row_end == static_cast<int64_t>((data_end - run.offset) / step.row_bytes));
    if (done == cover.size) RC_ASSERT(read.row_end == locked.rows);
  }
  for (size_t i = 0; i < plan.steps.size(); ++i)
    RC_ASSERT((arrived[i] > 0) == (plan.steps[i].rows > 0));
  RC_ASSERT((arrived.back() > 0) == (!schedule.tied_embedding && plan.embedding.rows > 0));
}

RC_GTEST_PROP(ReadSequence, CutsRunsIntoSlotsFullOnPageBorders, ()) {
  const WeightSchedule schedule = make_schedule(draw_dense_or_mixture(kMostLayers, kMostHidden));
  const ResidencyPlan plan = plan_residency(schedule, draw_request(schedule)).value();
  const ReadSequence sequence = make_read_sequence(schedule, plan);
  auto read = sequence.reads.begin();
  double bytes = 0;
  for (const StreamedRun& run : streamed_runs(schedule, plan.steps)) {
    for (uint64_t offset = run.read.offset; offset < run.read.end(); ++read) {
      read = std::find_if(read, sequence.reads.end(), [](const SweepRead& other) { return !other.locked; });
      RC_ASSERT(read != sequence.reads.end());
      RC_ASSERT(read->read.file == run.read.file);
      RC_ASSERT(read->read.offset == offset);
      RC_ASSERT(read->read.size % kPageBytes == 0);
      RC_ASSERT(read->read.size == std::min(plan.slot_size, run.read.end() - offset));
      RC_ASSERT(read->required == std::min(read->read.size, run.read.offset + run.required - offset));
      bytes += schedule.use_share(step_of(schedule, *read)) * static_cast<double>(read->read.size);
      offset = read->read.end();
    }
  }
  RC_ASSERT(std::all_of(read, sequence.reads.end(), [](const SweepRead& other) { return other.locked; }));
  RC_ASSERT(static_cast<uint64_t>(std::llround(bytes)) == plan.streamed_bytes_per_sweep);
}

RC_GTEST_PROP(ReadSequence, CompletesEveryStreamedRowOnceInTheReadOfItsLastByte, ()) {
  const WeightSchedule schedule = make_schedule(draw_dense_or_mixture(kMostLayers, kMostHidden));
  const ResidencyPlan plan = plan_residency(schedule, draw_request(schedule)).value();
  const ReadSequence sequence = make_read_sequence(schedule, plan);
  std::vector<int64_t> next;
  for (const LockedRows& locked : plan.steps)
    next.push_back(locked.rows);
  const SweepRead* before = nullptr;
  uint32_t step = 0;
  for (const SweepRead& read : sequence.reads) {
    if (read.locked) continue;
    RC_ASSERT(read.n_runs > 0u);
    RC_ASSERT(sequence.runs_of(read).front().step == read.step);
    for (const RowRun& run : sequence.runs_of(read)) {
      const WeightStep& weight = schedule.steps[run.step];
      const uint64_t begin = weight.extent.offset + static_cast<uint64_t>(run.row_begin) * weight.row_bytes;
      const uint64_t end = weight.extent.offset + static_cast<uint64_t>(run.row_end) * weight.row_bytes;
      RC_ASSERT(run.step >= step);
      RC_ASSERT(run.row_begin == next[run.step] && run.row_end > run.row_begin);
      RC_ASSERT(run.begins_before == (begin < read.read.offset));
      if (run.begins_before) {
        RC_ASSERT(before != nullptr && before->read.end() == read.read.offset);
        RC_ASSERT(before->read.size == plan.slot_size && begin >= before->read.offset);
        RC_ASSERT(&run == &sequence.runs_of(read).front());
      }
      RC_ASSERT(end <= read.read.offset + read.required);
      RC_ASSERT(begin + weight.row_bytes > read.read.offset);
      step = run.step;
      next[run.step] = run.row_end;
    }
    before = &read;
  }
  for (size_t i = 0; i < next.size(); ++i)
    RC_ASSERT(next[i] == schedule.steps[i].rows);
}

RC_GTEST_PROP(ReadSequence, CountsTheUsesOfAReadAndTheReadsOfAStep, ()) {
  const WeightSchedule schedule = make_schedule(draw_dense_or_mixture(kMostLayers, kMostHidden));
  const ResidencyPlan plan = plan_residency(schedule, draw_request(schedule)).value();
  const ReadSequence sequence = make_read_sequence(schedule, plan);
  std::vector<uint32_t> n_of(schedule.steps.size());
  std::vector<uint32_t> uses;
  uint32_t n_uses = 0;
  uint32_t n_before_head = 0;
  for (const SweepRead& read : sequence.reads) {
    if (read.locked) continue;
    ++n_of[read.step];
    if (read.step < schedule.head_step() && !step_of(schedule, read).is_expert()) ++n_before_head;
    if (sequence.runs_of(read).front().begins_before) ++uses.back();
    uses.push_back(read.n_runs);
    n_uses += read.n_uses;
  }
  RC_ASSERT(n_uses == std::accumulate(uses.begin(), uses.end(), 0u));
  for (size_t i = 0; i < n_of.size(); ++i)
    RC_ASSERT(n_of[i] == sequence.n_streamed_of(i));
  RC_ASSERT(n_before_head == sequence.n_streamed_before_head);
}

}  // namespace
}  // namespace flexinfer
