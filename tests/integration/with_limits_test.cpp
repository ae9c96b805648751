// tools/with-limits: the limits hold, what it says is true, and nothing of it stays behind.
#include <gtest/gtest.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <string>

#include "integration/cli.h"

namespace flexinfer::testing {
namespace {

constexpr int kCannotLimit = 125;

Arguments with_limits(const Arguments& arguments) {
  return Arguments{FLEXINFER_TOOLS "/with-limits"} + arguments;
}

ProcessResult run_with_limits(const Arguments& arguments) {
  return Process(with_limits(arguments)).wait();
}

// The number behind `key=` in the line that it ends with; -1 where there is none.
int64_t reported(const ProcessResult& result, const std::string& key) {
  const size_t at = result.err.rfind(" " + key + "=");
  return at == std::string::npos ? -1 : std::stoll(result.err.substr(at + key.size() + 2));
}

// How many groups of the tool there are.
size_t n_groups() {
  size_t n = 0;
  for (const char* parent : {"/sys/fs/cgroup", "/sys/fs/cgroup/memory", "/sys/fs/cgroup/blkio"}) {
    std::error_code ignored;
    for (const auto& entry : std::filesystem::directory_iterator(parent, ignored))
      n += entry.path().filename().string().starts_with("with-limits-") ? 1 : 0;
  }
  return n;
}

class WithLimits : public ::testing::Test {
 protected:
  void SetUp() override {
    const ProcessResult probe = run_with_limits({"--memory", "64MiB", "--", "true"});
    if (probe.exit_status == kCannotLimit) GTEST_SKIP() << probe.err;
    n_groups_ = n_groups();
  }
  void TearDown() override { EXPECT_LE(n_groups(), n_groups_) << "a control group was left behind"; }

  size_t n_groups_ = 0;
};

TEST_F(WithLimits, CommandTakesMoreMemory) {
  const ProcessResult result = run_with_limits(
      {"--memory", "32MiB", "--", "bash", "-c", "x=$(head -c 100000000 /dev/zero | tr '\\0' a); echo done"});
  EXPECT_NE(result.out, "done\n");
  EXPECT_GE(reported(result, "kills"), 1) << result.err;
  EXPECT_GE(reported(result, "limit_hits"), 1) << result.err;
  EXPECT_LE(reported(result, "peak_bytes"), 32 << 20) << result.err;
}

TEST_F(WithLimits, ExitStatusOrStreamsOfTheCommandAreLost) {
  const ProcessResult result =
      run_with_limits({"--memory", "1GiB", "--", "bash", "-c", "echo out; echo err >&2; exit 7"});
  EXPECT_EQ(result.exit_status, 7);
  EXPECT_EQ(result.out, "out\n");
  EXPECT_TRUE(result.err.starts_with("err\n")) << result.err;
  EXPECT_EQ(reported(result, "kills"), 0) << result.err;
  EXPECT_EQ(reported(result, "exit_status"), 7) << result.err;
}

TEST_F(WithLimits, DiskIsFasterThanItsLimit) {
  const TempDirectory directory;
  write_bytes(directory.path("file"), std::string(8 << 20, 'x'));
  const auto start = std::chrono::steady_clock::now();
  const ProcessResult result =
      run_with_limits({"--read-bps", "8MiB", "--disk", directory.path(""), "--", "dd",
                       "if=" + directory.path("file"), "of=/dev/null", "bs=1M", "iflag=direct"});
  if (result.exit_status == kCannotLimit) GTEST_SKIP() << result.err;
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  EXPECT_EQ(result.exit_status, 0) << result.err;
  EXPECT_GE(seconds.count(), 0.8);  // it may be late, but not early
  EXPECT_GE(reported(result, "disk_read_bytes"), 8 << 20) << result.err;
}

TEST_F(WithLimits, SignalDoesNotReachTheCommand) {
  Process process(with_limits({"--memory", "1GiB", "--", "bash", "-c", "echo started; exec sleep 100"}));
  process.wait_for_output(8);
  process.send(SIGTERM);
  const ProcessResult result = process.wait();
  EXPECT_EQ(result.exit_status, 128 + SIGTERM) << result.err;
}

TEST_F(WithLimits, WhatTheCommandLeftRunningStays) {
  const ProcessResult result =
      run_with_limits({"--memory", "1GiB", "--", "bash", "-c", "sleep 100 >/dev/null 2>&1 & echo $!"});
  EXPECT_EQ(result.exit_status, 0) << result.err;
  EXPECT_FALSE(std::filesystem::exists("/proc/" + std::to_string(std::stoi(result.out)) + "/exe"));
}

TEST(WithLimitsUsage, MistakeIsAccepted) {
  for (const Arguments& arguments :
       {Arguments{}, Arguments{"--", "true"}, Arguments{"--memory", "1G"},
        Arguments{"--memory", "--", "true"}, Arguments{"--memory", "many", "--", "true"},
        Arguments{"--memory", "1X", "--", "true"}, Arguments{"--fly", "--", "true"}}) {
    const ProcessResult result = run_with_limits(arguments);
    EXPECT_EQ(result.exit_status, 2) << result.err;
    EXPECT_NE(result.err.find("--help"), std::string::npos) << result.err;
  }
}

}  // namespace
}  // namespace flexinfer::testing
