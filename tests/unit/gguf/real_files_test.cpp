// Files written by others: llama.cpp and its tools, and the Python package gguf.
#include <gtest/gtest.h>

#include <filesystem>
#include <vector>

#include "gguf/gguf_file.h"
#include "support/paths.h"

namespace flexinfer {
namespace {

namespace fs = std::filesystem;

const fs::path kShared = testing::shared("");

std::vector<fs::path> gguf_files(const fs::path& folder) {
  std::vector<fs::path> files;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    if (entry.path().extension() == ".gguf") files.push_back(entry.path());
  }
  return files;
}

TEST(GgufRealFiles, OpenAll) {
  size_t n_files = 0;
  for (const fs::path& folder : {kShared / "golden", kShared / "models", kShared / "bundle",
                                 kShared / "tokenizers" / "vocab", fs::path(testing::bundled_model(""))}) {
    for (const fs::path& path : gguf_files(folder)) {
      const auto file = GgufFile::open(path.string());
      ASSERT_TRUE(file) << file.error().message;
      EXPECT_NE(file->metadata().text("general.architecture").value(), nullptr) << path;
      EXPECT_LE(file->tensor_bytes(), fs::file_size(path));
      ++n_files;
    }
  }
  if (n_files == 0) GTEST_SKIP() << "no models in " << kShared;
}

TEST(GgufRealFiles, FindsWhatAModelIsKnownToHold) {
  const fs::path path = kShared / "golden" / "llama2-mha.gguf";
  if (!fs::exists(path)) GTEST_SKIP() << path << " is absent";
  const auto file = GgufFile::open(path.string());
  ASSERT_TRUE(file) << file.error().message;
  EXPECT_EQ(file->tensors().size(), 30u);
  EXPECT_EQ(file->metadata().unsigned_number("llama.embedding_length")->value(), 64u);
  EXPECT_EQ((*file->metadata().texts("tokenizer.ggml.tokens").value())[3], "<0x00>");
  const TensorInfo* down = file->find_tensor("blk.2.ffn_down.weight");
  ASSERT_NE(down, nullptr);
  EXPECT_EQ(down->type, GgmlType::kF16);
  EXPECT_EQ(down->cols(), 128u);
  EXPECT_EQ(down->rows(), 64u);
  EXPECT_EQ(down->extent.end(), file->file_bytes());
}

TEST(GgufRealFiles, ReadsALargeVocabulary) {
  const fs::path path = kShared / "tokenizers" / "vocab" / "llama3.gguf";
  if (!fs::exists(path)) GTEST_SKIP() << path << " is absent";
  const auto file = GgufFile::open(path.string());
  ASSERT_TRUE(file) << file.error().message;
  EXPECT_EQ(file->metadata().texts("tokenizer.ggml.tokens").value()->size(), 128256u);
  EXPECT_GT(file->metadata().texts("tokenizer.ggml.merges").value()->size(), 280000u);
  EXPECT_EQ(file->metadata().integers("tokenizer.ggml.token_type")->value().size(), 128256u);
  EXPECT_EQ(file->metadata().unsigned_number("tokenizer.ggml.bos_token_id")->value(), 128000u);
}

}  // namespace
}  // namespace flexinfer
