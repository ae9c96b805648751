// Readers for tests: one over memory, and decorators that gate, slow down, spoil or record the reads of
// another one.
#pragma once

#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <random>
#include <vector>

#include "io/async_reader.h"

namespace flexinfer {

// Serves files that are held in memory. Reads complete in an order drawn from `seed`, at most `per_poll` of
// them in each poll or wait, and their buffers are filled only then.
class MemoryReader final : public AsyncReader {
 public:
  MemoryReader(std::vector<std::vector<std::byte>> files, unsigned depth, uint32_t seed, unsigned per_poll);
  ~MemoryReader() override;

  void submit(ReadRequest& request) override;
  void flush() override {}
  void poll() override;
  void wait(std::chrono::milliseconds) override { poll(); }
  unsigned depth() const override { return depth_; }
  unsigned in_flight() const override { return static_cast<unsigned>(pending_.size()); }
  uint64_t bytes_read() const override { return bytes_read_; }
  const char* name() const override { return "memory"; }

  unsigned peak_in_flight() const { return peak_in_flight_; }

 private:
  void complete(ReadRequest& request);

  const std::vector<std::vector<std::byte>> files_;
  const unsigned depth_;
  const unsigned per_poll_;
  std::mt19937 random_;
  std::vector<ReadRequest*> pending_;
  unsigned peak_in_flight_ = 0;
  uint64_t bytes_read_ = 0;
};

// A reader that owns another one. Reads that a decorator holds back count as in flight; they have not reached
// the inner reader, and end as kCancelled if the decorator is destroyed first.
class ReaderDecorator : public AsyncReader {
 public:
  explicit ReaderDecorator(std::unique_ptr<AsyncReader> inner) : inner_(std::move(inner)) {}
  ~ReaderDecorator() override;

  void submit(ReadRequest& request) override { inner_->submit(request); }
  void flush() override { inner_->flush(); }
  void poll() override { inner_->poll(); }
  void wait(std::chrono::milliseconds timeout) override { inner_->wait(timeout); }
  unsigned depth() const override { return inner_->depth(); }
  unsigned in_flight() const override { return inner_->in_flight() + static_cast<unsigned>(held_.size()); }
  uint64_t bytes_read() const override { return inner_->bytes_read(); }
  const char* name() const override { return inner_->name(); }

 protected:
  AsyncReader& inner() { return *inner_; }
  void hold(ReadRequest& request);

  std::deque<ReadRequest*> held_;

 private:
  std::unique_ptr<AsyncReader> inner_;
};

// Lets reads through one by one as the test opens the gate: for tests of what happens before a read
// completes.
class GatedReader final : public ReaderDecorator {
 public:
  using ReaderDecorator::ReaderDecorator;

  // Lets the next `n_reads` reads through, held or still to come. From any thread.
  void open(unsigned n_reads);

  void submit(ReadRequest& request) override { hold(request); }
  void flush() override;
  void poll() override;
  void wait(std::chrono::milliseconds timeout) override;

 private:
  void release();

  std::mutex mutex_;  // guards allowed_
  std::condition_variable opened_;
  unsigned allowed_ = 0;
};

// A disk of a given speed: reads reach the inner reader one after the other, each after the time its bytes
// take.
class SlowReader final : public ReaderDecorator {
 public:
  SlowReader(std::unique_ptr<AsyncReader> inner, double bytes_per_second)
      : ReaderDecorator(std::move(inner)), bytes_per_second_(bytes_per_second) {}

  void submit(ReadRequest& request) override;
  void flush() override;
  void poll() override;
  void wait(std::chrono::milliseconds timeout) override;

 private:
  void release();

  const double bytes_per_second_;
  std::deque<uint64_t> due_ns_;  // of each held read
};

// Which reads fail, and how.
struct ReadFault {
  enum class Kind : uint8_t { kIoError, kFileEndsEarly };
  Kind kind = Kind::kIoError;
  std::optional<uint64_t> nth = std::nullopt;   // only the n-th read submitted, counted from 0
  std::optional<Extent> extent = std::nullopt;  // only reads that touch these bytes
};

// Fails the reads that match the fault (all, where it names neither), in the next poll or wait.
class FaultyReader final : public ReaderDecorator {
 public:
  FaultyReader(std::unique_ptr<AsyncReader> inner, ReadFault fault)
      : ReaderDecorator(std::move(inner)), fault_(fault) {}

  void submit(ReadRequest& request) override;
  void poll() override;
  void wait(std::chrono::milliseconds timeout) override;

  uint64_t n_failed() const { return n_failed_; }

 private:
  bool matches(const ReadRequest& request) const;
  void fail_held();

  const ReadFault fault_;
  uint64_t n_submitted_ = 0;
  uint64_t n_failed_ = 0;
};

// Keeps the list of what was submitted, in order.
class RecordingReader final : public ReaderDecorator {
 public:
  using ReaderDecorator::ReaderDecorator;

  void submit(ReadRequest& request) override;
  const std::vector<Extent>& reads() const { return reads_; }

 private:
  std::vector<Extent> reads_;
};

}  // namespace flexinfer
