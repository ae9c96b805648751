#include "runtime/calibrate_disk.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>

#include "base/clock.h"
#include "base/page_buffer.h"
#include "io/async_reader.h"
#include "runtime/readers.h"

namespace flexinfer {
namespace {

using Sample = Calibration::DiskSample;

constexpr std::array<uint64_t, 3> kRequestSizes = {256 * kKiB, kMiB, 4 * kMiB};
constexpr std::array<uint32_t, 4> kDepths = {4, 8, 16, 32};
constexpr uint32_t kProbeDepth = 16;    // while sizes are compared
constexpr int kRounds = 3;              // of each comparison, interleaved: disks are noisy
constexpr double kWithin = 0.08;        // of the fastest counts as fast
constexpr double kWindowShare = 0.025;  // of the time, for a window; the last ones are twice as long
// A request that took so much longer than the others was held up. A limit on the bandwidth lets reads through
// a tenth of a second apart: that is no disturbance.
constexpr double kPauseSeconds = 0.12;
constexpr size_t kFewestArrivals = 6;  // that a window counts

// What a pair of request size and depth brought for a while.
struct Window {
  double bytes_per_second = 0;
  bool undisturbed = true;  // no request was held up
};

// Reads round and round through the files and never pauses: a disk with a cache, or a limit on its bandwidth,
// gives more to one that begins anew. What arrives is not looked at, so requests of one pair may land on what
// is left of the pair before.
class DiskProbe {
 public:
  // `buffer` has room for every pair that will be measured; its pages are there.
  static Result<DiskProbe> create(std::span<const File> files, IoMode io, PageBuffer buffer,
                                  std::stop_token stop) {
    DiskProbe probe(files, std::move(buffer), std::move(stop));
    FLEX_TRY(probe.reader_, make_reader(io, files, kDepths.back(), nullptr));
    return probe;
  }

  // Such requests, so many in flight, once all requests of the pair before have landed. Takes `seconds`, or
  // as long as the fewest reads take.
  Result<Window> measure(const Sample& pair, double seconds);

 private:
  struct Flight {
    ReadRequest request;
    uint64_t begun_ns = 0;
    bool of_before = false;  // of the pair before
  };

  DiskProbe(std::span<const File> files, PageBuffer buffer, std::stop_token stop)
      : files_(files), buffer_(std::move(buffer)), flights_(kDepths.back()), stop_(std::move(stop)) {}

  ReadRequest next(uint64_t request_bytes);
  // Submits again whichever of the pair's requests have landed. The longest time that one of them took, if it
  // was begun at `since` or later.
  Result<double> keep_in_flight(const Sample& pair, uint64_t since);
  bool pair_before_lands() const;

  std::span<const File> files_;
  PageBuffer buffer_;
  std::vector<Flight> flights_;
  std::stop_token stop_;
  uint32_t file_ = 0;  // where the next read goes
  uint64_t offset_ = 0;
  std::unique_ptr<AsyncReader> reader_;  // last: its end waits for those in flight
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

Result<double> DiskProbe::keep_in_flight(const Sample& pair, uint64_t since) {
  const uint64_t now = now_ns();
  double longest = 0;
  for (size_t i = 0; i < flights_.size(); ++i) {
    Flight& flight = flights_[i];
    const ReadState state = flight.request.state;
    if (state == ReadState::kFailed) return tl::unexpected(flight.request.error);
    if (state != ReadState::kIdle && flight.begun_ns >= since)
      longest = std::max(longest, static_cast<double>(now - flight.begun_ns) * 1e-9);
    if (state == ReadState::kInFlight) continue;
    flight = {};
    if (i >= pair.depth) continue;
    flight.request = next(pair.request_bytes);
    flight.request.buffer = buffer_.data() + i * pair.request_bytes;
    flight.begun_ns = now;
    reader_->submit(flight.request);
  }
  reader_->flush();
  return longest;
}

bool DiskProbe::pair_before_lands() const {
  return std::any_of(flights_.begin(), flights_.end(), [](const Flight& flight) {
    return flight.of_before && flight.request.state == ReadState::kInFlight;
  });
}

// Some reads have landed, and what has before them.
struct Arrival {
  double seconds = 0;
  uint64_t bytes_before = 0;
};

// The first of those that came after the longest pause.
const Arrival& after_longest_pause(std::span<const Arrival> arrivals) {
  size_t found = 1;
  const auto pause = [&](size_t i) { return arrivals[i].seconds - arrivals[i - 1].seconds; };
  for (size_t i = 2; i < arrivals.size(); ++i) {
    if (pause(i) > pause(found)) found = i;
  }
  return arrivals[found];
}

// A limit on the bandwidth may let reads through in bunches, ten in a second. So time and bytes are counted
// from where one begins, in the first half of the arrivals' time, to where one begins in the second.
double speed_of(std::span<const Arrival> arrivals) {
  const double middle = (arrivals.front().seconds + arrivals.back().seconds) / 2;
  const auto half = std::find_if(arrivals.begin() + 2, arrivals.end() - 2,
                                 [&](const Arrival& arrival) { return arrival.seconds >= middle; });
  const Arrival& first = after_longest_pause({arrivals.begin(), half});
  const Arrival& last = after_longest_pause({half - 1, arrivals.end()});
  return static_cast<double>(last.bytes_before - first.bytes_before) / (last.seconds - first.seconds);
}

Result<Window> DiskProbe::measure(const Sample& pair, double seconds) {
  for (Flight& flight : flights_)
    flight.of_before = flight.request.state == ReadState::kInFlight;
  std::vector<Arrival> arrivals;
  uint64_t start = 0;  // 0 before
  double longest = 0;
  while (!stop_.stop_requested()) {
    FLEX_TRY(const double took, keep_in_flight(pair, start));
    const uint64_t bytes_before = reader_->bytes_read();
    reader_->wait(std::chrono::milliseconds(50));
    if (start == 0 && !pair_before_lands()) start = now_ns();
    if (start == 0 || reader_->bytes_read() == bytes_before) continue;
    longest = std::max(longest, took);
    arrivals.push_back({seconds_since(start), bytes_before});
    if (arrivals.back().seconds < seconds || arrivals.size() < kFewestArrivals) continue;
    const double speed = speed_of(arrivals);
    const double usual = static_cast<double>(pair.depth * pair.request_bytes) / speed;
    return Window{speed, longest <= usual + kPauseSeconds};
  }
  return make_error(ErrorCode::kCancelled, "cancelled");
}

double median(std::vector<double>& values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

struct Comparison {
  std::vector<Sample> samples;  // of all pairs
  std::vector<Sample> sure;     // of those that had undisturbed windows; of all, where none had
};

// The medians of some pairs, measured in turn in windows of so many seconds. A slow disk gets fewer rounds.
Result<Comparison> compare(DiskProbe& probe, std::vector<Sample> pairs, double seconds) {
  std::vector<std::vector<double>> all(pairs.size());
  std::vector<std::vector<double>> undisturbed(pairs.size());
  const double most_seconds = kRounds * static_cast<double>(pairs.size()) * seconds;
  const uint64_t start = now_ns();
  for (int round = 0; round < kRounds && seconds_since(start) < most_seconds; ++round) {
    for (size_t i = 0; i < pairs.size(); ++i) {
      FLEX_TRY(const Window window, probe.measure(pairs[i], seconds));
      all[i].push_back(window.bytes_per_second);
      if (window.undisturbed) undisturbed[i].push_back(window.bytes_per_second);
    }
  }
  Comparison comparison;
  for (size_t i = 0; i < pairs.size(); ++i) {
    const bool sure = !undisturbed[i].empty();
    pairs[i].bytes_per_second = median(sure ? undisturbed[i] : all[i]);
    if (sure) comparison.sure.push_back(pairs[i]);
  }
  comparison.samples = std::move(pairs);
  if (comparison.sure.empty()) comparison.sure = comparison.samples;
  return comparison;
}

const Sample& fastest(std::span<const Sample> samples) {
  return *std::max_element(samples.begin(), samples.end(), [](const Sample& a, const Sample& b) {
    return a.bytes_per_second < b.bytes_per_second;
  });
}

// Those of the pairs whose buffers fit; the first, if none does.
std::vector<Sample> fitting(std::vector<Sample> pairs, uint64_t memory_bytes) {
  const Sample first = pairs.front();
  std::erase_if(pairs, [&](const Sample& pair) { return pair.request_bytes * pair.depth > memory_bytes; });
  if (pairs.empty()) pairs.push_back(first);
  return pairs;
}

std::vector<Sample> pairs_by_size(uint64_t memory_bytes) {
  std::vector<Sample> pairs;
  for (const uint64_t size : kRequestSizes)
    pairs.push_back({size, kProbeDepth, 0});
  return fitting(std::move(pairs), memory_bytes);
}

std::vector<Sample> pairs_by_depth(uint64_t request_bytes, uint64_t memory_bytes) {
  std::vector<Sample> pairs;
  for (const uint32_t depth : kDepths)
    pairs.push_back({request_bytes, depth, 0});
  return fitting(std::move(pairs), memory_bytes);
}

}  // namespace

const Sample& cheapest_fast(std::span<const Sample> samples) {
  const double best = fastest(samples).bytes_per_second;
  return *std::find_if(samples.begin(), samples.end(), [best](const Sample& sample) {
    return sample.bytes_per_second >= best * (1 - kWithin);
  });
}

Result<DiskCalibration> calibrate_disk(std::span<const File> files, IoMode io, double seconds,
                                       uint64_t memory_bytes, const std::stop_token& stop) {
  if (std::all_of(files.begin(), files.end(), [](const File& file) { return file.size() == 0; }))
    return make_error(ErrorCode::kUsage, "an empty file cannot tell how fast its disk is");
  const uint64_t largest = std::min(memory_bytes, kRequestSizes.back() * kDepths.back());
  FLEX_TRY(PageBuffer buffer, PageBuffer::allocate(std::max(largest, kRequestSizes.front() * kProbeDepth)));
  std::memset(buffer.data(), 0, buffer.size());
  FLEX_TRY(DiskProbe probe, DiskProbe::create(files, io, std::move(buffer), stop));
  const double window_seconds = seconds * kWindowShare;
  // What a disk gives to one that begins.
  const Sample first{kRequestSizes.front(), kProbeDepth, 0};
  if (const Result<Window> window = probe.measure(first, window_seconds); !window)
    return tl::unexpected(window.error());

  FLEX_TRY(const Comparison by_size, compare(probe, pairs_by_size(memory_bytes), window_seconds));
  const uint64_t request_bytes = cheapest_fast(by_size.sure).request_bytes;
  FLEX_TRY(const Comparison by_depth,
           compare(probe, pairs_by_depth(request_bytes, memory_bytes), window_seconds));

  // What looks fast for a moment must keep up with the fastest for longer.
  const Sample& cheapest = cheapest_fast(by_depth.sure);
  std::vector<Sample> finalists = {cheapest};
  if (&fastest(by_depth.sure) != &cheapest) finalists.push_back(fastest(by_depth.sure));
  FLEX_TRY(const Comparison longer, compare(probe, std::move(finalists), 2 * window_seconds));
  const Sample& chosen = cheapest_fast(longer.sure);

  DiskCalibration result;
  result.speed = {chosen.bytes_per_second, chosen.request_bytes, chosen.depth, SpeedSource::kCalibrated};
  for (const Comparison* comparison : {&by_size, &by_depth, &longer}) {
    result.samples.insert(result.samples.end(), comparison->samples.begin(), comparison->samples.end());
  }
  return result;
}

}  // namespace flexinfer
