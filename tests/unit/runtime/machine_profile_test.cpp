#include "runtime/machine_profile.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "support/files.h"

namespace flexinfer {
namespace {

class MachineProfileTest : public ::testing::Test {
 protected:
  MachineProfileTest() {
    ::setenv("XDG_CACHE_HOME", folder_.path("cache").c_str(), 1);
    testing::write_bytes(model(), "x");
  }
  ~MachineProfileTest() override { ::unsetenv("XDG_CACHE_HOME"); }

  std::string model() const { return folder_.path("model"); }
  MachineProfile load(int n_threads = 2) const { return load_profile(model(), "generic", n_threads); }
  void overwrite_all(const std::string& text) const {
    for (const auto& entry : std::filesystem::directory_iterator(profile_folder()))
      testing::write_bytes(entry.path().string(), text);
  }

  testing::TempDirectory folder_;
};

constexpr DiskSpeed kDisk{2.5e9, 512 * kKiB, 8, SpeedSource::kCalibrated};

ComputeSpeed compute_speed() {
  return {40e9, 3e-6, {{GgmlType::kQ4_0, 35e9, 39e9, 300e9}, {GgmlType::kF16, 38e9, 38e9, 50e9}}, true};
}

TEST_F(MachineProfileTest, ForgetsTheDisk) {
  EXPECT_EQ(load().disk.source, SpeedSource::kAssumed);
  ASSERT_TRUE(save_disk_speed(model(), kDisk));
  const DiskSpeed disk = load().disk;
  EXPECT_EQ(disk.bytes_per_second, kDisk.bytes_per_second);
  EXPECT_EQ(disk.request_bytes, kDisk.request_bytes);
  EXPECT_EQ(disk.depth, kDisk.depth);
  EXPECT_EQ(disk.source, SpeedSource::kCalibrated);
  DiskSpeed seen = kDisk;
  seen.source = SpeedSource::kSweep;
  ASSERT_TRUE(save_disk_speed(model(), seen));
  EXPECT_EQ(load().disk.source, SpeedSource::kSweep);
}

TEST_F(MachineProfileTest, SpeedOfOtherThreadsOrKernelsIsTaken) {
  EXPECT_FALSE(load().compute.measured);
  ASSERT_TRUE(save_compute_speed("generic", 2, compute_speed()));
  const ComputeSpeed compute = load().compute;
  EXPECT_TRUE(compute.measured);
  EXPECT_EQ(compute.memory_bytes_per_second, 40e9);
  EXPECT_EQ(compute.product(GgmlType::kQ4_0).bytes_per_second, 35e9);
  EXPECT_EQ(compute.product(GgmlType::kQ4_0).laid_out_bytes_per_second, 39e9);
  EXPECT_EQ(compute.product(GgmlType::kF16).multiply_adds_per_second, 50e9);
  EXPECT_FALSE(load(4).compute.measured);
  EXPECT_FALSE(load_profile(model(), "avx2", 2).compute.measured);
}

TEST_F(MachineProfileTest, UnmeasuredTypeHasNoSpeed) {
  const ProductSpeed product = compute_speed().product(GgmlType::kQ6_K);
  EXPECT_GT(product.bytes_per_second, 0);
  EXPECT_LT(product.bytes_per_second, 40e9);
  EXPECT_GT(product.multiply_adds_per_second, 0);
}

TEST_F(MachineProfileTest, DamagedProfileIsBelieved) {
  ASSERT_TRUE(save_disk_speed(model(), kDisk));
  ASSERT_TRUE(save_compute_speed("generic", 2, compute_speed()));
  for (const char* text :
       {"", "fast", "[]", "{}", "null", "7", R"({"bytes_per_second": -7, "request_bytes": 4096, "depth": 4})",
        R"({"bytes_per_second": 1e300, "request_bytes": 1e300, "depth": 4})",
        R"({"bytes_per_second": 1e9, "request_bytes": 1048576, "depth": 1e12})",
        R"({"bytes_per_second": "1e9", "request_bytes": 1048576, "depth": 8})",
        R"({"memory_bytes_per_second": 1e9, "region_seconds": 1e-6, "products": [1]})",
        R"({"memory_bytes_per_second": 0, "region_seconds": 1e-6, "products": {}})"}) {
    overwrite_all(text);
    const MachineProfile profile = load();
    EXPECT_EQ(profile.disk.source, SpeedSource::kAssumed) << text;
    EXPECT_FALSE(profile.compute.measured) << text;
  }
  overwrite_all(
      R"({"memory_bytes_per_second": 1e9, "region_seconds": 1e-6, "products": {"Q9_Z": {}, "Q4_0": 1}})");
  EXPECT_TRUE(load().compute.measured);
  EXPECT_TRUE(load().compute.products.empty());
}

TEST_F(MachineProfileTest, UnwritableFolderFailsARun) {
  testing::write_bytes(folder_.path("file"), "x");
  ASSERT_EQ(::setenv("XDG_CACHE_HOME", folder_.path("file").c_str(), 1), 0);
  EXPECT_FALSE(save_disk_speed(model(), kDisk));
  EXPECT_EQ(load().disk.source, SpeedSource::kAssumed);
}

TEST_F(MachineProfileTest, AbsentModelHasADisk) {
  EXPECT_FALSE(save_disk_speed(folder_.path("absent"), kDisk));
  EXPECT_EQ(load_profile(folder_.path("absent"), "generic", 2).disk.source, SpeedSource::kAssumed);
}

}  // namespace
}  // namespace flexinfer
