#include "model/schedule_builder.h"

#include <gtest/gtest.h>

#include "unit/model/model_file.h"

namespace flexinfer {
namespace {

class Schedule : public ::testing::Test {
 protected:
  Schedule() {
    model_.tensors.clear();
    model_.add("embedding", {32, 10}, GgmlType::kQ8_0);
    model_.add("matrix", {32, 6}, GgmlType::kF16);
    model_.add("vector", {8});
  }

  ScheduleBuilder& builder() {
    if (!builder_) {
      auto file = model_.open();
      EXPECT_TRUE(file) << error_of(file).message;
      file_.emplace(std::move(*file));
      builder_.emplace(*file_);
    }
    return *builder_;
  }
  void declare_all() {
    builder().matrix(0, Role::kFfnUp, "matrix", 6, 32);
    builder().vector("vector", 8);
    builder().embedding_and_head("embedding", "head", 1, 10, 32);
  }
  void expect_failure(ErrorCode code, std::initializer_list<std::string> words) {
    const Error error = error_of(builder().finish(1));
    EXPECT_EQ(error.code, code);
    EXPECT_NE(error.message.find(model_.path()), std::string::npos) << error.message;
    for (const std::string& word : words)
      EXPECT_NE(error.message.find(word), std::string::npos) << error.message;
  }

  ModelFile model_;
  std::optional<GgufFile> file_;

 private:
  std::optional<ScheduleBuilder> builder_;
};

TEST_F(Schedule, LosesWhereATensorLies) {
  declare_all();
  const auto schedule = builder().finish(1);
  ASSERT_TRUE(schedule) << error_of(schedule).message;
  EXPECT_EQ(schedule->n_layers, 1);
  ASSERT_EQ(schedule->steps.size(), 2U);
  const WeightStep& step = schedule->steps[0];
  EXPECT_EQ(step.name, "matrix");
  EXPECT_EQ(step.role, Role::kFfnUp);
  EXPECT_EQ(step.type, GgmlType::kF16);
  EXPECT_EQ(step.rows, 6);
  EXPECT_EQ(step.cols, 32);
  EXPECT_EQ(step.row_bytes, 64U);
  EXPECT_EQ(step.extent.offset, file_->find_tensor("matrix")->extent.offset);
  EXPECT_EQ(step.extent.size, 6U * 64U);
  ASSERT_EQ(schedule->constants.size(), 1U);
  EXPECT_EQ(schedule->constants[0].size, 8);
  EXPECT_EQ(schedule->constants[0].extent.offset, file_->find_tensor("vector")->extent.offset);
}

TEST_F(Schedule, EmbeddingServesAsHeadThoughThereIsOne) {
  model_.add("head", {32, 10}, GgmlType::kQ8_0);
  declare_all();
  const auto schedule = builder().finish(1);
  ASSERT_TRUE(schedule) << error_of(schedule).message;
  EXPECT_FALSE(schedule->tied_embedding);
  EXPECT_EQ(schedule->steps[schedule->head_step()].name, "head");
  EXPECT_EQ(schedule->embedding.name, "embedding");
}

TEST_F(Schedule, TiedHeadIsNotTheEmbedding) {
  declare_all();
  const auto schedule = builder().finish(1);
  ASSERT_TRUE(schedule) << error_of(schedule).message;
  EXPECT_TRUE(schedule->tied_embedding);
  const WeightStep& head = schedule->steps[schedule->head_step()];
  EXPECT_EQ(head.role, Role::kOutputHead);
  EXPECT_EQ(head.layer, 1);
  EXPECT_EQ(head.extent.offset, schedule->embedding.extent.offset);
}

TEST_F(Schedule, MissingMatrixPasses) {
  builder().matrix(0, Role::kFfnUp, "absent", 6, 32);
  declare_all();
  expect_failure(ErrorCode::kCorrupt, {"absent", "missing"});
}

TEST_F(Schedule, WrongShapePasses) {
  builder().matrix(0, Role::kFfnUp, "matrix", 32, 6);
  expect_failure(ErrorCode::kCorrupt, {"matrix", "(32, 6)", "(6, 32)"});
}

TEST_F(Schedule, MoreDimensionsThanAMatrixHasPass) {
  model_.add("matrix", {32, 3, 2}, GgmlType::kF16);
  builder().matrix(0, Role::kFfnUp, "matrix", 6, 32);
  expect_failure(ErrorCode::kCorrupt, {"matrix", "(32, 3, 2)"});
}

TEST_F(Schedule, MatrixPassesAsAVector) {
  builder().vector("matrix", 32);
  expect_failure(ErrorCode::kCorrupt, {"matrix"});
}

TEST_F(Schedule, TypeWithoutAKernelPasses) {
  model_.add("matrix", {256, 6}, GgmlType::kIQ3_S);
  builder().matrix(0, Role::kFfnUp, "matrix", 6, 256);
  expect_failure(ErrorCode::kUnsupported, {"matrix", "IQ3_S"});
}

TEST_F(Schedule, VectorOfAnotherTypePasses) {
  model_.add("vector", {8}, GgmlType::kF16);
  builder().vector("vector", 8);
  expect_failure(ErrorCode::kUnsupported, {"vector", "F16"});
}

TEST_F(Schedule, OptionalVectorIsAskedFor) {
  EXPECT_EQ(builder().optional_vector("absent", 8), std::nullopt);
  EXPECT_EQ(builder().optional_vector("vector", 8), 0U);
  builder().matrix(0, Role::kFfnUp, "matrix", 6, 32);
  builder().embedding_and_head("embedding", "head", 1, 10, 32);
  EXPECT_TRUE(builder().finish(1));
}

TEST_F(Schedule, OptionalVectorOfAnotherSizePasses) {
  builder().optional_vector("vector", 9);
  expect_failure(ErrorCode::kCorrupt, {"vector", "(8)", "(9)"});
}

TEST_F(Schedule, TensorThatNobodyUsesPasses) {
  model_.add("blk.0.ffn_gate_exps.weight", {32, 4, 4});
  declare_all();
  expect_failure(ErrorCode::kUnsupported, {"blk.0.ffn_gate_exps.weight"});
}

TEST_F(Schedule, IgnoredTensorIsRefused) {
  model_.add("old", {4});
  builder().ignore("old");
  builder().ignore("older");
  declare_all();
  EXPECT_TRUE(builder().finish(1));
}

TEST_F(Schedule, LaterErrorHidesTheFirst) {
  builder().vector("first", 8);
  builder().vector("second", 8);
  expect_failure(ErrorCode::kCorrupt, {"first"});
}

}  // namespace
}  // namespace flexinfer
