#include <gtest/gtest.h>

#include <filesystem>

#include "gguf/split_name.h"
#include "unit/gguf/gguf_bytes.h"

namespace flexinfer {
namespace {

// As gguf-split writes it: the keys of the model in the first part only, the number and the count as uint16.
GgufBytes part(uint16_t number, uint16_t count, int32_t n_tensors, std::string_view tensor) {
  GgufBytes bytes;
  bytes.header(tensor.empty() ? 0 : 1, number == 0 ? 4 : 3);
  if (number == 0) bytes.text_pair("general.architecture", "llama");
  bytes.pair("split.no", kWireUint16, number).pair("split.count", kWireUint16, count);
  bytes.pair("split.tensors.count", kWireInt32, n_tensors);
  if (!tensor.empty()) bytes.tensor(tensor, {8}, 0, 0).pad(32).data(32);
  return bytes;
}

class GgufSplit : public testing::Test {
 protected:
  void SetUp() override {
    write(1, part(0, 3, 2, ""));
    write(2, part(1, 3, 2, "a"));
    write(3, part(2, 3, 2, "b"));
  }
  std::string path(int number) const {
    return folder_.file("m-0000" + std::to_string(number) + "-of-00003.gguf");
  }
  void write(int number, const GgufBytes& bytes) const { write_file(path(number), bytes.bytes()); }

  TempFolder folder_;
};

TEST_F(GgufSplit, ReadsAllPartsFromTheFirst) {
  const auto file = GgufFile::open(path(1));
  ASSERT_TRUE(file) << file.error().message;
  EXPECT_EQ(file->paths(), (std::vector{path(1), path(2), path(3)}));
  ASSERT_EQ(file->tensors().size(), 2u);
  EXPECT_EQ(file->find_tensor("a")->extent.file, 1u);
  EXPECT_EQ(file->find_tensor("b")->extent.file, 2u);
  EXPECT_EQ(*file->metadata().text("general.architecture").value(), "llama");
  uint64_t sum = 0;
  for (int number = 1; number <= 3; ++number)
    sum += std::filesystem::file_size(path(number));
  EXPECT_EQ(file->file_bytes(), sum);
}

TEST_F(GgufSplit, RefusesAnotherPartAndNamesTheFirst) {
  expect_refusal(GgufFile::open(path(2)), ErrorCode::kCorrupt, "open its first part, " + path(1));
}

TEST_F(GgufSplit, NamesAMissingPart) {
  std::filesystem::remove(path(3));
  const auto file = GgufFile::open(path(1));
  ASSERT_FALSE(file);
  EXPECT_EQ(file.error().code, ErrorCode::kIo);
  EXPECT_NE(file.error().message.find("part 3 of 3"), std::string::npos) << file.error().message;
  EXPECT_NE(file.error().message.find(path(3)), std::string::npos) << file.error().message;
}

TEST_F(GgufSplit, RefusesPartsOfAnotherSet) {
  write(2, part(1, 4, 2, "a"));
  expect_refusal(GgufFile::open(path(1)), ErrorCode::kCorrupt, "number of parts (split.count) is 4");
  write(2, part(2, 3, 2, "a"));
  expect_refusal(GgufFile::open(path(1)), ErrorCode::kCorrupt, "number of the part (split.no, from 0) is 2");
  write(2, GgufBytes().header(0, 0));
  expect_refusal(GgufFile::open(path(1)), ErrorCode::kCorrupt, "is absent");
}

TEST_F(GgufSplit, RefusesTheWrongNumberOfTensors) {
  write(3, part(2, 3, 2, ""));
  expect_refusal(GgufFile::open(path(1)), ErrorCode::kCorrupt, "(split.tensors.count) is 2");
}

TEST_F(GgufSplit, RefusesATensorThatTwoPartsHold) {
  write(3, part(2, 3, 2, "a"));
  expect_refusal(GgufFile::open(path(1)), ErrorCode::kCorrupt, "00003-of-00003.gguf: at byte");
}

TEST_F(GgufSplit, RefusesADamagedPartByItsOwnName) {
  std::filesystem::resize_file(path(2), std::filesystem::file_size(path(2)) - 1);
  expect_refusal(GgufFile::open(path(1)), ErrorCode::kCorrupt, path(2) + ": at byte");
}

TEST_F(GgufSplit, RefusesAFirstPartWhoseNameDoesNotLeadToTheOthers) {
  for (const char* name :
       {"renamed.gguf", "m-00001-of-00004.gguf", "m-00002-of-00003.gguf", "m-0001-of-0003.gguf"}) {
    write_file(folder_.file(name), part(0, 3, 2, "").bytes());
    expect_refusal(GgufFile::open(folder_.file(name)), ErrorCode::kCorrupt, "NAME-00001-of-00003.gguf");
  }
}

TEST_F(GgufSplit, TakesASetOfOneForAWholeModel) {
  write_file(folder_.file("single.gguf"), part(0, 1, 1, "a").bytes());
  const auto file = GgufFile::open(folder_.file("single.gguf"));
  ASSERT_TRUE(file) << file.error().message;
  EXPECT_EQ(file->paths().size(), 1u);
}

TEST(SplitName, ReadsOnlyTheExactShape) {
  const auto name = gguf::parse_split_name("/a/m-x-00002-of-00013.gguf");
  ASSERT_TRUE(name);
  EXPECT_EQ(name->prefix, "/a/m-x");
  EXPECT_EQ(name->number, 2u);
  EXPECT_EQ(name->count, 13u);
  EXPECT_EQ(name->path_of(11), "/a/m-x-00011-of-00013.gguf");
  for (const char* path : {"m.gguf", "m-2-of-13.gguf", "m-0000a-of-00013.gguf", "m-00002-of-00013.bin",
                           "m-00002_of-00013.gguf", "0002-of-00013.gguf", ""}) {
    EXPECT_FALSE(gguf::parse_split_name(path)) << path;
  }
}

}  // namespace
}  // namespace flexinfer
