// The other commands: what they print, and that it agrees with what they did.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <filesystem>

#include "integration/cli.h"

namespace flexinfer::testing {
namespace {

const std::vector<const char*> kPlanKeys = {"model_bytes",
                                            "budget_bytes",
                                            "minimum_budget_bytes",
                                            "full_budget_bytes",
                                            "locked_bytes",
                                            "slot_bytes",
                                            "kv_cache_bytes",
                                            "activation_bytes",
                                            "process_bytes",
                                            "streamed_bytes_per_sweep",
                                            "limit",
                                            "predicted_decode_tok_s",
                                            "bound_decode_tok_s",
                                            "predicted_first_token_seconds",
                                            "layers"};

uint64_t sum(const Json& rows, const char* key) {
  uint64_t total = 0;
  for (const Json& row : rows)
    total += row.at(key).get<uint64_t>();
  return total;
}

TEST(Plan, JsonLacksAnAgreedKey) {
  const Json plan = run_json({"plan", kLargerModel, "--budget", budget_between(kLargerModel, 0.5)});
  expect_keys(plan, kPlanKeys);
  for (const Json& layer : plan.at("layers"))
    expect_keys(layer, {"layer", "locked_bytes", "streamed_bytes"});
}

TEST(Plan, PartsDoNotAddUp) {
  for (const double share : {0.0, 0.5, 1.0}) {
    const Json plan = run_json({"plan", kLargerModel, "--budget", budget_between(kLargerModel, share)});
    EXPECT_LE(plan.at("locked_bytes").get<uint64_t>() + plan.at("slot_bytes").get<uint64_t>() +
                  plan.at("kv_cache_bytes").get<uint64_t>() + plan.at("activation_bytes").get<uint64_t>() +
                  plan.at("process_bytes").get<uint64_t>(),
              plan.at("budget_bytes").get<uint64_t>());
    EXPECT_LE(sum(plan.at("layers"), "locked_bytes"), plan.at("locked_bytes").get<uint64_t>());
    EXPECT_LE(sum(plan.at("layers"), "streamed_bytes"), plan.at("streamed_bytes_per_sweep").get<uint64_t>());
  }
}

TEST(Calibrate, PlanDoesNotUseTheProfile) {
  const TempDirectory folder;
  ProcessOptions options;
  options.environment = {{"XDG_CACHE_HOME", folder.path("cache")}};
  const Json before = run_json({"plan", kLargerModel}, options);
  EXPECT_FALSE(before.at("profile_measured").get<bool>());
  const Json calibration = run_json({"calibrate", kLargerModel}, options);
  expect_keys(calibration,
              {"disk_bytes_per_second", "request_bytes", "depth", "disk_samples", "memory_bytes_per_second",
               "region_seconds", "products", "n_threads", "kernels", "profile_folder"});
  EXPECT_EQ(calibration.at("profile_folder").get<std::string>(), folder.path("cache") + "/flexinfer");
  EXPECT_TRUE(run_json({"plan", kLargerModel}, options).at("profile_measured").get<bool>());
}

TEST(Plan, FullBudgetStreams) {
  const Json plan = run_json({"plan", kLargerModel, "--budget", budget_between(kLargerModel, 1)});
  EXPECT_EQ(plan.at("streamed_bytes_per_sweep"), 0);
}

TEST(Plan, CurveLacksABudget) {
  const Json ten = run_json({"plan", kLargerModel, "--budgets", "20%..1000%"}).at("budgets");
  ASSERT_EQ(ten.size(), 10U);
  const double model_bytes = ten.back().at("model_bytes");
  EXPECT_NEAR(ten.front().at("budget_bytes").get<double>(), 0.2 * model_bytes, 1);
  EXPECT_TRUE(ten.front().contains("error")) << "a budget below the program itself";
  EXPECT_NEAR(ten.back().at("budget_bytes").get<double>(), 10 * model_bytes, 1);
  expect_keys(ten.back(), kPlanKeys);
  const Json listed = run_json({"plan", kLargerModel, "--budgets", "64MiB,1.5G"}).at("budgets");
  ASSERT_EQ(listed.size(), 2U);
  EXPECT_EQ(listed[0].at("budget_bytes"), 64 << 20);
  EXPECT_EQ(listed[1].at("budget_bytes"), 3ULL << 29);
}

TEST(Plan, HumanTextIsEmpty) {
  const ProcessResult result = run_flexinfer({"plan", kLargerModel, "--budgets", "10%..1000%"});
  EXPECT_EQ(result.exit_status, 0) << result.err;
  for (const char* word : {"KV cache", "output head", "tok/s", "too small"}) {
    EXPECT_NE(result.out.find(word), std::string::npos) << word << " in " << result.out;
  }
}

TEST(Inspect, JsonDisagreesWithTheFile) {
  const Json model = run_json({"inspect", kSmallModel});
  EXPECT_EQ(model.at("file_bytes"), std::filesystem::file_size(kSmallModel));
  EXPECT_EQ(model.at("metadata").at("general.architecture"), "llama");
  EXPECT_EQ(model.at("tensors").size(), 30U);
  EXPECT_EQ(sum(model.at("tensors"), "size_bytes"), run_json({"plan", kSmallModel}).at("model_bytes"));
}

TEST(Inspect, HumanTextLacksATensor) {
  const ProcessResult result = run_flexinfer({"inspect", kSmallModel});
  EXPECT_EQ(result.exit_status, 0) << result.err;
  for (const char* word : {"general.architecture = llama", "blk.2.ffn_down.weight", "Q4_0", "256 x 128"}) {
    EXPECT_NE(result.out.find(word), std::string::npos) << word;
  }
}

TEST(Tokenize, IdsDifferFromTheReference) {
  const Arguments command = {"tokenize", kSmallModel, "-p", "The history of the world is"};
  EXPECT_EQ(run_flexinfer(command).out, "0 404 4067 288 262 2054 295\n");
  EXPECT_EQ(run_flexinfer(command + Arguments{"--no-bos"}).out, "404 4067 288 262 2054 295\n");
  EXPECT_EQ(run_json(command).at("tokens"), Json({0, 404, 4067, 288, 262, 2054, 295}));
}

TEST(Tokenize, BytesOfAFileAreChanged) {
  const TempDirectory directory;
  write_bytes(directory.path("text"), "a\r\n\n\tb \n");
  EXPECT_EQ(run_json({"tokenize", kSmallModel, "-f", directory.path("text")}),
            run_json({"tokenize", kSmallModel, "-p", "a\r\n\n\tb \n"}));
  EXPECT_EQ(run_json({"tokenize", kSmallModel, "-f", directory.path("text")}),
            run_json({"tokenize", kSmallModel}, {.standard_input = "a\r\n\n\tb \n"}));
}

TEST(Logits, FileDependsOnThePlacementOfTheWeights) {
  const TempDirectory directory;
  const std::string path = directory.path("logits");
  const Arguments command = {"logits", kLargerModel, "--tokens", "0,404,4067,288,262,2054,295",
                             "-o",     path,         "-q"};
  const auto logits_with = [&](const Arguments& options) {
    const ProcessResult result = run_flexinfer(command + options);
    EXPECT_EQ(result.exit_status, 0) << result.err;
    EXPECT_EQ(result.out + result.err, "");
    return read_bytes(path);
  };
  const std::string expected = logits_with({});
  EXPECT_EQ(expected.size(), 7U * 8192U * sizeof(float));
  const std::string budget = budget_between(kLargerModel, 0.1, {"-c", "7", "--batch", "1"});
  for (const Arguments& options :
       {Arguments{"--io", "uring"}, Arguments{"--io", "threads"}, Arguments{"--io", "sync"},
        Arguments{"--io", "mmap"}, Arguments{"-t", "1"}, Arguments{"--lock", "none"}}) {
    SCOPED_TRACE(options[0] + " " + options[1]);
    EXPECT_TRUE(logits_with(options + Arguments{"--budget", budget, "--batch", "1"}) == expected);
  }
  EXPECT_TRUE(logits_with({"--batch", "3"}) == expected);
}

TEST(Logits, FailureLeavesAFile) {
  const TempDirectory directory;
  expect_error(
      run_flexinfer({"logits", kSmallModel, "--tokens", "1,8192", "-o", directory.path("logits"), "-q"}), 2);
  EXPECT_TRUE(std::filesystem::is_empty(directory.path("")));
  expect_error(
      run_flexinfer({"logits", kSmallModel, "--tokens", "1", "-o", directory.path("none/logits"), "-q"}), 1);
}

TEST(Perplexity, JsonLacksAnAgreedKey) {
  const TempDirectory directory;
  std::string text;
  for (int i = 0; i < 60; ++i)
    text += "The history of the world is the history of the world. ";
  write_bytes(directory.path("text"), text);
  const Json json = run_json({"perplexity", kSmallModel, "-f", directory.path("text"), "--window", "64"});
  expect_keys(json, {"perplexity", "tokens", "windows"});
  EXPECT_EQ(json.at("windows"), json.at("tokens").get<int>() / 64);
  EXPECT_GT(json.at("perplexity"), 1.0);
  EXPECT_LT(json.at("perplexity"), 8192.0);
}

TEST(Perplexity, TextShorterThanAWindowIsAccepted) {
  const TempDirectory directory;
  write_bytes(directory.path("text"), "short");
  expect_error(run_flexinfer({"perplexity", kSmallModel, "-q", "-f", directory.path("text")}), 2);
}

TEST(Synth, SameSeedGivesAnotherFile) {
  const TempDirectory directory;
  const auto make = [&](const char* name, const char* seed) {
    const ProcessResult result =
        run_flexinfer({"synth", "tiny", "--type", "Q8_0", "-o", directory.path(name), "--seed", seed});
    EXPECT_EQ(result.exit_status, 0) << result.err;
    return read_bytes(directory.path(name));
  };
  const std::string first = make("a", "3");
  EXPECT_TRUE(make("b", "3") == first);
  EXPECT_FALSE(make("c", "4") == first);
}

TEST(Synth, ExistingFileIsReplacedUnasked) {
  const TempDirectory directory;
  const std::string path = directory.path("model.gguf");
  write_bytes(path, "precious");
  expect_error(run_flexinfer({"synth", "tiny", "-o", path}), 2);
  EXPECT_EQ(read_bytes(path), "precious");
  EXPECT_EQ(run_flexinfer({"synth", "tiny", "-o", path, "--force"}).exit_status, 0);
  EXPECT_TRUE(read_bytes(path).starts_with("GGUF"));
}

TEST(Synth, ListedShapeCannotBeMade) {
  const Json shapes = run_json({"synth", "--list"}).at("shapes");
  EXPECT_TRUE(std::ranges::any_of(shapes, [](const Json& shape) { return shape.at("name") == "tiny"; }));
  EXPECT_NE(run_flexinfer({"synth", "--list"}).out.find("llama2-7b"), std::string::npos);
}

TEST(Quantize, JsonLacksAKeyOrTheModelDoesNotRun) {
  const TempDirectory directory;
  const std::string path = directory.path("model.gguf");
  const Json json = run_json({"quantize", kSmallModel, path, "Q8_0"});
  expect_keys(json, {"path", "type", "source_bytes", "written_bytes", "seconds", "notes"});
  EXPECT_GT(json.at("written_bytes"), json.at("source_bytes"));
  EXPECT_EQ(run_flexinfer({"run", path, "-p", "The", "-n", "2", "-c", "128"}).exit_status, 0);
}

TEST(Quantize, ExistingFileIsReplacedUnasked) {
  const TempDirectory directory;
  const std::string path = directory.path("model.gguf");
  write_bytes(path, "precious");
  expect_error(run_flexinfer({"quantize", kSmallModel, path, "Q8_0"}), 2);
  EXPECT_EQ(read_bytes(path), "precious");
  EXPECT_EQ(run_flexinfer({"quantize", kSmallModel, path, "Q8_0", "--force", "-q"}).exit_status, 0);
  EXPECT_TRUE(read_bytes(path).starts_with("GGUF"));
  expect_error(run_flexinfer({"quantize", kSmallModel, directory.path("other.gguf"), "Q9_X"}), 2);
}

TEST(Quantize, WholeModelIsInMemory) {
  if (kSanitized) GTEST_SKIP() << "a sanitizer's memory is counted as well";
  const TempDirectory directory;
  const std::string large = directory.path("large.gguf");
  ASSERT_EQ(run_flexinfer({"synth", "smollm-135m", "--type", "F16", "-o", large}).exit_status, 0);
  const ProcessResult result = run_flexinfer({"quantize", large, directory.path("small.gguf"), "Q4_0"});
  EXPECT_EQ(result.exit_status, 0) << result.err;
  EXPECT_LT(result.peak_resident_bytes, 64U << 20);
}

// What a token reads is what the plan said, on a model that its budget cannot hold.
TEST(Streaming, BytesReadForATokenDifferFromThePlan) {
  const TempDirectory directory;
  const std::string model = directory.path("model.gguf");
  ASSERT_EQ(run_flexinfer({"synth", "smollm-135m", "-o", model}).exit_status, 0);
  for (const double share : {0.05, 0.5}) {
    const std::string budget = budget_between(model, share, {"-c", "128"});
    const Json stats = run_json({"run", model, "--tokens", "1,2,3", "-n", "9", "--ignore-eos", "-c", "128",
                                 "--budget", budget})
                           .at("stats");
    const double planned = stats.at("streamed_bytes_per_sweep");
    ASSERT_GT(planned, 0) << "nothing streams at " << budget;
    EXPECT_NEAR(stats.at("bytes_read_per_token").get<double>() / planned, 1, 0.01);
    EXPECT_EQ(stats.at("sweeps"), 9);
  }
}

}  // namespace
}  // namespace flexinfer::testing
