// flexinfer run: the same tokens wherever the weights are, the agreed JSON, and an end that is clean.
#include <gtest/gtest.h>

#include <csignal>

#include "integration/cli.h"

namespace flexinfer::testing {
namespace {

constexpr auto kPrompt = "The history of the world is";

Arguments run_arguments(const std::string& model, const std::string& n_tokens = "24") {
  return {"run", model, "-p", kPrompt, "-n", n_tokens, "--ignore-eos", "-c", "128"};
}

// A generation that cannot end before its reader wants it to: it writes more than a pipe holds.
Process endless_run(const Arguments& options = {}) {
  return Process(flexinfer_command(
      Arguments{"run", kLargerModel, "-p", kPrompt, "-n", "-1", "-c", "4096", "--ignore-eos"} + options));
}

std::vector<int> tokens_of(const Arguments& arguments) {
  return run_json(arguments).at("tokens");
}

TEST(Run, JsonLacksAnAgreedKey) {
  const Json json = run_json(run_arguments(kSmallModel));
  expect_keys(json, {"text", "tokens", "prompt_tokens", "finish_reason", "stats"});
  expect_keys(
      json.at("stats"),
      {"load_seconds", "first_token_seconds", "prefill_tokens", "prefill_seconds", "decode_tokens",
       "decode_seconds", "decode_tok_s", "bytes_read", "bytes_read_per_token", "cache_bytes_per_token",
       "cache_share_of_memory_reads", "stall_seconds", "peak_resident_bytes", "budget_bytes", "locked_bytes",
       "streamed_bytes_per_sweep", "sweeps", "predicted_decode_tok_s", "bound_decode_tok_s"});
  EXPECT_EQ(json.at("tokens").size(), 24U);
  EXPECT_EQ(json.at("finish_reason"), "length");
  EXPECT_EQ(json.at("prompt_tokens"), 7);
  EXPECT_EQ(json.at("stats").at("prefill_tokens"), 7);
}

TEST(Run, TextOnStandardOutputDiffersFromTheJson) {
  const ProcessResult result = run_flexinfer(run_arguments(kSmallModel));
  EXPECT_EQ(result.exit_status, 0) << result.err;
  EXPECT_EQ(result.out, run_json(run_arguments(kSmallModel)).at("text").get<std::string>() + "\n");
}

TEST(Run, ProgressIsDrawnWhereThereIsNoTerminal) {
  EXPECT_EQ(run_flexinfer(run_arguments(kSmallModel)).err.find('\x1b'), std::string::npos);
}

TEST(Run, QuietSaysMoreThanTheText) {
  EXPECT_EQ(run_flexinfer(run_arguments(kSmallModel) + Arguments{"-q"}).err, "");
}

TEST(Run, VerboseSaysNoMore) {
  EXPECT_GT(run_flexinfer(run_arguments(kSmallModel) + Arguments{"-v"}).err.size(),
            run_flexinfer(run_arguments(kSmallModel)).err.size());
}

TEST(Run, SameSeedGivesAnotherText) {
  const Arguments warm = run_arguments(kSmallModel) + Arguments{"--temp", "1.5", "--seed", "7"};
  EXPECT_EQ(tokens_of(warm), tokens_of(warm));
}

TEST(Run, SeedOrTemperatureIsIgnored) {
  const Arguments warm = run_arguments(kSmallModel) + Arguments{"--temp", "1.5"};
  EXPECT_NE(tokens_of(warm + Arguments{"--seed", "1"}), tokens_of(warm + Arguments{"--seed", "2"}));
  EXPECT_EQ(tokens_of(run_arguments(kSmallModel) + Arguments{"--temp", "0", "--seed", "1"}),
            tokens_of(run_arguments(kSmallModel) + Arguments{"--temp", "0", "--seed", "2"}));
}

TEST(Run, PromptsOfEqualTokensDiffer) {
  const TempDirectory directory;
  write_bytes(directory.path("prompt.txt"), kPrompt);
  const Arguments rest = {"-n", "8", "--ignore-eos", "--temp", "0"};
  const std::vector<int> expected = tokens_of(Arguments{"run", kSmallModel, "-p", kPrompt} + rest);
  EXPECT_EQ(tokens_of(Arguments{"run", kSmallModel, "-f", directory.path("prompt.txt")} + rest), expected);
  EXPECT_EQ(tokens_of(Arguments{"run", kSmallModel, "--tokens", "0,404,4067,288,262,2054,295"} + rest),
            expected);
  EXPECT_EQ(run_json(Arguments{"run", kSmallModel} + rest, {.standard_input = kPrompt}).at("tokens"),
            Json(expected));
}

TEST(Run, StopsBeforeTheContextIsFullOrRunsPastIt) {
  const Json json = run_json({"run", kSmallModel, "-p", kPrompt, "-n", "-1", "--ignore-eos", "-c", "40"});
  EXPECT_EQ(json.at("finish_reason"), "length");
  EXPECT_EQ(json.at("tokens").size(), 40U - 7U + 1U);
}

TEST(Run, WarmingUpCountsAsPromptOrChangesTheText) {
  const Arguments run = run_arguments(kSmallModel);
  const Json warm = run_json(run + Arguments{"--warm-up"});
  const Json cold = run_json(run);
  EXPECT_EQ(warm.at("tokens"), cold.at("tokens"));
  EXPECT_EQ(warm.at("stats").at("prefill_tokens"), cold.at("stats").at("prefill_tokens"));
  EXPECT_GT(warm.at("stats").at("prefill_seconds"), 0);
}

// Everything that decides where weights are and how they come.
const std::vector<Arguments> kPlacements = {
    {"--io", "uring"},    {"--io", "threads"},         {"--io", "sync"},      {"--io", "mmap"},
    {"--lock", "prefix"}, {"--lock", "none"},          {"-t", "1"},           {"-t", "3"},
    {"--batch", "1"},     {"--preserve", "attention"}, {"--preserve", "ffn"}, {"--batch", "3"},
};

TEST(Run, TokensDependOnThePlacementOfTheWeights) {
  const Arguments run = run_arguments(kLargerModel, "8");
  const std::vector<int> expected = tokens_of(run);
  const std::string budget = budget_between(kLargerModel, 0.3, {"-c", "128"});
  for (const Arguments& placement : kPlacements) {
    SCOPED_TRACE(placement[0] + " " + placement[1]);
    EXPECT_EQ(tokens_of(run + placement + Arguments{"--budget", budget}), expected);
  }
  for (const double share : {0.0, 0.5, 1.0}) {
    EXPECT_EQ(tokens_of(run + Arguments{"--budget", budget_between(kLargerModel, share, {"-c", "128"})}),
              expected);
  }
}

TEST(Run, MoreIsResidentThanTheBudget) {
  if (kSanitized) GTEST_SKIP() << "a sanitizer's memory is not in the budget";
  for (const double share : {0.0, 0.25, 0.5, 0.75, 1.0}) {
    const std::string budget = budget_between(kLargerModel, share, {"-c", "128"});
    SCOPED_TRACE(budget);
    const ProcessResult result =
        run_flexinfer(run_arguments(kLargerModel, "8") + Arguments{"--budget", budget, "--json"});
    const Json stats = Json::parse(result.out).at("stats");
    EXPECT_EQ(stats.at("budget_bytes"), std::stoull(budget));
    EXPECT_LT(stats.at("peak_resident_bytes"), std::stoull(budget));
    EXPECT_LT(result.peak_resident_bytes, std::stoull(budget));
  }
}

TEST(Run, MemoryMappingIsNotWarnedAbout) {
  EXPECT_NE(run_flexinfer(run_arguments(kSmallModel) + Arguments{"--io", "mmap"}).err.find("budget"),
            std::string::npos);
}

TEST(Run, InterruptionLosesTheTextOrTheSummary) {
  Process process = endless_run();
  process.wait_for_output(20);
  process.send(SIGINT);
  const ProcessResult result = process.wait();
  EXPECT_EQ(result.signal, 0);
  EXPECT_EQ(result.exit_status, 130);
  EXPECT_GE(result.out.size(), 20U);
  EXPECT_NE(result.err.find("tok/s"), std::string::npos) << result.err;
}

TEST(Run, ClosedOutputIsComplainedAbout) {
  Process process = endless_run({"-q"});
  process.wait_for_output(20);
  process.close_output();
  const ProcessResult result = process.wait();
  EXPECT_EQ(result.signal, SIGPIPE);
  EXPECT_EQ(result.err, "");
}

TEST(Run, FullDiskUnderTheOutputIsNotNoticed) {
  const ProcessResult result =
      Process({"/bin/sh", "-c", program() + " run '" + kSmallModel + "' -q -p Hello -n 4 > /dev/full"})
          .wait();
  expect_error(result, 1);
}

}  // namespace
}  // namespace flexinfer::testing
