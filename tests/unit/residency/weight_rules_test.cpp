// The rules of the store under readers that are slow, that fail and that land out of order, and under callers
// that give up in the middle: right bytes or an error, never a hang, never a read twice.
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include "unit/residency/sweeps.h"

namespace flexinfer {
namespace {

constexpr int kMostLayers = 3;
constexpr int64_t kMostHidden = 128;
constexpr int kFaults = 3;

// Keeps where reads go.
class PlaceRecorder final : public ReaderDecorator {
 public:
  PlaceRecorder(std::unique_ptr<AsyncReader> inner, std::vector<const std::byte*>& places)
      : ReaderDecorator(std::move(inner)), places_(places) {}
  void submit(ReadRequest& request) override {
    places_.push_back(request.buffer);
    ReaderDecorator::submit(request);
  }

 private:
  std::vector<const std::byte*>& places_;
};

TEST(WeightRules, SlotsAreNotTakenInTurnAcrossSweeps) {
  const MadeWeights weights({});
  const ResidencyPlan plan =
      make_plan(weights.schedule(), minimum_weight_bytes(weights.schedule()), 0, LockPolicy::kNone);
  ASSERT_GT(plan.n_slots, 1U);
  std::vector<const std::byte*> places;
  auto reader = std::make_unique<PlaceRecorder>(memory_reader(weights, plan), places);
  const RecordedStore made = make_store(weights, plan, std::move(reader));
  for (const bool follows : {true, true, false})
    ASSERT_TRUE(sweep(*made.store, weights, {true, follows}, most_held(plan)));
  ASSERT_NE(places.size() % plan.n_slots, 0U) << "the ring's end never falls into the middle of a sweep";
  for (size_t i = 0; i < places.size(); ++i)
    ASSERT_EQ(places[i], places[0] + i % plan.n_slots * plan.slot_size) << "read " << i;
}

TEST(WeightRules, RowThatGoesRoundTheRingsEndIsTorn) {
  const MadeWeights weights({});
  const ResidencyPlan plan =
      make_plan(weights.schedule(), minimum_weight_bytes(weights.schedule()), 0, LockPolicy::kNone);
  const ReadSequence sequence = make_read_sequence(weights.schedule(), plan);
  size_t n_round = 0;
  for (size_t i = 0; i < sequence.reads.size(); ++i) {
    if (i % plan.n_slots == 0 && sequence.runs_of(sequence.reads[i]).front().begins_before) ++n_round;
  }
  ASSERT_GT(n_round, 10U);
  const RecordedStore made = make_store(weights, plan, memory_reader(weights, plan));
  const Status status = sweep(*made.store, weights, {}, most_held(plan));
  EXPECT_TRUE(status) << status.error().message;
}

TEST(WeightRules, SlowDiskChangesOrderOrBytes) {
  constexpr double kBytesPerSecond = 50e6;
  const MadeWeights weights({.n_layers = 2, .hidden = 128});
  for (const ResidencyPlan& plan :
       {all_locked(weights.schedule()), half_locked(weights.schedule()), all_streamed(weights.schedule())}) {
    auto slow = std::make_unique<SlowReader>(memory_reader(weights, plan), kBytesPerSecond);
    const RecordedStore made = make_store(weights, plan, std::move(slow));
    const std::vector<SweepOptions> sweeps = {{true, true}, {false, true}, {true, false}};
    for (const SweepOptions& options : sweeps) {
      const Status status = sweep(*made.store, weights, options, 1);
      ASSERT_TRUE(status) << status.error().message;
    }
    EXPECT_TRUE(same_reads(made.record->reads(), expected_reads(weights.schedule(), plan, sweeps)));
  }
}

// A sweep that its caller cancels after so many leases.
Status cancelled_sweep(WeightStore& store, const MadeWeights& weights, const SweepOptions& options,
                       size_t n_leases) {
  std::stop_source stop;
  store.set_stop_token(stop.get_token());
  store.begin_sweep(options);
  Status status;
  const WeightSchedule& schedule = weights.schedule();
  for (size_t step = 0; status && step + (options.with_head ? 0 : 1) < schedule.steps.size(); ++step) {
    for (int64_t row = 0; status && row < schedule.steps[step].rows;) {
      if (n_leases-- == 0) stop.request_stop();
      Result<WeightLease> lease = store.acquire(step, row);
      if (!lease) {
        status = tl::unexpected(lease.error());
      } else {
        row = lease->row_end();
        status = check_lease(weights, {step, std::move(*lease)});
      }
    }
  }
  store.set_stop_token({});
  return status;
}

void require_no_wrong_bytes(const Status& status) {
  if (status) return;
  const bool expected = status.error().code == ErrorCode::kIo || status.error().code == ErrorCode::kCancelled;
  if (!expected) RC_FAIL(status.error().message);
}

// The reads from `begin` on that no sweep after the first may leave out.
std::vector<Extent> streamed_since(const RecordedStore& made, size_t begin,
                                   const std::vector<Extent>& streamed) {
  std::vector<Extent> reads;
  for (size_t i = begin; i < made.n_reads(); ++i) {
    const Extent& read = made.record->reads()[i];
    const bool is_streamed = std::ranges::any_of(streamed, [&](const Extent& other) {
      return other.file == read.file && other.offset == read.offset;
    });
    if (is_streamed) reads.push_back(read);
  }
  return reads;
}

std::unique_ptr<AsyncReader> draw_faulty_reader(const MadeWeights& weights, const ResidencyPlan& plan) {
  const uint64_t n_reads = make_read_sequence(weights.schedule(), plan).reads.size();
  auto reader = memory_reader(weights, plan, draw<uint32_t>(0, 1000), draw<unsigned>(1, 8));
  for (int i = 0; i < kFaults; ++i)
    reader =
        std::make_unique<FaultyReader>(std::move(reader), ReadFault{.nth = draw<uint64_t>(0, 3 * n_reads)});
  return reader;
}

// Each fault ends one sweep at most: so many in a row cannot fail.
size_t sweep_until_it_works(const RecordedStore& made, const MadeWeights& weights) {
  for (int i = 0; i <= kFaults; ++i) {
    const size_t begin = made.n_reads();
    if (sweep(*made.store, weights)) return begin;
  }
  RC_FAIL("the store does not get over its faults");
}

RC_GTEST_PROP(WeightRules, RecoverFromFaultsAndCancelsAnywhere, ()) {
  const MadeWeights weights(draw_shape(kMostLayers, kMostHidden));
  const ResidencyPlan plan = plan_residency(weights.schedule(), draw_request(weights.schedule())).value();
  const auto lookahead = *rc::gen::element(Lookahead::kSweep, Lookahead::kNone);
  const RecordedStore made = make_store(weights, plan, draw_faulty_reader(weights, plan), lookahead);
  for (int i = 0; i < 4; ++i) {
    const SweepOptions options{*rc::gen::arbitrary<bool>(), *rc::gen::arbitrary<bool>()};
    require_no_wrong_bytes(*rc::gen::arbitrary<bool>()
                               ? cancelled_sweep(*made.store, weights, options, draw<size_t>(0, 40))
                               : sweep(*made.store, weights, options));
  }
  sweep_until_it_works(made, weights);
  const size_t begin = sweep_until_it_works(made, weights);
  const ReadSequence sequence = make_read_sequence(weights.schedule(), plan);
  std::vector<Extent> streamed;
  for (const SweepRead& read : sequence.reads) {
    if (!read.locked) streamed.push_back(read.read);
  }
  RC_ASSERT(same_reads(streamed_since(made, begin, streamed), streamed));
}

}  // namespace
}  // namespace flexinfer
