// How fast a plan will be on a machine: the sweep played through, read by read. Pure functions.
#pragma once

#include <cstdint>
#include <string>

#include "flexinfer/options.h"
#include "model/model.h"
#include "residency/planner.h"
#include "runtime/machine_profile.h"

namespace flexinfer {

// Of the weights, what a token's sweep uses; of experts, the share that it can be expected to choose.
double swept_bytes(const WeightSchedule& schedule);

// What a token takes at least with these rows in memory; no engine could beat it.
struct Bounds {
  double disk_seconds = 0;     // streamed bytes
  double memory_seconds = 0;   // swept bytes, with nothing in the KV cache
  double compute_seconds = 0;  // multiply-adds
  double memory_bytes_per_second = 1;

  // The longest of them, where a token also reads so many bytes of keys and values.
  double seconds(double cache_bytes = 0) const;
  const char* limit() const;  // "disk", "memory" or "compute"
};
Bounds find_bounds(const Model& model, const ResidencyPlan& plan, const MachineProfile& machine);

struct Forecast {
  double decode_seconds = 0;       // a token, sweep after sweep, with little in the KV cache
  double bound_seconds = 0;        // with nothing in the KV cache
  double first_sweep_seconds = 0;  // everything is read once, and a short prompt computed meanwhile
  std::string limit;               // "disk", "memory" or "compute": what makes the bound
};

// The disk serves reads one after the other at its speed, each as soon as its slot is free; compute takes
// slices in order, each when it is there. With IoMode::kSync nothing is read while compute works; with kMmap
// everything is read so where it does not all fit, since a cyclic scan finds nothing in the page cache.
Forecast forecast_speed(const Model& model, const ResidencyPlan& plan, IoMode io,
                        const MachineProfile& machine);

// Tokens of a prompt from which on computing them takes longer than reading `streamed_bytes` does: larger
// batches save no time.
int64_t hiding_batch(const Model& model, uint64_t streamed_bytes, const MachineProfile& machine);

}  // namespace flexinfer
