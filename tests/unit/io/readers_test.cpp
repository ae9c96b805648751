// The doubles themselves: a test that relies on one must be able to.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <thread>

#include "base/bytes.h"
#include "base/page_buffer.h"
#include "io/testing/test_readers.h"
#include "unit/io/scratch_file.h"

namespace flexinfer {
namespace {

using std::chrono::milliseconds;

constexpr unsigned kReads = 16;

class TestReaders : public testing::Test {
 protected:
  TestReaders() {
    for (unsigned i = 0; i < kReads; ++i) {
      requests_[i].offset = i * kPageBytes;
      requests_[i].buffer = buffer_.data() + i * kPageBytes;
      requests_[i].length = kPageBytes;
      requests_[i].required = i + 1 == kReads ? 100 : kPageBytes;
    }
  }

  std::unique_ptr<AsyncReader> memory(unsigned per_poll = kReads) const {
    return std::make_unique<MemoryReader>(std::vector<std::vector<std::byte>>{contents_}, kReads, 1,
                                          per_poll);
  }
  void submit_all(AsyncReader& reader) {
    for (ReadRequest& request : requests_)
      reader.submit(request);
    reader.flush();
  }
  long count(ReadState state) const {
    return std::count_if(requests_.begin(), requests_.end(), [&](const auto& r) { return r.state == state; });
  }

  const std::vector<std::byte> contents_ = random_bytes((kReads - 1) * kPageBytes + 100, 1);
  const PageBuffer buffer_ = PageBuffer::allocate(kReads * kPageBytes).value();
  std::vector<ReadRequest> requests_ = std::vector<ReadRequest>(kReads);
};

TEST_F(TestReaders, MemoryCompletesAFewReadsAPollInAnotherOrder) {
  const auto reader = memory(3);
  submit_all(*reader);
  reader->poll();
  EXPECT_EQ(count(ReadState::kDone), 3);
  const bool in_order = requests_[0].state == ReadState::kDone && requests_[1].state == ReadState::kDone &&
                        requests_[2].state == ReadState::kDone;
  EXPECT_FALSE(in_order);
  while (reader->in_flight() > 0)
    reader->poll();
  EXPECT_EQ(count(ReadState::kDone), kReads);
  EXPECT_EQ(std::memcmp(buffer_.data(), contents_.data(), contents_.size()), 0);
  EXPECT_EQ(reader->bytes_read(), contents_.size());
}

TEST_F(TestReaders, MemoryRefusesAReadPastTheEnd) {
  const auto reader = memory();
  requests_.back().required = 101;
  reader->submit(requests_.back());
  reader->poll();
  EXPECT_EQ(requests_.back().state, ReadState::kFailed);
  EXPECT_EQ(requests_.back().error.code, ErrorCode::kCorrupt);
}

TEST_F(TestReaders, GateHoldsReadsBackUntilItIsOpened) {
  GatedReader reader(memory());
  submit_all(reader);
  reader.poll();
  reader.wait(milliseconds(1));
  EXPECT_EQ(count(ReadState::kInFlight), kReads);
  reader.open(5);
  reader.poll();
  EXPECT_EQ(count(ReadState::kDone), 5);
  EXPECT_EQ(reader.in_flight(), kReads - 5);
  std::thread opener([&] { reader.open(kReads); });
  while (reader.in_flight() > 0)
    reader.wait(milliseconds(100));
  opener.join();
  EXPECT_EQ(count(ReadState::kDone), kReads);
}

TEST_F(TestReaders, GateCancelsWhatItHoldsWhenItIsDestroyed) {
  {
    GatedReader reader(memory());
    submit_all(reader);
  }
  EXPECT_EQ(count(ReadState::kFailed), kReads);
  EXPECT_EQ(requests_[0].error.code, ErrorCode::kCancelled);
}

TEST_F(TestReaders, SlowTakesAtLeastTheTimeOfItsBytes) {
  constexpr double kBytesPerSecond = kReads * kPageBytes / 0.050;
  SlowReader reader(memory(), kBytesPerSecond);
  const auto start = std::chrono::steady_clock::now();
  submit_all(reader);
  while (reader.in_flight() > 0)
    reader.wait(milliseconds(100));
  EXPECT_GE(std::chrono::steady_clock::now() - start, milliseconds(49));
  EXPECT_EQ(count(ReadState::kDone), kReads);
}

TEST_F(TestReaders, FaultyFailsTheNthReadOnly) {
  FaultyReader reader(memory(), {.nth = 7});
  submit_all(reader);
  while (reader.in_flight() > 0)
    reader.wait(milliseconds(1));
  EXPECT_EQ(count(ReadState::kFailed), 1);
  EXPECT_EQ(requests_[7].error.code, ErrorCode::kIo);
  EXPECT_NE(requests_[7].error.message.find("offset 28672"), std::string::npos) << requests_[7].error.message;
}

TEST_F(TestReaders, FaultyFailsEveryReadOfARange) {
  FaultyReader reader(memory(),
                      {.kind = ReadFault::Kind::kFileEndsEarly, .extent = Extent{0, 3 * kPageBytes - 1, 2}});
  submit_all(reader);
  while (reader.in_flight() > 0)
    reader.wait(milliseconds(1));
  EXPECT_EQ(reader.n_failed(), 2U);
  EXPECT_EQ(requests_[2].error.code, ErrorCode::kCorrupt);
  EXPECT_EQ(requests_[3].error.code, ErrorCode::kCorrupt);
}

TEST_F(TestReaders, RecordingKeepsTheOrderOfSubmission) {
  RecordingReader reader(memory());
  submit_all(reader);
  ASSERT_EQ(reader.reads().size(), kReads);
  EXPECT_EQ(reader.reads()[5].offset, 5 * kPageBytes);
  EXPECT_EQ(reader.reads()[5].size, kPageBytes);
}

}  // namespace
}  // namespace flexinfer
