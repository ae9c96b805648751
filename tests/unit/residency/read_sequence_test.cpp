#include "residency/read_sequence.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <cmath>

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
    RC_ASSERT(before.step < read.step || (before.step == read.step && before.row_end <= read.row_end));
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

RC_GTEST_PROP(ReadSequence, StreamsTheSlicesOfThePlan, ()) {
  const WeightSchedule schedule = make_schedule(draw_dense_or_mixture(kMostLayers, kMostHidden));
  const ResidencyPlan plan = plan_residency(schedule, draw_request(schedule)).value();
  const ReadSequence sequence = make_read_sequence(schedule, plan);
  std::vector<int64_t> next;
  for (const LockedRows& locked : plan.steps)
    next.push_back(locked.rows);
  double bytes = 0;
  std::vector<uint32_t> n_of(schedule.steps.size());
  uint32_t n_before_head = 0;
  for (const SweepRead& read : sequence.reads) {
    if (read.locked) continue;
    const WeightStep& step = step_of(schedule, read);
    RC_ASSERT(read.row_begin == next[read.step]);
    next[read.step] = read.row_end;
    bytes += schedule.use_share(step) * static_cast<double>(read.read.size);
    ++n_of[read.step];
    if (read.step < schedule.head_step() && !step.is_expert()) ++n_before_head;
    RC_ASSERT(read.read.offset + read.required ==
              step.extent.offset + static_cast<uint64_t>(read.row_end) * step.row_bytes);
  }
  for (size_t i = 0; i < next.size(); ++i) {
    RC_ASSERT(next[i] == schedule.steps[i].rows);
    RC_ASSERT(n_of[i] == sequence.n_streamed_of(i));
  }
  RC_ASSERT(static_cast<uint64_t>(std::llround(bytes)) == plan.streamed_bytes_per_sweep);
  RC_ASSERT(n_before_head == sequence.n_streamed_before_head);
}

}  // namespace
}  // namespace flexinfer
