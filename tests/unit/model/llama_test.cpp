#include "model/model.h"

#include <gtest/gtest.h>

#include "unit/model/model_file.h"

namespace flexinfer {
namespace {

// That reading fails with one line that names the file and all of `words`.
void expect_refusal_of(const ModelFile& file, ErrorCode code, std::initializer_list<std::string> words) {
  const auto model = file.read();
  ASSERT_FALSE(model);
  EXPECT_EQ(model.error().code, code);
  const std::string& message = model.error().message;
  EXPECT_NE(message.find(file.path()), std::string::npos) << message;
  EXPECT_EQ(message.find('\n'), std::string::npos) << message;
  for (const std::string& word : words)
    EXPECT_NE(message.find(word), std::string::npos) << message;
}

class Llama : public ::testing::Test {
 protected:
  Model read() const {
    auto model = model_.read();
    EXPECT_TRUE(model) << error_of(model).message;
    return model ? std::move(*model) : Model{};
  }
  void expect_refusal(ErrorCode code, std::initializer_list<std::string> words) const {
    expect_refusal_of(model_, code, words);
  }

  ModelFile model_;
};

TEST_F(Llama, ReadsOtherNumbersThanTheFileHolds) {
  const Model model = read();
  const Hyperparameters& hp = model.hyperparameters;
  EXPECT_EQ(hp.n_layers(), 2);
  EXPECT_EQ(hp.hidden_dim, 64);
  EXPECT_EQ(hp.ffn_dim, 96);
  EXPECT_EQ(hp.vocab_size, 40);
  EXPECT_EQ(hp.context_length, 128);
  EXPECT_EQ(hp.attention.n_heads, 4);
  EXPECT_EQ(hp.attention.n_kv_heads, 2);
  EXPECT_EQ(hp.attention.head_dim, 16);
  EXPECT_EQ(hp.ropes.front().n_dims, 16);
  EXPECT_EQ(hp.ropes.front().base, 10000.0);
  EXPECT_EQ(hp.ropes.front().linear_scale, 1.0);
  EXPECT_FLOAT_EQ(hp.norm_epsilon, 1e-5f);
}

TEST_F(Llama, StepsStandInAnotherOrderThanTheyAreUsed) {
  const Model model = read();
  std::vector<std::string> names;
  for (const WeightStep& step : model.schedule.steps)
    names.push_back(step.name);
  std::vector<std::string> expected;
  for (const std::string layer : {"blk.0.", "blk.1."}) {
    for (const char* part : {"attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"}) {
      expected.push_back(layer + part + ".weight");
    }
  }
  expected.emplace_back("output.weight");
  EXPECT_EQ(names, expected);
}

TEST_F(Llama, LayerPointsAtTheWeightsOfAnother) {
  const Model model = read();
  ASSERT_EQ(model.layers.size(), 2U);
  for (size_t layer = 0; layer < 2; ++layer) {
    const LayerWeights& w = model.layers[layer];
    const std::string prefix = "blk." + std::to_string(layer) + ".";
    auto step = [&](size_t index) { return model.schedule.steps.at(index).name; };
    auto constant = [&](size_t index) { return model.schedule.constants.at(index).name; };
    EXPECT_EQ(step(w.attention.q), prefix + "attn_q.weight");
    EXPECT_EQ(step(w.attention.k), prefix + "attn_k.weight");
    EXPECT_EQ(step(w.attention.v), prefix + "attn_v.weight");
    EXPECT_EQ(step(w.attention.output), prefix + "attn_output.weight");
    EXPECT_EQ(step(w.ffn.gate), prefix + "ffn_gate.weight");
    EXPECT_EQ(step(w.ffn.up), prefix + "ffn_up.weight");
    EXPECT_EQ(step(w.ffn.down), prefix + "ffn_down.weight");
    EXPECT_EQ(constant(w.attention.norm), prefix + "attn_norm.weight");
    EXPECT_EQ(constant(w.ffn.norm), prefix + "ffn_norm.weight");
    EXPECT_EQ(w.attention.q_bias, std::nullopt);
  }
  EXPECT_EQ(model.schedule.constants.at(model.output_norm).name, "output_norm.weight");
  EXPECT_EQ(model.rope_factors, std::nullopt);
}

TEST_F(Llama, LosesAnOptionalTensor) {
  model_.add("rope_freqs.weight", {8});
  model_.add("blk.1.attn_q.bias", {64});
  model_.add("blk.1.attn_k.bias", {32});
  model_.add("blk.1.attn_v.bias", {32});
  model_.add("blk.1.attn_output.bias", {64});
  const Model model = read();
  auto constant = [&](std::optional<size_t> index) {
    return model.schedule.constants.at(index.value()).name;
  };
  EXPECT_EQ(constant(model.rope_factors), "rope_freqs.weight");
  const LayerWeights& w = model.layers.at(1);
  EXPECT_EQ(constant(w.attention.q_bias), "blk.1.attn_q.bias");
  EXPECT_EQ(constant(w.attention.k_bias), "blk.1.attn_k.bias");
  EXPECT_EQ(constant(w.attention.v_bias), "blk.1.attn_v.bias");
  EXPECT_EQ(constant(w.attention.output_bias), "blk.1.attn_output.bias");
  EXPECT_EQ(model.layers.at(0).attention.q_bias, std::nullopt);
}

TEST_F(Llama, NeedsAHeadOfItsOwn) {
  model_.tensors.erase("output.weight");
  const Model model = read();
  EXPECT_TRUE(model.schedule.tied_embedding);
  EXPECT_EQ(model.schedule.steps[model.schedule.head_step()].name, "token_embd.weight");
}

TEST_F(Llama, NeedsTheNumberOfKvHeads) {
  model_.integers.erase("attention.head_count_kv");
  for (const std::string layer : {"blk.0.", "blk.1."}) {
    model_.add(layer + "attn_k.weight", {64, 64});
    model_.add(layer + "attn_v.weight", {64, 64});
  }
  EXPECT_EQ(read().hyperparameters.attention.n_kv_heads, 4);
}

TEST_F(Llama, TakesHiddenByHeadsForTheKeyLength) {
  model_.integers["attention.key_length"] = 32;
  model_.integers["attention.value_length"] = 32;
  model_.integers["rope.dimension_count"] = 32;
  for (const std::string layer : {"blk.0.", "blk.1."}) {
    model_.add(layer + "attn_q.weight", {64, 128});
    model_.add(layer + "attn_k.weight", {64, 64});
    model_.add(layer + "attn_v.weight", {64, 64});
    model_.add(layer + "attn_output.weight", {128, 64});
  }
  const Model model = read();
  EXPECT_EQ(model.hyperparameters.attention.head_dim, 32);
  EXPECT_EQ(model.hyperparameters.q_dim(), 128);
}

TEST_F(Llama, RefusesTheRopeFrequenciesOfTheFirstFiles) {
  model_.add("blk.0.attn_rot_embd", {8});
  model_.add("blk.1.attn_rot_embd.weight", {8});
  read();
}

TEST_F(Llama, MissingKeyPasses) {
  for (const char* key : {"block_count", "embedding_length", "feed_forward_length", "context_length",
                          "attention.head_count", "attention.layer_norm_rms_epsilon"}) {
    ModelFile file;
    file.integers.erase(key);
    file.numbers.erase(key);
    expect_refusal_of(file, ErrorCode::kCorrupt, {std::string("llama.") + key, "missing"});
  }
}

TEST_F(Llama, ValueOutOfRangePasses) {
  const std::pair<const char*, uint32_t> cases[] = {
      {"block_count", 0},          {"block_count", 1U << 20},      {"embedding_length", 0},
      {"embedding_length", ~0U},   {"feed_forward_length", 0},     {"context_length", 0},
      {"attention.head_count", 0}, {"attention.head_count_kv", 0}, {"attention.head_count", ~0U},
      {"rope.dimension_count", 0}, {"rope.dimension_count", 18},
  };
  for (const auto& [key, value] : cases) {
    ModelFile file;
    file.integers[key] = value;
    expect_refusal_of(file, ErrorCode::kCorrupt, {std::string("llama.") + key, std::to_string(value)});
  }
}

TEST_F(Llama, MoreHeadsThanDimensionsPass) {
  model_.integers["attention.head_count"] = 128;
  model_.integers["attention.head_count_kv"] = 128;
  model_.integers.erase("rope.dimension_count");
  expect_refusal(ErrorCode::kCorrupt, {"embedding_length"});
}

TEST_F(Llama, HeadsThatKvHeadsDoNotDividePass) {
  model_.integers["attention.head_count_kv"] = 3;
  expect_refusal(ErrorCode::kCorrupt, {"attention.head_count", "attention.head_count_kv"});
}

TEST_F(Llama, ValuesOfAnotherLengthThanKeysPass) {
  model_.integers["attention.value_length"] = 32;
  expect_refusal(ErrorCode::kUnsupported, {"attention.value_length"});
}

TEST_F(Llama, OddNumberOfRotatedDimensionsPasses) {
  model_.integers["rope.dimension_count"] = 15;
  expect_refusal(ErrorCode::kCorrupt, {"rope.dimension_count"});
}

TEST_F(Llama, ExpertsPassAsADenseModel) {
  model_.integers["expert_count"] = 8;
  expect_refusal(ErrorCode::kCorrupt, {"expert_used_count"});
  model_.integers["expert_used_count"] = 9;
  expect_refusal(ErrorCode::kCorrupt, {"expert_used_count"});
  model_.integers["expert_count"] = 0;
  read();
}

TEST_F(Llama, LinearScalingIsLost) {
  model_.texts["rope.scaling.type"] = "linear";
  model_.numbers["rope.scaling.factor"] = 4.0f;
  EXPECT_EQ(read().hyperparameters.ropes.front().linear_scale, 4.0);
}

TEST_F(Llama, LinearScalingOfOldFilesIsLost) {
  model_.numbers["rope.scale_linear"] = 2.0f;
  EXPECT_EQ(read().hyperparameters.ropes.front().linear_scale, 2.0);
}

TEST_F(Llama, FactorScalesThoughTheTypeIsNone) {
  model_.texts["rope.scaling.type"] = "none";
  model_.numbers["rope.scaling.factor"] = 4.0f;
  EXPECT_EQ(read().hyperparameters.ropes.front().linear_scale, 1.0);
}

TEST_F(Llama, UnknownScalingPasses) {
  model_.texts["rope.scaling.type"] = "dynamic";
  expect_refusal(ErrorCode::kUnsupported, {"rope.scaling.type", "dynamic"});
}

TEST_F(Llama, MissingTensorPasses) {
  for (const char* name :
       {"token_embd.weight", "output_norm.weight", "blk.1.attn_v.weight", "blk.0.ffn_norm.weight"}) {
    ModelFile file;
    file.tensors.erase(name);
    expect_refusal_of(file, ErrorCode::kCorrupt, {name, "missing"});
  }
}

TEST_F(Llama, WrongShapePasses) {
  model_.add("blk.1.ffn_down.weight", {64, 96});
  expect_refusal(ErrorCode::kCorrupt, {"blk.1.ffn_down.weight", "(64, 96)", "(96, 64)"});
}

TEST_F(Llama, BiasOfAnotherSizePasses) {
  model_.add("blk.0.attn_k.bias", {64});
  expect_refusal(ErrorCode::kCorrupt, {"blk.0.attn_k.bias"});
}

TEST_F(Llama, UnknownTensorPasses) {
  model_.add("blk.0.attn_q_norm.weight", {16});
  expect_refusal(ErrorCode::kUnsupported, {"blk.0.attn_q_norm.weight"});
}

TEST_F(Llama, LayerTooManyPasses) {
  model_.integers["block_count"] = 1;
  expect_refusal(ErrorCode::kUnsupported, {"blk.1."});
}

TEST_F(Llama, UnsupportedWeightTypePasses) {
  model_.add("blk.0.attn_q.weight", {64, 64}, GgmlType::kQ2_0);
  expect_refusal(ErrorCode::kUnsupported, {"blk.0.attn_q.weight", "Q2_0"});
}

TEST_F(Llama, UnknownArchitecturePasses) {
  model_.architecture = "rwkv6";
  expect_refusal(ErrorCode::kUnsupported, {"rwkv6"});
}

TEST_F(Llama, MissingArchitecturePasses) {
  model_.architecture = "";
  expect_refusal(ErrorCode::kCorrupt, {"general.architecture"});
}

}  // namespace
}  // namespace flexinfer
