#include "residency/weight_store.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include "residency/constants.h"
#include "residency/mapped_source.h"
#include "unit/residency/sweeps.h"

namespace flexinfer {
namespace {

constexpr int kMostLayers = 3;
constexpr int64_t kMostHidden = 256;

std::vector<SweepOptions> draw_sweeps() {
  std::vector<SweepOptions> sweeps(draw<size_t>(1, 4));
  for (SweepOptions& options : sweeps)
    options = {*rc::gen::arbitrary<bool>(), *rc::gen::arbitrary<bool>()};
  sweeps.back().another_follows = false;
  return sweeps;
}

std::unique_ptr<AsyncReader> draw_reader(const MadeWeights& weights, const ResidencyPlan& plan) {
  return memory_reader(weights, plan, draw<uint32_t>(0, 1000), draw<unsigned>(1, 8));
}

size_t draw_held(const ResidencyPlan& plan) {
  return draw<size_t>(0, most_held(plan));
}

void require(const Status& status) {
  if (!status) RC_FAIL(status.error().message);
}

RC_GTEST_PROP(WeightStore, GivesTheBytesOfTheFileWhateverThePlan, ()) {
  const MadeWeights weights(draw_shape(kMostLayers, kMostHidden));
  const ResidencyPlan plan = plan_residency(weights.schedule(), draw_request(weights.schedule())).value();
  const auto lookahead = *rc::gen::element(Lookahead::kSweep, Lookahead::kNone);
  const RecordedStore made = make_store(weights, plan, draw_reader(weights, plan), lookahead);
  for (const SweepOptions& options : draw_sweeps()) {
    require(look_up(*made.store, weights, some_rows(weights.schedule())));
    require(sweep(*made.store, weights, options, draw_held(plan)));
  }
  require(look_up(*made.store, weights, some_rows(weights.schedule())));
}

RC_GTEST_PROP(WeightStore, ReadsInOrderAndNothingTwice, ()) {
  const MadeWeights weights(draw_shape(kMostLayers, kMostHidden));
  const ResidencyPlan plan = plan_residency(weights.schedule(), draw_request(weights.schedule())).value();
  const RecordedStore made = make_store(weights, plan, draw_reader(weights, plan));
  const std::vector<SweepOptions> sweeps = draw_sweeps();
  for (const SweepOptions& options : sweeps)
    require(sweep(*made.store, weights, options, draw_held(plan)));
  RC_ASSERT(same_reads(made.record->reads(), expected_reads(weights.schedule(), plan, sweeps)));
}

TEST(WeightStore, CallsRowsAtHandThatHaveToBeRead) {
  const MadeWeights weights({});
  const ResidencyPlan plan = half_locked(weights.schedule());
  const RecordedStore made = make_store(weights, plan, memory_reader(weights, plan));
  EXPECT_FALSE(made.store->at_hand(0, 0)) << "before anything was read";
  ASSERT_TRUE(sweep(*made.store, weights, {true, true}, 0));
  size_t n_cut = 0;
  for (size_t step = 0; step < plan.steps.size(); ++step) {
    const int64_t n_locked = plan.steps[step].rows;
    n_cut += n_locked > 0 && n_locked < weights.schedule().steps[step].rows;
    EXPECT_EQ(made.store->at_hand(step, 0), n_locked > 0) << "step " << step;
    EXPECT_FALSE(made.store->at_hand(step, n_locked)) << "step " << step;
  }
  EXPECT_GT(n_cut, 0U) << "no matrix is locked in part";
}

TEST(WeightStore, LeavesALeasedSlotAlone) {
  const MadeWeights weights({});
  const ResidencyPlan plan = make_plan(weights.schedule(), minimum_weight_bytes(weights.schedule()));
  ASSERT_EQ(plan.n_slots, 4u);
  const RecordedStore made = make_store(weights, plan, memory_reader(weights, plan));
  for (const size_t n_held : {0, 1, 2}) {
    const Status status = sweep(*made.store, weights, {true, true}, n_held);
    ASSERT_TRUE(status) << n_held << " held: " << status.error().message;
  }
}

TEST(WeightStore, FreesASlotOnlyAtTheEndOfAMovedLease) {
  const MadeWeights weights({});
  const ResidencyPlan plan = make_plan(weights.schedule(), minimum_weight_bytes(weights.schedule()));
  const ReadSequence sequence = make_read_sequence(weights.schedule(), plan);
  ASSERT_EQ(sequence.reads[0].n_uses, 2u);  // its last row ends in the next read
  const RecordedStore made = make_store(weights, plan, memory_reader(weights, plan));
  made.store->begin_sweep({});
  const size_t n_before = made.n_reads();
  {
    Result<WeightLease> first = made.store->acquire(0, 0);
    ASSERT_TRUE(first);
    const WeightLease moved = std::move(*first);
    first = tl::unexpected(Error{});
    ASSERT_TRUE(made.store->acquire(0, moved.row_end()));
    EXPECT_EQ(made.n_reads(), n_before);
  }
  EXPECT_EQ(made.n_reads(), n_before + 1);
}

TEST(WeightStore, FreesASlotInWhichALeasedRowBegins) {
  const MadeWeights weights({});
  const ResidencyPlan plan = make_plan(weights.schedule(), minimum_weight_bytes(weights.schedule()));
  const RecordedStore made = make_store(weights, plan, memory_reader(weights, plan));
  made.store->begin_sweep({});
  const size_t n_before = made.n_reads();
  const int64_t row = made.store->acquire(0, 0)->row_end();
  {
    const Result<WeightLease> second = made.store->acquire(0, row);
    ASSERT_TRUE(second);
    EXPECT_EQ(made.n_reads(), n_before);
  }
  EXPECT_EQ(made.n_reads(), n_before + 1);
}

TEST(WeightStore, ReadsOnIntoTheNextSweepBeforeThisOneEnds) {
  const MadeWeights weights({});
  const ResidencyPlan plan = all_streamed(weights.schedule());
  const ReadSequence sequence = make_read_sequence(weights.schedule(), plan);
  const RecordedStore made = make_store(weights, plan, memory_reader(weights, plan));
  made.store->begin_sweep({true, true});
  // No row of this sweep has been used yet, and the slots hold more than a sweep.
  EXPECT_GT(made.n_reads(), sequence.reads.size());
}

TEST(WeightStore, LeavesTheNextSweepsHeadUntilItIsKnownToBeUsed) {
  const MadeWeights weights({});
  const ResidencyPlan plan = all_streamed(weights.schedule());
  const RecordedStore made = make_store(weights, plan, memory_reader(weights, plan));
  ASSERT_TRUE(sweep(*made.store, weights, {true, true}));
  EXPECT_TRUE(same_reads(made.record->reads(),
                         expected_reads(weights.schedule(), plan, {{true, true}, {false, false}})));
  made.store->begin_sweep({true, false});
  EXPECT_TRUE(same_reads(made.record->reads(),
                         expected_reads(weights.schedule(), plan, {{true, true}, {true, false}})));
}

TEST(WeightStore, ReadsNothingAheadWhereNothingFollows) {
  const MadeWeights weights({});
  const ResidencyPlan plan = all_streamed(weights.schedule());
  const RecordedStore made = make_store(weights, plan, memory_reader(weights, plan));
  for (const bool with_head : {true, false}) {
    const size_t n_before = made.n_reads();
    ASSERT_TRUE(sweep(*made.store, weights, {with_head, false}));
    EXPECT_EQ(made.n_reads() - n_before,
              expected_reads(weights.schedule(), plan, {{with_head, false}}).size());
  }
}

TEST(WeightStore, FillsTheArenaOnWhileComputeIsBehind) {
  Shape shape;
  shape.n_layers = 2 * static_cast<int>(kArenaReadsInFlight) / 7;
  shape.hidden = 32;
  const MadeWeights weights(shape);
  const ResidencyPlan plan = all_locked(weights.schedule());
  const RecordedStore made =
      make_store(weights, plan, memory_reader(weights, plan, 1, /*per_poll=*/kArenaReadsInFlight));
  made.store->begin_sweep({});
  ASSERT_EQ(made.n_reads(), kArenaReadsInFlight);
  ASSERT_TRUE(made.store->acquire(0, 0));  // everything asked for has landed by now
  ASSERT_TRUE(made.store->acquire(1, 0));
  EXPECT_GT(made.n_reads(), kArenaReadsInFlight);
}

TEST(WeightStore, SyncReadsOnlyTheStepAskedFor) {
  const MadeWeights weights({});
  const ResidencyPlan plan = half_locked(weights.schedule());
  const ReadSequence sequence = make_read_sequence(weights.schedule(), plan);
  const RecordedStore made = make_store(weights, plan, memory_reader(weights, plan), Lookahead::kNone);
  made.store->begin_sweep({true, true});
  EXPECT_EQ(made.n_reads(), 0u);
  for (size_t step = 0; step < weights.schedule().steps.size(); ++step) {
    for (int64_t row = 0; row < weights.schedule().steps[step].rows;) {
      const Result<WeightLease> lease = made.store->acquire(step, row);
      ASSERT_TRUE(lease) << lease.error().message;
      row = lease->row_end();
      ASSERT_LE(sequence.reads.at(made.n_reads() - 1).step, step);
    }
  }
  EXPECT_EQ(made.n_reads(), sequence.reads.size());
}

TEST(WeightStore, SyncLeavesNothingInFlightDuringCompute) {
  const MadeWeights weights({});
  const ResidencyPlan plan = half_locked(weights.schedule());
  const RecordedStore made = make_store(weights, plan, memory_reader(weights, plan, 1, 1), Lookahead::kNone);
  made.store->begin_sweep({});
  for (size_t step = 0; step < weights.schedule().steps.size(); ++step) {
    for (int64_t row = 0; row < weights.schedule().steps[step].rows;) {
      const Result<WeightLease> lease = made.store->acquire(step, row);
      ASSERT_TRUE(lease);
      ASSERT_EQ(made.record->in_flight(), 0u) << step;
      row = lease->row_end();
    }
  }
}

void expect_usage(const Result<WeightLease>& lease) {
  ASSERT_FALSE(lease);
  EXPECT_EQ(lease.error().code, ErrorCode::kUsage);
}

TEST(WeightStore, RefusesRowsOutOfTheSweepsOrder) {
  const MadeWeights weights({});
  const ResidencyPlan plan = all_streamed(weights.schedule());
  for (const Lookahead lookahead : {Lookahead::kSweep, Lookahead::kNone}) {
    const RecordedStore made = make_store(weights, plan, memory_reader(weights, plan), lookahead);
    expect_usage(made.store->acquire(0, 0));  // before any sweep
    made.store->begin_sweep({});
    expect_usage(made.store->acquire(1, 0));
    made.store->begin_sweep({});
    expect_usage(made.store->acquire(0, 1));
    const Status status = sweep(*made.store, weights, {false, false});
    ASSERT_TRUE(status) << status.error().message;
    expect_usage(made.store->acquire(weights.schedule().head_step(), 0));
  }
}

TEST(WeightStore, RefusesToWaitForASlotThatTheCallerHolds) {
  const MadeWeights weights({});
  const ResidencyPlan plan = make_plan(weights.schedule(), minimum_weight_bytes(weights.schedule()));
  const RecordedStore made = make_store(weights, plan, memory_reader(weights, plan));
  constexpr size_t kAll = 1000;
  EXPECT_EQ(sweep(*made.store, weights, {}, kAll).error().code, ErrorCode::kUsage);
  EXPECT_TRUE(sweep(*made.store, weights));
}

class LookUp : public testing::TestWithParam<bool> {
 protected:
  static Shape shape(bool tied) {
    Shape shape;
    shape.tied = tied;
    return shape;
  }
  const MadeWeights weights_{shape(GetParam())};
  const std::vector<int32_t> rows_ = some_rows(weights_.schedule());
};

INSTANTIATE_TEST_SUITE_P(Embedding, LookUp, testing::Bool(),
                         [](const auto& which) { return which.param ? "Tied" : "OfItsOwn"; });

TEST_P(LookUp, GivesTheRowsBeforeAndAfterTheFill) {
  for (const ResidencyPlan& plan : {all_locked(weights_.schedule()), half_locked(weights_.schedule())}) {
    const RecordedStore made = make_store(weights_, plan, memory_reader(weights_, plan));
    for (int i = 0; i < 3; ++i) {
      const Status status = look_up(*made.store, weights_, rows_);
      ASSERT_TRUE(status) << "after sweep " << i << ": " << status.error().message;
      ASSERT_TRUE(sweep(*made.store, weights_, {true, true}));
    }
  }
}

TEST_P(LookUp, GivesTheRowsInTheMiddleOfTheFill) {
  const ResidencyPlan plan = all_locked(weights_.schedule());
  const RecordedStore made = make_store(weights_, plan, memory_reader(weights_, plan, 1, 1));
  made.store->begin_sweep({});
  for (size_t step = 0; step < weights_.schedule().steps.size(); ++step) {
    ASSERT_TRUE(made.store->acquire(step, 0));
    const Status status = look_up(*made.store, weights_, rows_);
    ASSERT_TRUE(status) << "after step " << step << ": " << status.error().message;
  }
}

TEST_P(LookUp, ReadsNothingOnceTheRowsAreInTheArena) {
  const ResidencyPlan plan = all_locked(weights_.schedule());
  const RecordedStore made = make_store(weights_, plan, memory_reader(weights_, plan));
  ASSERT_TRUE(sweep(*made.store, weights_));
  ASSERT_TRUE(sweep(*made.store, weights_));  // what of the embedding was still on its way has landed
  const size_t n_before = made.n_reads();
  ASSERT_TRUE(look_up(*made.store, weights_, rows_));
  EXPECT_EQ(made.n_reads(), n_before);
}

uint64_t bytes_within_files(const MadeWeights& weights, const std::vector<Extent>& reads) {
  uint64_t bytes = 0;
  for (const Extent& read : reads) {
    bytes += std::min<uint64_t>(read.end(), weights.contents()[read.file].size()) - read.offset;
  }
  return bytes;
}

TEST(WeightStore, CountsTheBytesItRead) {
  const MadeWeights weights({});
  const ResidencyPlan plan = half_locked(weights.schedule());
  const RecordedStore made = make_store(weights, plan, memory_reader(weights, plan));
  const uint64_t constant_bytes = read_constants(weights.schedule(), weights.files()).value().bytes_read;
  EXPECT_EQ(made.store->stats().bytes_read, constant_bytes);
  ASSERT_TRUE(sweep(*made.store, weights));
  ASSERT_TRUE(sweep(*made.store, weights));
  EXPECT_EQ(made.store->stats().bytes_read,
            constant_bytes + bytes_within_files(weights, made.record->reads()));
}

TEST(WeightStore, CountsOnlyTheNextSweepsReadsAsAhead) {
  const MadeWeights weights({});
  const ResidencyPlan plan = all_streamed(weights.schedule());
  const RecordedStore made = make_store(weights, plan, memory_reader(weights, plan, 1, 1000));
  ASSERT_TRUE(sweep(*made.store, weights));
  EXPECT_EQ(made.store->stats().ahead_bytes, 0u);
  ASSERT_TRUE(sweep(*made.store, weights, {true, true}));
  const std::vector<Extent> ahead = expected_reads(weights.schedule(), plan, {{false, false}});
  EXPECT_EQ(made.store->stats().ahead_bytes, bytes_within_files(weights, ahead));
  made.store->begin_sweep({});
  EXPECT_EQ(made.store->stats().ahead_bytes, 0u);
}

TEST(WeightStore, CountsWhatIsAheadInTheMiddleOfASweep) {
  const MadeWeights weights({});
  const ResidencyPlan plan = all_streamed(weights.schedule());
  const RecordedStore made = make_store(weights, plan, memory_reader(weights, plan, 1, 1000));
  made.store->begin_sweep({true, true});
  ASSERT_TRUE(made.store->acquire(0, 0));  // everything asked for has landed by now
  const std::vector<Extent> ahead = expected_reads(weights.schedule(), plan, {{false, false}});
  EXPECT_EQ(made.store->stats().ahead_bytes, bytes_within_files(weights, ahead));
}

void expect_constants(const WeightSource& source, const MadeWeights& weights) {
  for (size_t i = 0; i < weights.schedule().constants.size(); ++i) {
    const ConstantWeight& constant = weights.schedule().constants[i];
    ASSERT_EQ(source.constant(i).size(), static_cast<size_t>(constant.size));
    EXPECT_EQ(std::memcmp(source.constant(i).data(), weights.at(constant.extent), constant.extent.size), 0)
        << i;
  }
}

TEST(WeightStore, GivesTheConstantsOfTheFile) {
  Shape shape;
  shape.n_files = 2;
  const MadeWeights weights(shape);
  const ResidencyPlan plan = half_locked(weights.schedule());
  expect_constants(*make_store(weights, plan, memory_reader(weights, plan)).store, weights);
}

TEST(MappedSource, GivesTheBytesOfTheFile) {
  Shape shape;
  shape.n_files = 2;
  const MadeWeights weights(shape);
  const Result<std::unique_ptr<MappedSource>> source =
      MappedSource::create(weights.schedule(), weights.files());
  ASSERT_TRUE(source) << source.error().message;
  for (const bool with_head : {true, false}) {
    const Status status = sweep(**source, weights, {with_head, true});
    EXPECT_TRUE(status) << status.error().message;
  }
  const Status status = look_up(**source, weights, some_rows(weights.schedule()));
  EXPECT_TRUE(status) << status.error().message;
  expect_constants(**source, weights);
}

// Sweeps over files on the disk, with a reader of the system.
void sweep_real_files(Result<std::unique_ptr<AsyncReader>> (*make)(std::span<const File>, unsigned)) {
  Shape shape;
  shape.n_files = 2;
  const MadeWeights weights(shape);
  const ResidencyPlan plan = half_locked(weights.schedule());
  Result<std::unique_ptr<AsyncReader>> reader = make(weights.files(), reader_depth(plan));
  if (!reader) GTEST_SKIP() << reader.error().message;
  const RecordedStore made = make_store(weights, plan, std::move(*reader));
  for (const SweepOptions& options : {SweepOptions{true, true}, {false, true}, {true, false}}) {
    ASSERT_TRUE(look_up(*made.store, weights, some_rows(weights.schedule())));
    const Status status = sweep(*made.store, weights, options, 1);
    ASSERT_TRUE(status) << status.error().message;
  }
}

TEST(WeightStore, GivesTheBytesOfTheFileThroughThreads) {
  sweep_real_files(make_thread_reader);
}

TEST(WeightStore, GivesTheBytesOfTheFileThroughTheRing) {
  sweep_real_files(make_uring_reader);
}

}  // namespace
}  // namespace flexinfer
