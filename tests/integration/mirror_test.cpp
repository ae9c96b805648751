// --mirror: further copies of a model change what is read from where, and nothing else.
#include <gtest/gtest.h>

#include <filesystem>

#include "integration/cli.h"

namespace flexinfer::testing {
namespace {

Arguments run_arguments(const std::string& budget) {
  return {"run",    kLargerModel, "--tokens", "1,15,9", "-n",       "8",   "--ignore-eos",
          "--temp", "0",          "-c",       "64",     "--budget", budget};
}

TEST(Mirror, CopyChangesTheTokensOrIsNotRead) {
  const TempDirectory directory;
  const std::string copy = directory.path("copy.gguf");
  std::filesystem::copy_file(kLargerModel, copy);
  const std::string budget = budget_between(kLargerModel, 0.3, {"-c", "64"});
  const Json alone = run_json(run_arguments(budget));
  EXPECT_TRUE(alone.at("copies").empty());
  for (const char* io : {"auto", "threads", "sync"}) {
    const Json both = run_json(run_arguments(budget) + Arguments{"--mirror", copy, "--io", io});
    EXPECT_EQ(both.at("tokens"), alone.at("tokens")) << io;
    ASSERT_EQ(both.at("copies").size(), 2U);
    for (const Json& each : both.at("copies"))
      EXPECT_GT(each.at("bytes_read"), 0) << io << each.dump();
  }
}

TEST(Mirror, OtherModelIsTaken) {
  expect_error(run_flexinfer({"run", kLargerModel, "-p", "a", "--mirror", kSmallModel}), 2);
  expect_error(run_flexinfer({"run", kLargerModel, "-p", "a", "--mirror", kLargerModel}), 2);
  expect_error(run_flexinfer({"run", kLargerModel, "-p", "a", "--mirror", "none.gguf"}), 1);
}

}  // namespace
}  // namespace flexinfer::testing
