#include "base/processors.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "base/cgroup.h"

namespace flexinfer {
namespace {

namespace fs = std::filesystem;

// A file system of a test's own.
class Processors : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto* test = ::testing::UnitTest::GetInstance()->current_test_info();
    root_ = fs::path(::testing::TempDir()) / (std::string("flexinfer_") + test->name());
    fs::remove_all(root_);
    fs::create_directories(root_);
  }
  void TearDown() override { fs::remove_all(root_); }

  void write(const fs::path& path, const std::string& text) const {
    fs::create_directories((root_ / path).parent_path());
    std::ofstream(root_ / path) << text;
  }
  void write_siblings(int processor, const std::string& list) const {
    write("sys/devices/system/cpu/cpu" + std::to_string(processor) + "/topology/thread_siblings_list",
          list + "\n");
  }

  fs::path root_;
};

TEST_F(Processors, ThreadsOfOneCoreCountTwice) {
  write_siblings(0, "0,4");
  write_siblings(4, "0,4");
  write_siblings(1, "1,5");
  write_siblings(5, "1,5");
  EXPECT_EQ(count_cores(std::vector<int>{0, 1, 4, 5}, root_), 2);
  EXPECT_EQ(count_cores(std::vector<int>{0, 4}, root_), 1);
  EXPECT_EQ(count_cores(std::vector<int>{4, 5}, root_), 2);
}

TEST_F(Processors, WithoutATopologyCountAsOne) {
  EXPECT_EQ(count_cores(std::vector<int>{0, 1, 7}, root_), 3);
}

TEST_F(Processors, QuotaOfAnOuterCgroupIsMissed) {
  write("proc/self/cgroup", "0::/slice/pod/container\n");
  write("sys/fs/cgroup/slice/cpu.max", "150000 100000\n");
  write("sys/fs/cgroup/slice/pod/cpu.max", "max 100000\n");
  write("sys/fs/cgroup/slice/pod/container/cpu.max", "400000 100000\n");
  EXPECT_DOUBLE_EQ(cpu_quota(root_), 1.5);
}

TEST_F(Processors, QuotaOfTheFirstVersionIsMissed) {
  write("proc/self/cgroup", "3:cpuset:/\n2:cpu,cpuacct:/job\n0::/\n");
  write("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n");
  write("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
  write("sys/fs/cgroup/cpu/job/cpu.cfs_quota_us", "200000\n");
  write("sys/fs/cgroup/cpu/job/cpu.cfs_period_us", "100000\n");
  EXPECT_DOUBLE_EQ(cpu_quota(root_), 2.0);
}

TEST_F(Processors, AreLimitedWhereNothingLimitsThem) {
  EXPECT_EQ(cpu_quota(root_), 0);
  write("proc/self/cgroup", "broken\n0::/\n");
  write("sys/fs/cgroup/cpu.max", "max 100000\n");
  EXPECT_EQ(cpu_quota(root_), 0);
}

TEST_F(Processors, OfThisMachineAreAtLeastOneAndNoMoreThanThereAre) {
  EXPECT_GE(available_cores(), 1);
  EXPECT_LE(available_cores(), static_cast<int>(std::thread::hardware_concurrency()));
}

TEST_F(Processors, ControllerIsTakenForAnotherOfALongerName) {
  write("proc/self/cgroup", "2:cpuacct:/a\n1:cpuset:/b\n");
  EXPECT_TRUE(cgroup_folders("cpu", root_).empty());
}

}  // namespace
}  // namespace flexinfer
