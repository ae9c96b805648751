#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "base/bytes.h"
#include "flexinfer/tools.h"
#include "runtime/calibrate_disk.h"
#include "runtime/machine_profile.h"
#include "support/files.h"
#include "support/paths.h"

namespace flexinfer {
namespace {

using Sample = Calibration::DiskSample;

TEST(CheapestFast, SlowerOrDearerPairIsChosen) {
  const std::vector<Sample> rising = {{256 * kKiB, 16, 1e9}, {kMiB, 16, 1.98e9}, {4 * kMiB, 16, 2e9}};
  EXPECT_EQ(cheapest_fast(rising).request_bytes, kMiB);
  const std::vector<Sample> flat = {{kMiB, 2, 1.0e9}, {kMiB, 4, 1.01e9}, {kMiB, 8, 1.02e9}};
  EXPECT_EQ(cheapest_fast(flat).depth, 2U);
  const std::vector<Sample> falling = {{kMiB, 2, 2e9}, {kMiB, 4, 1e9}};
  EXPECT_EQ(cheapest_fast(falling).depth, 2U);
}

class CalibrateDiskTest : public ::testing::Test {
 protected:
  File file_of(uint64_t size) const {
    const std::string path = folder_.path("file");
    testing::write_bytes(path, std::string(size, 'x'));
    return std::move(*File::open_direct(path));
  }
  testing::TempDirectory folder_;
};

TEST_F(CalibrateDiskTest, FileSmallerThanARequestCannotBeMeasured) {
  const File file = file_of(100'000);
  const auto result = calibrate_disk({&file, 1}, IoMode::kThreads, 0.1, 64 * kMiB, {});
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_GT(result->speed.bytes_per_second, 0);
  EXPECT_EQ(result->speed.source, SpeedSource::kCalibrated);
}

TEST_F(CalibrateDiskTest, BuffersOutgrowTheirMemory) {
  const File file = file_of(kMiB);
  const auto result = calibrate_disk({&file, 1}, IoMode::kThreads, 0.05, 8 * kMiB, {});
  ASSERT_TRUE(result) << result.error().message;
  for (const Sample& sample : result->samples)
    EXPECT_LE(sample.request_bytes * sample.depth, 8 * kMiB);
}

TEST_F(CalibrateDiskTest, EmptyFileHangs) {
  const File file = file_of(0);
  const auto result = calibrate_disk({&file, 1}, IoMode::kThreads, 0.05, 8 * kMiB, {});
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::kUsage);
}

TEST_F(CalibrateDiskTest, CancelIsIgnored) {
  const File file = file_of(kMiB);
  std::stop_source stop;
  stop.request_stop();
  const auto result = calibrate_disk({&file, 1}, IoMode::kThreads, 1000, 8 * kMiB, stop.get_token());
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::kCancelled);
}

TEST(CalibrateMachine, ResultIsNotKept) {
  const testing::TempDirectory folder;
  ASSERT_EQ(::setenv("XDG_CACHE_HOME", folder.path("cache").c_str(), 1), 0);
  const std::string model = testing::bundled_model("docs7m-Q4_0.gguf");
  const auto result = calibrate_machine({.model_path = model, .n_threads = 1, .stop = {}}, {});
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_GT(result->disk_bytes_per_second, 0);
  ASSERT_FALSE(result->products.empty());
  EXPECT_FALSE(result->profile_folder.empty());
  const MachineProfile profile = load_profile(model, result->kernels, 1);
  EXPECT_EQ(profile.disk.source, SpeedSource::kCalibrated);
  EXPECT_NEAR(profile.disk.bytes_per_second, result->disk_bytes_per_second, 1);
  EXPECT_TRUE(profile.compute.measured);
  ASSERT_EQ(::unsetenv("XDG_CACHE_HOME"), 0);
}

TEST(CalibrateMachine, CancelIsIgnored) {
  std::stop_source stop;
  stop.request_stop();
  const auto result = calibrate_machine(
      {.model_path = testing::bundled_model("docs7m-Q4_0.gguf"), .stop = stop.get_token()}, {});
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::kCancelled);
}

}  // namespace
}  // namespace flexinfer
