#include "io/mirror_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/bytes.h"

namespace flexinfer {
namespace {

constexpr double kMemoryBytes = 32 * kMiB;  // how far back a measured rate looks
constexpr uint64_t kProbeIntervalNs = 1'000'000'000;

}  // namespace

MirrorReader::MirrorReader(std::unique_ptr<AsyncReader> inner, uint32_t n_files, uint32_t n_copies,
                           std::function<void(const Error&)> on_failure, std::function<uint64_t()> now)
    : n_files_(n_files),
      on_failure_(std::move(on_failure)),
      now_(std::move(now)),
      copies_(n_copies),
      inner_(std::move(inner)) {}

MirrorReader::~MirrorReader() {
  inner_.reset();
  for (const Pending& pending : pending_)
    pending.request->file = pending.file;
}

double MirrorReader::fastest_rate() const {
  double fastest = 0;
  for (const Copy& copy : copies_) {
    if (copy.recent_ns > 0) fastest = std::max(fastest, copy.recent_bytes / copy.recent_ns);
  }
  return fastest > 0 ? fastest : 1;  // nothing is known yet: all are alike
}

// In units that are the same for all copies.
double MirrorReader::finish_time(const Copy& copy, uint64_t length, double fastest) const {
  const double rate = copy.recent_ns > 0 ? copy.recent_bytes / copy.recent_ns : fastest;
  return static_cast<double>(copy.in_flight_bytes + length) / rate;
}

// Whether nothing has been read of a copy for so long that its rate says little.
bool MirrorReader::is_idle(const Copy& copy) const {
  return copy.in_flight_bytes == 0 && copy.since_ns > 0 && now_() - copy.since_ns > kProbeIntervalNs;
}

// One of the copies not tried; among them one that has not failed, if there is any.
uint32_t MirrorReader::choose(uint64_t length, const std::vector<bool>& tried) const {
  const double fastest = fastest_rate();
  const auto is_tried = [&](uint32_t i) { return !tried.empty() && tried[i]; };
  uint32_t best = 0;
  double best_time = 0;
  bool found = false;
  for (const bool failed : {false, true}) {
    for (uint32_t i = 0; i < copies_.size() && !(failed && found); ++i) {
      const Copy& copy = copies_[i];
      if (copy.failed != failed || is_tried(i)) continue;
      if (is_idle(copy)) return i;
      const double time = finish_time(copy, length, fastest);
      if (!found || time < best_time) {
        best = i;
        best_time = time;
      }
      found = true;
    }
  }
  return best;
}

void MirrorReader::start(Pending& pending) {
  ReadRequest& request = *pending.request;
  pending.copy = choose(request.length, pending.tried);
  Copy& copy = copies_[pending.copy];
  copy.stale = copy.stale || is_idle(copy);
  if (copy.in_flight_bytes == 0) copy.since_ns = now_();
  copy.in_flight_bytes += request.length;
  request.file = pending.copy * n_files_ + pending.file;
  inner_->submit(request);
}

void MirrorReader::submit(ReadRequest& request) {
  Pending pending{.request = &request, .file = request.file, .copy = 0, .tried = {}};
  start(pending);
  pending_.push_back(std::move(pending));
}

void MirrorReader::flush() {
  inner_->flush();
  note_finished();
}

void MirrorReader::poll() {
  inner_->poll();
  note_finished();
}

void MirrorReader::wait(std::chrono::milliseconds timeout) {
  inner_->wait(timeout);
  note_finished();
}

// No caller sees a read as failed while there is a copy left that it has not been tried on.
void MirrorReader::note_finished() {
  for (bool again = true; again;) {
    again = false;
    for (size_t i = 0; i < pending_.size();) {
      Pending& pending = pending_[i];
      if (pending.request->state == ReadState::kInFlight) {
        ++i;
      } else if (note(pending)) {
        again = true;  // it may fail at once
        ++i;
      } else {
        std::swap(pending, pending_.back());
        pending_.pop_back();
      }
    }
    if (again) inner_->flush();
  }
}

// Takes the end of a read on one copy; true where it goes on on another.
bool MirrorReader::note(Pending& pending) {
  ReadRequest& request = *pending.request;
  Copy& copy = copies_[pending.copy];
  copy.in_flight_bytes -= request.length;
  request.file = pending.file;
  if (request.state == ReadState::kFailed) return retry(pending);
  const uint64_t now = now_();
  const double bytes = static_cast<double>(request.completed);
  const double kept = copy.stale ? 0 : kMemoryBytes / (kMemoryBytes + bytes);
  copy.stale = false;
  copy.recent_bytes = copy.recent_bytes * kept + bytes;
  copy.recent_ns = copy.recent_ns * kept + static_cast<double>(now - copy.since_ns);
  copy.since_ns = now;
  copy.bytes_read += request.completed;
  return false;
}

bool MirrorReader::retry(Pending& pending) {
  if (pending.request->error.code == ErrorCode::kCancelled) return false;
  Copy& copy = copies_[pending.copy];
  if (!copy.failed && on_failure_) on_failure_(pending.request->error);
  copy.failed = true;
  pending.tried.resize(copies_.size());
  pending.tried[pending.copy] = true;
  if (std::ranges::find(pending.tried, false) == pending.tried.end()) {
    pending.request->error.message += " (and no other copy of the model can be read there)";
    return false;
  }
  start(pending);
  return true;
}

std::vector<CopyRate> MirrorReader::copies() const {
  std::vector<CopyRate> stats;
  for (const Copy& copy : copies_)
    stats.push_back({copy.bytes_read, copy.recent_ns > 0 ? copy.recent_bytes / copy.recent_ns * 1e9 : 0});
  return stats;
}

}  // namespace flexinfer
