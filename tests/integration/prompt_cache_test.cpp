// --prompt-cache: what is reused gives the same tokens, and what cannot be reused does no harm.
#include <gtest/gtest.h>

#include <algorithm>

#include "integration/cli.h"

namespace flexinfer::testing {
namespace {

constexpr auto kRules = "The manual page of a program tells first its name, then how it is called. ";

class PromptCacheFile : public ::testing::Test {
 protected:
  Json run(const std::string& prompt, const Arguments& options = {},
           const std::string& model = kSmallModel) const {
    return run_json(Arguments{"run", model, "-p", prompt, "-n", "8", "--ignore-eos", "-c", "128"} + options);
  }
  Json run_cached(const std::string& prompt, const Arguments& options = {},
                  const std::string& model = kSmallModel) const {
    return run(prompt, options + Arguments{"--prompt-cache", path_}, model);
  }
  bool notes_about(const Json& json, std::string_view what) const {
    for (const std::string note : json.at("notes"))
      if (note.find(what) != std::string::npos) return true;
    return false;
  }

  TempDirectory directory_;
  std::string path_ = directory_.path("rules.kv");
};

TEST_F(PromptCacheFile, ReusedPromptsGiveOtherTokens) {
  for (const char* type : {"f32", "f16", "q8_0"}) {
    const Arguments options = {"--cache-type", type, "--temp", "1", "--repeat-penalty", "1.3"};
    const Json fresh = run(kRules, options);
    EXPECT_EQ(run_cached(kRules, options).at("tokens"), fresh.at("tokens")) << type;
    const Json again = run_cached(kRules, options);
    EXPECT_EQ(again.at("tokens"), fresh.at("tokens")) << type;
    EXPECT_EQ(again.at("reused_tokens"), again.at("prompt_tokens").get<int>() - 1) << type;
    EXPECT_EQ(again.at("stats").at("prefill_tokens"), 1) << type;
  }
}

TEST_F(PromptCacheFile, SharedBeginningsAreNotReused) {
  run_cached(std::string(kRules) + "Then it names the files.");
  const std::string other = std::string(kRules) + "The options come after that.";
  const Json json = run_cached(other);
  EXPECT_EQ(json.at("tokens"), run(other).at("tokens"));
  EXPECT_GT(json.at("reused_tokens"), 5);
  EXPECT_LT(json.at("reused_tokens"), json.at("prompt_tokens").get<int>() - 1);
  EXPECT_EQ(run_cached("Nothing is shared").at("reused_tokens").get<int>(), 1);  // the beginning of text
}

TEST_F(PromptCacheFile, StreamedModelsAreLeftOut) {
  const Arguments options = {"--budget", budget_between(kLargerModel, 0.3, {"-c", "128"})};
  const Json fresh = run(kRules, options, kLargerModel);
  run_cached(kRules, options, kLargerModel);
  const Json json = run_cached(kRules, options, kLargerModel);
  EXPECT_EQ(json.at("tokens"), fresh.at("tokens"));
  EXPECT_GT(json.at("reused_tokens"), 5);
  if (!kSanitized) {
    EXPECT_LT(json.at("stats").at("peak_resident_bytes"), json.at("stats").at("budget_bytes"));
  }
}

TEST_F(PromptCacheFile, DamagedFilesAreBelieved) {
  const Json fresh = run_cached(kRules);
  const std::string good = read_bytes(path_);
  for (const size_t at : {size_t{9}, size_t{17}, size_t{60}, good.size() / 2, good.size() - 1}) {
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ 4);
    write_bytes(path_, bad);
    const Json json = run_cached(kRules);
    EXPECT_EQ(json.at("tokens"), fresh.at("tokens")) << at;
    EXPECT_EQ(json.at("reused_tokens"), 0) << at;
    EXPECT_TRUE(notes_about(json, "prompt cache is not used")) << at;
    EXPECT_TRUE(read_bytes(path_) == good) << at;  // made anew
  }
  write_bytes(path_, good.substr(0, good.size() - 5));
  EXPECT_TRUE(notes_about(run_cached(kRules), "cut short"));
}

// Each record is whole, but not where it belongs.
TEST_F(PromptCacheFile, ExchangedPositionsAreBelieved) {
  const int n_tokens = run_cached(kRules).at("prompt_tokens");
  std::string bytes = read_bytes(path_);
  constexpr size_t kHeader = 48;
  const size_t record = (bytes.size() - kHeader) / static_cast<size_t>(n_tokens);
  std::swap_ranges(&bytes[kHeader], &bytes[kHeader + record], &bytes[kHeader + record]);
  write_bytes(path_, bytes);
  EXPECT_TRUE(notes_about(run_cached(kRules), "is damaged"));
}

TEST_F(PromptCacheFile, OtherModelsFilesAreBelieved) {
  run_cached(kRules);
  const Json json = run_cached(kRules, {}, kLargerModel);
  EXPECT_EQ(json.at("reused_tokens"), 0);
  EXPECT_TRUE(notes_about(json, "another model"));
  EXPECT_TRUE(notes_about(run_cached(kRules, {"--cache-type", "f32"}, kLargerModel), "--cache-type"));
}

TEST_F(PromptCacheFile, FilesOfAnotherKindAreReplaced) {
  for (const std::string& content : {std::string("notes to myself"), std::string(1000, 'x')}) {
    write_bytes(path_, content);
    EXPECT_TRUE(notes_about(run_cached(kRules), "is no prompt cache"));
    EXPECT_EQ(read_bytes(path_), content);
  }
}

}  // namespace
}  // namespace flexinfer::testing
