#include <gtest/gtest.h>

#include <filesystem>

#include "gguf/gguf_file.h"
#include "unit/gguf/gguf_bytes.h"

namespace flexinfer {
namespace {

class GgufReader : public testing::Test {
 protected:
  Result<GgufFile> open(const GgufBytes& bytes) { return open_bytes(folder_, bytes.bytes()); }
  void refuses(const GgufBytes& bytes, std::string_view reason, ErrorCode code = ErrorCode::kCorrupt) {
    SCOPED_TRACE(reason);
    expect_refusal(open(bytes), code, reason);
  }

  TempFolder folder_;
};

TEST_F(GgufReader, ReadsEveryKindOfValue) {
  GgufBytes bytes;
  bytes.header(0, 14);
  bytes.pair("u8", kWireUint8, uint8_t{200}).pair("i8", kWireInt8, int8_t{-100});
  bytes.pair("u16", kWireUint16, uint16_t{60000}).pair("i16", kWireInt16, int16_t{-30000});
  bytes.pair("u32", kWireUint32, uint32_t{4000000000}).pair("i32", kWireInt32, int32_t{-2000000000});
  bytes.pair("u64", kWireUint64, UINT64_MAX).pair("i64", kWireInt64, INT64_MIN);
  bytes.pair("f32", kWireFloat32, 0.5f).pair("f64", kWireFloat64, 0.1);
  bytes.pair("yes", kWireBool, uint8_t{1}).text_pair("text", "caf\xc3\xa9");
  bytes.array("texts", kWireString, 2).text("one").text("").array("bools", kWireBool, 2).raw({"\1\0", 2});
  const auto file = open(bytes);
  ASSERT_TRUE(file) << file.error().message;
  const Metadata& metadata = file->metadata();
  EXPECT_EQ(metadata.unsigned_number("u8")->value(), 200u);
  EXPECT_EQ(metadata.number("i8")->value(), -100);
  EXPECT_EQ(metadata.unsigned_number("u16")->value(), 60000u);
  EXPECT_EQ(metadata.number("i16")->value(), -30000);
  EXPECT_EQ(metadata.unsigned_number("u32")->value(), 4000000000u);
  EXPECT_EQ(metadata.number("i32")->value(), -2000000000);
  EXPECT_EQ(metadata.unsigned_number("u64")->value(), UINT64_MAX);
  EXPECT_EQ(std::get<int64_t>(*metadata.find("i64")), INT64_MIN);
  EXPECT_EQ(metadata.number("f32")->value(), 0.5);
  EXPECT_EQ(metadata.number("f64")->value(), 0.1);
  EXPECT_EQ(metadata.boolean("yes")->value(), true);
  EXPECT_EQ(*metadata.text("text").value(), "caf\xc3\xa9");
  EXPECT_EQ((*metadata.texts("texts").value())[0], "one");
  EXPECT_EQ(metadata.integers("bools")->value(), (std::vector<int64_t>{1, 0}));
}

TEST_F(GgufReader, ReadsArraysLongerThanItsWindow) {
  GgufBytes bytes;
  constexpr uint64_t kCount = 200'000;
  bytes.header(0, 2).array("numbers", kWireInt32, kCount);
  for (int32_t i = 0; i < static_cast<int32_t>(kCount); ++i)
    bytes.number(i - 7);
  bytes.array("texts", kWireString, kCount);
  for (uint64_t i = 0; i < kCount; ++i)
    bytes.text(std::to_string(i));
  const auto file = open(bytes);
  ASSERT_TRUE(file) << file.error().message;
  const auto numbers = file->metadata().integers("numbers")->value();
  const StringList& texts = *file->metadata().texts("texts").value();
  ASSERT_EQ(numbers.size(), kCount);
  ASSERT_EQ(texts.size(), kCount);
  for (uint64_t i = 0; i < kCount; ++i) {
    ASSERT_EQ(numbers[i], static_cast<int64_t>(i) - 7);
    ASSERT_EQ(texts[i], std::to_string(i));
  }
}

TEST_F(GgufReader, PlacesTensorsByTheAlignment) {
  for (const uint32_t version : {2u, 3u}) {
    for (const uint32_t alignment : {8u, 32u, 4096u}) {
      GgufBytes bytes;
      bytes.header(2, 1, version).pair("general.alignment", kWireUint32, alignment);
      bytes.tensor("b", {32, 3}, 2, 0).tensor("a", {5}, 0, alignment * 9);
      bytes.pad(alignment);
      const uint64_t data_begin = bytes.size();
      bytes.data(alignment * 9 + 20);
      const auto file = open(bytes);
      ASSERT_TRUE(file) << file.error().message;
      EXPECT_EQ(file->version(), version);
      EXPECT_EQ(file->alignment(), alignment);
      EXPECT_EQ(file->file_bytes(), bytes.size());
      EXPECT_EQ(file->tensor_bytes(), 3 * 18u + 20u);
      const TensorInfo* b = file->find_tensor("b");
      ASSERT_NE(b, nullptr);
      EXPECT_EQ(b, &file->tensors()[0]);
      EXPECT_EQ(b->type, GgmlType::kQ4_0);
      EXPECT_EQ(b->n_dims, 2u);
      EXPECT_EQ(b->cols(), 32u);
      EXPECT_EQ(b->rows(), 3u);
      EXPECT_EQ(b->extent.offset, data_begin);
      EXPECT_EQ(b->extent.size, 54u);
      EXPECT_EQ(file->find_tensor("a")->extent.offset, data_begin + alignment * 9);
      EXPECT_EQ(file->find_tensor("c"), nullptr);
    }
  }
}

TEST_F(GgufReader, KnowsEveryTypeOfGgml) {
  struct Known {
    uint32_t id;
    const char* name;
    uint64_t bytes_of_512;
  };
  // Ids and bits per weight: ggml's type table.
  constexpr Known kKnown[] = {
      {0, "F32", 2048},     {1, "F16", 1024},    {2, "Q4_0", 288},     {3, "Q4_1", 320},
      {6, "Q5_0", 352},     {7, "Q5_1", 384},    {8, "Q8_0", 544},     {9, "Q8_1", 576},
      {10, "Q2_K", 168},    {11, "Q3_K", 220},   {12, "Q4_K", 288},    {13, "Q5_K", 352},
      {14, "Q6_K", 420},    {15, "Q8_K", 584},   {16, "IQ2_XXS", 132}, {17, "IQ2_XS", 148},
      {18, "IQ3_XXS", 196}, {19, "IQ1_S", 100},  {20, "IQ4_NL", 288},  {21, "IQ3_S", 220},
      {22, "IQ2_S", 164},   {23, "IQ4_XS", 272}, {24, "I8", 512},      {25, "I16", 1024},
      {26, "I32", 2048},    {27, "I64", 4096},   {28, "F64", 4096},    {29, "IQ1_M", 112},
      {30, "BF16", 1024},   {34, "TQ1_0", 108},  {35, "TQ2_0", 132},   {39, "MXFP4", 272},
      {40, "NVFP4", 288},   {41, "Q1_0", 72},    {42, "Q2_0", 144},
  };
  for (const Known& known : kKnown) {
    GgufBytes bytes;
    bytes.header(1, 0).tensor("w", {512}, known.id, 0).pad(32).data(known.bytes_of_512);
    const auto file = open(bytes);
    ASSERT_TRUE(file) << known.name << ": " << file.error().message;
    const TensorInfo& tensor = file->tensors()[0];
    EXPECT_EQ(ggml_type_info(tensor.type).name, known.name);
    EXPECT_EQ(tensor.extent.size, known.bytes_of_512) << known.name;
  }
}

TEST_F(GgufReader, RefusesTypesThatGgmlRemovedByName) {
  const std::pair<uint32_t, const char*> removed[] = {
      {4, "Q4_2 (4)"},       {5, "Q4_3 (5)"},         {31, "Q4_0_4_4 (31)"},   {32, "Q4_0_4_8 (32)"},
      {33, "Q4_0_8_8 (33)"}, {36, "IQ4_NL_4_4 (36)"}, {37, "IQ4_NL_4_8 (37)"}, {38, "IQ4_NL_8_8 (38)"}};
  for (const auto& [id, name] : removed) {
    refuses(GgufBytes().header(1, 0).tensor("w", {32}, id, 0).pad(32).data(4096), name,
            ErrorCode::kUnsupported);
  }
  for (const uint32_t id : {43u, 1000u, UINT32_MAX}) {
    refuses(GgufBytes().header(1, 0).tensor("w", {32}, id, 0).pad(32).data(4096),
            "unknown type " + std::to_string(id), ErrorCode::kUnsupported);
  }
}

TEST_F(GgufReader, RefusesWhatIsNoGgufFile) {
  expect_refusal(open_bytes(folder_, ""), ErrorCode::kCorrupt, "at byte 0: not a GGUF file: it is empty");
  expect_refusal(open_bytes(folder_, "# A\ntext"), ErrorCode::kCorrupt,
                 "not a GGUF file: it begins with '# A\\x0a'");
  expect_refusal(open_bytes(folder_, "G"), ErrorCode::kCorrupt, "not a GGUF file");
  std::filesystem::create_directory(folder_.file("folder.gguf"));
  const auto folder = GgufFile::open(folder_.file("folder.gguf"));
  ASSERT_FALSE(folder);
  EXPECT_NE(folder.error().message.find("directory"), std::string::npos) << folder.error().message;
  const auto absent = GgufFile::open(folder_.file("absent.gguf"));
  ASSERT_FALSE(absent);
  EXPECT_EQ(absent.error().code, ErrorCode::kIo);
  EXPECT_NE(absent.error().message.find("absent.gguf"), std::string::npos) << absent.error().message;
}

TEST_F(GgufReader, RefusesOtherVersionsByName) {
  refuses(GgufBytes().header(0, 0, 1), "version 1", ErrorCode::kUnsupported);
  refuses(GgufBytes().header(0, 0, 0), "version 0 is unknown", ErrorCode::kUnsupported);
  refuses(GgufBytes().header(0, 0, 4), "version 4 is unknown", ErrorCode::kUnsupported);
  refuses(GgufBytes().header(0, 0, 0x03000000), "big-endian GGUF file (version 3)", ErrorCode::kUnsupported);
  refuses(GgufBytes().header(0, 0, 0x02000000), "big-endian GGUF file (version 2)", ErrorCode::kUnsupported);
}

TEST_F(GgufReader, RefusesCountsThatTheFileCannotHold) {
  for (const uint64_t count : {uint64_t{2}, uint64_t{1} << 32, (UINT64_MAX / 14) + 1, UINT64_MAX}) {
    refuses(GgufBytes().header(count, 0), "tensors");
    refuses(GgufBytes().header(0, count), "metadata keys");
    for (uint32_t type = kWireUint8; type <= kWireFloat64; ++type) {
      refuses(GgufBytes().header(0, 1).array("a", type, count).raw("\1"), "are left of the file");
    }
  }
}

TEST_F(GgufReader, RefusesTextsLongerThanTheFile) {
  for (const uint64_t length : {uint64_t{100}, uint64_t{1} << 40, UINT64_MAX - 7, UINT64_MAX}) {
    refuses(GgufBytes().header(0, 1).number(length).data(40), "a metadata key");
    refuses(GgufBytes().header(0, 1).key("k", kWireString).number(length).data(40), "a text");
    refuses(GgufBytes().header(0, 1).array("k", kWireString, 2).number(length).data(40),
            "a text of an array");
    refuses(GgufBytes().header(1, 0).number(length).data(40), "a tensor's name");
  }
}

TEST_F(GgufReader, RefusesAHeaderThatWouldFillMemory) {
  const std::string path = folder_.file("model.gguf");
  const std::pair<GgufBytes, const char*> cases[] = {
      {GgufBytes().header(0, 1).key("k", kWireString).number(uint64_t{1} << 30), "128 MiB"},
      {GgufBytes().header(0, 1).array("k", kWireUint8, uint64_t{1} << 30), "128 MiB"},
      {GgufBytes().header(uint64_t{1} << 21, 0), "at most"},
      {GgufBytes().header(0, uint64_t{1} << 17), "at most"}};
  for (const auto& [bytes, reason] : cases) {
    write_file(path, bytes.bytes());
    std::filesystem::resize_file(path, uint64_t{1} << 31);  // a hole: takes no room
    expect_refusal(GgufFile::open(path), ErrorCode::kUnsupported, reason);
  }
}

// Numbers are kept as 64 bits each.
TEST_F(GgufReader, RefusesValuesThatWouldFillMemory) {
  const std::string path = folder_.file("model.gguf");
  const GgufBytes cases[] = {GgufBytes().header(0, 1).array("k", kWireUint8, uint64_t{10} << 20),
                             GgufBytes().header(0, 1).array("k", kWireBool, uint64_t{10} << 20),
                             GgufBytes().header(0, 1).array("k", kWireString, uint64_t{10} << 20),
                             GgufBytes().header(0, 1).key("k", kWireString).number(uint64_t{100} << 20)};
  for (const GgufBytes& bytes : cases) {
    write_file(path, bytes.bytes());
    std::filesystem::resize_file(path, uint64_t{1} << 31);
    expect_refusal(GgufFile::open(path), ErrorCode::kUnsupported, "larger than 64.0 MiB");
  }
}

TEST_F(GgufReader, SkipsNestedArraysButNotWithoutEnd) {
  GgufBytes nested;
  nested.header(0, 2).array("k", kWireArray, 2);
  nested.number<uint32_t>(kWireInt16).number<uint64_t>(3).data(6);
  nested.number<uint32_t>(kWireArray)
      .number<uint64_t>(1)
      .number<uint32_t>(kWireString)
      .number<uint64_t>(1)
      .text("x");
  nested.text_pair("after", "here");
  const auto file = open(nested);
  ASSERT_TRUE(file) << file.error().message;
  EXPECT_EQ(std::get<NestedArray>(*file->metadata().find("k")).n_elements, 2u);
  EXPECT_EQ(*file->metadata().text("after").value(), "here");

  GgufBytes deep;
  deep.header(0, 1).key("k", kWireArray);
  for (int depth = 0; depth < 1000; ++depth)
    deep.number<uint32_t>(kWireArray).number<uint64_t>(1);
  refuses(deep.number<uint32_t>(kWireUint8).number<uint64_t>(0), "nested deeper than 8");
}

TEST_F(GgufReader, RefusesBadValues) {
  refuses(GgufBytes().header(0, 1).pair("k", 13, uint32_t{1}).data(16), "there is no type 13");
  refuses(GgufBytes().header(0, 1).array("k", 99, 0).data(16), "there is no type 99");
  refuses(GgufBytes().header(0, 1).pair("k", kWireBool, uint8_t{2}), "a bool is 0 or 1, not 2");
  refuses(GgufBytes().header(0, 1).array("k", kWireBool, 2).raw("\1\7"), "a bool is 0 or 1, not 7");
}

TEST_F(GgufReader, RefusesBadNames) {
  refuses(GgufBytes().header(0, 1).pair("", kWireUint32, 1u), "a metadata key is empty");
  refuses(GgufBytes().header(1, 0).tensor("", {32}, 0, 0).pad(32).data(128), "a tensor's name is empty");
  refuses(GgufBytes().header(0, 1).pair(std::string(65536, 'k'), kWireUint32, 1u), "65536 bytes long");
  refuses(GgufBytes().header(0, 2).pair("a\nb", kWireUint32, 1u).pair("a\nb", kWireBool, uint8_t{1}),
          "key 'a\\x0ab' occurs twice");
  GgufBytes twins;
  twins.header(2, 0).tensor("w", {8}, 0, 0).tensor("w", {8}, 0, 32).pad(32).data(64);
  refuses(twins, "tensor 'w' occurs twice");
}

TEST_F(GgufReader, NamesTheByteWhereTheErrorStands) {
  GgufBytes bytes;
  bytes.header(0, 2).text_pair("first", "value");
  const size_t at = bytes.size();
  bytes.text_pair("first", "again");
  refuses(bytes, "at byte " + std::to_string(at) + ":");
}

TEST_F(GgufReader, RefusesBadAlignments) {
  for (const uint64_t alignment : {uint64_t{0}, uint64_t{1}, uint64_t{4}, uint64_t{24}, uint64_t{1} << 32}) {
    refuses(GgufBytes().header(0, 1).pair("general.alignment", kWireUint64, alignment), "power of two");
  }
  refuses(GgufBytes().header(0, 1).text_pair("general.alignment", "32"),
          "'general.alignment' holds the text '32'");
}

TEST_F(GgufReader, RefusesBadDimensions) {
  const auto with = [](std::initializer_list<uint64_t> dims, uint32_t type) {
    return GgufBytes().header(1, 0).tensor("w", dims, type, 0).pad(32).data(4096);
  };
  refuses(with({}, 0), "0 dimensions");
  refuses(with({1, 1, 1, 1, 1}, 0), "5 dimensions");
  refuses(with({8, 0}, 0), "impossible dimension: 0");
  refuses(with({33}, 2), "blocks of 32");
  refuses(with({32}, 12), "blocks of 256");
  refuses(with({uint64_t{1} << 32, uint64_t{1} << 32}, 0), "impossible dimension");
  refuses(with({UINT64_MAX}, 0), "impossible dimension");
  refuses(with({uint64_t{1} << 61, 2}, 28), "impossible in F64");
  refuses(with({uint64_t{1} << 60}, 0), "needs a file of 4611686018427387968 bytes");
}

TEST_F(GgufReader, RefusesBadOffsets) {
  const auto at = [](uint64_t offset) {
    return GgufBytes().header(1, 0).tensor("w", {8}, 0, offset).pad(32).data(64);
  };
  EXPECT_TRUE(open(at(32)));
  refuses(at(16), "not aligned to 32");
  refuses(at(64), "needs a file of 160 bytes, but the file has 128");
  refuses(at(UINT64_MAX - 31), "but the file has 128");
}

TEST_F(GgufReader, TellsBothSizesOfATruncatedFile) {
  GgufBytes bytes;
  bytes.header(1, 0).tensor("blk.0.ffn_up.weight", {256, 4}, 1, 0).pad(32);
  const size_t whole = bytes.size() + 2048;
  bytes.data(2047);
  refuses(bytes, "tensor 'blk.0.ffn_up.weight' needs a file of " + std::to_string(whole) +
                     " bytes, but the file has " + std::to_string(whole - 1));
}

}  // namespace
}  // namespace flexinfer
