#include "io/testing/test_readers.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <thread>

#include "base/clock.h"

namespace flexinfer {
namespace {

void fail(ReadRequest& request, Error error) {
  request.error = std::move(error);
  request.state = ReadState::kFailed;
}

void cancel(ReadRequest& request) {
  fail(request, {ErrorCode::kCancelled, "the reader was closed"});
}

Error ends_early(const ReadRequest& request, uint64_t arrived) {
  return {ErrorCode::kCorrupt,
          fmt::format("file {} ends early: {} bytes are needed at offset {}, only {} are there", request.file,
                      request.required, request.offset, arrived)};
}

}  // namespace

MemoryReader::MemoryReader(std::vector<std::vector<std::byte>> files, unsigned depth, uint32_t seed,
                           unsigned per_poll)
    : files_(std::move(files)), depth_(depth), per_poll_(per_poll), random_(seed) {}

MemoryReader::~MemoryReader() {
  for (ReadRequest* request : pending_)
    cancel(*request);
}

void MemoryReader::submit(ReadRequest& request) {
  request.state = ReadState::kInFlight;
  request.completed = 0;
  pending_.push_back(&request);
  peak_in_flight_ = std::max(peak_in_flight_, in_flight());
}

void MemoryReader::poll() {
  for (unsigned i = 0; i < per_poll_ && !pending_.empty(); ++i) {
    std::swap(pending_[random_() % pending_.size()], pending_.back());
    ReadRequest* request = pending_.back();
    pending_.pop_back();
    complete(*request);
  }
}

void MemoryReader::complete(ReadRequest& request) {
  const std::vector<std::byte>& file = files_.at(request.file);
  const uint64_t begin = std::min<uint64_t>(request.offset, file.size());
  const uint64_t arrived = std::min<uint64_t>(request.length, file.size() - begin);
  if (arrived < request.required) return fail(request, ends_early(request, arrived));
  if (arrived > 0) std::memcpy(request.buffer, file.data() + begin, arrived);
  bytes_read_ += arrived;
  request.completed = arrived;
  request.state = ReadState::kDone;
}

ReaderDecorator::~ReaderDecorator() {
  for (ReadRequest* request : held_)
    cancel(*request);
}

void ReaderDecorator::hold(ReadRequest& request) {
  request.state = ReadState::kInFlight;
  request.completed = 0;
  held_.push_back(&request);
}

void GatedReader::open(unsigned n_reads) {
  {
    const std::lock_guard lock(mutex_);
    allowed_ += n_reads;
  }
  opened_.notify_one();
}

void GatedReader::release() {
  const std::lock_guard lock(mutex_);
  for (; allowed_ > 0 && !held_.empty(); --allowed_) {
    inner().submit(*held_.front());
    held_.pop_front();
  }
}

void GatedReader::flush() {
  release();
  inner().flush();
}

void GatedReader::poll() {
  release();
  inner().poll();
}

void GatedReader::wait(std::chrono::milliseconds timeout) {
  if (inner().in_flight() == 0 && !held_.empty()) {
    std::unique_lock lock(mutex_);
    opened_.wait_for(lock, timeout, [&] { return allowed_ > 0; });
  }
  release();
  inner().wait(timeout);
}

void SlowReader::submit(ReadRequest& request) {
  const uint64_t start_ns = due_ns_.empty() ? now_ns() : std::max(now_ns(), due_ns_.back());
  due_ns_.push_back(start_ns +
                    static_cast<uint64_t>(static_cast<double>(request.length) / bytes_per_second_ * 1e9));
  hold(request);
}

void SlowReader::release() {
  for (; !held_.empty() && due_ns_.front() <= now_ns(); due_ns_.pop_front()) {
    inner().submit(*held_.front());
    held_.pop_front();
  }
}

void SlowReader::flush() {
  release();
  inner().flush();
}

void SlowReader::poll() {
  release();
  inner().poll();
}

void SlowReader::wait(std::chrono::milliseconds timeout) {
  release();
  if (inner().in_flight() == 0 && !held_.empty()) {
    const auto until_due = std::chrono::nanoseconds(due_ns_.front() - std::min(now_ns(), due_ns_.front()));
    std::this_thread::sleep_for(std::min<std::chrono::nanoseconds>(until_due, timeout));
    release();
  }
  inner().wait(timeout);
}

bool FaultyReader::matches(const ReadRequest& request) const {
  if (fault_.nth && *fault_.nth != n_submitted_) return false;
  if (!fault_.extent) return true;
  return request.file == fault_.extent->file && request.offset < fault_.extent->end() &&
         fault_.extent->offset < request.offset + request.length;
}

void FaultyReader::submit(ReadRequest& request) {
  if (matches(request)) {
    hold(request);
  } else {
    inner().submit(request);
  }
  ++n_submitted_;
}

void FaultyReader::fail_held() {
  for (ReadRequest* request : held_) {
    if (fault_.kind == ReadFault::Kind::kFileEndsEarly) {
      fail(*request, ends_early(*request, 0));
    } else {
      fail(*request, {ErrorCode::kIo, fmt::format("cannot read file {} at offset {}: Input/output error",
                                                  request->file, request->offset)});
    }
  }
  n_failed_ += held_.size();
  held_.clear();
}

void FaultyReader::poll() {
  fail_held();
  inner().poll();
}

void FaultyReader::wait(std::chrono::milliseconds timeout) {
  if (held_.empty()) return inner().wait(timeout);
  poll();
}

void RecordingReader::submit(ReadRequest& request) {
  reads_.push_back({request.file, request.offset, request.length});
  inner().submit(request);
}

}  // namespace flexinfer
