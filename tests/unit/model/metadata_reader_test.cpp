#include "model/metadata_reader.h"

#include <gtest/gtest.h>

#include <limits>

#include "unit/model/model_file.h"

namespace flexinfer {
namespace {

class Metadata : public ::testing::Test {
 protected:
  MetadataReader& reader() {
    if (!reader_) {
      auto file = model_.open();
      EXPECT_TRUE(file) << error_of(file).message;
      file_.emplace(std::move(*file));
      reader_.emplace(*file_, "llama");
    }
    return *reader_;
  }
  // That reading has failed, in one line that names the file and all of `words`.
  void expect_failure(ErrorCode code, std::initializer_list<std::string> words) {
    const Error error = error_of(reader().status());
    EXPECT_EQ(error.code, code);
    EXPECT_NE(error.message.find(model_.path()), std::string::npos) << error.message;
    for (const std::string& word : words)
      EXPECT_NE(error.message.find(word), std::string::npos) << error.message;
  }

  ModelFile model_;

 private:
  std::optional<GgufFile> file_;
  std::optional<MetadataReader> reader_;
};

TEST_F(Metadata, ReadsAnotherNumberThanTheFileHolds) {
  model_.texts["kind"] = "some";
  EXPECT_EQ(reader().integer("block_count", 1, 10), 2);
  EXPECT_EQ(reader().integer_or("block_count", 5, 1, 10), 2);
  EXPECT_EQ(reader().integer_or("absent", 5, 1, 10), 5);
  EXPECT_FLOAT_EQ(static_cast<float>(reader().positive("attention.layer_norm_rms_epsilon")), 1e-5f);
  EXPECT_EQ(reader().positive_or("absent", 7.5), 7.5);
  EXPECT_EQ(reader().text_or("kind", "none"), "some");
  EXPECT_EQ(reader().text_or("absent", "none"), "none");
  EXPECT_TRUE(reader().status());
}

TEST_F(Metadata, MissingIntegerPasses) {
  EXPECT_EQ(reader().integer("absent", 3, 9), 3);
  expect_failure(ErrorCode::kCorrupt, {"llama.absent", "missing"});
}

TEST_F(Metadata, MissingNumberPasses) {
  reader().positive("absent");
  expect_failure(ErrorCode::kCorrupt, {"llama.absent", "missing"});
}

TEST_F(Metadata, IntegerBelowItsRangePasses) {
  EXPECT_EQ(reader().integer("block_count", 3, 9), 3);
  expect_failure(ErrorCode::kCorrupt, {"llama.block_count", "2", "3", "9"});
}

TEST_F(Metadata, IntegerAboveItsRangePasses) {
  model_.integers["block_count"] = std::numeric_limits<uint32_t>::max();
  EXPECT_EQ(reader().integer_or("block_count", 2, 1, 9), 1);
  expect_failure(ErrorCode::kCorrupt, {"llama.block_count", "4294967295"});
}

TEST_F(Metadata, ValueOfAnotherKindPasses) {
  model_.integers.erase("block_count");
  model_.texts["block_count"] = "two";
  EXPECT_EQ(reader().integer("block_count", 1, 9), 1);
  expect_failure(ErrorCode::kCorrupt, {"llama.block_count"});
}

TEST_F(Metadata, NumberThatIsNotPositivePasses) {
  for (float value :
       {0.0f, -1.0f, std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()}) {
    ModelFile model;
    model.numbers["scale"] = value;
    const auto file = model.open();
    ASSERT_TRUE(file);
    MetadataReader reader(*file, "llama");
    EXPECT_GT(reader.positive_or("scale", 2.0), 0);
    EXPECT_EQ(error_of(reader.status()).code, ErrorCode::kCorrupt) << value;
  }
}

TEST_F(Metadata, LaterErrorHidesTheFirst) {
  reader().integer("first", 1, 2);
  reader().integer("second", 1, 2);
  expect_failure(ErrorCode::kCorrupt, {"llama.first"});
}

TEST_F(Metadata, CountsAnotherVocabularyThanTheEmbeddingHas) {
  EXPECT_EQ(reader().vocabulary_rows("token_embd.weight").value_or(-1), 40);
  const Error error = error_of(reader().vocabulary_rows("absent.weight"));
  EXPECT_EQ(error.code, ErrorCode::kCorrupt);
  EXPECT_NE(error.message.find("absent.weight"), std::string::npos) << error.message;
}

}  // namespace
}  // namespace flexinfer
