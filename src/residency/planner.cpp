#include "residency/planner.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/bytes.h"

namespace flexinfer {
namespace {

// Two requests in flight and two being computed on: fewer would make the disk wait for compute.
constexpr uint64_t kMinimumSlots = 4;
constexpr uint64_t kBorderBytes = 2 * kPageBytes;  // an unaligned run of rows touches at most this much more

// Arena bytes of `rows` locked rows: their page cover.
uint64_t locked_cost(const WeightStep& step, int64_t rows) {
  if (rows == 0) return 0;
  return page_cover({step.extent.file, step.extent.offset, static_cast<uint64_t>(rows) * step.row_bytes})
      .size;
}

// The most rows (at least `held`) whose arena bytes exceed those of `held` rows by at most `bytes`.
int64_t most_rows(const WeightStep& step, int64_t held, uint64_t bytes) {
  const uint64_t limit = locked_cost(step, held) + bytes;
  int64_t low = held;
  int64_t high = step.rows;
  while (low < high) {
    const int64_t middle = low + (high - low + 1) / 2;
    if (locked_cost(step, middle) <= limit) {
      low = middle;
    } else {
      high = middle - 1;
    }
  }
  return low;
}

uint64_t sweep_arena_bytes(const WeightSchedule& schedule) {
  uint64_t total = 0;
  for (const WeightStep& step : schedule.steps)
    total += locked_cost(step, step.rows);
  return total;
}

// One layer, or the output head: the steps [begin, end) of the schedule, of which those that every sweep uses
// count; experts are kept when all of these are.
struct Group {
  size_t begin = 0;
  size_t end = 0;
  uint64_t bytes = 0;
  uint64_t arena_bytes = 0;  // if it is locked whole: page borders come on top
  double weight = 1;         // its residual read time relative to a layer's
};

std::vector<Group> make_groups(const WeightSchedule& schedule) {
  std::vector<Group> groups;
  for (size_t i = 0; i < schedule.steps.size(); ++i) {
    const WeightStep& step = schedule.steps[i];
    if (step.is_expert()) continue;
    if (groups.empty() || schedule.steps[groups.back().begin].layer != step.layer) {
      groups.push_back({.begin = i});
    }
    groups.back().end = i + 1;
    groups.back().bytes += step.extent.size;
    groups.back().arena_bytes += locked_cost(step, step.rows);
  }
  if (groups.size() > 1) {
    uint64_t layer_bytes = 0;
    for (size_t g = 0; g + 1 < groups.size(); ++g)
      layer_bytes += groups[g].bytes;
    const double mean = static_cast<double>(layer_bytes) / static_cast<double>(groups.size() - 1);
    groups.back().weight = static_cast<double>(groups.back().bytes) / mean;
  }
  return groups;
}

// Bytes to lock in each group so that every group keeps `weight * residual` to read, for the residual that
// spends `available`: found by bisection, since the sum falls as the residual grows.
std::vector<uint64_t> balanced_shares(const std::vector<Group>& groups, uint64_t available) {
  auto locked_at = [](const Group& group, double residual) {
    return std::max(0.0, static_cast<double>(group.bytes) - group.weight * residual);
  };
  double low = 0;
  double high = 0;
  for (const Group& group : groups)
    high = std::max(high, static_cast<double>(group.bytes) / group.weight);
  for (int i = 0; i < 64; ++i) {
    const double middle = (low + high) / 2;
    double total = 0;
    for (const Group& group : groups)
      total += locked_at(group, middle);
    (total > static_cast<double>(available) ? low : high) = middle;
  }
  std::vector<uint64_t> shares;
  for (const Group& group : groups)
    shares.push_back(static_cast<uint64_t>(locked_at(group, high)));
  return shares;
}

// The first layers whole, for the comparison with balanced locking.
std::vector<uint64_t> prefix_shares(const std::vector<Group>& groups, uint64_t available) {
  std::vector<uint64_t> shares;
  for (const Group& group : groups) {
    shares.push_back(std::min(group.arena_bytes, available));
    available -= shares.back();
  }
  return shares;
}

// Steps of a group in the order in which they are kept. Attention first: small tensors go, few large reads
// remain, and with grouped-query attention K and V are the smallest. FFN first: the most bytes per tensor.
// Flexible: as many whole FFN tensors as `share` holds, then attention, then what is left of the FFN.
std::vector<size_t> preservation_order(const WeightSchedule& schedule, const Group& group,
                                       Preservation preserve, uint64_t share) {
  std::vector<size_t> attention;
  std::vector<size_t> ffn;
  for (size_t i = group.begin; i < group.end; ++i) {
    if (schedule.steps[i].is_expert()) continue;
    (is_attention(schedule.steps[i].role) ? attention : ffn).push_back(i);
  }
  std::stable_sort(attention.begin(), attention.end(), [&](size_t a, size_t b) {
    return schedule.steps[a].extent.size < schedule.steps[b].extent.size;
  });
  size_t n_ffn_first = ffn.size();
  if (preserve == Preservation::kAttention) n_ffn_first = 0;
  if (preserve == Preservation::kFlexible) {
    n_ffn_first = 0;
    for (uint64_t used = 0; n_ffn_first < ffn.size(); ++n_ffn_first) {
      const WeightStep& step = schedule.steps[ffn[n_ffn_first]];
      used += locked_cost(step, step.rows);
      if (used > share) break;
    }
  }
  std::vector<size_t> order(ffn.begin(), ffn.begin() + static_cast<std::ptrdiff_t>(n_ffn_first));
  order.insert(order.end(), attention.begin(), attention.end());
  order.insert(order.end(), ffn.begin() + static_cast<std::ptrdiff_t>(n_ffn_first), ffn.end());
  return order;
}

// Locks rows of `order` worth at most `bytes` more of the arena; returns what was not spent.
uint64_t lock_rows(const WeightSchedule& schedule, const std::vector<size_t>& order, uint64_t bytes,
                   std::vector<LockedRows>& locked) {
  for (size_t index : order) {
    const WeightStep& step = schedule.steps[index];
    int64_t& rows = locked[index].rows;
    const int64_t more = most_rows(step, rows, bytes);
    bytes -= locked_cost(step, more) - locked_cost(step, rows);
    rows = more;
    if (rows < step.rows) break;  // one partly locked matrix a group keeps the slices large
  }
  return bytes;
}

// Page borders and whole rows leave a little of each share unspent: it goes round until no row fits any more.
// Returns what remains then.
uint64_t spend_the_rest(const WeightSchedule& schedule, const std::vector<Group>& groups,
                        const std::vector<std::vector<size_t>>& orders, uint64_t rest,
                        std::vector<LockedRows>& locked) {
  for (uint64_t before = rest + 1; rest > 0 && rest < before;) {
    before = rest;
    for (size_t g = 0; g < groups.size() && rest > 0; ++g) {
      const uint64_t part = std::max(rest / (groups.size() - g), std::min<uint64_t>(rest, 4 * kPageBytes));
      rest -= part - lock_rows(schedule, orders[g], part, locked);
    }
  }
  for (size_t g = 0; g < groups.size() && rest > 0; ++g)
    rest = lock_rows(schedule, orders[g], rest, locked);
  return rest;
}

// Rows of the steps that every sweep uses. Returns what was not spent.
uint64_t lock_dense_rows(const WeightSchedule& schedule, const PlanRequest& request, uint64_t available,
                         std::vector<LockedRows>& locked) {
  locked.assign(schedule.steps.size(), {});
  const std::vector<Group> groups = make_groups(schedule);
  const std::vector<uint64_t> shares = request.lock == LockPolicy::kBalanced
                                           ? balanced_shares(groups, available)
                                           : prefix_shares(groups, available);
  std::vector<std::vector<size_t>> orders;
  uint64_t rest = available;
  for (size_t g = 0; g < groups.size(); ++g) {
    orders.push_back(preservation_order(schedule, groups[g], request.preserve, shares[g]));
    const uint64_t share = std::min(shares[g], rest);
    rest -= share - lock_rows(schedule, orders[g], share, locked);
  }
  return spend_the_rest(schedule, groups, orders, rest, locked);
}

bool dense_locked(const WeightSchedule& schedule, const std::vector<LockedRows>& locked) {
  for (size_t i = 0; i < locked.size(); ++i) {
    if (!schedule.steps[i].is_expert() && locked[i].rows < schedule.steps[i].rows) return false;
  }
  return true;
}

// Locks one expert, where it fits. Returns what is left.
uint64_t lock_expert(const WeightSchedule& schedule, size_t first_step, uint64_t rest,
                     std::vector<LockedRows>& locked) {
  uint64_t cost = 0;
  for (size_t i = first_step; i < first_step + kExpertMatrices; ++i)
    cost += locked_cost(schedule.steps[i], schedule.steps[i].rows);
  if (cost > rest) return rest;
  for (size_t i = first_step; i < first_step + kExpertMatrices; ++i)
    locked[i].rows = schedule.steps[i].rows;
  return rest - cost;
}

// Whole experts: as many in every block, or the first blocks' for the comparison with balanced locking. The
// ones that come first are computed first, while the chosen ones behind them are read. Returns what is left.
uint64_t lock_experts(const WeightSchedule& schedule, LockPolicy policy, uint64_t rest,
                      std::vector<LockedRows>& locked) {
  if (policy == LockPolicy::kPrefix) {
    for (const ExpertBlock& block : schedule.expert_blocks) {
      for (int32_t expert = 0; expert < block.n_experts; ++expert)
        rest = lock_expert(schedule, block.step_of(expert), rest, locked);
    }
    return rest;
  }
  int32_t most = 0;
  for (const ExpertBlock& block : schedule.expert_blocks)
    most = std::max(most, block.n_experts);
  // Page borders make experts alike cost unlike: once one does not fit, no block gets more than one beyond
  // it.
  bool all_fit = true;
  for (int32_t expert = 0; expert < most && all_fit; ++expert) {
    for (const ExpertBlock& block : schedule.expert_blocks) {
      if (expert >= block.n_experts) continue;
      const uint64_t before = rest;
      rest = lock_expert(schedule, block.step_of(expert), rest, locked);
      all_fit = all_fit && rest < before;
    }
  }
  return rest;
}

void choose_locked_rows(const WeightSchedule& schedule, const PlanRequest& request, uint64_t available,
                        ResidencyPlan& plan) {
  uint64_t rest = lock_dense_rows(schedule, request, available, plan.steps);
  if (schedule.expert_blocks.empty() || !dense_locked(schedule, plan.steps)) return;
  rest = lock_experts(schedule, request.lock, rest, plan.steps);
  if (!schedule.tied_embedding) plan.embedding.rows = most_rows(schedule.embedding, 0, rest);
}

// Gives every locked run its place. Returns the bytes of the arena.
uint64_t lay_out_arena(const WeightSchedule& schedule, ResidencyPlan& plan) {
  uint64_t end = 0;
  auto place = [&end](const WeightStep& step, LockedRows& locked) {
    locked.arena_offset = end + step.extent.offset % kPageBytes;
    end += locked_cost(step, locked.rows);
  };
  for (size_t i = 0; i < plan.steps.size(); ++i)
    place(schedule.steps[i], plan.steps[i]);
  if (schedule.tied_embedding) {
    plan.embedding = plan.steps.back();
  } else {
    place(schedule.embedding, plan.embedding);
  }
  return end;
}

uint64_t largest_row_cover(const WeightSchedule& schedule) {
  uint64_t largest = 0;
  for (const WeightStep& step : schedule.steps)
    largest = std::max(largest, step.row_bytes);
  return align_up(largest, kPageBytes) + kBorderBytes;
}

// Of the longest row, in whole pages.
uint64_t wrap_bytes(const WeightSchedule& schedule) {
  return largest_row_cover(schedule) - kBorderBytes;
}

// The smallest pool of slots that can stream this schedule at all.
uint64_t minimum_slot_bytes(const WeightSchedule& schedule) {
  return wrap_bytes(schedule) + kMinimumSlots * largest_row_cover(schedule);
}

// Slots as large as a disk's full rate wants, but at least four of them, and none larger than what may stream
// in one go. A slot holds at least the longest row and its borders, so that in every one a row ends.
void choose_slots(const WeightSchedule& schedule, uint64_t pool_bytes, uint64_t request_bytes,
                  ResidencyPlan& plan) {
  uint64_t longest_run = 0;
  for (const StreamedRun& run : streamed_runs(schedule, plan.steps))
    longest_run = std::max(longest_run, run.read.size);
  plan.wrap_bytes = wrap_bytes(schedule);
  const uint64_t ring_bytes = pool_bytes - plan.wrap_bytes;
  const uint64_t most = align_down(ring_bytes / kMinimumSlots, kPageBytes);
  plan.slot_size = std::max(std::min({request_bytes, longest_run, most}), largest_row_cover(schedule));
  plan.n_slots = static_cast<uint32_t>(ring_bytes / plan.slot_size);
}

// Whether the streamed rows of a step, which begin at a place in its file, go on where a run ends.
bool follows(const WeightSchedule& schedule, const StreamedRun& run, size_t index, uint64_t begin) {
  const WeightStep& step = schedule.steps[index];
  if (step.is_expert() || schedule.steps[run.last_step].is_expert() || index == schedule.head_step())
    return false;
  return step.extent.file == run.read.file && begin >= run.read.offset + run.required &&
         align_down(begin, kPageBytes) <= run.read.end();
}

}  // namespace

Extent page_cover(const Extent& extent) {
  const uint64_t begin = align_down(extent.offset, kPageBytes);
  return {extent.file, begin, align_up(extent.end(), kPageBytes) - begin};
}

std::vector<StreamedRun> streamed_runs(const WeightSchedule& schedule, std::span<const LockedRows> locked) {
  std::vector<StreamedRun> runs;
  for (size_t i = 0; i < schedule.steps.size(); ++i) {
    const WeightStep& step = schedule.steps[i];
    if (locked[i].rows == step.rows) continue;
    const uint64_t begin = step.extent.offset + static_cast<uint64_t>(locked[i].rows) * step.row_bytes;
    const Extent cover = page_cover({step.extent.file, begin, step.extent.end() - begin});
    if (runs.empty() || !follows(schedule, runs.back(), i, begin))
      runs.push_back({i, i, {cover.file, cover.offset, 0}});
    StreamedRun& run = runs.back();
    run.last_step = i;
    run.read.size = cover.end() - run.read.offset;
    run.required = step.extent.end() - run.read.offset;
  }
  return runs;
}

uint64_t lookup_row_bytes(const WeightSchedule& schedule) {
  return align_up(schedule.embedding.row_bytes, kPageBytes) + kPageBytes;
}

uint64_t full_weight_bytes(const WeightSchedule& schedule) {
  const WeightStep& embedding = schedule.embedding;
  return kLookupRows * lookup_row_bytes(schedule) + sweep_arena_bytes(schedule) +
         (schedule.tied_embedding ? 0 : locked_cost(embedding, embedding.rows));
}

uint64_t minimum_weight_bytes(const WeightSchedule& schedule) {
  return minimum_slot_bytes(schedule) + kLookupRows * lookup_row_bytes(schedule);
}

namespace {

// Everything that a sweep uses. Rows of the embedding are read one at a time and cost next to nothing: they
// are kept when all else is.
void lock_sweep(const WeightSchedule& schedule, uint64_t available, ResidencyPlan& plan) {
  for (size_t i = 0; i < plan.steps.size(); ++i)
    plan.steps[i].rows = schedule.steps[i].rows;
  if (!schedule.tied_embedding) {
    plan.embedding.rows = most_rows(schedule.embedding, 0, available - sweep_arena_bytes(schedule));
  }
}

// What a sweep of one token reads: all runs of the steps that every sweep uses, and their share of the
// experts'.
uint64_t expected_streamed_bytes(const WeightSchedule& schedule, const ResidencyPlan& plan) {
  double total = 0;
  for (const StreamedRun& run : streamed_runs(schedule, plan.steps)) {
    total += schedule.use_share(schedule.steps[run.first_step]) * static_cast<double>(run.read.size);
  }
  return static_cast<uint64_t>(std::llround(total));
}

void stream_sweep(const WeightSchedule& schedule, const PlanRequest& request, uint64_t available,
                  ResidencyPlan& plan) {
  const uint64_t pool_bytes = std::clamp(request.slot_bytes, minimum_slot_bytes(schedule), available);
  if (request.lock == LockPolicy::kNone) {
    choose_slots(schedule, pool_bytes, request.request_bytes, plan);
  } else {
    choose_locked_rows(schedule, request, available - pool_bytes, plan);
    choose_slots(schedule, pool_bytes, request.request_bytes, plan);
    // What whole slots leave of their pool holds rows.
    choose_locked_rows(schedule, request, available - plan.slot_bytes(), plan);
  }
  plan.streamed_bytes_per_sweep = expected_streamed_bytes(schedule, plan);
}

}  // namespace

Result<ResidencyPlan> plan_residency(const WeightSchedule& schedule, const PlanRequest& request) {
  // Wanted even where every row is to be locked: the first sweep begins with rows of an embedding that it has
  // yet to read.
  const uint64_t lookup_bytes = kLookupRows * lookup_row_bytes(schedule);
  const uint64_t available = request.weight_bytes - std::min(request.weight_bytes, lookup_bytes);
  ResidencyPlan plan;
  plan.steps.resize(schedule.steps.size());
  plan.lookup_bytes = lookup_bytes;
  if (request.lock != LockPolicy::kNone && available >= sweep_arena_bytes(schedule)) {
    lock_sweep(schedule, available, plan);
  } else if (request.weight_bytes >= minimum_weight_bytes(schedule)) {
    stream_sweep(schedule, request, available, plan);
  } else {
    return make_error(
        ErrorCode::kBudgetTooSmall,
        fmt::format("{} are left for weights, but the buffers for reading them take {}",
                    format_bytes(request.weight_bytes), format_bytes(minimum_weight_bytes(schedule))));
  }
  plan.arena_bytes = lay_out_arena(schedule, plan);
  return plan;
}

}  // namespace flexinfer
