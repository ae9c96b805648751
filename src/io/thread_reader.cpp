// AsyncReader over threads that each read one request at a time.
#include <fmt/format.h>

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <stop_token>
#include <system_error>
#include <thread>
#include <vector>

#include "io/async_reader.h"

namespace flexinfer {
namespace {

constexpr unsigned kMaxThreads = 16;

// The threads read into the buffers but never write to a request: results are handed over to the owner, who
// notes them.
class ThreadReader final : public AsyncReader {
 public:
  ThreadReader(std::span<const File> files, unsigned depth);
  ~ThreadReader() override;

  void submit(ReadRequest& request) override;
  void flush() override {}
  void poll() override;
  void wait(std::chrono::milliseconds timeout) override;
  unsigned depth() const override { return depth_; }
  unsigned in_flight() const override { return n_in_flight_; }
  uint64_t bytes_read() const override { return bytes_read_; }
  const char* name() const override { return "threads"; }

 private:
  struct Outcome {
    ReadRequest* request;
    Result<uint64_t> arrived;
  };

  void work(const std::stop_token& stop);
  Result<uint64_t> read(const ReadRequest& request) const;
  void note(std::vector<Outcome> outcomes);

  const std::span<const File> files_;
  const unsigned depth_;
  unsigned n_in_flight_ = 0;
  uint64_t bytes_read_ = 0;

  std::mutex mutex_;  // guards queue_ and outcomes_
  std::condition_variable_any queue_grew_;
  std::condition_variable outcomes_grew_;
  std::deque<ReadRequest*> queue_;
  std::vector<Outcome> outcomes_;
  std::vector<std::jthread> threads_;  // last: they are joined before anything they use is gone
};

ThreadReader::ThreadReader(std::span<const File> files, unsigned depth)
    : files_(files), depth_(std::clamp(depth, 1U, kMaxThreads)) {
  threads_.reserve(depth_);
  for (unsigned i = 0; i < depth_; ++i) {
    threads_.emplace_back([this](const std::stop_token& stop) { work(stop); });
  }
}

ThreadReader::~ThreadReader() {
  std::deque<ReadRequest*> dropped;
  {
    const std::lock_guard lock(mutex_);
    dropped.swap(queue_);
  }
  threads_.clear();
  for (Outcome& outcome : outcomes_)
    dropped.push_back(outcome.request);
  for (ReadRequest* request : dropped) {
    request->error = {ErrorCode::kCancelled, "the reader was closed"};
    request->state = ReadState::kFailed;
  }
}

void ThreadReader::submit(ReadRequest& request) {
  request.state = ReadState::kInFlight;
  request.completed = 0;
  ++n_in_flight_;
  {
    const std::lock_guard lock(mutex_);
    queue_.push_back(&request);
  }
  queue_grew_.notify_one();
}

void ThreadReader::poll() {
  wait(std::chrono::milliseconds(0));
}

void ThreadReader::wait(std::chrono::milliseconds timeout) {
  if (n_in_flight_ == 0) return;
  std::vector<Outcome> arrived;
  {
    std::unique_lock lock(mutex_);
    outcomes_grew_.wait_for(lock, timeout, [&] { return !outcomes_.empty(); });
    arrived.swap(outcomes_);
  }
  note(std::move(arrived));
}

void ThreadReader::note(std::vector<Outcome> outcomes) {
  for (Outcome& outcome : outcomes) {
    ReadRequest& request = *outcome.request;
    --n_in_flight_;
    if (outcome.arrived) {
      request.completed = *outcome.arrived;
      bytes_read_ += request.completed;
      request.state = ReadState::kDone;
    } else {
      request.error = std::move(outcome.arrived.error());
      request.state = ReadState::kFailed;
    }
  }
}

void ThreadReader::work(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  while (queue_grew_.wait(lock, stop, [&] { return !queue_.empty(); })) {
    ReadRequest* request = queue_.front();
    queue_.pop_front();
    lock.unlock();
    Outcome outcome{request, read(*request)};
    lock.lock();
    outcomes_.push_back(std::move(outcome));
    outcomes_grew_.notify_one();
  }
}

Result<uint64_t> ThreadReader::read(const ReadRequest& request) const {
  const File& file = files_[request.file];
  Result<uint64_t> arrived =
      file.read_at_least(request.offset, request.buffer, request.length, request.required);
  if (arrived && !file.direct()) file.drop_cache(request.offset, *arrived);
  return arrived;
}

}  // namespace

Result<std::unique_ptr<AsyncReader>> make_thread_reader(std::span<const File> files, unsigned depth) {
  try {
    return std::make_unique<ThreadReader>(files, depth);
  } catch (const std::system_error& error) {  // the only way in which std::jthread reports that it has none
    return make_error(ErrorCode::kIo,
                      fmt::format("cannot start threads for reading: {}", error.code().message()));
  }
}

}  // namespace flexinfer
