#include "gguf/gguf_writer.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>

#include "unit/gguf/gguf_bytes.h"

namespace flexinfer {
namespace {

constexpr uint64_t kMatrix[] = {32, 100'000};  // Q8_0: 3.4 MB
constexpr uint64_t kVector[] = {7};
constexpr uint64_t kCube[] = {2, 3, 2};

std::vector<std::byte> pattern(size_t n, uint32_t seed) {
  std::vector<std::byte> bytes(n);
  for (size_t i = 0; i < n; ++i)
    bytes[i] = static_cast<std::byte>((i * 2654435761u + seed) >> 13);
  return bytes;
}

std::string contents(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

void expect_usage_error(const Status& status, std::string_view part_of_message) {
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, ErrorCode::kUsage) << status.error().message;
  EXPECT_NE(status.error().message.find(part_of_message), std::string::npos) << status.error().message;
}

TEST(GgufWriter, WritesWhatTheReaderReads) {
  for (const uint64_t alignment : {8u, 32u, 4096u, 16384u}) {
    const TempFolder folder;
    const std::string path = folder.file("m.gguf");
    GgufWriter writer(path, alignment);
    writer.set_u32("u32", 7);
    writer.set_f32("f32", 0.25f);
    writer.set_bool("yes", true);
    writer.set_text("text", "a\nb");
    writer.set_texts("texts", std::vector<std::string>{"x", "", "yz"});
    writer.add_tensor("matrix", GgmlType::kQ8_0, kMatrix);
    writer.set_f32s("f32s", std::vector<float>{1.5f, -2.0f});
    writer.set_i32s("i32s", std::vector<int32_t>{-1, 3});
    writer.add_tensor("vector", GgmlType::kF32, kVector);
    writer.add_tensor("cube", GgmlType::kF16, kCube);
    ASSERT_TRUE(writer.begin_data());
    const auto bytes = pattern(34 * 100'000 + 28 + 24, 5);
    // Pieces that end inside tensors, reach over several, and are larger than the writer's blocks.
    for (size_t at = 0, n = 1; at < bytes.size(); at += n, n = n * 3 + 1) {
      ASSERT_TRUE(writer.append(std::span(bytes).subspan(at, std::min(n, bytes.size() - at))));
    }
    ASSERT_FALSE(std::filesystem::exists(path));
    const Status finished = writer.finish();
    ASSERT_TRUE(finished) << finished.error().message;

    const auto file = GgufFile::open(path);
    ASSERT_TRUE(file) << file.error().message;
    const Metadata& metadata = file->metadata();
    EXPECT_EQ(file->version(), 3u);
    EXPECT_EQ(file->alignment(), alignment);
    EXPECT_EQ(metadata.unsigned_number("u32")->value(), 7u);
    EXPECT_EQ(metadata.number("f32")->value(), 0.25);
    EXPECT_EQ(metadata.boolean("yes")->value(), true);
    EXPECT_EQ(*metadata.text("text").value(), "a\nb");
    EXPECT_EQ((*metadata.texts("texts").value())[2], "yz");
    EXPECT_EQ(metadata.numbers("f32s")->value(), (std::vector<double>{1.5, -2.0}));
    EXPECT_EQ(metadata.integers("i32s")->value(), (std::vector<int64_t>{-1, 3}));
    EXPECT_EQ(file->find_tensor("cube")->rows(), 6u);
    const std::string written = contents(path);
    size_t at = 0;
    for (const TensorInfo& tensor : file->tensors()) {
      EXPECT_EQ(tensor.extent.offset % alignment, 0u);
      ASSERT_EQ(std::memcmp(written.data() + tensor.extent.offset, bytes.data() + at, tensor.extent.size), 0)
          << tensor.name;
      at += tensor.extent.size;
    }
    EXPECT_EQ(at, bytes.size());
    EXPECT_EQ(written.size() % alignment, 0u);
  }
}

TEST(GgufWriter, MatchesTheSpecificationByteForByte) {
  const TempFolder folder;
  const std::string path = folder.file("m.gguf");
  GgufWriter writer(path);
  writer.set_text("general.architecture", "llama");
  writer.set_i32s("ids", std::vector<int32_t>{-1});
  writer.add_tensor("v", GgmlType::kF32, kVector);
  writer.add_tensor("w", GgmlType::kF32, kVector);
  ASSERT_TRUE(writer.begin_data());
  const std::vector<std::byte> data(56, std::byte{0x5a});
  ASSERT_TRUE(writer.append(data));
  ASSERT_TRUE(writer.finish());
  GgufBytes expected;
  expected.header(2, 2)
      .text_pair("general.architecture", "llama")
      .array("ids", kWireInt32, 1)
      .number(int32_t{-1});
  expected.tensor("v", {7}, 0, 0).tensor("w", {7}, 0, 32).pad(32).data(28).pad(32).data(28).pad(32);
  EXPECT_EQ(contents(path), expected.bytes());
}

TEST(GgufWriter, LeavesNothingWhenAbandoned) {
  const TempFolder folder;
  {
    GgufWriter writer(folder.file("m.gguf"));
    writer.add_tensor("v", GgmlType::kF32, kVector);
    ASSERT_TRUE(writer.begin_data());
    EXPECT_TRUE(std::filesystem::exists(folder.file("m.gguf.partial")));
    ASSERT_TRUE(writer.append(pattern(20, 1)));
  }
  EXPECT_TRUE(folder.is_empty());
}

TEST(GgufWriter, KeepsTheOldFileUntilTheNewOneIsWhole) {
  const TempFolder folder;
  const std::string path = folder.file("m.gguf");
  write_file(path, "old");
  GgufWriter writer(path);
  writer.add_tensor("v", GgmlType::kF32, kVector);
  ASSERT_TRUE(writer.begin_data());
  ASSERT_TRUE(writer.append(pattern(28, 1)));
  EXPECT_EQ(contents(path), "old");
  ASSERT_TRUE(writer.finish());
  EXPECT_EQ(contents(path).substr(0, 4), "GGUF");
  EXPECT_FALSE(std::filesystem::exists(path + ".partial"));
}

TEST(GgufWriter, RefusesBytesThatAreNotThoseOfTheTensors) {
  const TempFolder folder;
  {
    GgufWriter writer(folder.file("m.gguf"));
    writer.add_tensor("v", GgmlType::kF32, kVector);
    ASSERT_TRUE(writer.begin_data());
    ASSERT_TRUE(writer.append(pattern(27, 1)));
    expect_usage_error(writer.finish(), "tensor 'v' has 28 bytes, 27 were given");
  }
  {
    GgufWriter writer(folder.file("m.gguf"));
    writer.add_tensor("v", GgmlType::kF32, kVector);
    ASSERT_TRUE(writer.begin_data());
    expect_usage_error(writer.append(pattern(29, 1)), "1 bytes more");
    expect_usage_error(writer.finish(), "1 bytes more");
  }
  EXPECT_TRUE(folder.is_empty());
}

TEST(GgufWriter, RefusesWrongCalls) {
  const TempFolder folder;
  const auto refusal_of = [&](auto call, uint64_t alignment = 32) {
    GgufWriter writer(folder.file("m.gguf"), alignment);
    call(writer);
    return writer.begin_data();
  };
  const auto nothing = [](GgufWriter&) {};
  const auto add = [](std::string_view name, GgmlType type, std::vector<uint64_t> dims) {
    return [=](GgufWriter& writer) { writer.add_tensor(name, type, dims); };
  };
  expect_usage_error(refusal_of(nothing, 0), "alignment of 0");
  expect_usage_error(refusal_of(nothing, 48), "alignment of 48");
  expect_usage_error(refusal_of([](GgufWriter& w) { w.set_u32("", 1); }), "key is empty");
  expect_usage_error(refusal_of([](GgufWriter& w) {
                       w.set_u32("k", 1);
                       w.set_bool("k", true);
                     }),
                     "key 'k' is given twice");
  expect_usage_error(refusal_of(add("", GgmlType::kF32, {1})), "no name");
  expect_usage_error(refusal_of(add("t", GgmlType::kF32, {})), "impossible");
  expect_usage_error(refusal_of(add("t", GgmlType::kF32, {1, 1, 1, 1, 1})), "impossible");
  expect_usage_error(refusal_of(add("t", GgmlType::kF32, {1, 0})), "impossible");
  expect_usage_error(refusal_of(add("t", GgmlType::kQ4_K, {128})), "blocks of 256");
  expect_usage_error(refusal_of([](GgufWriter& w) {
                       w.add_tensor("t", GgmlType::kF32, kVector);
                       w.add_tensor("t", GgmlType::kF32, kVector);
                     }),
                     "tensor 't' is given twice");
  GgufWriter early(folder.file("m.gguf"));
  expect_usage_error(early.append(pattern(1, 1)), "before begin_data");
  EXPECT_TRUE(folder.is_empty());
}

TEST(GgufWriter, ReportsAFolderThatIsNotThere) {
  const TempFolder folder;
  const Status status = GgufWriter(folder.file("absent/m.gguf")).begin_data();
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, ErrorCode::kIo);
  EXPECT_NE(status.error().message.find("absent/m.gguf"), std::string::npos) << status.error().message;
}

TEST(GgufWriter, ReportsADiskTooSmallBeforeWriting) {
  const TempFolder folder;
  const uint64_t dims[] = {uint64_t{1} << 53};  // 64 PiB
  GgufWriter writer(folder.file("m.gguf"));
  writer.add_tensor("huge", GgmlType::kF64, dims);
  const Status status = writer.begin_data();
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, ErrorCode::kIo);
  EXPECT_NE(status.error().message.find("are free on its disk"), std::string::npos) << status.error().message;
  EXPECT_TRUE(folder.is_empty());
}

// Sets the largest file that this process may write, for the life of the object.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) : old_handler_(std::signal(SIGXFSZ, SIG_IGN)) {
    ::getrlimit(RLIMIT_FSIZE, &old_limit_);
    const rlimit limit = {bytes, old_limit_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() {
    ::setrlimit(RLIMIT_FSIZE, &old_limit_);
    std::signal(SIGXFSZ, old_handler_);
  }

 private:
  rlimit old_limit_{};
  void (*old_handler_)(int);
};

TEST(GgufWriter, ReportsAWriteThatTheSystemRefusesAndLeavesNothing) {
  const TempFolder folder;
  {
    GgufWriter writer(folder.file("m.gguf"));
    writer.add_tensor("m", GgmlType::kQ8_0, kMatrix);
    ASSERT_TRUE(writer.begin_data());
    const FileSizeLimit limit(1 << 20);
    Status status = writer.append(pattern(34 * 100'000, 1));
    if (status) status = writer.finish();
    ASSERT_FALSE(status);
    EXPECT_EQ(status.error().code, ErrorCode::kIo);
    EXPECT_NE(status.error().message.find("m.gguf"), std::string::npos) << status.error().message;
    EXPECT_NE(status.error().message.find("File too large"), std::string::npos) << status.error().message;
  }
  EXPECT_TRUE(folder.is_empty());
}

}  // namespace
}  // namespace flexinfer
