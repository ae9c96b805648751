// flexinfer bench: every way is measured by itself, and reported in all forms alike.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <sstream>

#include "integration/cli.h"

namespace flexinfer::testing {
namespace {

constexpr auto kBudgetTooSmall = 3;

TEST(Bench, JsonLacksAnAgreedKey) {
  const Json json = run_json({"bench", kSmallModel, "--prompt-tokens", "4", "-n", "2", "--repeat", "2",
                              "--budgets", "1MiB,1GiB", "--io", "threads,sync"});
  expect_keys(json, {"machine", "results"});
  const Json& results = json.at("results");
  ASSERT_EQ(results.size(), 4U);
  for (const Json& row : results) {
    expect_keys(row, {"budget_bytes", "io", "lock", "preserve"});
    if (row.at("budget_bytes") == 1 << 20) {
      expect_keys(row, {"error"});
    } else {
      expect_keys(row, {"prefill_tok_s", "decode_tok_s", "bound_decode_tok_s", "share_of_bound",
                        "bytes_read_per_token", "stall_share", "peak_resident_bytes"});
      EXPECT_GT(row.at("decode_tok_s"), 0.0);
    }
  }
}

TEST(Bench, OnlyBudgetTooSmallEndsWell) {
  expect_error(run_flexinfer({"bench", kSmallModel, "--budget", "1MiB"}), kBudgetTooSmall);
}

TEST(Bench, PeakOfASmallBudgetIsThatOfALargeOne) {
  if (kSanitized) GTEST_SKIP() << "a sanitizer's memory is not in the budget";
  const Json results =
      run_json({"bench", kLargerModel, "--prompt-tokens", "4", "-n", "2", "--repeat", "1", "-c", "128",
                "--budgets", "1GiB," + budget_between(kLargerModel, 0, {"-c", "128"})})
          .at("results");
  EXPECT_LT(results[1].at("peak_resident_bytes"), results[1].at("budget_bytes"));
  EXPECT_LT(results[1].at("peak_resident_bytes"), results[0].at("peak_resident_bytes"));
}

TEST(Bench, AutomaticReaderIsNotNamed) {
  const Json results =
      run_json({"bench", kSmallModel, "--prompt-tokens", "2", "-n", "1", "--repeat", "1"}).at("results");
  const std::string io = results.at(0).at("io");
  EXPECT_TRUE(io == "uring" || io == "threads") << io;
  EXPECT_GT(results.at(0).at("budget_bytes"), 0);
}

size_t n_lines(const std::string& text) {
  return static_cast<size_t>(std::ranges::count(text, '\n'));
}

TEST(Ablation, TechniqueIsMissing) {
  const TempDirectory directory;
  const std::string csv = directory.path("speed.csv");
  const std::string svg = directory.path("speed.svg");
  const std::string budgets = "1MiB," + budget_between(kSmallModel, 0.5, {"-c", "64"}) + ",1GiB";
  const Json json = run_json({"bench", kSmallModel, "--ablation", "--budgets", budgets, "--prompt-tokens",
                              "2", "-n", "1", "--repeat", "1", "-c", "64", "--csv", csv, "--svg", svg});
  std::set<std::string> techniques;
  for (const Json& row : json.at("results")) {
    techniques.insert(row.at("technique"));
    EXPECT_EQ(row.contains("error"), row.at("budget_bytes") == 1 << 20) << row.dump();
    if (json.at("memory_limited") && !row.contains("error"))
      expect_keys(row, {"peak_charged_bytes", "limit_hits"});
  }
  EXPECT_EQ(techniques.size(), 7U);
  EXPECT_EQ(json.at("results").size(), 21U);
  EXPECT_EQ(n_lines(read_bytes(csv)), 22U);
  const std::string picture = read_bytes(svg);
  EXPECT_TRUE(picture.starts_with("<svg ") && picture.ends_with("</svg>\n"));
  for (const std::string& technique : techniques)
    EXPECT_NE(picture.find(">" + technique + "<"), std::string::npos) << technique;
}

TEST(Ablation, RowsOfTheCsvDifferInLength) {
  const TempDirectory directory;
  const std::string csv = directory.path("speed.csv");
  const ProcessResult result =
      run_flexinfer({"bench", kSmallModel, "--budgets", "1MiB,1GiB", "--io", "sync", "--prompt-tokens", "2",
                     "-n", "1", "--repeat", "1", "-q", "--csv", csv});
  EXPECT_EQ(result.exit_status, 0) << result.err;
  std::istringstream lines(read_bytes(csv));
  std::string line;
  std::set<ptrdiff_t> n_commas;
  while (std::getline(lines, line)) {
    bool quoted = false;
    n_commas.insert(std::ranges::count_if(line, [&](char c) {
      if (c == '"') quoted = !quoted;
      return c == ',' && !quoted;
    }));
  }
  EXPECT_EQ(n_commas.size(), 1U);
}

TEST(Bench, LimitIsPromisedWithoutOne) {
  const ProcessResult result = run_flexinfer({"bench", kSmallModel, "--limit-memory"});
  expect_error(result, 2);
}

}  // namespace
}  // namespace flexinfer::testing
