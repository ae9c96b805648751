#include "io/file.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstring>
#include <string_view>
#include <utility>

#include "base/bytes.h"
#include "base/page_buffer.h"
#include "unit/io/scratch_file.h"

namespace flexinfer {
namespace {

constexpr uint64_t kOddSize = 3 * kPageBytes + 123;

bool begins_with(const PageBuffer& buffer, std::span<const std::byte> expected) {
  return std::memcmp(buffer.data(), expected.data(), expected.size()) == 0;
}

void expect_error(const Error& error, ErrorCode code, std::initializer_list<std::string_view> parts) {
  EXPECT_EQ(error.code, code);
  EXPECT_EQ(error.message.find('\n'), std::string::npos);
  for (std::string_view part : parts) {
    EXPECT_NE(error.message.find(part), std::string::npos) << "'" << part << "' is not in: " << error.message;
  }
}

// Pages of the file that are in the page cache.
size_t cached_pages(const File& file) {
  std::vector<unsigned char> resident(align_up(file.size(), system_page_bytes()) / system_page_bytes());
  void* map = ::mmap(nullptr, file.size(), PROT_READ, MAP_SHARED, file.descriptor(), 0);
  EXPECT_NE(map, MAP_FAILED);
  EXPECT_EQ(::mincore(map, file.size(), resident.data()), 0);
  ::munmap(map, file.size());
  return static_cast<size_t>(
      std::count_if(resident.begin(), resident.end(), [](int page) { return page & 1; }));
}

TEST(File, ReadsTheUnalignedEndOfTheFileDirectly) {
  const auto contents = random_bytes(kOddSize, 1);
  const ScratchFile scratch(contents);
  const File file = File::open_direct(scratch.path()).value();
  EXPECT_EQ(file.size(), kOddSize);
  const PageBuffer buffer = PageBuffer::allocate(2 * kPageBytes).value();
  ASSERT_TRUE(file.read_at(2 * kPageBytes, buffer.data(), kPageBytes + 123));
  EXPECT_TRUE(begins_with(buffer, std::span(contents).subspan(2 * kPageBytes)));
}

TEST(File, ReadsFromAnyOffsetThroughThePageCache) {
  const auto contents = random_bytes(kOddSize, 2);
  const ScratchFile scratch(contents);
  const File file = File::open_buffered(scratch.path()).value();
  EXPECT_FALSE(file.direct());
  std::vector<std::byte> bytes(777);
  ASSERT_TRUE(file.read_at(4001, bytes.data(), bytes.size()));
  EXPECT_TRUE(std::equal(bytes.begin(), bytes.end(), contents.begin() + 4001));
}

TEST(File, ReturnsHowManyBytesArrivedWhereTheLengthReachesPastTheEnd) {
  const auto contents = random_bytes(kOddSize, 3);
  const ScratchFile scratch(contents);
  const File file = File::open_direct(scratch.path()).value();
  const PageBuffer buffer = PageBuffer::allocate(8 * kPageBytes).value();
  const Result<uint64_t> arrived = file.read_at_least(0, buffer.data(), 8 * kPageBytes, kOddSize - 1);
  ASSERT_TRUE(arrived) << arrived.error().message;
  EXPECT_EQ(*arrived, kOddSize);
  EXPECT_TRUE(begins_with(buffer, contents));
}

TEST(File, NamesBothSizesWhereTheFileEndsEarly) {
  const ScratchFile scratch(random_bytes(kOddSize, 4));
  for (const auto open : {File::open_direct, File::open_buffered}) {
    const File file = open(scratch.path()).value();
    const PageBuffer buffer = PageBuffer::allocate(4 * kPageBytes).value();
    const Status status = file.read_at(kPageBytes, buffer.data(), 3 * kPageBytes);
    ASSERT_FALSE(status);
    expect_error(status.error(), ErrorCode::kCorrupt,
                 {scratch.path(), "12288 bytes", "offset 4096", "only 8315 are there"});
  }
}

TEST(File, NoticesAFileThatShrankAfterItWasOpened) {
  const ScratchFile scratch(random_bytes(kOddSize, 5));
  const File file = File::open_direct(scratch.path()).value();
  scratch.truncate(5000);
  const PageBuffer buffer = PageBuffer::allocate(4 * kPageBytes).value();
  const Status status = file.read_at(0, buffer.data(), kOddSize);
  ASSERT_FALSE(status);
  expect_error(status.error(), ErrorCode::kCorrupt, {"12411 bytes", "only 5000 are there"});
}

TEST(File, GoesOnFromAPageBorderWhereReadsAreDirect) {
  const ScratchFile scratch(random_bytes(kOddSize, 11));
  EXPECT_EQ(File::open_buffered(scratch.path()).value().resume_at(5000), 5000U);
  const File file = File::open_direct(scratch.path()).value();
  if (!file.direct()) GTEST_SKIP() << "this filesystem has no direct reads";
  EXPECT_EQ(file.resume_at(5000), kPageBytes);
  EXPECT_EQ(file.resume_at(2 * kPageBytes), 2 * kPageBytes);
}

TEST(File, NamesPathOffsetAndReasonOfAFailedRead) {
  const ScratchFile scratch(random_bytes(kOddSize, 6));
  const File file = File::open_direct(scratch.path()).value();
  const PageBuffer buffer = PageBuffer::allocate(kPageBytes).value();
  const uint64_t beyond_any_file = uint64_t{1} << 63;
  const Status status = file.read_at(beyond_any_file, buffer.data(), kPageBytes);
  ASSERT_FALSE(status);
  expect_error(status.error(), ErrorCode::kIo, {scratch.path(), "9223372036854775808", "Invalid argument"});
}

TEST(File, RefusesAMissingFileByName) {
  for (const auto open : {File::open_direct, File::open_buffered}) {
    const Result<File> file = open("no/such/model.gguf");
    ASSERT_FALSE(file);
    expect_error(file.error(), ErrorCode::kIo, {"no/such/model.gguf", "No such file or directory"});
  }
}

TEST(File, RefusesADirectory) {
  for (const auto open : {File::open_direct, File::open_buffered}) {
    const Result<File> file = open(".");
    ASSERT_FALSE(file);
    expect_error(file.error(), ErrorCode::kIo, {".", "is a directory"});
  }
}

TEST(File, RefusesAPipeWithoutWaitingForItsWriter) {
  const std::string path = "pipe-of-" + std::to_string(::getpid());
  ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
  const Result<File> file = File::open_direct(path);
  std::remove(path.c_str());
  ASSERT_FALSE(file);
  expect_error(file.error(), ErrorCode::kIo, {path, "not a regular file"});
}

TEST(File, OpensAnEmptyFile) {
  const ScratchFile scratch({});
  const Result<File> file = File::open_direct(scratch.path());
  ASSERT_TRUE(file) << file.error().message;
  EXPECT_EQ(file->size(), 0U);
}

TEST(File, IsNotDirectOnAFilesystemInMemory) {
  if (::access("/dev/shm", W_OK) != 0) GTEST_SKIP() << "there is no /dev/shm to write to";
  const auto contents = random_bytes(kOddSize, 7);
  const ScratchFile scratch(contents, "/dev/shm");
  const File file = File::open_direct(scratch.path()).value();
  EXPECT_FALSE(file.direct());
  const PageBuffer buffer = PageBuffer::allocate(kOddSize).value();
  ASSERT_TRUE(file.read_at(0, buffer.data(), kOddSize));
  EXPECT_TRUE(begins_with(buffer, contents));
}

TEST(File, KeepsItsDescriptorThroughMoves) {
  const auto contents = random_bytes(kOddSize, 8);
  const ScratchFile scratch(contents);
  const ScratchFile other(random_bytes(10, 9));
  File moved = File::open_buffered(other.path()).value();
  {
    File first = File::open_buffered(scratch.path()).value();
    File second = std::move(first);
    moved = std::move(second);
  }
  EXPECT_EQ(moved.path(), scratch.path());
  std::vector<std::byte> bytes(kOddSize);
  ASSERT_TRUE(moved.read_at(0, bytes.data(), bytes.size()));
  EXPECT_EQ(bytes, contents);
}

TEST(File, DropsItsPagesFromTheCache) {
  const ScratchFile scratch(random_bytes(256 * kPageBytes, 10));
  const File file = File::open_buffered(scratch.path()).value();
  std::vector<std::byte> bytes(256 * kPageBytes);
  ASSERT_TRUE(file.read_at(0, bytes.data(), bytes.size()));
  if (cached_pages(file) == 0) GTEST_SKIP() << "this filesystem does not show its page cache";
  file.drop_cache(0, 256 * kPageBytes);
  EXPECT_EQ(cached_pages(file), 0U);
}

TEST(File, KeepsInTheCacheThePagesThatARangeOnlyTouches) {
  const ScratchFile scratch(random_bytes(256 * kPageBytes, 12));
  const File file = File::open_buffered(scratch.path()).value();
  std::vector<std::byte> bytes(256 * kPageBytes);
  ASSERT_TRUE(file.read_at(0, bytes.data(), bytes.size()));
  if (cached_pages(file) == 0) GTEST_SKIP() << "this filesystem does not show its page cache";
  file.drop_cache(1, 256 * kPageBytes - 2);
  EXPECT_EQ(cached_pages(file), 0U);
}

}  // namespace
}  // namespace flexinfer
