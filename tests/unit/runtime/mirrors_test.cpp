// What passes for a copy of a model.
#include "runtime/mirrors.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "flexinfer/tools.h"
#include "support/files.h"

namespace flexinfer {
namespace {

using testing::read_bytes;
using testing::TempDirectory;
using testing::write_bytes;

class Mirrors : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(write_synthetic("tiny", "Q4_0", directory_.path("model.gguf"), 1, {}));
    bytes_ = read_bytes(directory_.path("model.gguf"));
  }

  Result<std::vector<std::string>> mirror(const std::string& bytes) {
    write_bytes(directory_.path("copy.gguf"), bytes);
    return mirror_paths(model(), directory_.path("copy.gguf"));
  }
  GgufFile model() const { return GgufFile::open(directory_.path("model.gguf")).value(); }

  static void expect_refused(const Result<std::vector<std::string>>& paths) {
    ASSERT_FALSE(paths);
    EXPECT_EQ(paths.error().code, ErrorCode::kUsage) << paths.error().message;
    EXPECT_NE(paths.error().message.find("--mirror"), std::string::npos) << paths.error().message;
  }

  TempDirectory directory_;
  std::string bytes_;
};

TEST_F(Mirrors, CopyIsRefused) {
  const auto paths = mirror(bytes_);
  ASSERT_TRUE(paths) << paths.error().message;
  EXPECT_EQ(*paths, std::vector{directory_.path("copy.gguf")});
}

TEST_F(Mirrors, OtherModelIsTaken) {
  std::string other = bytes_;
  other[40] = static_cast<char>(other[40] ^ 1);
  expect_refused(mirror(other));
}

TEST_F(Mirrors, CutCopyIsTaken) {
  expect_refused(mirror(bytes_.substr(0, bytes_.size() - 1)));
}

TEST_F(Mirrors, ModelIsItsOwnMirror) {
  expect_refused(mirror_paths(model(), directory_.path("model.gguf")));
  std::filesystem::create_hard_link(directory_.path("model.gguf"), directory_.path("link.gguf"));
  expect_refused(mirror_paths(model(), directory_.path("link.gguf")));
}

TEST_F(Mirrors, MissingFileIsTaken) {
  const auto paths = mirror_paths(model(), directory_.path("none.gguf"));
  ASSERT_FALSE(paths);
  EXPECT_EQ(paths.error().code, ErrorCode::kIo);
}

}  // namespace
}  // namespace flexinfer
