// From a schedule and a number of bytes to the rows that stay in memory and the rows that stream: a pure
// function.
//
// The first rows of a matrix are the locked ones, so that compute can start on them while the rest arrives.
// Balanced locking (the paper's second technique) leaves the same bytes to read in every layer; the output
// head, which is no layer, keeps the same share of itself streamed as the layers do. Preservation (its third)
// orders the tensors within a layer. Rows, not whole tensors, are the unit, so that any budget is filled. Of
// a mixture, what every token uses is locked first, then whole experts, the same number in every layer.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "flexinfer/options.h"
#include "residency/weight_schedule.h"

namespace flexinfer {

struct PlanRequest {
  uint64_t weight_bytes = 0;  // for the locked arena, the slots and the look-up buffer together
  uint64_t slot_bytes = 0;    // of it for the slots, if anything streams
  LockPolicy lock = LockPolicy::kBalanced;
  Preservation preserve = Preservation::kFlexible;
  uint64_t request_bytes = kMiB;  // the size of a read that the disk's full rate takes, whole pages
};

// The locked rows of one matrix are rows [0, rows); they lie in the arena at `arena_offset`, which is
// congruent to the matrix's file offset modulo the page size, so that direct reads land in place.
struct LockedRows {
  int64_t rows = 0;
  uint64_t arena_offset = 0;  // of row 0
};

struct ResidencyPlan {
  std::vector<LockedRows> steps;  // parallel to WeightSchedule::steps
  LockedRows embedding;           // where it is a matrix of its own
  uint64_t arena_bytes = 0;       // all locked rows with their page borders
  // The slots lie one after the other, a multiple of the page size each; 0 where nothing streams. Before the
  // first there is room for the beginning of a row that ends in it and begins in the last.
  uint64_t slot_size = 0;
  uint32_t n_slots = 0;
  uint64_t wrap_bytes = 0;
  uint64_t lookup_bytes = 0;  // buffer for reading rows of the embedding that are not (yet) in the arena
  // What a sweep of one token reads, page borders included; of the experts, what a router without favourites
  // would choose.
  uint64_t streamed_bytes_per_sweep = 0;

  uint64_t slot_bytes() const { return wrap_bytes + slot_size * n_slots; }
  bool all_locked() const { return n_slots == 0; }
};

// The page-aligned cover of bytes [offset, offset + size) of a file.
Extent page_cover(const Extent& extent);

// What a sweep streams in one go: the streamed rows of a step, and those of the steps after it as long as
// they follow in the file, to the page. Each expert's matrix and the output head are runs of their own, since
// not every sweep uses them.
struct StreamedRun {
  size_t first_step = 0;
  size_t last_step = 0;   // steps between them without streamed rows do not belong to it
  Extent read;            // page-aligned cover of the rows
  uint64_t required = 0;  // bytes of it up to the end of the last row
};

// In the order of use. `locked` is parallel to the schedule's steps.
std::vector<StreamedRun> streamed_runs(const WeightSchedule& schedule, std::span<const LockedRows> locked);

// From this many weight_bytes on everything is locked: no sweep and no look-up reads anything.
uint64_t full_weight_bytes(const WeightSchedule& schedule);

// The smallest weight_bytes that can stream this schedule at all.
uint64_t minimum_weight_bytes(const WeightSchedule& schedule);

// Rows of the embedding that one round of look-ups reads together.
inline constexpr uint32_t kLookupRows = 32;
// Bytes of the buffer of one such row.
uint64_t lookup_row_bytes(const WeightSchedule& schedule);

// kBudgetTooSmall where neither everything fits nor the least slots do. With LockPolicy::kNone nothing is
// locked even if it would fit. slot_bytes is raised to the least that works.
Result<ResidencyPlan> plan_residency(const WeightSchedule& schedule, const PlanRequest& request);

}  // namespace flexinfer
