#include "runtime/calibrate_disk.h"

#include <algorithm>
#include <array>
#include <memory>

#include "base/clock.h"
#include "base/page_buffer.h"
#include "io/async_reader.h"
#include "runtime/readers.h"

namespace flexinfer {
namespace {

using Sample = Calibration::DiskSample;

constexpr std::array<uint64_t, 5> kRequestSizes = {256 * kKiB, 512 * kKiB, kMiB, 2 * kMiB, 4 * kMiB};
constexpr std::array<uint32_t, 5> kDepths = {2, 4, 8, 16, 32};
constexpr uint32_t kProbeDepth = 16;  // while sizes are compared
constexpr int kRounds = 3;            // of each comparison, interleaved: disks are noisy
constexpr double kWithin = 0.08;      // of the fastest counts as fast
constexpr double kFinalShare = 0.4;   // of the time goes to the pair that was chosen
constexpr double kWarmUpShare = 0.4;  // of a measurement does not count
constexpr uint64_t kFewestReads = 4;  // that a measurement counts

// Reads round and round through the files.
class DiskProbe {
 public:
  DiskProbe(std::span<const File> files, IoMode io, PageBuffer buffer, std::stop_token stop)
      : files_(files), io_(io), buffer_(std::move(buffer)), stop_(std::move(stop)) {}

  // Bytes per second of such requests while so many are in flight. Takes `seconds`, or as long as the fewest
  // reads take. What comes in at first does not count: a disk with a cache, or a limit on its bandwidth,
  // gives more to one that begins. The time that counts begins and ends with the first arrival after a
  // moment, so that a limit which lets bytes through in bursts is seen over whole periods of them.
  Result<double> measure(uint64_t request_bytes, uint32_t depth, double seconds);

 private:
  ReadRequest next(uint64_t request_bytes);
  // Submits whichever of the requests are not in flight.
  Status keep_in_flight(AsyncReader& reader, std::span<ReadRequest> requests, uint64_t request_bytes);

  const std::span<const File> files_;
  const IoMode io_;
  PageBuffer buffer_;
  const std::stop_token stop_;
  uint32_t file_ = 0;  // where the next read goes
  uint64_t offset_ = 0;
};

ReadRequest DiskProbe::next(uint64_t request_bytes) {
  if (offset_ >= files_[file_].size()) {
    file_ = (file_ + 1) % static_cast<uint32_t>(files_.size());
    offset_ = 0;
  }
  ReadRequest request;
  request.file = file_;
  request.offset = offset_;
  request.length = request_bytes;
  request.required = std::min(request_bytes, files_[file_].size() - offset_);
  offset_ += request_bytes;
  return request;
}

Status DiskProbe::keep_in_flight(AsyncReader& reader, std::span<ReadRequest> requests,
                                 uint64_t request_bytes) {
  for (size_t i = 0; i < requests.size(); ++i) {
    ReadRequest& request = requests[i];
    if (request.state == ReadState::kFailed) return tl::unexpected(request.error);
    if (request.state == ReadState::kInFlight) continue;
    request = next(request_bytes);
    request.buffer = buffer_.data() + i * request_bytes;
    reader.submit(request);
  }
  return {};
}

Result<double> DiskProbe::measure(uint64_t request_bytes, uint32_t depth, double seconds) {
  std::vector<ReadRequest> requests(depth);  // outlive the reader, whose end waits for those in flight
  FLEX_TRY(const std::unique_ptr<AsyncReader> reader, make_reader(io_, files_, depth, nullptr));
  const uint64_t start = now_ns();
  uint64_t window_start = 0;  // of the time that counts; 0 before
  uint64_t bytes_before = 0;
  while (!stop_.stop_requested()) {
    FLEX_CHECK(keep_in_flight(*reader, requests, request_bytes));
    reader->wait(std::chrono::milliseconds(50));
    const uint64_t bytes = reader->bytes_read() - bytes_before;
    if (window_start == 0) {
      if (bytes == 0 || seconds_since(start) < seconds * kWarmUpShare) continue;
      window_start = now_ns();
      bytes_before = bytes;
    } else if (seconds_since(start) >= seconds && bytes >= request_bytes * kFewestReads) {
      return static_cast<double>(bytes) / seconds_since(window_start);
    }
  }
  return make_error(ErrorCode::kCancelled, "cancelled");
}

double median(std::vector<double>& values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

// The medians of some pairs, measured in turn within about `seconds`. A slow disk gets fewer rounds.
Result<std::vector<Sample>> compare(DiskProbe& probe, std::vector<Sample> pairs, double seconds) {
  std::vector<std::vector<double>> speeds(pairs.size());
  const double share = seconds / static_cast<double>(pairs.size() * kRounds);
  const uint64_t start = now_ns();
  for (int round = 0; round < kRounds && seconds_since(start) < seconds; ++round) {
    for (size_t i = 0; i < pairs.size(); ++i) {
      FLEX_TRY(const double speed, probe.measure(pairs[i].request_bytes, pairs[i].depth, share));
      speeds[i].push_back(speed);
    }
  }
  for (size_t i = 0; i < pairs.size(); ++i)
    pairs[i].bytes_per_second = median(speeds[i]);
  return pairs;
}

}  // namespace

const Sample& cheapest_fast(std::span<const Sample> samples) {
  double best = 0;
  for (const Sample& sample : samples)
    best = std::max(best, sample.bytes_per_second);
  return *std::find_if(samples.begin(), samples.end(), [best](const Sample& sample) {
    return sample.bytes_per_second >= best * (1 - kWithin);
  });
}

Result<DiskCalibration> calibrate_disk(std::span<const File> files, IoMode io, double seconds,
                                       uint64_t memory_bytes, const std::stop_token& stop) {
  if (std::all_of(files.begin(), files.end(), [](const File& file) { return file.size() == 0; }))
    return make_error(ErrorCode::kUsage, "an empty file cannot tell how fast its disk is");
  const auto fits = [&](const Sample& pair) { return pair.request_bytes * pair.depth <= memory_bytes; };
  const uint64_t largest = std::min(memory_bytes, kRequestSizes.back() * kDepths.back());
  FLEX_TRY(PageBuffer buffer,
           PageBuffer::allocate(std::max(largest, kRequestSizes.front() * kDepths.front())));
  DiskProbe probe(files, io, std::move(buffer), stop);
  const double part = seconds * (1 - kFinalShare) / 2;

  std::vector<Sample> by_size;
  for (const uint64_t size : kRequestSizes)
    by_size.push_back({size, kProbeDepth, 0});
  std::erase_if(by_size, [&](const Sample& pair) { return !fits(pair); });
  if (by_size.empty()) by_size.push_back({kRequestSizes.front(), kDepths.front(), 0});
  FLEX_TRY(by_size, compare(probe, std::move(by_size), part));
  const uint64_t request_bytes = cheapest_fast(by_size).request_bytes;

  std::vector<Sample> by_depth;
  for (const uint32_t depth : kDepths)
    by_depth.push_back({request_bytes, depth, 0});
  std::erase_if(by_depth, [&](const Sample& pair) { return pair.depth > kDepths.front() && !fits(pair); });
  FLEX_TRY(by_depth, compare(probe, std::move(by_depth), part));
  const uint32_t depth = cheapest_fast(by_depth).depth;

  FLEX_TRY(const double speed, probe.measure(request_bytes, depth, seconds * kFinalShare));
  DiskCalibration result{{speed, request_bytes, depth, SpeedSource::kCalibrated}, std::move(by_size)};
  result.samples.insert(result.samples.end(), by_depth.begin(), by_depth.end());
  result.samples.push_back({request_bytes, depth, speed});
  return result;
}

}  // namespace flexinfer
