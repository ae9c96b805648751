// What every AsyncReader over files must keep, run on each of them.
#include "io/async_reader.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <thread>

#include "base/bytes.h"
#include "base/page_buffer.h"
#include "unit/io/scratch_file.h"

namespace flexinfer {
namespace {

using std::chrono::milliseconds;

struct ReaderKind {
  const char* name;
  Result<std::unique_ptr<AsyncReader>> (*make)(std::span<const File> files, unsigned depth);
};

void PrintTo(const ReaderKind& kind, std::ostream* out) {
  *out << kind.name;
}

ReadRequest request_for(uint64_t offset, uint64_t required, std::byte* buffer) {
  ReadRequest request;
  request.offset = offset;
  request.buffer = buffer;
  request.length = align_up(required, kPageBytes);
  request.required = required;
  request.untouched = offset / kPageBytes % 2 == 0;  // either way brings the same bytes
  return request;
}

void finish(AsyncReader& reader) {
  reader.flush();
  while (reader.in_flight() > 0)
    reader.wait(milliseconds(100));
}

bool contains(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

class FileReaders : public testing::TestWithParam<ReaderKind> {
 protected:
  void open(const std::string& path) { files_.push_back(File::open_direct(path).value()); }
  void make(unsigned depth) {
    auto reader = GetParam().make(files_, depth);
    if (!reader) GTEST_SKIP() << reader.error().message;
    reader_ = std::move(*reader);
  }

  std::vector<File> files_;
  std::unique_ptr<AsyncReader> reader_;
};

INSTANTIATE_TEST_SUITE_P(All, FileReaders,
                         testing::Values(ReaderKind{"uring", make_uring_reader},
                                         ReaderKind{"threads", make_thread_reader}),
                         [](const auto& test) { return test.param.name; });

// Many reads at random places of two files, more than the depth at a time.
void expect_random_reads_equal(AsyncReader& reader, const std::vector<std::vector<std::byte>>& contents) {
  constexpr int kReads = 200;
  constexpr uint64_t kSlotBytes = 64 * kPageBytes;
  const PageBuffer buffer = PageBuffer::allocate(kReads * kSlotBytes).value();
  std::mt19937 random(11);
  std::vector<ReadRequest> requests(kReads);
  uint64_t n_bytes = 0;
  for (int i = 0; i < kReads; ++i) {
    const uint32_t file = random() % contents.size();
    const uint64_t size = contents[file].size();
    const uint64_t offset = random() % (size / kPageBytes + 1) * kPageBytes;
    const uint64_t required = std::min<uint64_t>(size - offset, random() % kSlotBytes);
    requests[i] = request_for(offset, required, buffer.data() + i * kSlotBytes);
    requests[i].file = file;
    reader.submit(requests[i]);
  }
  EXPECT_EQ(reader.in_flight(), static_cast<unsigned>(kReads));
  finish(reader);
  for (const ReadRequest& request : requests) {
    ASSERT_EQ(request.state, ReadState::kDone) << request.error.message;
    ASSERT_GE(request.completed, request.required);
    ASSERT_EQ(std::memcmp(request.buffer, contents[request.file].data() + request.offset, request.required),
              0);
    n_bytes += request.completed;
  }
  EXPECT_EQ(reader.bytes_read(), n_bytes);
}

TEST_P(FileReaders, BringTheBytesOfAnyRangeAndOfTheUnalignedEnd) {
  const std::vector<std::vector<std::byte>> contents = {random_bytes(1000 * kPageBytes + 77, 1),
                                                        random_bytes(300 * kPageBytes + 4001, 2)};
  const ScratchFile first(contents[0]);
  const ScratchFile second(contents[1]);
  open(first.path());
  open(second.path());
  for (const unsigned depth : {1U, 3U, 64U}) {
    make(depth);
    if (IsSkipped()) return;
    expect_random_reads_equal(*reader_, contents);
  }
}

TEST_P(FileReaders, ReadThroughThePageCacheWhereThereAreNoDirectReads) {
  if (::access("/dev/shm", W_OK) != 0) GTEST_SKIP() << "there is no /dev/shm to write to";
  const std::vector<std::vector<std::byte>> contents = {random_bytes(1000 * kPageBytes + 77, 3)};
  const ScratchFile scratch(contents[0], "/dev/shm");
  open(scratch.path());
  make(16);
  if (IsSkipped()) return;
  expect_random_reads_equal(*reader_, contents);
}

TEST_P(FileReaders, LeaveNothingInThePageCacheOfABufferedFile) {
  constexpr uint64_t kSize = 1024 * kPageBytes;
  const ScratchFile scratch(random_bytes(kSize, 4));
  files_.push_back(File::open_buffered(scratch.path()).value());
  make(4);
  if (IsSkipped()) return;
  const PageBuffer buffer = PageBuffer::allocate(kSize).value();
  ReadRequest request = request_for(0, kSize, buffer.data());
  reader_->submit(request);
  finish(*reader_);
  ASSERT_EQ(request.state, ReadState::kDone) << request.error.message;
  std::vector<unsigned char> resident(kSize / system_page_bytes());
  void* map = ::mmap(nullptr, kSize, PROT_READ, MAP_SHARED, files_[0].descriptor(), 0);
  ASSERT_NE(map, MAP_FAILED);
  ASSERT_EQ(::mincore(map, kSize, resident.data()), 0);
  ::munmap(map, kSize);
  EXPECT_EQ(std::count_if(resident.begin(), resident.end(), [](int page) { return (page & 1) != 0; }), 0);
}

TEST_P(FileReaders, ChangeARequestOnlyInsideACall) {
  const ScratchFile scratch(random_bytes(16 * kPageBytes, 5));
  open(scratch.path());
  make(2);
  if (IsSkipped()) return;
  const PageBuffer buffer = PageBuffer::allocate(16 * kPageBytes).value();
  ReadRequest request = request_for(0, 16 * kPageBytes, buffer.data());
  reader_->submit(request);
  reader_->flush();
  std::this_thread::sleep_for(milliseconds(50));  // the read is over by now, or the test checks less
  EXPECT_EQ(request.state, ReadState::kInFlight);
  EXPECT_EQ(request.completed, 0U);
  EXPECT_EQ(reader_->in_flight(), 1U);
  finish(*reader_);
  EXPECT_EQ(request.state, ReadState::kDone);
}

TEST_P(FileReaders, NoteCompletionsByPollingAlone) {
  const ScratchFile scratch(random_bytes(16 * kPageBytes, 6));
  open(scratch.path());
  make(2);
  if (IsSkipped()) return;
  const PageBuffer buffer = PageBuffer::allocate(16 * kPageBytes).value();
  ReadRequest request = request_for(0, 16 * kPageBytes, buffer.data());
  reader_->submit(request);
  while (request.state == ReadState::kInFlight)
    reader_->poll();
  EXPECT_EQ(request.state, ReadState::kDone) << request.error.message;
}

TEST_P(FileReaders, ReturnFromWaitWhereNothingIsInFlight) {
  make(2);
  if (IsSkipped()) return;
  reader_->wait(std::chrono::hours(24));
  EXPECT_EQ(reader_->in_flight(), 0U);
}

TEST_P(FileReaders, NameBothSizesWhereTheFileEndsEarly) {
  const ScratchFile scratch(random_bytes(64 * kPageBytes, 7));
  open(scratch.path());
  make(2);
  if (IsSkipped()) return;
  scratch.truncate(10 * kPageBytes + 500);  // after the file was opened: the first read is short
  const PageBuffer buffer = PageBuffer::allocate(32 * kPageBytes).value();
  ReadRequest request = request_for(8 * kPageBytes, 32 * kPageBytes, buffer.data());
  reader_->submit(request);
  finish(*reader_);
  ASSERT_EQ(request.state, ReadState::kFailed);
  EXPECT_EQ(request.error.code, ErrorCode::kCorrupt);
  for (const char* part : {scratch.path().c_str(), "131072 bytes", "offset 32768", "only 8692 are there"}) {
    EXPECT_TRUE(contains(request.error.message, part)) << part << " is not in: " << request.error.message;
  }
  EXPECT_EQ(reader_->bytes_read(), 0U);
}

TEST_P(FileReaders, NamePathOffsetAndReasonOfAFailedRead) {
  const auto contents = random_bytes(16 * kPageBytes, 8);
  const ScratchFile scratch(contents);
  open(scratch.path());
  make(2);
  if (IsSkipped()) return;
  const PageBuffer buffer = PageBuffer::allocate(4 * kPageBytes).value();
  ReadRequest bad = request_for(uint64_t{1} << 62, 2 * kPageBytes, buffer.data() + 2 * kPageBytes);
  bad.offset = uint64_t{3} << 62;
  ReadRequest good = request_for(kPageBytes, 2 * kPageBytes, buffer.data());
  reader_->submit(bad);
  reader_->submit(good);
  finish(*reader_);
  ASSERT_EQ(bad.state, ReadState::kFailed);
  EXPECT_EQ(bad.error.code, ErrorCode::kIo);
  for (const char* part : {scratch.path().c_str(), "13835058055282163712", "Invalid argument"}) {
    EXPECT_TRUE(contains(bad.error.message, part)) << part << " is not in: " << bad.error.message;
  }
  ASSERT_EQ(good.state, ReadState::kDone) << good.error.message;  // the failure of one read is its own
  EXPECT_EQ(std::memcmp(buffer.data(), contents.data() + kPageBytes, 2 * kPageBytes), 0);
}

// An emulator may check a whole buffer before it reads.
bool makes_short_reads(const File& file, std::byte* buffer, uint64_t length) {
  return ::pread(file.descriptor(), buffer, length, 0) > 0;
}

// The second page of the buffer cannot be written, so the kernel stops after the first: a short read.
TEST_P(FileReaders, GoOnAfterAShortReadWhereItStopped) {
  const uint64_t page = system_page_bytes();
  const auto contents = random_bytes(16 * page, 9);
  const ScratchFile scratch(contents);
  files_.push_back(File::open_buffered(scratch.path()).value());
  make(2);
  if (IsSkipped()) return;
  const PageBuffer buffer = PageBuffer::allocate(2 * page).value();
  ASSERT_EQ(::mprotect(buffer.data() + page, page, PROT_NONE), 0);
  if (!makes_short_reads(files_[0], buffer.data(), 2 * page))
    GTEST_SKIP() << "reads come whole or not at all";
  ReadRequest request = request_for(4 * page, 2 * page, buffer.data());
  reader_->submit(request);
  finish(*reader_);
  ASSERT_EQ(request.state, ReadState::kFailed);
  EXPECT_TRUE(contains(request.error.message, fmt::format("offset {}: Bad address", 5 * page)))
      << request.error.message;
  EXPECT_EQ(std::memcmp(buffer.data(), contents.data() + 4 * page, page), 0);
}

// More than one system call can bring. A hole makes the file quick to read, and the whole buffer is the same
// 2 MiB.
TEST_P(FileReaders, AssembleAReadLargerThanTheSystemAllows) {
#if defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "ThreadSanitizer keeps several bytes for every byte that is read";
#endif
  constexpr uint64_t kHole = 2 * kGiB;
  constexpr uint64_t kPiece = 2 * kMiB;
  const auto contents = random_bytes(kPiece, 10);
  const ScratchFile scratch({});
  scratch.truncate(kHole + kPiece);
  const int writer = ::open(scratch.path().c_str(), O_WRONLY | O_CLOEXEC);
  ASSERT_EQ(::pwrite(writer, contents.data(), kPiece, kHole), static_cast<ssize_t>(kPiece));
  ::close(writer);
  open(scratch.path());
  make(2);
  if (IsSkipped()) return;
  const int memory = ::memfd_create("buffer", MFD_CLOEXEC);
  ASSERT_EQ(::ftruncate(memory, kPiece), 0);
  void* range =
      ::mmap(nullptr, kHole + kPiece, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  ASSERT_NE(range, MAP_FAILED);
  auto* buffer = static_cast<std::byte*>(range);
  for (uint64_t at = 0; at < kHole + kPiece; at += kPiece) {
    ASSERT_NE(::mmap(buffer + at, kPiece, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, memory, 0),
              MAP_FAILED);
  }
  ReadRequest request = request_for(0, kHole + kPiece, buffer);
  reader_->submit(request);
  finish(*reader_);
  EXPECT_EQ(request.state, ReadState::kDone) << request.error.message;
  EXPECT_EQ(request.completed, kHole + kPiece);
  EXPECT_EQ(std::memcmp(buffer, contents.data(), kPiece), 0);
  ::munmap(range, kHole + kPiece);
  ::close(memory);
}

TEST_P(FileReaders, TouchNoBufferAfterTheyAreDestroyed) {
  constexpr uint64_t kReadBytes = kMiB;
  constexpr unsigned kReads = 32;
  const ScratchFile scratch(random_bytes(kReads * kReadBytes, 12));
  open(scratch.path());
  for (const unsigned depth : {2U, kReads}) {
    make(depth);
    if (IsSkipped()) return;
    PageBuffer buffer = PageBuffer::allocate(kReads * kReadBytes).value();
    std::vector<ReadRequest> requests(kReads);
    for (unsigned i = 0; i < kReads; ++i) {
      requests[i] = request_for(i * kReadBytes, kReadBytes, buffer.data() + i * kReadBytes);
      reader_->submit(requests[i]);
    }
    reader_->flush();
    reader_.reset();
    std::fill_n(buffer.data(), buffer.size(), std::byte{0xa5});
    for (const ReadRequest& request : requests) {
      EXPECT_EQ(request.state, ReadState::kFailed);
      EXPECT_EQ(request.error.code, ErrorCode::kCancelled);
    }
    std::this_thread::sleep_for(milliseconds(20));  // a late read would show now
    EXPECT_EQ(std::count(buffer.data(), buffer.data() + buffer.size(), std::byte{0xa5}),
              static_cast<ptrdiff_t>(buffer.size()));
  }
}

TEST_P(FileReaders, MayBeMadeUsedAndDestroyedInDifferentThreads) {
  const auto contents = random_bytes(64 * kPageBytes, 13);
  const ScratchFile scratch(contents);
  open(scratch.path());
  make(4);
  if (IsSkipped()) return;
  const PageBuffer buffer = PageBuffer::allocate(64 * kPageBytes).value();
  std::vector<ReadRequest> requests(64);
  for (uint64_t i = 0; i < requests.size(); ++i) {
    requests[i] = request_for(i * kPageBytes, kPageBytes, buffer.data() + i * kPageBytes);
  }
  std::thread([&] {
    for (ReadRequest& request : requests)
      reader_->submit(request);
    reader_->flush();
  }).join();
  std::thread([&] { finish(*reader_); }).join();
  for (const ReadRequest& request : requests)
    EXPECT_EQ(request.state, ReadState::kDone) << request.error.message;
  EXPECT_EQ(std::memcmp(buffer.data(), contents.data(), contents.size()), 0);
}

}  // namespace
}  // namespace flexinfer
