#include "runtime/forecast.h"

#include <gtest/gtest.h>

#include "base/bytes.h"

namespace flexinfer {
namespace {

// Four layers of eight matrices of 1 MiB each, and a head like a matrix.
Model model_of_layers() {
  Model model;
  model.hyperparameters.layers.resize(4);
  WeightSchedule& schedule = model.schedule;
  schedule.n_layers = 4;
  uint64_t offset = 0;
  const auto add = [&](int layer, Role role) {
    WeightStep step{layer, role, "matrix", GgmlType::kQ8_0, 256, 3840, 4080, {0, offset, 256 * 4080}};
    offset += kMiB;
    schedule.steps.push_back(step);
  };
  for (int layer = 0; layer < 4; ++layer) {
    for (int i = 0; i < 8; ++i)
      add(layer, i < 4 ? Role::kAttentionQ : Role::kFfnUp);
  }
  add(4, Role::kOutputHead);
  schedule.embedding = schedule.steps.back();
  schedule.tied_embedding = true;
  return model;
}

class ForecastTest : public ::testing::Test {
 protected:
  ForecastTest() : model_(model_of_layers()) {
    machine_.disk.bytes_per_second = 1e9;
    machine_.compute = {100e9, 1e-9, {{GgmlType::kQ8_0, 50e9, 50e9, 1e15}}, true};
  }
  ResidencyPlan plan(double share, LockPolicy lock) const {
    PlanRequest request;
    request.weight_bytes = minimum_weight_bytes(model_.schedule) +
                           static_cast<uint64_t>(share * static_cast<double>(model_.schedule.matrix_bytes()));
    request.slot_bytes = 4 * kMiB;
    request.request_bytes = 256 * kKiB;
    request.lock = lock;
    return *plan_residency(model_.schedule, request);
  }
  Forecast forecast(const ResidencyPlan& plan, IoMode io = IoMode::kUring) const {
    return forecast_speed(model_, plan, io, machine_);
  }
  double disk_seconds(const ResidencyPlan& plan) const {
    return static_cast<double>(plan.streamed_bytes_per_sweep) / machine_.disk.bytes_per_second;
  }

  Model model_;
  MachineProfile machine_;
};

TEST_F(ForecastTest, DiskWaitsWhileItIsTheBound) {
  for (const LockPolicy lock : {LockPolicy::kBalanced, LockPolicy::kNone}) {
    const ResidencyPlan streaming = plan(0.4, lock);
    const Forecast result = forecast(streaming);
    EXPECT_EQ(result.limit, "disk");
    EXPECT_NEAR(result.decode_seconds, disk_seconds(streaming), 0.02 * disk_seconds(streaming));
    EXPECT_DOUBLE_EQ(result.bound_seconds, disk_seconds(streaming));
  }
}

TEST_F(ForecastTest, SynchronousReadingOverlaps) {
  const ResidencyPlan streaming = plan(0.4, LockPolicy::kBalanced);
  const double compute = 33.0 * 256 * 4080 / 50e9;
  EXPECT_NEAR(forecast(streaming, IoMode::kSync).decode_seconds, disk_seconds(streaming) + compute, 1e-6);
}

TEST_F(ForecastTest, MappedPagesAreFoundInTheCache) {
  const ResidencyPlan streaming = plan(0.4, LockPolicy::kBalanced);
  EXPECT_GT(forecast(streaming, IoMode::kMmap).decode_seconds, 33.0 * 256 * 4080 / 1e9);
}

// Where compute and disk take as long, the first layers whole make one idle after the other.
TEST_F(ForecastTest, PrefixLockingIsAsFastAsBalanced) {
  machine_.compute.products[0] = {GgmlType::kQ8_0, 3e9, 3e9, 1e15};
  const Forecast balanced = forecast(plan(0.7, LockPolicy::kBalanced));
  const Forecast prefix = forecast(plan(0.7, LockPolicy::kPrefix));
  EXPECT_LT(balanced.decode_seconds, 0.9 * prefix.decode_seconds);
  EXPECT_GE(balanced.decode_seconds, balanced.bound_seconds);
}

TEST_F(ForecastTest, ModelInMemoryReadsTheDisk) {
  PlanRequest request;
  request.weight_bytes = full_weight_bytes(model_.schedule);
  const Forecast result = forecast(*plan_residency(model_.schedule, request));
  EXPECT_EQ(result.limit, "memory");
  EXPECT_NEAR(result.decode_seconds, 33.0 * 256 * 4080 / 50e9, 1e-6);
  EXPECT_NEAR(result.first_sweep_seconds, 33.0 * kMiB / 1e9, 3e-3);
}

TEST_F(ForecastTest, BoundForgetsTheCache) {
  PlanRequest request;
  request.weight_bytes = full_weight_bytes(model_.schedule);
  const ResidencyPlan in_memory = *plan_residency(model_.schedule, request);
  const Bounds bounds = find_bounds(model_, in_memory, machine_);
  EXPECT_DOUBLE_EQ(bounds.seconds(), forecast(in_memory).bound_seconds);
  EXPECT_NEAR(bounds.seconds(swept_bytes(model_.schedule) / 2), 1.5 * bounds.seconds(), 1e-9);
}

TEST_F(ForecastTest, LockedRowsHaveTheSpeedOfStreamedOnes) {
  machine_.compute.products[0].laid_out_bytes_per_second = 80e9;
  PlanRequest request;
  request.weight_bytes = full_weight_bytes(model_.schedule);
  const ResidencyPlan locked = *plan_residency(model_.schedule, request);
  EXPECT_NEAR(forecast(locked).decode_seconds, 33.0 * 256 * 4080 / 80e9, 1e-6);
  const double compute = 33.0 * 256 * 4080 / 50e9;
  const ResidencyPlan streaming = plan(0.4, LockPolicy::kNone);
  EXPECT_NEAR(forecast(streaming, IoMode::kSync).decode_seconds, disk_seconds(streaming) + compute, 1e-6);
}

TEST_F(ForecastTest, SlowCoresAreNotTheBound) {
  machine_.compute.products[0] = {GgmlType::kQ8_0, 1e9, 1e9, 1e9};
  const Forecast result = forecast(plan(0.9, LockPolicy::kBalanced));
  EXPECT_EQ(result.limit, "compute");
  EXPECT_NEAR(result.bound_seconds, 33.0 * 256 * 3840 / 1e9, 1e-6);
}

TEST_F(ForecastTest, BatchThatHidesReadingIsWrong) {
  machine_.compute.products[0].multiply_adds_per_second = 33.0 * 256 * 3840 * 1000;  // 1 ms a token
  EXPECT_EQ(hiding_batch(model_, 100'000'000, machine_), 100);
  EXPECT_EQ(hiding_batch(model_, 0, machine_), 0);
}

}  // namespace
}  // namespace flexinfer
