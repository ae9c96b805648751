// AsyncReader over io_uring: plain reads on one ring.
#include <fmt/format.h>
#include <liburing.h>

#include <algorithm>
#include <cerrno>
#include <deque>
#include <system_error>

#include "base/bytes.h"
#include "io/async_reader.h"

namespace flexinfer {
namespace {

using std::chrono::nanoseconds;
using std::chrono::steady_clock;

class UringReader final : public AsyncReader {
 public:
  UringReader(std::span<const File> files, unsigned depth) : files_(files), depth_(depth) {}
  ~UringReader() override;

  Status init();

  void submit(ReadRequest& request) override;
  void flush() override;
  void poll() override;
  void wait(std::chrono::milliseconds timeout) override;
  unsigned depth() const override { return depth_; }
  unsigned in_flight() const override { return static_cast<unsigned>(queue_.size()) + n_handed_; }
  uint64_t bytes_read() const override { return bytes_read_; }
  const char* name() const override { return kUringName; }

 private:
  void prepare(ReadRequest& request);
  void fail_queue();
  unsigned reap();
  bool advance(ReadRequest& request, int result);

  const std::span<const File> files_;
  const unsigned depth_;
  io_uring ring_{};
  bool initialised_ = false;
  int broken_ = 0;  // the errno with which the kernel refused to take reads: nothing is submitted after it

  // A request in flight is either with the kernel or in the queue, waiting to be taken. The first n_prepared_
  // of the queue have entries in the submission ring already, in the same order.
  std::deque<ReadRequest*> queue_;
  unsigned n_prepared_ = 0;
  unsigned n_handed_ = 0;
  uint64_t bytes_read_ = 0;
};

Status refused(const std::string& reason) {
  return make_error(ErrorCode::kIo, fmt::format("io_uring is not available: {}", reason));
}

void fail(ReadRequest& request, Error error) {
  request.error = std::move(error);
  request.state = ReadState::kFailed;
}

// No setup flags. SINGLE_ISSUER and DEFER_TASKRUN bind the ring to one thread, while a reader may be made in
// one thread and used in another; with COOP_TASKRUN completions wait until the submitting thread enters the
// kernel. What they would save is an interrupt per read, and large reads make only a few thousand of them in
// a second.
Status UringReader::init() {
  io_uring_params params{};
  const int error = -io_uring_queue_init_params(depth_, &ring_, &params);
  if (error > 0) {
    const std::string text = std::generic_category().message(error);
    if (error != EPERM && error != ENOSYS) return refused(fmt::format("{} (depth {})", text, depth_));
    return refused(text + " (forbidden by the kernel, its setting kernel.io_uring_disabled or a container)");
  }
  initialised_ = true;
  // Without this feature a wait with a timeout would take entries of the submission ring.
  if ((params.features & IORING_FEAT_EXT_ARG) == 0) return refused("it needs Linux 5.11 or later");
  return {};
}

UringReader::~UringReader() {
  if (!initialised_) return;
  const Error closed{ErrorCode::kCancelled, "the reader was closed"};
  for (ReadRequest* request : queue_)
    fail(*request, closed);
  if (n_handed_ > 0) {
    // Cancels the reads that the kernel has not started (Linux 6.0 and later). Those with the disk write into
    // their buffers until they are done: there is nothing to do but wait for them.
    io_uring_sync_cancel_reg every{};
    every.flags = IORING_ASYNC_CANCEL_ANY | IORING_ASYNC_CANCEL_ALL;
    every.timeout = {-1, -1};
    io_uring_register_sync_cancel(&ring_, &every);
  }
  while (n_handed_ > 0) {
    io_uring_cqe* entry = nullptr;
    if (io_uring_wait_cqe(&ring_, &entry) != 0) continue;
    fail(*static_cast<ReadRequest*>(io_uring_cqe_get_data(entry)), closed);
    io_uring_cqe_seen(&ring_, entry);
    --n_handed_;
  }
  io_uring_queue_exit(&ring_);
}

void UringReader::submit(ReadRequest& request) {
  request.state = ReadState::kInFlight;
  request.completed = 0;
  queue_.push_back(&request);
}

void UringReader::prepare(ReadRequest& request) {
  const File& file = files_[request.file];
  const uint64_t from = file.resume_at(request.completed);
  const uint64_t length = std::min(request.length - from, kGiB);  // an entry counts in 32 bits
  io_uring_sqe* entry = io_uring_get_sqe(&ring_);                 // the ring has room for depth_ entries
  io_uring_prep_read(entry, file.descriptor(), request.buffer + from, static_cast<unsigned>(length),
                     request.offset + from);
  if (request.untouched) io_uring_sqe_set_flags(entry, IOSQE_ASYNC);  // a worker of the kernel begins it
  io_uring_sqe_set_data(entry, &request);
}

void UringReader::flush() {
  if (broken_ != 0) return fail_queue();
  while (n_prepared_ < queue_.size() && n_prepared_ + n_handed_ < depth_)
    prepare(*queue_[n_prepared_++]);
  while (n_prepared_ > 0) {
    const int taken = io_uring_submit(&ring_);
    if (taken == -EINTR) continue;
    // The kernel is out of memory, or wants completions noted first: the next call tries again.
    if (taken == 0 || taken == -EAGAIN || taken == -EBUSY) return;
    if (taken < 0) {
      broken_ = -taken;
      return fail_queue();
    }
    queue_.erase(queue_.begin(), queue_.begin() + taken);
    n_prepared_ -= static_cast<unsigned>(taken);
    n_handed_ += static_cast<unsigned>(taken);
  }
}

void UringReader::fail_queue() {
  for (ReadRequest* request : queue_) {
    fail(*request, files_[request->file].read_failed(request->offset, broken_));
  }
  queue_.clear();
  n_prepared_ = 0;
}

void UringReader::poll() {
  reap();
  flush();
}

void UringReader::wait(std::chrono::milliseconds timeout) {
  const steady_clock::time_point deadline = steady_clock::now() + timeout;
  flush();
  while (reap() == 0 && in_flight() > 0 && broken_ == 0) {
    flush();
    const int64_t left_ns = std::chrono::duration_cast<nanoseconds>(deadline - steady_clock::now()).count();
    if (left_ns <= 0) return;
    __kernel_timespec left{left_ns / 1'000'000'000, left_ns % 1'000'000'000};
    io_uring_cqe* entry = nullptr;
    io_uring_wait_cqe_timeout(&ring_, &entry, &left);  // whatever ends the wait: the loop looks again
  }
  flush();
}

// Notes what the kernel has completed; returns how many requests left kInFlight.
unsigned UringReader::reap() {
  unsigned n_finished = 0;
  io_uring_cqe* entry = nullptr;
  while (io_uring_peek_cqe(&ring_, &entry) == 0) {
    auto& request = *static_cast<ReadRequest*>(io_uring_cqe_get_data(entry));
    const int result = entry->res;
    io_uring_cqe_seen(&ring_, entry);
    --n_handed_;
    if (advance(request, result)) {
      ++n_finished;
    } else {
      queue_.push_back(&request);
    }
  }
  return n_finished;
}

// Takes the result of one read; returns whether the request is finished.
bool UringReader::advance(ReadRequest& request, int result) {
  const File& file = files_[request.file];
  const uint64_t from = file.resume_at(request.completed);
  if (result < 0) {
    // The kernel cancels by itself what it has not started for a thread that ends.
    if (result == -EINTR || result == -EAGAIN || result == -ECANCELED) return false;
    fail(request, file.read_failed(request.offset + from, -result));
    return true;
  }
  const uint64_t reached = from + static_cast<uint64_t>(result);
  if (reached <= request.completed && request.completed < request.required) {
    fail(request, file.ends_early(request.offset, request.required, request.completed));
    return true;
  }
  request.completed = reached;
  if (request.completed < request.required) return false;
  if (!file.direct()) file.drop_cache(request.offset, request.completed);
  bytes_read_ += request.completed;
  request.state = ReadState::kDone;
  return true;
}

}  // namespace

Result<std::unique_ptr<AsyncReader>> make_uring_reader(std::span<const File> files, unsigned depth) {
  auto reader = std::make_unique<UringReader>(files, std::max(depth, 1U));
  FLEX_CHECK(reader->init());
  return reader;
}

}  // namespace flexinfer
