// The store under a mixture of experts: only what was chosen is read, in the order of its use.
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <thread>

#include "residency/mapped_source.h"
#include "unit/residency/sweeps.h"

namespace flexinfer {
namespace {

constexpr int kMostLayers = 3;
constexpr int64_t kMostHidden = 128;

struct MixtureSweep {
  SweepOptions options;
  Choices choices;
};

std::vector<MixtureSweep> draw_sweeps(const WeightSchedule& schedule) {
  std::vector<MixtureSweep> sweeps(draw<size_t>(1, 4));
  for (MixtureSweep& sweep : sweeps) {
    sweep.options = {*rc::gen::arbitrary<bool>(), *rc::gen::arbitrary<bool>()};
    sweep.choices = some_experts(schedule, draw<uint32_t>(0, 1000));
  }
  sweeps.back().options.another_follows = false;
  return sweeps;
}

std::vector<Extent> expected_mixture_reads(const WeightSchedule& schedule, const ResidencyPlan& plan,
                                           const std::vector<MixtureSweep>& sweeps) {
  const ReadSequence sequence = make_read_sequence(schedule, plan);
  std::vector<Extent> reads;
  uint32_t n_locked = 0;
  for (const auto& [options, choices] : sweeps) {
    const size_t end = options.with_head ? sequence.reads.size() : sequence.head_begin;
    for (size_t i = 0; i < end; ++i) {
      const SweepRead& read = sequence.reads[i];
      if (read.locked && read.ordinal < n_locked) continue;
      if (read.locked) ++n_locked;
      if (read.locked || is_chosen(schedule, choices, read.step)) reads.push_back(read.read);
    }
  }
  return reads;
}

void require(const Status& status) {
  if (!status) RC_FAIL(status.error().message);
}

RC_GTEST_PROP(ExpertStore, ReadsTheChosenExpertsInOrderAndNoOthers, ()) {
  const MadeWeights weights(draw_mixture(kMostLayers, kMostHidden));
  const WeightSchedule& schedule = weights.schedule();
  const ResidencyPlan plan = plan_residency(schedule, draw_request(schedule)).value();
  const auto lookahead = *rc::gen::element(Lookahead::kSweep, Lookahead::kNone);
  const RecordedStore made = make_store(
      weights, plan, memory_reader(weights, plan, draw<uint32_t>(0, 1000), draw<unsigned>(1, 8)), lookahead);
  const std::vector<MixtureSweep> sweeps = draw_sweeps(schedule);
  const size_t n_held = draw<size_t>(0, most_held(plan));
  for (const auto& [options, choices] : sweeps)
    require(sweep(*made.store, weights, options, n_held, choices));
  if (lookahead == Lookahead::kSweep) {
    RC_ASSERT(same_reads(made.record->reads(), expected_mixture_reads(schedule, plan, sweeps)));
  }
}

const Shape kMixture{.n_experts = 4, .n_experts_used = 2};
const Choices kChosen = {{1, 3}, {0, 3}, {2, 3}};

// Of every layer's experts the first two locked.
ResidencyPlan half_of_the_experts_locked(const WeightSchedule& schedule) {
  ResidencyPlan plan = all_locked(schedule);
  const uint64_t enough = full_weight_bytes(schedule);
  for (uint64_t bytes = enough; bytes > enough / 4; bytes -= 16 * kPageBytes) {
    plan = make_plan(schedule, bytes);
    if (plan.steps[schedule.expert_blocks.back().step_of(2)].rows == 0) break;
  }
  return plan;
}

TEST(ExpertStore, BeginsAllReadsOfTheChosenExpertsAtOnce) {
  const MadeWeights weights(kMixture);
  const ResidencyPlan plan = all_streamed(weights.schedule());
  const RecordedStore made = make_store(weights, plan, memory_reader(weights, plan));
  made.store->begin_sweep({});
  const size_t n_dense = made.n_reads();
  ASSERT_TRUE(made.store->choose_experts(0, kChosen[0]));
  const ReadSequence sequence = make_read_sequence(weights.schedule(), plan);
  const ExpertBlock& block = weights.schedule().expert_blocks[0];
  size_t n_expected = n_dense;
  for (const int32_t expert : kChosen[0]) {
    for (size_t i = 0; i < kExpertMatrices; ++i)
      n_expected += sequence.n_streamed_of(block.step_of(expert) + i);
  }
  EXPECT_GE(made.n_reads(), n_expected);
  // Behind them, the next layer up to its own experts.
  EXPECT_LT(made.n_reads(), sequence.first_read[weights.schedule().expert_blocks[1].first_step]);
}

TEST(ExpertStore, CountsHitsMissesAndTheBytesOfTheMisses) {
  const MadeWeights weights(kMixture);
  const WeightSchedule& schedule = weights.schedule();
  const ResidencyPlan plan = half_of_the_experts_locked(schedule);
  const RecordedStore made = make_store(weights, plan, memory_reader(weights, plan));
  ASSERT_TRUE(sweep(*made.store, weights, {}, 0, kChosen));
  const ReadStats first = made.store->stats();
  EXPECT_EQ(first.expert_hits, 2u);
  EXPECT_EQ(first.expert_misses, 4u);
  ASSERT_TRUE(sweep(*made.store, weights, {}, 0, kChosen));
  uint64_t expected = 0;
  for (size_t b = 0; b < kChosen.size(); ++b) {
    for (const int32_t expert : kChosen[b]) {
      for (size_t i = 0; i < kExpertMatrices; ++i) {
        const size_t step = schedule.expert_blocks[b].step_of(expert) + i;
        if (plan.steps[step].rows == 0) expected += page_cover(schedule.steps[step].extent).size;
      }
    }
  }
  EXPECT_NEAR(static_cast<double>(made.store->stats().bytes_read - first.bytes_read),
              static_cast<double>(expected), kPageBytes);  // the file's last page is cut off
}

TEST(ExpertStore, ReadsNothingMoreOfAFilledArena) {
  const MadeWeights weights(kMixture);
  const ResidencyPlan plan = all_locked(weights.schedule());
  const RecordedStore made = make_store(weights, plan, memory_reader(weights, plan));
  ASSERT_TRUE(sweep(*made.store, weights, {}, 0, kChosen));
  ASSERT_TRUE(
      sweep(*made.store, weights, {}, 0, kChosen));  // what of the embedding was on its way has landed
  const size_t n_before = made.n_reads();
  ASSERT_TRUE(sweep(*made.store, weights, {}, 0, some_experts(weights.schedule(), 5)));
  EXPECT_EQ(made.n_reads(), n_before);
}

TEST(ExpertStore, RefusesExpertsOutOfTheSweepsOrder) {
  const MadeWeights weights(kMixture);
  const WeightSchedule& schedule = weights.schedule();
  const ResidencyPlan plan = all_streamed(schedule);
  const RecordedStore made = make_store(weights, plan, memory_reader(weights, plan));
  EXPECT_EQ(made.store->choose_experts(0, kChosen[0]).error().code, ErrorCode::kUsage);  // before any sweep
  made.store->begin_sweep({});
  EXPECT_EQ(made.store->choose_experts(1, kChosen[1]).error().code, ErrorCode::kUsage);
  for (size_t step = 0; step < schedule.expert_blocks[0].first_step; ++step) {
    for (int64_t row = 0; row < schedule.steps[step].rows;) {
      const Result<WeightLease> lease = made.store->acquire(step, row);
      ASSERT_TRUE(lease) << lease.error().message;
      row = lease->row_end();
    }
  }
  // One of an expert before any was chosen, and one of another than was chosen.
  EXPECT_EQ(made.store->acquire(schedule.expert_blocks[0].first_step, 0).error().code, ErrorCode::kUsage);
  ASSERT_TRUE(made.store->choose_experts(0, kChosen[0]));
  EXPECT_EQ(made.store->acquire(schedule.expert_blocks[0].step_of(2), 0).error().code, ErrorCode::kUsage);
  EXPECT_TRUE(sweep(*made.store, weights, {}, 0, kChosen));
}

TEST(ExpertStore, SweepsAgainAfterOneThatEndedBeforeItsChoice) {
  const MadeWeights weights(kMixture);
  for (const ResidencyPlan& plan :
       {all_streamed(weights.schedule()), half_of_the_experts_locked(weights.schedule())}) {
    const RecordedStore made = make_store(weights, plan, memory_reader(weights, plan));
    made.store->begin_sweep({true, true});
    ASSERT_TRUE(made.store->choose_experts(0, kChosen[0]));
    for (int i = 0; i < 2; ++i) {
      const Status status = sweep(*made.store, weights, {true, true}, 1, kChosen);
      ASSERT_TRUE(status) << status.error().message;
    }
  }
}

TEST(ExpertStore, ReportsEachFailedReadAndWorksWhenTheFaultIsGone) {
  const MadeWeights weights({.n_layers = 2, .hidden = 64, .n_experts = 3});
  const Choices choices = {{0, 2}, {1}};
  const ResidencyPlan plan = make_plan(weights.schedule(), minimum_weight_bytes(weights.schedule()));
  const size_t n_reads = expected_mixture_reads(weights.schedule(), plan, {{{}, choices}}).size();
  for (const Lookahead lookahead : {Lookahead::kSweep, Lookahead::kNone}) {
    for (size_t i = 0; i < n_reads; ++i) {
      auto faulty = std::make_unique<FaultyReader>(memory_reader(weights, plan), ReadFault{.nth = i});
      const RecordedStore made = make_store(weights, plan, std::move(faulty), lookahead);
      const Status status = sweep(*made.store, weights, {}, 0, choices);
      ASSERT_FALSE(status) << "read " << i;
      EXPECT_EQ(status.error().code, ErrorCode::kIo) << "read " << i << ": " << status.error().message;
      const Status after = sweep(*made.store, weights, {}, 0, choices);
      ASSERT_TRUE(after) << "read " << i << ": " << after.error().message;
    }
  }
}

TEST(ExpertStore, EndsAWaitForAnExpertOnCancel) {
  const MadeWeights weights(kMixture);
  const ResidencyPlan plan = all_streamed(weights.schedule());
  auto gated = std::make_unique<GatedReader>(memory_reader(weights, plan));
  GatedReader& gate = *gated;
  const RecordedStore made = make_store(weights, plan, std::move(gated));
  std::stop_source stop;
  made.store->set_stop_token(stop.get_token());
  const size_t n_before =
      make_read_sequence(weights.schedule(), plan).first_read[weights.schedule().expert_blocks[0].first_step];
  gate.open(static_cast<unsigned>(n_before));
  std::jthread canceller([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    stop.request_stop();
  });
  EXPECT_EQ(sweep(*made.store, weights, {true, true}, 0, kChosen).error().code, ErrorCode::kCancelled);
  gate.open(100000);
  made.store->set_stop_token({});
  EXPECT_TRUE(sweep(*made.store, weights, {true, true}, 0, kChosen));
}

TEST(ExpertStore, MappedGivesTheBytesOfTheFile) {
  const MadeWeights weights(kMixture);
  const auto source = MappedSource::create(weights.schedule(), weights.files()).value();
  EXPECT_TRUE(sweep(*source, weights, {}, 0, kChosen));
}

}  // namespace
}  // namespace flexinfer
