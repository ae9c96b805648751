// What each family reads out of its file, and what it refuses. The forward pass is held to the numbers of
// other implementations in tests/golden.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "unit/model/model_file.h"

namespace flexinfer {
namespace {

std::vector<int64_t> windows_of(const Model& model) {
  std::vector<int64_t> windows;
  for (const LayerFacts& layer : model.hyperparameters.layers)
    windows.push_back(layer.window);
  return windows;
}

class Families : public ::testing::Test {
 protected:
  Model read() const {
    auto model = file_.read();
    EXPECT_TRUE(model) << error_of(model).message;
    return model ? std::move(*model) : Model{};
  }
  void expect_refusal(ErrorCode code, std::initializer_list<std::string> words) const {
    const Error error = error_of(file_.read());
    EXPECT_EQ(error.code, code) << error.message;
    EXPECT_EQ(error.message.find('\n'), std::string::npos) << error.message;
    for (const std::string& word : words)
      EXPECT_NE(error.message.find(word), std::string::npos) << error.message;
  }

  // The layers' tensors again, for so many of them.
  void set_layers(uint32_t n_layers) {
    std::map<std::string, ModelFile::Tensor> first;
    for (const auto& [name, tensor] : file_.tensors) {
      if (name.starts_with("blk.0.")) first[name.substr(6)] = tensor;
    }
    file_.integers["block_count"] = n_layers;
    for (const auto& [name, tensor] : first)
      file_.add_to_layers(name, tensor.dims, tensor.type);
  }
  void become_qwen3() {
    file_.architecture = "qwen3";
    file_.add_to_layers("attn_q_norm.weight", {16});
    file_.add_to_layers("attn_k_norm.weight", {16});
  }
  void become_phi3() {
    file_.architecture = "phi3";
    for (const char* name : {"attn_q.weight", "attn_k.weight", "attn_v.weight", "ffn_gate.weight"})
      file_.remove_from_layers(name);
    file_.add_to_layers("attn_qkv.weight", {64, 128});
    file_.add_to_layers("ffn_up.weight", {64, 192});
  }
  void become_gemma2() {
    file_.architecture = "gemma2";
    file_.add_to_layers("post_attention_norm.weight", {64});
    file_.add_to_layers("post_ffw_norm.weight", {64});
  }
  void become_gemma3() {
    become_gemma2();
    file_.architecture = "gemma3";
    file_.add_to_layers("attn_q_norm.weight", {16});
    file_.add_to_layers("attn_k_norm.weight", {16});
    file_.integers["attention.sliding_window"] = 16;
  }

  ModelFile file_;
};

TEST_F(Families, UnknownArchitectureIsRefusedWithoutTheKnownOnes) {
  file_.architecture = "mamba";
  expect_refusal(ErrorCode::kUnsupported,
                 {"'mamba'", "llama", "mistral3", "qwen2", "qwen3", "phi3", "gemma2", "gemma3"});
}

TEST_F(Families, HeadsAreTurnedInTheWayOfAnotherFamily) {
  for (const auto& [name, pairs] :
       {std::pair{"llama", RopePairs::kAdjacent}, std::pair{"mistral3", RopePairs::kAdjacent},
        std::pair{"qwen2", RopePairs::kHalves}}) {
    file_.architecture = name;
    EXPECT_EQ(read().hyperparameters.ropes.front().pairs, pairs) << name;
  }
}

TEST_F(Families, Qwen3PassesWithoutItsHeadNorms) {
  file_.architecture = "qwen3";
  expect_refusal(ErrorCode::kCorrupt, {"attn_q_norm.weight", "missing"});
  become_qwen3();
  const Model model = read();
  for (const LayerWeights& layer : model.layers) {
    EXPECT_TRUE(layer.attention.q_norm);
    EXPECT_TRUE(layer.attention.k_norm);
  }
}

TEST_F(Families, HeadNormOfAllHeadsPassesAsThatOfOne) {
  become_qwen3();
  file_.add_to_layers("attn_q_norm.weight", {64});
  expect_refusal(ErrorCode::kCorrupt, {"attn_q_norm.weight", "(64)", "(16)"});
}

TEST_F(Families, PhiCutsItsFusedTensorsInTheWrongPlaces) {
  become_phi3();
  const Model model = read();
  const auto& w = model.layers.at(1);
  const auto step = [&](size_t index) { return model.schedule.steps.at(index); };
  const uint64_t start = step(w.attention.q).extent.offset;
  EXPECT_EQ(step(w.attention.q).rows, 64);
  EXPECT_EQ(step(w.attention.k).rows, 32);
  EXPECT_EQ(step(w.attention.v).rows, 32);
  EXPECT_EQ(step(w.attention.k).role, Role::kAttentionK);
  EXPECT_EQ(step(w.attention.k).extent.offset, start + 64U * 64 * 4);
  EXPECT_EQ(step(w.attention.v).extent.offset, start + 96U * 64 * 4);
  EXPECT_EQ(step(w.attention.v).extent.size, 32U * 64 * 4);
  EXPECT_EQ(step(w.ffn.gate).name, "blk.1.ffn_up.weight");
  EXPECT_EQ(step(w.ffn.up).extent.offset, step(w.ffn.gate).extent.offset + 96U * 64 * 4);
  EXPECT_EQ(windows_of(model), (std::vector<int64_t>{0, 0}));
}

TEST_F(Families, PhiTakesATensorOfAnotherSizeApart) {
  become_phi3();
  file_.add_to_layers("attn_qkv.weight", {64, 127});
  expect_refusal(ErrorCode::kCorrupt, {"attn_qkv.weight", "(64, 127)", "(64, 128)"});
}

TEST_F(Families, PhiForgetsItsWindow) {
  become_phi3();
  file_.integers["attention.sliding_window"] = 2047;
  EXPECT_EQ(windows_of(read()), (std::vector<int64_t>{2047, 2047}));
}

TEST_F(Families, LongropeLosesOneOfItsSetsOfFactors) {
  become_phi3();
  file_.integers["rope.scaling.original_context_length"] = 32;
  file_.numbers["rope.scaling.attn_factor"] = 1.25f;
  file_.add("rope_factors_long.weight", {8});
  expect_refusal(ErrorCode::kCorrupt, {"rope_factors_short.weight", "missing"});
  file_.add("rope_factors_short.weight", {8});
  const Model model = read();
  const auto name = [&](std::optional<size_t> vector) {
    return model.schedule.constants.at(vector.value()).name;
  };
  EXPECT_EQ(name(model.rope_factors), "rope_factors_short.weight");
  EXPECT_EQ(name(model.long_rope_factors), "rope_factors_long.weight");
  EXPECT_EQ(model.hyperparameters.original_context_length, 32);
  EXPECT_EQ(model.hyperparameters.ropes.front().magnitude, 1.25);
}

TEST_F(Families, LongropeFactorsOfAnotherNumberPass) {
  become_phi3();
  file_.add("rope_factors_long.weight", {9});
  file_.add("rope_factors_short.weight", {8});
  expect_refusal(ErrorCode::kCorrupt, {"rope_factors_long.weight", "(9)", "(8)"});
}

TEST_F(Families, LongropeWithoutFactorsPasses) {
  become_phi3();
  file_.texts["rope.scaling.type"] = "longrope";
  expect_refusal(ErrorCode::kCorrupt, {"rope_factors_long.weight", "missing"});
}

TEST_F(Families, Gemma2LosesWhatMakesItGemma) {
  become_gemma2();
  set_layers(4);
  const Model model = read();
  const Hyperparameters& hp = model.hyperparameters;
  EXPECT_EQ(hp.activation, Activation::kGelu);
  EXPECT_FLOAT_EQ(hp.embedding_scale, 8.0F);
  EXPECT_FLOAT_EQ(hp.attention.scale, 0.25F);
  EXPECT_FLOAT_EQ(hp.attention.soft_cap, 50.0F);
  EXPECT_FLOAT_EQ(hp.logit_soft_cap, 30.0F);
  EXPECT_EQ(windows_of(model), (std::vector<int64_t>{4096, 0, 4096, 0}));
  for (const LayerWeights& layer : model.layers) {
    EXPECT_TRUE(layer.attention.post_norm);
    EXPECT_TRUE(layer.ffn.post_norm);
  }
}

TEST_F(Families, GemmaPassesWithoutANormAfterABlock) {
  become_gemma2();
  file_.remove_from_layers("post_ffw_norm.weight");
  expect_refusal(ErrorCode::kCorrupt, {"post_ffw_norm.weight", "missing"});
}

TEST_F(Families, Gemma3TurnsTheHeadsOfItsWindowsLikeTheOthers) {
  become_gemma3();
  file_.numbers["rope.freq_base"] = 1e6f;
  file_.numbers["rope.scaling.factor"] = 8.0f;
  set_layers(7);
  const Model model = read();
  const Hyperparameters& hp = model.hyperparameters;
  EXPECT_EQ(windows_of(model), (std::vector<int64_t>{16, 16, 16, 16, 16, 0, 16}));
  ASSERT_EQ(hp.ropes.size(), 2U);
  const RopeParameters& whole = hp.ropes[hp.layers[5].rope];
  EXPECT_EQ(whole.base, 1e6);
  EXPECT_EQ(whole.linear_scale, 8.0);
  const RopeParameters& windowed = hp.ropes[hp.layers[6].rope];
  EXPECT_EQ(windowed.base, 10000.0);
  EXPECT_EQ(windowed.linear_scale, 1.0);
  EXPECT_EQ(windowed.pairs, RopePairs::kHalves);
  EXPECT_EQ(hp.attention.soft_cap, 0.0F);
  EXPECT_EQ(hp.logit_soft_cap, 0.0F);
}

TEST_F(Families, Gemma3IgnoresThePatternOfItsFile) {
  become_gemma3();
  file_.integers["attention.sliding_window_pattern"] = 3;
  set_layers(4);
  EXPECT_EQ(windows_of(read()), (std::vector<int64_t>{16, 16, 0, 16}));
}

TEST_F(Families, LargestGemmaScalesItsScoresLikeTheOthers) {
  become_gemma2();
  file_.integers["attention.head_count"] = 2;  // of 16 dimensions, where 64 / 2 are 32
  file_.integers["attention.head_count_kv"] = 2;
  file_.integers["attention.key_length"] = 16;
  file_.integers["attention.value_length"] = 16;
  file_.add_to_layers("attn_q.weight", {64, 32});
  file_.add_to_layers("attn_output.weight", {32, 64});
  EXPECT_FLOAT_EQ(read().hyperparameters.attention.scale, 0.25F);
  set_layers(46);
  EXPECT_FLOAT_EQ(read().hyperparameters.attention.scale, 1.0F / std::sqrt(32.0F));
}

TEST_F(Families, AbsurdWindowPasses) {
  for (const uint32_t window : {1U << 29, ~0U}) {
    become_gemma3();
    file_.integers["attention.sliding_window"] = window;
    expect_refusal(ErrorCode::kCorrupt, {"gemma3.attention.sliding_window", std::to_string(window)});
  }
}

TEST_F(Families, AbsurdPatternOfWindowsPasses) {
  become_gemma3();
  for (const uint32_t period : {0U, ~0U}) {
    file_.integers["attention.sliding_window_pattern"] = period;
    expect_refusal(ErrorCode::kCorrupt, {"sliding_window_pattern", std::to_string(period)});
  }
}

TEST_F(Families, AbsurdSoftCapPasses) {
  for (const float cap : {-1.0f, NAN, INFINITY}) {
    become_gemma2();
    file_.numbers["final_logit_softcapping"] = cap;
    expect_refusal(ErrorCode::kCorrupt, {"final_logit_softcapping"});
  }
}

TEST_F(Families, YarnIsReadInPart) {
  file_.architecture = "qwen2";
  file_.texts["rope.scaling.type"] = "yarn";
  file_.numbers["rope.scaling.factor"] = 4.0f;
  file_.integers["rope.scaling.original_context_length"] = 32;
  file_.numbers["rope.scaling.yarn_beta_fast"] = 16.0f;
  file_.numbers["rope.scaling.yarn_beta_slow"] = 2.0f;
  const RopeParameters rope = read().hyperparameters.ropes.front();
  EXPECT_EQ(rope.linear_scale, 1.0);
  EXPECT_EQ(rope.yarn.factor, 4.0);
  EXPECT_EQ(rope.yarn.original_context_length, 32);
  EXPECT_EQ(rope.yarn.beta_fast, 16.0);
  EXPECT_EQ(rope.yarn.beta_slow, 2.0);
  EXPECT_DOUBLE_EQ(rope.magnitude, 1.0 + 0.1 * std::log(4.0));
}

TEST_F(Families, YarnsMultiplierDoesNotTakeTheMagnitudeBack) {
  file_.architecture = "mistral3";
  file_.texts["rope.scaling.type"] = "yarn";
  file_.numbers["rope.scaling.factor"] = 16.0f;
  file_.numbers["rope.scaling.yarn_log_multiplier"] = 1.0f;
  file_.numbers["attention.temperature_scale"] = 0.1f;
  const Hyperparameters hp = read().hyperparameters;
  EXPECT_DOUBLE_EQ(hp.ropes.front().magnitude, 1.0);
  EXPECT_FLOAT_EQ(hp.query_growth, 0.1F);
}

TEST_F(Families, YarnOfNumbersThatCannotBePasses) {
  file_.texts["rope.scaling.type"] = "yarn";
  const std::map<std::string, float> good = file_.numbers;
  for (const auto& [key, value] :
       {std::pair{"rope.scaling.factor", 0.5f}, std::pair{"rope.freq_base", 1.0f},
        std::pair{"rope.scaling.yarn_beta_fast", 0.0f}, std::pair{"rope.scaling.factor", -4.0f},
        std::pair{"rope.scaling.yarn_log_multiplier", -1.0f}}) {
    file_.numbers = good;
    file_.numbers[key] = value;
    expect_refusal(ErrorCode::kCorrupt, {key});
  }
  file_.numbers = good;
  file_.integers["rope.scaling.original_context_length"] = 0;
  expect_refusal(ErrorCode::kCorrupt, {"rope.scaling.original_context_length"});
}

TEST_F(Families, PartOfYarnPassesAsAllOfIt) {
  file_.texts["rope.scaling.type"] = "yarn";
  file_.numbers["rope.scaling.yarn_ext_factor"] = 0.5f;
  expect_refusal(ErrorCode::kUnsupported, {"rope.scaling.yarn_ext_factor"});
}

TEST_F(Families, FactorWithoutATypeDoesNotScale) {
  file_.numbers["rope.scaling.factor"] = 4.0f;
  EXPECT_EQ(read().hyperparameters.ropes.front().linear_scale, 4.0);
}

}  // namespace
}  // namespace flexinfer
