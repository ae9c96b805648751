// The store when a read fails or the caller cancels: it says so, nothing hangs, and it works again.
#include <gtest/gtest.h>

#include <latch>
#include <thread>

#include "unit/residency/sweeps.h"

namespace flexinfer {
namespace {

// Tells when somebody waits for a read.
class AnnouncingReader final : public ReaderDecorator {
 public:
  AnnouncingReader(std::unique_ptr<AsyncReader> inner, std::latch& waited)
      : ReaderDecorator(std::move(inner)), waited_(waited) {}
  void wait(std::chrono::milliseconds timeout) override {
    if (!announced_) waited_.count_down();
    announced_ = true;
    ReaderDecorator::wait(timeout);
  }

 private:
  std::latch& waited_;
  bool announced_ = false;
};

// Nothing lands in the first `n_polls` polls.
class LateReader final : public ReaderDecorator {
 public:
  LateReader(std::unique_ptr<AsyncReader> inner, unsigned n_polls)
      : ReaderDecorator(std::move(inner)), n_polls_(n_polls) {}
  void poll() override {
    if (n_polls_ == 0) return ReaderDecorator::poll();
    --n_polls_;
  }
  void wait(std::chrono::milliseconds) override { poll(); }

 private:
  unsigned n_polls_;
};

std::vector<ResidencyPlan> plans(const WeightSchedule& schedule) {
  return {all_locked(schedule), half_locked(schedule), all_streamed(schedule)};
}

RecordedStore faulty_store(const MadeWeights& weights, const ResidencyPlan& plan, ReadFault fault,
                           Lookahead lookahead) {
  return make_store(weights, plan, std::make_unique<FaultyReader>(memory_reader(weights, plan), fault),
                    lookahead);
}

// Fails each read of a first sweep in turn. No sweep waits for the embedding's own rows, and none must
// notice.
void fail_each_read(const MadeWeights& weights, const ResidencyPlan& plan, Lookahead lookahead) {
  const ReadSequence sequence = make_read_sequence(weights.schedule(), plan);
  for (size_t i = 0; i < sequence.reads.size(); ++i) {
    const RecordedStore made = faulty_store(weights, plan, {.nth = i}, lookahead);
    const Status status = sweep(*made.store, weights);
    if (sequence.reads[i].step < weights.schedule().steps.size()) {
      ASSERT_FALSE(status) << "read " << i;
      EXPECT_EQ(status.error().code, ErrorCode::kIo) << "read " << i << ": " << status.error().message;
      const std::string place = "offset " + std::to_string(sequence.reads[i].read.offset);
      EXPECT_NE(status.error().message.find(place), std::string::npos) << status.error().message;
    }
    for (int n = 0; n < 2; ++n) {
      const Status after = sweep(*made.store, weights, {true, true});
      ASSERT_TRUE(after) << "read " << i << ": " << after.error().message;
    }
    EXPECT_TRUE(look_up(*made.store, weights, some_rows(weights.schedule()))) << "read " << i;
  }
}

TEST(WeightFaults, ReportsAFailedReadAndWorksWhenTheFaultIsGone) {
  const MadeWeights weights({.n_layers = 2, .hidden = 128});
  for (const ResidencyPlan& plan : plans(weights.schedule())) {
    fail_each_read(weights, plan, Lookahead::kSweep);
  }
}

TEST(WeightFaults, ReportsAFailedReadInSyncAndWorksWhenTheFaultIsGone) {
  const MadeWeights weights({.n_layers = 2, .hidden = 128});
  fail_each_read(weights, half_locked(weights.schedule()), Lookahead::kNone);
}

TEST(WeightFaults, ReadsAnEmbeddingAgainThatFailed) {
  const MadeWeights weights({});
  const ResidencyPlan plan = all_locked(weights.schedule());
  const ReadSequence sequence = make_read_sequence(weights.schedule(), plan);
  const size_t first = sequence.locked_reads[sequence.first_locked_piece[weights.schedule().steps.size()]];
  const RecordedStore made = faulty_store(weights, plan, {.nth = first}, Lookahead::kSweep);
  for (int i = 0; i < 3; ++i)
    ASSERT_TRUE(sweep(*made.store, weights));
  const size_t n_before = made.n_reads();
  ASSERT_TRUE(look_up(*made.store, weights, some_rows(weights.schedule())));
  EXPECT_EQ(made.n_reads(), n_before);
}

TEST(WeightFaults, ReportsTheErrorOfAReadAhead) {
  const MadeWeights weights({});
  const ResidencyPlan plan = all_streamed(weights.schedule());
  const size_t n_reads = make_read_sequence(weights.schedule(), plan).reads.size();
  const RecordedStore made = faulty_store(weights, plan, {.nth = n_reads + 1}, Lookahead::kSweep);
  ASSERT_TRUE(sweep(*made.store, weights, {true, true}));
  EXPECT_EQ(sweep(*made.store, weights, {true, true}).error().code, ErrorCode::kIo);
  EXPECT_TRUE(sweep(*made.store, weights, {true, true}));
}

TEST(WeightFaults, DoesNotHangOnADiskThatStaysBroken) {
  const MadeWeights weights({});
  for (const ResidencyPlan& plan : plans(weights.schedule())) {
    const RecordedStore made =
        faulty_store(weights, plan, {.kind = ReadFault::Kind::kFileEndsEarly}, Lookahead::kSweep);
    for (int i = 0; i < 3; ++i) {
      EXPECT_EQ(sweep(*made.store, weights, {true, true}).error().code, ErrorCode::kCorrupt);
      EXPECT_EQ(look_up(*made.store, weights, {0, 5, 1}).error().code, ErrorCode::kCorrupt);
    }
  }
}

TEST(WeightFaults, ReportsTheErrorOfALookUp) {
  const MadeWeights weights({});
  const ResidencyPlan plan = all_streamed(weights.schedule());
  const RecordedStore made = faulty_store(weights, plan, {.nth = 1}, Lookahead::kSweep);
  const Status status = look_up(*made.store, weights, {3, 4, 5});
  ASSERT_FALSE(status);
  EXPECT_NE(status.error().message.find("Input/output error"), std::string::npos) << status.error().message;
  EXPECT_TRUE(look_up(*made.store, weights, {3, 4, 5}));
}

// Whichever of the store's polls is the one that meets the failure.
TEST(WeightFaults, DoesNotMistakeAFailureForAWrongOrder) {
  const MadeWeights weights({});
  const ResidencyPlan plan = all_streamed(weights.schedule());
  for (const Lookahead lookahead : {Lookahead::kSweep, Lookahead::kNone}) {
    for (unsigned n_polls = 0; n_polls < 6; ++n_polls) {
      auto faulty =
          std::make_unique<FaultyReader>(memory_reader(weights, plan, 1, 1000), ReadFault{.nth = 0});
      const RecordedStore made =
          make_store(weights, plan, std::make_unique<LateReader>(std::move(faulty), n_polls), lookahead);
      const Status status = sweep(*made.store, weights);
      ASSERT_FALSE(status);
      EXPECT_EQ(status.error().code, ErrorCode::kIo) << n_polls << " polls: " << status.error().message;
    }
  }
}

// Cancels while the first read of a sweep is waited for behind a closed gate, then lets all reads through.
void cancel_in_the_middle(const MadeWeights& weights, const ResidencyPlan& plan, Lookahead lookahead) {
  std::latch waited(1);
  auto gated = std::make_unique<GatedReader>(memory_reader(weights, plan));
  GatedReader& gate = *gated;
  const RecordedStore made =
      make_store(weights, plan, std::make_unique<AnnouncingReader>(std::move(gated), waited), lookahead);
  gate.open(2);
  std::stop_source stop;
  made.store->set_stop_token(stop.get_token());
  std::jthread canceller([&] {
    waited.wait();
    stop.request_stop();
  });
  const Status cancelled = sweep(*made.store, weights, {true, true});
  ASSERT_FALSE(cancelled);
  EXPECT_EQ(cancelled.error().code, ErrorCode::kCancelled) << cancelled.error().message;
  gate.open(100000);
  made.store->set_stop_token({});
  for (int i = 0; i < 2; ++i) {
    const Status status = sweep(*made.store, weights, {true, true}, 1);
    ASSERT_TRUE(status) << status.error().message;
  }
}

TEST(WeightFaults, EndsAWaitOnCancelAndSweepsAgain) {
  const MadeWeights weights({});
  for (const ResidencyPlan& plan : plans(weights.schedule())) {
    cancel_in_the_middle(weights, plan, Lookahead::kSweep);
    cancel_in_the_middle(weights, plan, Lookahead::kNone);
  }
}

TEST(WeightFaults, ReadsNoLockedPieceAgainAfterACancel) {
  const MadeWeights weights({});
  const ResidencyPlan plan = all_locked(weights.schedule());
  const RecordedStore made = make_store(weights, plan, memory_reader(weights, plan));
  std::stop_source stop;
  made.store->set_stop_token(stop.get_token());
  made.store->begin_sweep({});
  ASSERT_TRUE(made.store->acquire(0, 0));
  stop.request_stop();
  EXPECT_EQ(made.store->acquire(1, 0).error().code, ErrorCode::kCancelled);
  made.store->set_stop_token({});
  ASSERT_TRUE(sweep(*made.store, weights));
  EXPECT_TRUE(same_reads(made.record->reads(), expected_reads(weights.schedule(), plan, {SweepOptions{}})));
}

}  // namespace
}  // namespace flexinfer
