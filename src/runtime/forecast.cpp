#include "runtime/forecast.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "residency/read_sequence.h"

namespace flexinfer {
namespace {

// Regions of a layer beside the products: norms, rope, cache, attention, activation, residuals.
constexpr double kRegionsPerLayer = 10;

// A stretch of a sweep: bytes that are read for it (0: they are in memory) and the time of its arithmetic; of
// an expert, both as often as a router without favourites chooses it.
struct Stretch {
  double read_bytes = 0;
  double compute_seconds = 0;
};

double multiply_adds(const WeightStep& step) {
  return static_cast<double>(step.rows) * static_cast<double>(step.cols);
}

// At one token, the cores' own speed.
double arithmetic_seconds(const WeightSchedule& schedule, const ComputeSpeed& compute) {
  double total = 0;
  for (const WeightStep& step : schedule.steps)
    total +=
        schedule.use_share(step) * multiply_adds(step) / compute.product(step.type).multiply_adds_per_second;
  return total;
}

// Of one token and `rows` rows of a step, whose bytes pass at a speed.
double product_seconds(const WeightStep& step, int64_t rows, double bytes_per_second,
                       const ComputeSpeed& compute) {
  const double share = static_cast<double>(rows) / static_cast<double>(step.rows);
  return compute.region_seconds +
         share * std::max(static_cast<double>(step.extent.size) / bytes_per_second,
                          multiply_adds(step) / compute.product(step.type).multiply_adds_per_second);
}

// The products of the rows that a streamed read brings, of one token.
double streamed_seconds(const WeightSchedule& schedule, const ReadSequence& sequence, const SweepRead& read,
                        const ComputeSpeed& compute) {
  double total = 0;
  for (const RowRun& run : sequence.runs_of(read)) {
    const WeightStep& step = schedule.steps[run.step];
    const double speed = compute.product(step.type).bytes_per_second;
    total += product_seconds(step, run.row_end - run.row_begin, speed, compute);
  }
  return total;
}

// Locked rows are laid out for the kernels; what streams, and all of a mapped file, is as in the file.
std::vector<Stretch> stretches_of(const WeightSchedule& schedule, const ResidencyPlan& plan, IoMode io,
                                  const ComputeSpeed& compute) {
  const ReadSequence sequence = make_read_sequence(schedule, plan);
  std::vector<Stretch> stretches;
  for (size_t i = 0; i < schedule.steps.size(); ++i) {
    const WeightStep& step = schedule.steps[i];
    if (i == 0 || schedule.steps[i - 1].layer != step.layer)
      stretches.push_back({0, kRegionsPerLayer * compute.region_seconds});
    const double share = schedule.use_share(step);
    const ProductSpeed speed = compute.product(step.type);
    const double locked_speed =
        io == IoMode::kMmap ? speed.bytes_per_second : speed.laid_out_bytes_per_second;
    if (const int64_t locked = plan.steps[i].rows; locked > 0)
      stretches.push_back({0, share * product_seconds(step, locked, locked_speed, compute)});
    for (uint32_t r = sequence.first_read[i]; r < sequence.first_read[i + 1]; ++r) {
      const SweepRead& read = sequence.reads[r];
      if (read.locked) continue;
      stretches.push_back({share * static_cast<double>(read.read.size),
                           share * streamed_seconds(schedule, sequence, read, compute)});
    }
  }
  return stretches;
}

double compute_seconds(const std::vector<Stretch>& stretches) {
  double total = 0;
  for (const Stretch& stretch : stretches)
    total += stretch.compute_seconds;
  return total;
}

// The time of a sweep that follows others, when reads run ahead through a ring of slots.
double ahead_seconds(const std::vector<Stretch>& stretches, uint32_t n_slots, double disk_speed) {
  constexpr int kSweeps = 3;  // the first fills the ring
  std::vector<double> slot_free(std::max<uint32_t>(n_slots, 1), 0.0);
  size_t next_slot = 0;
  double disk_free = 0;
  double now = 0;
  double before = 0;
  for (int sweep = 0; sweep < kSweeps; ++sweep) {
    before = now;
    for (const Stretch& stretch : stretches) {
      if (stretch.read_bytes == 0) {
        now += stretch.compute_seconds;
        continue;
      }
      double& slot = slot_free[next_slot++ % slot_free.size()];
      disk_free = std::max(disk_free, slot) + stretch.read_bytes / disk_speed;
      now = std::max(now, disk_free) + stretch.compute_seconds;
      slot = now;
    }
  }
  return now - before;
}

double sweep_seconds(const WeightSchedule& schedule, const ResidencyPlan& plan, IoMode io,
                     const std::vector<Stretch>& stretches, double disk_speed) {
  if (plan.all_locked()) return compute_seconds(stretches);
  if (io == IoMode::kMmap) {
    return compute_seconds(stretches) + swept_bytes(schedule) / disk_speed;
  }
  if (io == IoMode::kSync) {
    return compute_seconds(stretches) + static_cast<double>(plan.streamed_bytes_per_sweep) / disk_speed;
  }
  return ahead_seconds(stretches, plan.n_slots, disk_speed);
}

}  // namespace

double swept_bytes(const WeightSchedule& schedule) {
  double total = 0;
  for (const WeightStep& step : schedule.steps)
    total += schedule.use_share(step) * static_cast<double>(step.extent.size);
  return total;
}

double Bounds::seconds(double cache_bytes) const {
  const double memory = memory_seconds + cache_bytes / memory_bytes_per_second;
  return std::max({disk_seconds, memory, compute_seconds, 1e-9});
}

const char* Bounds::limit() const {
  return seconds() == disk_seconds ? "disk" : seconds() == memory_seconds ? "memory" : "compute";
}

Bounds find_bounds(const Model& model, const ResidencyPlan& plan, const MachineProfile& machine) {
  return {.disk_seconds = static_cast<double>(plan.streamed_bytes_per_sweep) / machine.disk.bytes_per_second,
          .memory_seconds = swept_bytes(model.schedule) / machine.compute.memory_bytes_per_second,
          .compute_seconds = arithmetic_seconds(model.schedule, machine.compute),
          .memory_bytes_per_second = machine.compute.memory_bytes_per_second};
}

Forecast forecast_speed(const Model& model, const ResidencyPlan& plan, IoMode io,
                        const MachineProfile& machine) {
  Forecast forecast;
  const std::vector<Stretch> stretches = stretches_of(model.schedule, plan, io, machine.compute);
  const Bounds bounds = find_bounds(model, plan, machine);
  forecast.bound_seconds = bounds.seconds();
  forecast.limit = bounds.limit();
  forecast.decode_seconds =
      std::max(sweep_seconds(model.schedule, plan, io, stretches, machine.disk.bytes_per_second),
               forecast.bound_seconds);
  const double first_read = static_cast<double>(plan.arena_bytes + plan.streamed_bytes_per_sweep);
  forecast.first_sweep_seconds =
      std::max(first_read / machine.disk.bytes_per_second, forecast.decode_seconds);
  return forecast;
}

int64_t hiding_batch(const Model& model, uint64_t streamed_bytes, const MachineProfile& machine) {
  const double token_seconds = arithmetic_seconds(model.schedule, machine.compute);
  const double read_seconds = static_cast<double>(streamed_bytes) / machine.disk.bytes_per_second;
  return static_cast<int64_t>(std::min(std::ceil(read_seconds / std::max(token_seconds, 1e-12)), 1e9));
}

}  // namespace flexinfer
