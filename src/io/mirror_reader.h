// Reads spread over copies of the same files on several disks.
//
// The rule: a read goes to the copy that would finish it first, which is the one with the least
// (bytes in flight there + bytes of the read) / measured rate. So each disk gets its share in proportion to
// its speed, also when a disk becomes slower or faster. The rate of a copy is what arrived from it per time
// in which it had reads in flight, with the last tens of MiB counting most; one that has none yet is taken to
// be as fast as the fastest. A copy that has not been read from for a second gets one read, which measures it
// anew, so that a disk that has recovered is noticed.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "io/async_reader.h"

namespace flexinfer {

// What one copy has given.
struct CopyRate {
  uint64_t bytes_read = 0;
  double bytes_per_second = 0;  // as measured of late; 0 before anything has arrived
};

class MirrorReader final : public AsyncReader {
 public:
  // `inner` reads n_copies times n_files files: those of the first copy, in their order, then those of the
  // second ... The files of all copies hold the same bytes. Requests name a file of the model, from 0 to
  // n_files - 1. `on_failure` (may be empty) is called with the error when a copy fails for the first time.
  // `now` tells the time in nanoseconds.
  MirrorReader(std::unique_ptr<AsyncReader> inner, uint32_t n_files, uint32_t n_copies,
               std::function<void(const Error&)> on_failure, std::function<uint64_t()> now = now_ns);
  ~MirrorReader() override;

  void submit(ReadRequest& request) override;
  void flush() override;
  void poll() override;
  void wait(std::chrono::milliseconds timeout) override;
  unsigned depth() const override { return inner_->depth(); }
  unsigned in_flight() const override { return inner_->in_flight(); }
  uint64_t bytes_read() const override { return inner_->bytes_read(); }
  const char* name() const override { return inner_->name(); }

  std::vector<CopyRate> copies() const;

 private:
  struct Copy {
    uint64_t in_flight_bytes = 0;
    uint64_t since_ns = 0;  // when its last read landed or, with none in flight then, when one was submitted
    double recent_bytes = 0;
    double recent_ns = 0;
    uint64_t bytes_read = 0;
    bool stale = false;   // the rate is from before a pause: the next read to land replaces it
    bool failed = false;  // a read of it has failed: it is read from only where no other copy is left
  };
  struct Pending {
    ReadRequest* request = nullptr;
    uint32_t file = 0;  // as its owner knows it
    uint32_t copy = 0;
    std::vector<bool> tried;  // the copies on which it has failed; empty before
  };

  double fastest_rate() const;
  double finish_time(const Copy& copy, uint64_t length, double fastest) const;
  bool is_idle(const Copy& copy) const;
  uint32_t choose(uint64_t length, const std::vector<bool>& tried) const;
  void start(Pending& pending);
  void note_finished();
  bool note(Pending& pending);
  bool retry(Pending& pending);

  const uint32_t n_files_;
  const std::function<void(const Error&)> on_failure_;
  const std::function<uint64_t()> now_;
  std::vector<Copy> copies_;
  std::vector<Pending> pending_;
  std::unique_ptr<AsyncReader> inner_;
};

}  // namespace flexinfer
