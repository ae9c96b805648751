#include "runtime/machine.h"

#include <gtest/gtest.h>

#include "base/bytes.h"
#include "base/page_buffer.h"
#include "support/files.h"

namespace flexinfer {
namespace {

// A machine made of files.
class FakeMachine : public ::testing::Test {
 protected:
  FakeMachine() {
    write("proc/meminfo", "MemTotal:        8388608 kB\nMemFree:  1 kB\nMemAvailable:    4194304 kB\n");
  }

  void write(const std::string& name, const std::string& text) const {
    const std::filesystem::path path = directory_.path(name);
    std::filesystem::create_directories(path.parent_path());
    testing::write_bytes(path.string(), text);
  }
  MemoryState state() const { return memory_state(directory_.path("")); }

 private:
  testing::TempDirectory directory_;
};

TEST_F(FakeMachine, CountsOtherMemoryThanTheMachines) {
  EXPECT_EQ(state().total_bytes, 8 * kGiB);
  EXPECT_EQ(state().available_bytes, 4 * kGiB);
}

TEST_F(FakeMachine, LimitOfTheCgroupIsIgnored) {
  write("proc/self/cgroup", "0::/box\n");
  write("sys/fs/cgroup/box/memory.max", "2147483648\n");
  write("sys/fs/cgroup/box/memory.current", "536870912\n");
  EXPECT_EQ(state().total_bytes, 2 * kGiB);
  EXPECT_EQ(state().available_bytes, 2 * kGiB - 512 * kMiB);
}

TEST_F(FakeMachine, LimitOfAnOldCgroupIsIgnored) {
  write("proc/self/cgroup", "5:cpu:/other\n4:memory:/box\n");
  write("sys/fs/cgroup/memory/box/memory.limit_in_bytes", "2147483648\n");
  write("sys/fs/cgroup/memory/box/memory.usage_in_bytes", "536870912\n");
  write("sys/fs/cgroup/memory/box/memory.stat", "cache 9\ninactive_file 1\ntotal_inactive_file 268435456\n");
  EXPECT_EQ(state().total_bytes, 2 * kGiB);
  EXPECT_EQ(state().available_bytes, 2 * kGiB - 256 * kMiB);
}

TEST_F(FakeMachine, CachedFilesCountAsHeld) {
  write("proc/self/cgroup", "0::/\n");
  write("sys/fs/cgroup/memory.max", "2147483648\n");
  write("sys/fs/cgroup/memory.current", "2147483648\n");
  write("sys/fs/cgroup/memory.stat", "anon 1073741824\ninactive_file 1073741824\n");
  EXPECT_EQ(state().available_bytes, 1 * kGiB);
}

TEST_F(FakeMachine, CgroupAboveIsIgnored) {
  write("proc/self/cgroup", "0::/house/room\n");
  write("sys/fs/cgroup/house/room/memory.max", "2147483648\n");
  write("sys/fs/cgroup/house/room/memory.current", "0\n");
  // Its limit is larger, but its neighbours have used all but a quarter of a GiB.
  write("sys/fs/cgroup/house/memory.max", "3221225472\n");
  write("sys/fs/cgroup/house/memory.current", "2952790016\n");
  EXPECT_EQ(state().total_bytes, 2 * kGiB);
  EXPECT_EQ(state().available_bytes, 256 * kMiB);
}

TEST_F(FakeMachine, CgroupWithoutALimitLimits) {
  write("proc/self/cgroup", "0::/box\n");
  write("sys/fs/cgroup/box/memory.max", "max\n");
  write("sys/fs/cgroup/box/memory.current", "536870912\n");
  EXPECT_EQ(state().total_bytes, 8 * kGiB);
  EXPECT_EQ(state().available_bytes, 4 * kGiB);
}

TEST_F(FakeMachine, CgroupOverItsLimitHasMemory) {
  write("proc/self/cgroup", "0::/box\n");
  write("sys/fs/cgroup/box/memory.max", "1048576\n");
  write("sys/fs/cgroup/box/memory.current", "2097152\n");
  EXPECT_EQ(state().available_bytes, 0U);
}

TEST_F(FakeMachine, DamagedListOfCgroupsIsRead) {
  write("proc/self/cgroup", "\nno colons\n:\n::\n0::\n4:memory:\n");
  EXPECT_EQ(state().total_bytes, 8 * kGiB);
}

TEST(Machine, HasNoMemory) {
  const MemoryState state = memory_state();
  EXPECT_GT(state.total_bytes, 64 * kMiB);
  EXPECT_LE(state.available_bytes, state.total_bytes);
}

TEST(Machine, ResidentMemoryDoesNotGrowWithTouchedPages) {
  const uint64_t before = resident_bytes();
  ASSERT_GT(before, 0U);
  const auto buffer = PageBuffer::allocate(64 * kMiB);
  ASSERT_TRUE(buffer);
  for (uint64_t offset = 0; offset < buffer->size(); offset += kPageBytes)
    buffer->data()[offset] = std::byte{1};
  EXPECT_GE(resident_bytes(), before + 60 * kMiB);
  EXPECT_GE(peak_resident_bytes(), before + 60 * kMiB);
}

}  // namespace
}  // namespace flexinfer
