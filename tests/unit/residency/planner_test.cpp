#include "residency/planner.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <cmath>
#include <map>

#include "unit/residency/schedule_maker.h"

namespace flexinfer {
namespace {

constexpr int kMostLayers = 12;
constexpr int64_t kMostHidden = 2048;

uint64_t taken(const ResidencyPlan& plan) {
  return plan.arena_bytes + plan.slot_bytes() + plan.lookup_bytes;
}

uint64_t locked_bytes(const WeightSchedule& schedule, const ResidencyPlan& plan, size_t step) {
  return static_cast<uint64_t>(plan.steps[step].rows) * schedule.steps[step].row_bytes;
}

// Of the rows that a slot may have to hold: those of the embedding are looked up one at a time.
uint64_t largest_streamed_row(const WeightSchedule& schedule) {
  uint64_t largest = 0;
  for (const WeightStep& step : schedule.steps)
    largest = std::max(largest, step.row_bytes);
  return largest;
}

// What one more row can cost.
uint64_t row_cost(const WeightSchedule& schedule) {
  const uint64_t largest = std::max(schedule.embedding.row_bytes, largest_streamed_row(schedule));
  return align_up(largest, kPageBytes) + kPageBytes;
}

std::vector<StreamedRun> runs(const WeightSchedule& schedule, const ResidencyPlan& plan) {
  return streamed_runs(schedule, plan.steps);
}

// Of a step's streamed rows.
Extent streamed_extent(const WeightSchedule& schedule, const ResidencyPlan& plan, size_t step) {
  const uint64_t locked = locked_bytes(schedule, plan, step);
  const Extent& extent = schedule.steps[step].extent;
  return {extent.file, extent.offset + locked, extent.size - locked};
}

struct LayerBytes {
  uint64_t all = 0;
  uint64_t locked = 0;
  uint64_t residual() const { return all - locked; }
};

// By layer, the output head last.
std::vector<LayerBytes> layer_bytes(const WeightSchedule& schedule, const ResidencyPlan& plan) {
  std::vector<LayerBytes> layers(static_cast<size_t>(schedule.n_layers) + 1);
  for (size_t i = 0; i < schedule.steps.size(); ++i) {
    LayerBytes& layer = layers[static_cast<size_t>(schedule.steps[i].layer)];
    layer.all += schedule.steps[i].extent.size;
    layer.locked += locked_bytes(schedule, plan, i);
  }
  return layers;
}

RC_GTEST_PROP(Planner, TakesNoMoreThanItWasGiven, ()) {
  const WeightSchedule schedule = make_schedule(draw_dense_or_mixture(kMostLayers, kMostHidden));
  const PlanRequest request = draw_request(schedule);
  RC_ASSERT(taken(plan_residency(schedule, request).value()) <= request.weight_bytes);
}

RC_GTEST_PROP(Planner, LeavesNoRoomForAnotherRow, ()) {
  const WeightSchedule schedule = make_schedule(draw_shape(kMostLayers, kMostHidden));
  PlanRequest request = draw_request(schedule);
  if (request.lock == LockPolicy::kNone) request.lock = LockPolicy::kBalanced;
  const ResidencyPlan plan = plan_residency(schedule, request).value();
  if (request.weight_bytes >= full_weight_bytes(schedule)) return;
  RC_LOG() << "unused " << request.weight_bytes - taken(plan) << " slot_size " << plan.slot_size
           << " n_slots " << plan.n_slots << " row " << row_cost(schedule);
  RC_ASSERT(request.weight_bytes - taken(plan) < row_cost(schedule));
}

RC_GTEST_PROP(Planner, LocksOrStreamsEveryRowExactlyOnce, ()) {
  const WeightSchedule schedule = make_schedule(draw_dense_or_mixture(kMostLayers, kMostHidden));
  const ResidencyPlan plan = plan_residency(schedule, draw_request(schedule)).value();
  RC_ASSERT(plan.steps.size() == schedule.steps.size());
  const std::vector<StreamedRun> all = runs(schedule, plan);
  auto run = all.begin();
  for (size_t i = 0; i < plan.steps.size(); ++i) {
    RC_ASSERT(plan.steps[i].rows >= 0 && plan.steps[i].rows <= schedule.steps[i].rows);
    const Extent rows = streamed_extent(schedule, plan, i);
    if (rows.size == 0) continue;
    if (run != all.end() && run->last_step < i) ++run;
    RC_ASSERT(run != all.end());
    RC_ASSERT(run->first_step <= i && i <= run->last_step);
    RC_ASSERT(run->read.file == rows.file);
    RC_ASSERT(run->read.offset <= rows.offset && rows.end() <= run->read.end());
  }
  RC_ASSERT(run == all.end() || run + 1 == all.end());
}

RC_GTEST_PROP(Planner, JoinsWhatFollowsInTheFileAndNoOtherPages, ()) {
  const WeightSchedule schedule = make_schedule(draw_dense_or_mixture(kMostLayers, kMostHidden));
  const ResidencyPlan plan = plan_residency(schedule, draw_request(schedule)).value();
  for (const StreamedRun& run : runs(schedule, plan)) {
    RC_ASSERT(run.read.offset ==
              align_down(streamed_extent(schedule, plan, run.first_step).offset, kPageBytes));
    uint64_t end = run.read.offset;  // of the rows so far
    for (size_t i = run.first_step; i <= run.last_step; ++i) {
      const Extent rows = streamed_extent(schedule, plan, i);
      if (rows.size == 0) continue;
      RC_ASSERT(rows.offset >= end);
      RC_ASSERT(align_down(rows.offset, kPageBytes) <= align_up(end, kPageBytes));
      end = rows.end();
    }
    RC_ASSERT(run.read.offset + run.required == end);
    RC_ASSERT(run.read.end() == align_up(end, kPageBytes));
  }
}

RC_GTEST_PROP(Planner, LeavesRunsApartThatOneSweepUsesAndAnotherDoesNot, ()) {
  const WeightSchedule schedule = make_schedule(draw_dense_or_mixture(kMostLayers, kMostHidden));
  const ResidencyPlan plan = plan_residency(schedule, draw_request(schedule)).value();
  for (const StreamedRun& run : runs(schedule, plan)) {
    for (size_t i = run.first_step; i <= run.last_step; ++i) {
      if (streamed_extent(schedule, plan, i).size == 0) continue;
      RC_ASSERT(!schedule.steps[i].is_expert() || run.first_step == run.last_step);
      RC_ASSERT(i != schedule.head_step() || run.first_step == i);
    }
  }
}

// Matrices that lie one after the other are one run, however small they are.
TEST(Planner, ReadsEverySmallMatrixByItself) {
  const WeightSchedule schedule =
      make_schedule({.n_layers = 1, .hidden = 256, .tied = true, .aligned = true});
  const ResidencyPlan plan =
      plan_residency(schedule, {minimum_weight_bytes(schedule), 0, LockPolicy::kNone}).value();
  const std::vector<StreamedRun> all = runs(schedule, plan);
  ASSERT_EQ(all.size(), 2U);
  EXPECT_EQ(all[0].first_step, 0U);
  EXPECT_EQ(all[0].last_step + 1, schedule.head_step());
  EXPECT_EQ(all[1].first_step, schedule.head_step());
}

RC_GTEST_PROP(Planner, GivesEverySlotTheRoomOfARowAndItsBorders, ()) {
  const WeightSchedule schedule = make_schedule(draw_dense_or_mixture(kMostLayers, kMostHidden));
  const ResidencyPlan plan = plan_residency(schedule, draw_request(schedule)).value();
  if (plan.all_locked()) return;
  RC_ASSERT(plan.slot_size % kPageBytes == 0);
  RC_ASSERT(plan.wrap_bytes % kPageBytes == 0);
  RC_ASSERT(plan.wrap_bytes >= largest_streamed_row(schedule));
  RC_ASSERT(plan.slot_size >= largest_streamed_row(schedule) + 2 * kPageBytes);
}

RC_GTEST_PROP(Planner, CountsTheBytesOfASweep, ()) {
  const WeightSchedule schedule = make_schedule(draw_shape(kMostLayers, kMostHidden));
  const ResidencyPlan plan = plan_residency(schedule, draw_request(schedule)).value();
  uint64_t total = 0;
  for (const StreamedRun& run : runs(schedule, plan))
    total += run.read.size;
  RC_ASSERT(total == plan.streamed_bytes_per_sweep);
  RC_ASSERT((total == 0) == plan.all_locked());
  RC_ASSERT(plan.all_locked() || plan.n_slots >= 4u);
}

RC_GTEST_PROP(Planner, LaysLockedRunsApartAndAlignedWithTheFile, ()) {
  const WeightSchedule schedule = make_schedule(draw_dense_or_mixture(kMostLayers, kMostHidden));
  const ResidencyPlan plan = plan_residency(schedule, draw_request(schedule)).value();
  std::map<uint64_t, uint64_t> runs;  // the pages that direct reads write, by where they begin
  auto add = [&](const WeightStep& step, const LockedRows& locked) {
    if (locked.rows == 0) return;
    RC_ASSERT(locked.arena_offset % kPageBytes == step.extent.offset % kPageBytes);
    const uint64_t end = locked.arena_offset + static_cast<uint64_t>(locked.rows) * step.row_bytes;
    RC_ASSERT(runs.emplace(align_down(locked.arena_offset, kPageBytes), align_up(end, kPageBytes)).second);
  };
  for (size_t i = 0; i < plan.steps.size(); ++i)
    add(schedule.steps[i], plan.steps[i]);
  if (!schedule.tied_embedding) add(schedule.embedding, plan.embedding);
  uint64_t end = 0;
  for (const auto& [run_begin, run_end] : runs) {
    RC_ASSERT(run_begin >= end);
    end = run_end;
  }
  RC_ASSERT(end <= plan.arena_bytes);
}

RC_GTEST_PROP(Planner, KeepsATiedEmbeddingWhereTheHeadIs, ()) {
  Shape shape = draw_shape(kMostLayers, kMostHidden);
  shape.tied = true;
  const WeightSchedule schedule = make_schedule(shape);
  const ResidencyPlan plan = plan_residency(schedule, draw_request(schedule)).value();
  RC_ASSERT(plan.embedding.rows == plan.steps.back().rows);
  RC_ASSERT(plan.embedding.arena_offset == plan.steps.back().arena_offset);
}

// Whole rows and page borders: by how much the residual bytes of two layers may differ.
double balance_tolerance(const WeightSchedule& schedule) {
  constexpr uint64_t kMatricesOfALayer = 7;
  return 2.0 * static_cast<double>(row_cost(schedule) + kMatricesOfALayer * 2 * kPageBytes);
}

RC_GTEST_PROP(Planner, BalancedLeavesTheSameToReadInEveryLayer, ()) {
  const WeightSchedule schedule = make_schedule(draw_shape(kMostLayers, kMostHidden));
  PlanRequest request = draw_request(schedule);
  request.lock = LockPolicy::kBalanced;
  const ResidencyPlan plan = plan_residency(schedule, request).value();
  std::vector<LayerBytes> layers = layer_bytes(schedule, plan);
  const LayerBytes head = layers.back();
  layers.pop_back();
  double residual = 0;
  double mean = 0;
  for (const LayerBytes& layer : layers) {
    residual = std::max(residual, static_cast<double>(layer.residual()));
    mean += static_cast<double>(layer.all) / static_cast<double>(layers.size());
  }
  const double tolerance = balance_tolerance(schedule);
  for (const LayerBytes& layer : layers) {
    RC_LOG() << "residual " << layer.residual() << " of " << layer.all << ", most " << residual << "\n";
    const double wanted = std::min(static_cast<double>(layer.all), residual);
    RC_ASSERT(static_cast<double>(layer.residual()) >= wanted - tolerance);
  }
  const double share = static_cast<double>(head.all) / mean;
  const double wanted = std::min(static_cast<double>(head.all), share * residual);
  RC_LOG() << "head " << head.residual() << " of " << head.all << ", wanted " << wanted;
  RC_ASSERT(std::abs(static_cast<double>(head.residual()) - wanted) <= (1 + share) * tolerance);
}

RC_GTEST_PROP(Planner, PrefixLocksItsFirstLayersWhole, ()) {
  const WeightSchedule schedule = make_schedule(draw_shape(kMostLayers, kMostHidden));
  PlanRequest request = draw_request(schedule);
  request.lock = LockPolicy::kPrefix;
  const ResidencyPlan plan = plan_residency(schedule, request).value();
  const std::vector<LayerBytes> layers = layer_bytes(schedule, plan);
  size_t n_whole = 0;
  while (n_whole < layers.size() && layers[n_whole].residual() == 0)
    ++n_whole;
  uint64_t beyond = 0;  // what the layer that is locked in part had no row for
  for (size_t l = n_whole + 1; l < layers.size(); ++l)
    beyond += layers[l].locked;
  RC_ASSERT(beyond < row_cost(schedule));
}

TEST(Planner, NoneLocksNothingEvenWhereItFits) {
  const WeightSchedule schedule = make_schedule({});
  const PlanRequest request{2 * full_weight_bytes(schedule), 0, LockPolicy::kNone, Preservation::kFlexible};
  const ResidencyPlan plan = plan_residency(schedule, request).value();
  for (const LockedRows& locked : plan.steps)
    EXPECT_EQ(locked.rows, 0);
  EXPECT_EQ(plan.embedding.rows, 0);
  EXPECT_EQ(plan.arena_bytes, 0u);
  EXPECT_GE(plan.streamed_bytes_per_sweep, schedule.matrix_bytes() - schedule.embedding.extent.size);
}

// Steps of a layer: attention from the smallest, and FFN as they are used.
struct LayerSteps {
  std::vector<size_t> attention;
  std::vector<size_t> ffn;
};

LayerSteps steps_of(const WeightSchedule& schedule, int layer) {
  LayerSteps steps;
  for (size_t i = 0; i < schedule.steps.size(); ++i) {
    if (schedule.steps[i].layer != layer) continue;
    (is_attention(schedule.steps[i].role) ? steps.attention : steps.ffn).push_back(i);
  }
  std::stable_sort(steps.attention.begin(), steps.attention.end(), [&](size_t a, size_t b) {
    return schedule.steps[a].extent.size < schedule.steps[b].extent.size;
  });
  return steps;
}

bool whole(const WeightSchedule& schedule, const ResidencyPlan& plan, size_t step) {
  return plan.steps[step].rows == schedule.steps[step].rows;
}

// Whether the steps are locked one after the other: nothing of one while one before it streams.
bool locked_in_order(const WeightSchedule& schedule, const ResidencyPlan& plan,
                     const std::vector<size_t>& order) {
  bool streams = false;
  for (const size_t step : order) {
    if (streams && plan.steps[step].rows > 0) return false;
    streams = streams || !whole(schedule, plan, step);
  }
  return true;
}

std::vector<size_t> joined(std::vector<size_t> first, std::span<const size_t> second) {
  first.insert(first.end(), second.begin(), second.end());
  return first;
}

RC_GTEST_PROP(Planner, PreservesAttentionBeforeFfnWhereAttentionIsWanted, ()) {
  const WeightSchedule schedule = make_schedule(draw_shape(kMostLayers, kMostHidden));
  PlanRequest request = draw_request(schedule);
  request.preserve = Preservation::kAttention;
  const ResidencyPlan plan = plan_residency(schedule, request).value();
  for (int layer = 0; layer < schedule.n_layers; ++layer) {
    const LayerSteps steps = steps_of(schedule, layer);
    RC_ASSERT(locked_in_order(schedule, plan, joined(steps.attention, steps.ffn)));
  }
}

RC_GTEST_PROP(Planner, PreservesFfnBeforeAttentionWhereFfnIsWanted, ()) {
  const WeightSchedule schedule = make_schedule(draw_shape(kMostLayers, kMostHidden));
  PlanRequest request = draw_request(schedule);
  request.preserve = Preservation::kFfn;
  const ResidencyPlan plan = plan_residency(schedule, request).value();
  for (int layer = 0; layer < schedule.n_layers; ++layer) {
    const LayerSteps steps = steps_of(schedule, layer);
    RC_ASSERT(locked_in_order(schedule, plan, joined(steps.ffn, steps.attention)));
  }
}

RC_GTEST_PROP(Planner, FlexibleKeepsWholeFfnMatricesThenAttention, ()) {
  const WeightSchedule schedule = make_schedule(draw_shape(kMostLayers, kMostHidden));
  PlanRequest request = draw_request(schedule);
  request.preserve = Preservation::kFlexible;
  const ResidencyPlan plan = plan_residency(schedule, request).value();
  for (int layer = 0; layer < schedule.n_layers; ++layer) {
    const LayerSteps steps = steps_of(schedule, layer);
    size_t n_whole = 0;  // FFN matrices that are kept whole come first
    while (n_whole < steps.ffn.size() && whole(schedule, plan, steps.ffn[n_whole]))
      ++n_whole;
    const std::span<const size_t> ffn(steps.ffn);
    std::vector<size_t> order = joined(steps.attention, ffn.subspan(n_whole));
    RC_ASSERT(locked_in_order(schedule, plan, order));
    if (n_whole == ffn.size()) continue;
    uint64_t besides = 0;
    for (const size_t step : order)
      besides += locked_bytes(schedule, plan, step);
    const auto crumbs = static_cast<uint64_t>(balance_tolerance(schedule));
    RC_ASSERT(besides < schedule.steps[ffn[n_whole]].extent.size + crumbs);
  }
}

RC_GTEST_PROP(Planner, LocksEverythingThatFits, ()) {
  const WeightSchedule schedule = make_schedule(draw_dense_or_mixture(kMostLayers, kMostHidden));
  PlanRequest request = draw_request(schedule);
  if (request.lock == LockPolicy::kNone) request.lock = LockPolicy::kPrefix;
  request.weight_bytes = full_weight_bytes(schedule);
  const ResidencyPlan plan = plan_residency(schedule, request).value();
  for (size_t i = 0; i < plan.steps.size(); ++i)
    RC_ASSERT(whole(schedule, plan, i));
  RC_ASSERT(plan.embedding.rows == schedule.embedding.rows);
  RC_ASSERT(plan.all_locked());
}

TEST(Planner, LocksWhatFitsWhereTheSlotsWouldNot) {
  const WeightSchedule schedule = make_schedule({.n_layers = 0, .vocab = 1, .tied = true});
  const PlanRequest request{.weight_bytes = full_weight_bytes(schedule)};
  ASSERT_LT(request.weight_bytes, minimum_weight_bytes(schedule));
  const Result<ResidencyPlan> plan = plan_residency(schedule, request);
  ASSERT_TRUE(plan) << plan.error().message;
  EXPECT_TRUE(plan->all_locked());
}

RC_GTEST_PROP(Planner, DoesNotLockEverythingInAPageTooLittle, ()) {
  const WeightSchedule schedule = make_schedule(draw_shape(kMostLayers, kMostHidden));
  PlanRequest request = draw_request(schedule);
  request.weight_bytes = full_weight_bytes(schedule) - kPageBytes;
  RC_PRE(request.weight_bytes >= minimum_weight_bytes(schedule));
  const ResidencyPlan plan = plan_residency(schedule, request).value();
  RC_ASSERT(!plan.all_locked() || plan.embedding.rows < schedule.embedding.rows);
}

RC_GTEST_PROP(Planner, StreamsNoMoreFromALargerBudget, ()) {
  const WeightSchedule schedule = make_schedule(draw_shape(kMostLayers, kMostHidden));
  PlanRequest request = draw_request(schedule);
  const ResidencyPlan smaller = plan_residency(schedule, request).value();
  request.weight_bytes += draw<uint64_t>(0, full_weight_bytes(schedule) / 4);
  const ResidencyPlan larger = plan_residency(schedule, request).value();
  const uint64_t borders = row_cost(schedule) + smaller.slot_size +  // the pool is whole slots
                           2 * kPageBytes * (1 + runs(schedule, larger).size());
  RC_LOG() << smaller.streamed_bytes_per_sweep << " then " << larger.streamed_bytes_per_sweep << ", borders "
           << borders;
  RC_ASSERT(larger.streamed_bytes_per_sweep <= smaller.streamed_bytes_per_sweep + borders);
}

uint64_t expert_bytes(const WeightSchedule& schedule, const ExpertBlock& block, int32_t expert) {
  uint64_t bytes = 0;
  for (size_t i = 0; i < kExpertMatrices; ++i)
    bytes += page_cover(schedule.steps[block.step_of(expert) + i].extent).size;
  return bytes;
}

int32_t n_locked_experts(const WeightSchedule& schedule, const ResidencyPlan& plan,
                         const ExpertBlock& block) {
  int32_t n = 0;
  for (int32_t expert = 0; expert < block.n_experts; ++expert) {
    const size_t first = block.step_of(expert);
    const bool locked = plan.steps[first].rows > 0;
    for (size_t step = first; step < first + kExpertMatrices; ++step)
      RC_ASSERT(plan.steps[step].rows == (locked ? schedule.steps[step].rows : 0));
    if (locked) ++n;
  }
  return n;
}

RC_GTEST_PROP(Planner, LocksWholeExpertsAndOnlyBehindEverythingElse, ()) {
  const WeightSchedule schedule = make_schedule(draw_mixture(kMostLayers, kMostHidden / 4));
  const ResidencyPlan plan = plan_residency(schedule, draw_request(schedule)).value();
  int32_t n_experts = 0;
  for (const ExpertBlock& block : schedule.expert_blocks)
    n_experts += n_locked_experts(schedule, plan, block);
  if (n_experts == 0) return;
  for (size_t i = 0; i < plan.steps.size(); ++i)
    RC_ASSERT(schedule.steps[i].is_expert() || whole(schedule, plan, i));
}

RC_GTEST_PROP(Planner, LocksAsManyExpertsInEveryLayerAsFit, ()) {
  Shape shape = draw_mixture(kMostLayers, kMostHidden / 4);
  shape.alike = true;
  const WeightSchedule schedule = make_schedule(shape);
  PlanRequest request = draw_request(schedule);
  request.lock = LockPolicy::kBalanced;
  const ResidencyPlan plan = plan_residency(schedule, request).value();
  int32_t fewest = shape.n_experts;
  int32_t most = 0;
  uint64_t largest = 0;
  for (const ExpertBlock& block : schedule.expert_blocks) {
    const int32_t n = n_locked_experts(schedule, plan, block);
    fewest = std::min(fewest, n);
    most = std::max(most, n);
    for (int32_t expert = 0; expert < block.n_experts; ++expert)
      largest = std::max(largest, expert_bytes(schedule, block, expert));
  }
  RC_ASSERT(most - fewest <= 1);
  if (most == 0 || fewest == shape.n_experts) return;
  const uint64_t embedding = schedule.tied_embedding ? 0 : page_cover(schedule.embedding.extent).size;
  RC_ASSERT(request.weight_bytes - taken(plan) <
            std::max(row_cost(schedule), largest - std::min(largest, embedding)));
}

TEST(Planner, ExpectsOfTheExpertsTheShareThatATokenChooses) {
  const WeightSchedule schedule = make_schedule({.n_experts = 8, .n_experts_used = 2, .aligned = true});
  const PlanRequest request{minimum_weight_bytes(schedule), 0, LockPolicy::kNone, Preservation::kFlexible};
  const ResidencyPlan plan = plan_residency(schedule, request).value();
  double dense = 0;
  double experts = 0;
  for (const StreamedRun& run : runs(schedule, plan)) {
    (schedule.steps[run.first_step].is_expert() ? experts : dense) += static_cast<double>(run.read.size);
  }
  EXPECT_NEAR(static_cast<double>(plan.streamed_bytes_per_sweep), dense + experts / 4, 1);
}

TEST(Planner, RefusesLessThanTheBuffersTake) {
  const WeightSchedule schedule = make_schedule({});
  PlanRequest request;
  request.weight_bytes = minimum_weight_bytes(schedule);
  EXPECT_TRUE(plan_residency(schedule, request));
  request.weight_bytes -= 1;
  const Result<ResidencyPlan> plan = plan_residency(schedule, request);
  ASSERT_FALSE(plan);
  EXPECT_EQ(plan.error().code, ErrorCode::kBudgetTooSmall);
  EXPECT_NE(plan.error().message.find(format_bytes(minimum_weight_bytes(schedule))), std::string::npos);
}

}  // namespace
}  // namespace flexinfer
