// Small models of every family: made, run in little memory and with all of it, and refused where the family
// is unknown.
#include <gtest/gtest.h>

#include "integration/cli.h"

namespace flexinfer::testing {
namespace {

struct SmallFamily {
  const char* shape;
  const char* type;
};

// Each type once that no other test streams, with the family that is published in it.
constexpr SmallFamily kFamilies[] = {
    {"tiny", "IQ4_XS"},      {"tiny-mixture", "IQ4_NL"}, {"tiny-qwen2", "Q4_K"},   {"tiny-phi3", "IQ4_NL"},
    {"tiny-gemma2", "Q4_0"}, {"tiny-gemma3", "IQ4_XS"},  {"tiny-gpt-oss", "MXFP4"}};

class Family : public ::testing::TestWithParam<SmallFamily> {
 protected:
  void SetUp() override {
    const ProcessResult synth =
        run_flexinfer({"synth", GetParam().shape, "--type", GetParam().type, "-o", model_});
    ASSERT_EQ(synth.exit_status, 0) << synth.err;
  }
  // The logits of a prompt that is longer than any window, and what was read for one token after it.
  std::string logits(const std::string& budget, const Arguments& more = {}) const {
    std::string tokens = "1";
    for (int i = 0; i < 90; ++i)
      tokens += "," + std::to_string(260 + i * 7 % 240);
    const std::string path = directory_.path("logits");
    const ProcessResult result = run_flexinfer(
        Arguments{"logits", model_, "--tokens", tokens, "--output", path, "--budget", budget, "-c", "128"} +
        more);
    EXPECT_EQ(result.exit_status, 0) << result.err;
    return read_bytes(path);
  }

  TempDirectory directory_;
  std::string model_ = directory_.path("model.gguf");
};

INSTANTIATE_TEST_SUITE_P(Shapes, Family, ::testing::ValuesIn(kFamilies), [](const auto& instance) {
  std::string name = instance.param.shape;
  std::erase(name, '-');
  return name;
});

TEST_P(Family, LogitsDependOnWhatStreams) {
  const std::string all_locked = logits("1GiB");
  ASSERT_EQ(all_locked.size(), 91 * 512 * sizeof(float));
  EXPECT_EQ(all_locked.find(std::string("\0\0\xC0\x7F", 4)), std::string::npos) << "a logit is not a number";
  const Arguments small = {"-c", "128", "--batch", "1"};
  for (const double share : {0.05, 0.5}) {
    const std::string budget = budget_between(model_, share, small);
    if (!kSanitized) {  // whose memory, which budgets make room for, is more than these models take
      EXPECT_GT(
          run_json(Arguments{"plan", model_, "--budget", budget} + small).at("streamed_bytes_per_sweep"), 0);
    }
    EXPECT_TRUE(logits(budget, {"--batch", "1"}) == all_locked) << budget;
    EXPECT_TRUE(logits(budget, {"--batch", "1", "--io", "sync", "--lock", "none", "-t", "1"}) == all_locked)
        << budget;
  }
}

TEST(UnknownFamily, IsNotNamedBesideTheKnownOnes) {
  const TempDirectory directory;
  const std::string model = directory.path("model.gguf");
  ASSERT_EQ(run_flexinfer({"synth", "tiny", "-o", model}).exit_status, 0);
  std::string bytes = read_bytes(model);
  for (size_t at = bytes.find("llama"); at < bytes.find("tokenizer."); at = bytes.find("llama", at))
    bytes.replace(at, 5, "mamba");
  write_bytes(model, bytes);
  for (const Arguments& arguments : {Arguments{"run", model, "-p", "a"}, Arguments{"plan", model},
                                     Arguments{"perplexity", model, "-f", model}}) {
    const ProcessResult result = run_flexinfer(arguments);
    expect_error(result, 1);
    for (const char* name : {"'mamba'", "llama", "mistral3", "qwen2", "qwen3", "qwen3moe", "olmoe", "gpt-oss",
                             "phi3", "gemma2", "gemma3"})
      EXPECT_NE(result.err.find(name), std::string::npos) << arguments.front() << ": " << result.err;
  }
}

}  // namespace
}  // namespace flexinfer::testing
