// Reads over several copies: each disk gets its share, and one that fails costs nothing but its speed.
#include "io/mirror_reader.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <deque>

#include "base/bytes.h"
#include "base/page_buffer.h"
#include "io/testing/test_readers.h"

namespace flexinfer {
namespace {

constexpr uint64_t kReadBytes = 1 * kMiB;

// Disks of given speeds in a time of their own, which goes on only while somebody waits. Each file is a disk.
// Nothing is read.
class VirtualDisks final : public AsyncReader {
 public:
  VirtualDisks(std::vector<double> bytes_per_second, uint64_t& now)
      : bytes_per_second_(std::move(bytes_per_second)), queues_(bytes_per_second_.size()), now_(now) {}

  void set_speed(uint32_t disk, double bytes_per_second) { bytes_per_second_[disk] = bytes_per_second; }

  void submit(ReadRequest& request) override {
    request.state = ReadState::kInFlight;
    std::deque<Read>& queue = queues_[request.file];
    const uint64_t start = std::max(now_, queue.empty() ? 0 : queue.back().due);
    const double seconds = static_cast<double>(request.length) / bytes_per_second_[request.file];
    queue.push_back({&request, start + static_cast<uint64_t>(seconds * 1e9)});
    ++n_in_flight_;
  }
  void flush() override {}
  void poll() override {
    for (std::deque<Read>& queue : queues_) {
      for (; !queue.empty() && queue.front().due <= now_; queue.pop_front()) {
        queue.front().request->completed = queue.front().request->length;
        queue.front().request->state = ReadState::kDone;
        --n_in_flight_;
      }
    }
  }
  void wait(std::chrono::milliseconds) override {
    uint64_t next = UINT64_MAX;
    for (const std::deque<Read>& queue : queues_) {
      if (!queue.empty()) next = std::min(next, queue.front().due);
    }
    if (next != UINT64_MAX) now_ = std::max(now_, next);
    poll();
  }
  unsigned depth() const override { return 64; }
  unsigned in_flight() const override { return n_in_flight_; }
  uint64_t bytes_read() const override { return 0; }
  const char* name() const override { return "virtual"; }

 private:
  struct Read {
    ReadRequest* request;
    uint64_t due;
  };

  std::vector<double> bytes_per_second_;
  std::vector<std::deque<Read>> queues_;
  uint64_t& now_;
  unsigned n_in_flight_ = 0;
};

// A model of one file on disks of these speeds, read as a store does: in order, through a ring of slots, each
// read again as soon as what is in it has been used.
class Streamed {
 public:
  explicit Streamed(std::vector<double> bytes_per_second) {
    const auto n_copies = static_cast<uint32_t>(bytes_per_second.size());
    auto disks = std::make_unique<VirtualDisks>(std::move(bytes_per_second), now_);
    disks_ = disks.get();
    reader_ = std::make_unique<MirrorReader>(std::move(disks), 1, n_copies, nullptr, [this] { return now_; });
  }

  // Reads so many requests and gives the bytes per second of virtual time.
  double stream(uint64_t n_reads, size_t n_slots = 32) {
    const uint64_t start = now_;
    std::vector<ReadRequest> slots(n_slots);
    uint64_t n_issued = 0;
    for (uint64_t n_used = 0; n_used < n_reads; ++n_used) {
      for (; n_issued < n_reads && n_issued < n_used + n_slots; ++n_issued) {
        slots[n_issued % n_slots] = ReadRequest{};
        slots[n_issued % n_slots].length = kReadBytes;
        reader_->submit(slots[n_issued % n_slots]);
      }
      while (slots[n_used % n_slots].state == ReadState::kInFlight)
        reader_->wait(std::chrono::milliseconds(50));
    }
    return static_cast<double>(n_reads * kReadBytes) / (static_cast<double>(now_ - start) * 1e-9);
  }

  // The share of the bytes read since `before` that came from a copy.
  double share_since(const std::vector<CopyRate>& before, size_t copy) const {
    const std::vector<CopyRate> after = copies();
    uint64_t all = 0;
    for (size_t i = 0; i < after.size(); ++i)
      all += after[i].bytes_read - before[i].bytes_read;
    return static_cast<double>(after[copy].bytes_read - before[copy].bytes_read) / static_cast<double>(all);
  }

  std::vector<CopyRate> copies() const { return reader_->copies(); }
  VirtualDisks& disks() { return *disks_; }

 private:
  uint64_t now_ = 1;
  VirtualDisks* disks_ = nullptr;
  std::unique_ptr<MirrorReader> reader_;
};

TEST(MirrorReader, GivesEachDiskItsShareOfTheReads) {
  Streamed model({200e6, 300e6});
  const std::vector<CopyRate> before = model.copies();
  EXPECT_GE(model.stream(2000), 0.97 * 500e6);
  EXPECT_NEAR(model.share_since(before, 0), 0.4, 0.02);
  EXPECT_NEAR(model.copies()[0].bytes_per_second, 200e6, 10e6);
  EXPECT_NEAR(model.copies()[1].bytes_per_second, 300e6, 15e6);
}

TEST(MirrorReader, KeepsThreeUnequalDisksBusy) {
  Streamed model({2000e6, 500e6, 150e6});
  EXPECT_GE(model.stream(4000), 0.93 * 2650e6);
}

TEST(MirrorReader, KeepsDisksBusyThroughFewSlots) {
  Streamed model({200e6, 300e6});
  EXPECT_GE(model.stream(2000, 6), 0.85 * 500e6);
}

TEST(MirrorReader, FollowsADiskThatBecomesSlower) {
  Streamed model({300e6, 300e6});
  model.stream(500);
  model.disks().set_speed(1, 30e6);
  model.stream(200);  // to notice
  const std::vector<CopyRate> before = model.copies();
  EXPECT_GE(model.stream(2000), 0.93 * 330e6);
  EXPECT_NEAR(model.share_since(before, 1), 1.0 / 11, 0.02);
}

TEST(MirrorReader, NoticesADiskThatHasRecovered) {
  Streamed model({300e6, 300e6});
  model.stream(500);
  model.disks().set_speed(1, 1e6);  // too slow to be of any use
  model.stream(1000);
  model.disks().set_speed(1, 300e6);
  model.stream(1000);
  const std::vector<CopyRate> before = model.copies();
  EXPECT_GE(model.stream(2000), 0.95 * 600e6);
  EXPECT_NEAR(model.share_since(before, 1), 0.5, 0.03);
}

// Two copies of two files whose bytes say where they lie, behind a reader that spoils some reads.
class MirroredFiles : public testing::Test {
 protected:
  static constexpr uint32_t kFiles = 2;
  static constexpr uint64_t kFileBytes = 40 * kPageBytes;

  static std::byte byte_at(uint32_t file, uint64_t offset) {
    return static_cast<std::byte>((offset / kPageBytes * 7 + offset + file * 101) % 251);
  }

  static std::unique_ptr<AsyncReader> files_in_memory() {
    std::vector<std::vector<std::byte>> files(2 * kFiles, std::vector<std::byte>(kFileBytes));
    for (uint32_t i = 0; i < files.size(); ++i) {
      for (uint64_t offset = 0; offset < kFileBytes; ++offset)
        files[i][offset] = byte_at(i % kFiles, offset);
    }
    return std::make_unique<MemoryReader>(std::move(files), 64, 5, 3);
  }

  void mirror(std::unique_ptr<AsyncReader> inner) {
    reader_ = std::make_unique<MirrorReader>(
        std::move(inner), kFiles, 2, [this](const Error& error) { failures_.push_back(error.message); });
  }

  // Reads every page of both files, all at once.
  std::vector<ReadRequest> read_all() {
    buffer_ = PageBuffer::allocate(kFiles * kFileBytes).value();
    std::vector<ReadRequest> requests(kFiles * kFileBytes / kPageBytes);
    for (size_t i = 0; i < requests.size(); ++i) {
      ReadRequest& request = requests[i];
      request.file = i % 2;
      request.offset = i / 2 * kPageBytes;
      request.length = request.required = kPageBytes;
      request.buffer = buffer_.data() + i * kPageBytes;
      reader_->submit(request);
    }
    reader_->flush();
    while (reader_->in_flight() > 0)
      reader_->wait(std::chrono::milliseconds(50));
    return requests;
  }

  static void expect_bytes(const std::vector<ReadRequest>& requests) {
    for (size_t i = 0; i < requests.size(); ++i) {
      const ReadRequest& request = requests[i];
      ASSERT_EQ(request.state, ReadState::kDone) << request.error.message;
      ASSERT_EQ(request.file, i % 2) << "the owner's request was left changed";
      for (uint64_t at = 0; at < kPageBytes; ++at)
        ASSERT_EQ(request.buffer[at], byte_at(request.file, request.offset + at)) << i;
    }
  }

  PageBuffer buffer_;
  std::vector<std::string> failures_;
  std::unique_ptr<MirrorReader> reader_;
};

TEST_F(MirroredFiles, ReadsOutOfOrderGiveTheBytesOfTheFile) {
  mirror(files_in_memory());
  expect_bytes(read_all());
  EXPECT_EQ(reader_->bytes_read(), kFiles * kFileBytes);
  for (const CopyRate& copy : reader_->copies())
    EXPECT_GT(copy.bytes_read, 0U);
}

TEST_F(MirroredFiles, CopyThatFailsIsMadeUpForByTheOther) {
  for (uint32_t copy = 0; copy < 2; ++copy) {
    failures_.clear();
    auto inner = files_in_memory();
    for (uint32_t file = 0; file < kFiles; ++file) {
      const ReadFault fault{.extent = Extent{copy * kFiles + file, 0, kFileBytes}};
      inner = std::make_unique<FaultyReader>(std::move(inner), fault);
    }
    mirror(std::move(inner));
    expect_bytes(read_all());
    EXPECT_EQ(failures_.size(), 1U);
    EXPECT_EQ(reader_->bytes_read(), kFiles * kFileBytes) << "failed reads were counted";
    EXPECT_EQ(reader_->copies()[copy].bytes_read, 0U);
  }
}

TEST_F(MirroredFiles, CopyWithOneBadPlaceStillHelpsWhereTheOtherFails) {
  auto inner = files_in_memory();
  for (const Extent& bad : {Extent{0, 0, kPageBytes}, Extent{2, 8 * kPageBytes, kPageBytes}})
    inner = std::make_unique<FaultyReader>(std::move(inner), ReadFault{.extent = bad});
  mirror(std::move(inner));
  for (int i = 0; i < 3; ++i)
    expect_bytes(read_all());
  EXPECT_LE(failures_.size(), 2U);
}

TEST_F(MirroredFiles, PlaceThatNoCopyHasIsAnError) {
  auto inner = files_in_memory();
  for (const uint32_t file : {0U, 2U}) {
    const ReadFault fault{.extent = Extent{file, 3 * kPageBytes, kPageBytes}};
    inner = std::make_unique<FaultyReader>(std::move(inner), fault);
  }
  mirror(std::move(inner));
  for (const ReadRequest& request : read_all()) {
    const bool bad = request.file == 0 && request.offset == 3 * kPageBytes;
    EXPECT_EQ(request.state, bad ? ReadState::kFailed : ReadState::kDone);
    EXPECT_EQ(request.error.message.find("no other copy") != std::string::npos, bad);
  }
  EXPECT_EQ(failures_.size(), 2U);
}

TEST_F(MirroredFiles, ReadsInFlightAreCancelledAtTheEnd) {
  auto gated = std::make_unique<GatedReader>(files_in_memory());
  mirror(std::move(gated));
  buffer_ = PageBuffer::allocate(kPageBytes).value();
  ReadRequest request;
  request.file = 1;
  request.buffer = buffer_.data();
  request.length = kPageBytes;
  reader_->submit(request);
  reader_.reset();
  EXPECT_EQ(request.state, ReadState::kFailed);
  EXPECT_EQ(request.error.code, ErrorCode::kCancelled);
  EXPECT_EQ(request.file, 1U);
  EXPECT_TRUE(failures_.empty());
}

}  // namespace
}  // namespace flexinfer
