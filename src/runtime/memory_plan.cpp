#include "runtime/memory_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/bytes.h"
#include "model/panel_layout.h"
#include "runtime/forecast.h"
#include "runtime/role_plan.h"

namespace flexinfer {
namespace {

constexpr int64_t kDefaultContext = 4096;
constexpr int64_t kLeastContext = 128;   // a shorter default would cut off an ordinary prompt
constexpr int64_t kOrdinaryBatch = 512;  // from here on products run at their full speed
constexpr int64_t kLargestBatch = 4096;  // where more tokens are needed to hide the reading behind computing
constexpr uint64_t kCacheShare = 4;      // the default KV cache takes at most this part of the budget
constexpr uint64_t kActivationShare =
    32;                              // so do the activations of the default batch, beyond those of one token
constexpr uint64_t kSlotShare = 16;  // and the slots
constexpr uint64_t kPageTableShare = 256;  // page tables and allocator slack, in proportion to what is mapped

// What is fixed once options, model and budget are known; the rest of the budget is for weights.
struct Fixed {
  int64_t context_length = 0;
  bool context_reduced = false;
  BatchLimits batch;
  KvCacheShape cache;
  uint64_t cache_bytes = 0;
  uint64_t activation_bytes = 0;
  uint64_t process_bytes = 0;
  uint64_t constant_bytes = 0;

  uint64_t total() const { return cache_bytes + activation_bytes + process_bytes + constant_bytes; }
};

// The largest number in [least, most] that works, where all below one that works do too; `least` where none
// does.
template <class Works>
int64_t largest(int64_t least, int64_t most, Works works) {
  while (least < most) {
    const int64_t middle = least + (most - least + 1) / 2;
    if (works(middle)) {
      least = middle;
    } else {
      most = middle - 1;
    }
  }
  return least;
}

// Not beyond where a model takes other rope factors: a budget that shortens the context may not change the
// answer.
int64_t default_context(const Model& model) {
  const Hyperparameters& hp = model.hyperparameters;
  const int64_t trained = model.long_rope_factors ? hp.original_context_length : hp.context_length;
  return std::min({trained, hp.context_length, kDefaultContext});
}

// `cache` gives the shape but for its lengths.
Fixed sizes_of(const Model& model, const EngineOptions& options, const PlanInputs& inputs,
               const KvCacheShape& cache, int64_t context_length, int64_t n_tokens) {
  Fixed fixed;
  fixed.context_length = context_length;
  fixed.context_reduced = options.context_length == 0 && context_length < default_context(model);
  fixed.batch = {n_tokens, options.logits_everywhere ? n_tokens : 1, context_length, options.n_threads};
  fixed.cache = cache;
  fixed.cache.context_length = context_length;
  fixed.cache.n_batch_tokens = n_tokens;
  fixed.cache_bytes = align_up(fixed.cache.bytes(), kPageBytes);
  // A sampler ranks the whole vocabulary: a logit, an id and a probability for each token.
  const uint64_t sampler_bytes = static_cast<uint64_t>(model.hyperparameters.vocab_size) * 16;
  const uint64_t sequence_bytes = static_cast<uint64_t>(context_length) * sizeof(int32_t);  // its tokens
  fixed.activation_bytes = Transformer::activation_bytes(model, fixed.batch) +
                           PanelLayout::bytes(model.schedule, options.n_threads) + sampler_bytes +
                           sequence_bytes;
  fixed.process_bytes = inputs.program_bytes + options.budget_bytes / kPageTableShare;
  fixed.constant_bytes = model.schedule.constant_bytes();
  return fixed;
}

bool fits(const Model& model, const EngineOptions& options, const Fixed& fixed) {
  return fixed.total() + minimum_weight_bytes(model.schedule) <= options.budget_bytes;
}

// More tokens in a sweep save time until computing them hides the reading of what streams.
int64_t most_batch(const Model& model, const EngineOptions& options, const PlanInputs& inputs) {
  const uint64_t matrix_bytes = model.schedule.matrix_bytes();
  const uint64_t streamed_bytes = matrix_bytes - std::min(matrix_bytes, options.budget_bytes);
  return std::clamp(hiding_batch(model, streamed_bytes, inputs.profile), kOrdinaryBatch, kLargestBatch);
}

// What the caller left open becomes as large as its share of the budget allows, and never so large that the
// budget no longer works: so whatever works under a budget works under every larger one.
Result<Fixed> fix_sizes(const Model& model, const EngineOptions& options, const PlanInputs& inputs) {
  FLEX_TRY(const KvCacheShape cache, kv_cache_shape(model.hyperparameters, options.cache_type,
                                                    std::max<int64_t>(options.context_length, 1)));
  auto sizes = [&](int64_t context_length, int64_t n_tokens) {
    return sizes_of(model, options, inputs, cache, context_length, std::min(n_tokens, context_length));
  };
  const int64_t wanted = default_context(model);
  int64_t context_length = options.context_length;
  if (context_length == 0) {
    context_length = largest(std::min(wanted, kLeastContext), wanted, [&](int64_t n) {
      const Fixed fixed = sizes(n, std::max<int64_t>(options.batch, 1));
      return fixed.cache_bytes <= options.budget_bytes / kCacheShare && fits(model, options, fixed);
    });
  }
  if (options.batch > 0) return sizes(context_length, options.batch);
  const uint64_t single_bytes = sizes(context_length, 1).activation_bytes;
  const int64_t batch =
      largest(1, std::min(most_batch(model, options, inputs), context_length), [&](int64_t n) {
        const Fixed fixed = sizes(context_length, n);
        return fixed.activation_bytes - single_bytes <= options.budget_bytes / kActivationShare &&
               fits(model, options, fixed);
      });
  return sizes(context_length, batch);
}

// How much a slightly larger budget may add to what is fixed: a position and a token, where they are left
// open and have not reached their most.
uint64_t growth_bytes(const Model& model, const EngineOptions& options, const PlanInputs& inputs,
                      const Fixed& fixed) {
  const bool context_grows = options.context_length == 0 && fixed.context_length < default_context(model);
  const bool batch_grows = options.batch == 0 && fixed.batch.n_tokens < most_batch(model, options, inputs);
  if (!context_grows && !batch_grows) return 0;
  const Fixed grown =
      sizes_of(model, options, inputs, fixed.cache, fixed.context_length + (context_grows ? 1 : 0),
               fixed.batch.n_tokens + (batch_grows ? 1 : 0));
  return grown.total() - fixed.total() + 2 * kPageBytes;
}

// Twice the requests that the disk's full rate takes: while as many are with the disk, the others are filled
// and wait for compute, or are computed on. And what the disk brings while compute is busy with a layer's
// locked rows. With fewer the disk would pause; more only wait longer.
uint64_t slot_pool_bytes(const Model& model, const EngineOptions& options, const MachineProfile& machine) {
  if (options.slot_bytes > 0) return options.slot_bytes;
  const DiskSpeed& disk = machine.disk;
  const double layer_seconds = static_cast<double>(model.schedule.matrix_bytes()) /
                               static_cast<double>(model.schedule.n_layers + 1) /
                               machine.compute.memory_bytes_per_second;
  const uint64_t wanted =
      2 * disk.depth * disk.request_bytes + static_cast<uint64_t>(layer_seconds * disk.bytes_per_second);
  return std::min(options.budget_bytes / kSlotShare, wanted);
}

Result<ResidencyPlan> plan_weights(const Model& model, const EngineOptions& options, const PlanInputs& inputs,
                                   const Fixed& fixed) {
  const uint64_t taken = fixed.total();
  PlanRequest request;
  request.weight_bytes = options.budget_bytes - std::min(options.budget_bytes, taken);
  request.slot_bytes = slot_pool_bytes(model, options, inputs.profile);
  request.request_bytes = inputs.profile.disk.request_bytes;
  request.lock = options.lock;
  request.preserve = options.preserve;
  return plan_residency(model.schedule, request);
}

// The smallest budget for which `enough(fixed, options)` holds; it must hold for all larger ones.
template <class Enough>
uint64_t smallest_budget(const Model& model, EngineOptions options, const PlanInputs& inputs, Enough enough) {
  uint64_t low = 0;
  uint64_t high = uint64_t{1} << 50;
  while (low + kPageBytes < high) {
    options.budget_bytes = low + (high - low) / 2;
    const Result<Fixed> fixed = fix_sizes(model, options, inputs);
    (fixed && enough(*fixed, options) ? high : low) = options.budget_bytes;
  }
  return align_up(high, 64 * kKiB);
}

uint64_t minimum_budget(const Model& model, const EngineOptions& options, const PlanInputs& inputs) {
  return smallest_budget(model, options, inputs, [&](const Fixed& fixed, const EngineOptions& with_budget) {
    return fits(model, with_budget, fixed);
  });
}

uint64_t full_budget(const Model& model, const EngineOptions& options, const PlanInputs& inputs) {
  const uint64_t all = full_weight_bytes(model.schedule);
  return smallest_budget(model, options, inputs, [&](const Fixed& fixed, const EngineOptions& with_budget) {
    return fixed.total() + all + growth_bytes(model, with_budget, inputs, fixed) <= with_budget.budget_bytes;
  });
}

void summarise_layers(const Model& model, const ResidencyPlan& residency, PlanSummary& summary) {
  summary.layers.resize(static_cast<size_t>(model.schedule.n_layers) + 1);
  for (size_t i = 0; i < model.schedule.steps.size(); ++i) {
    const WeightStep& step = model.schedule.steps[i];
    LayerPlan& layer = summary.layers[static_cast<size_t>(step.layer)];
    const uint64_t locked = static_cast<uint64_t>(residency.steps[i].rows) * step.row_bytes;
    layer.layer = step.layer;
    layer.locked_bytes += locked;
    const auto streamed = static_cast<double>(step.extent.size - locked);
    layer.streamed_bytes += static_cast<uint64_t>(std::llround(model.schedule.use_share(step) * streamed));
  }
}

void summarise_experts(const WeightSchedule& schedule, const ResidencyPlan& residency, PlanSummary& summary) {
  int64_t n_all = 0;
  int64_t n_locked = 0;
  for (const ExpertBlock& block : schedule.expert_blocks) {
    n_all += block.n_experts;
    for (int32_t expert = 0; expert < block.n_experts; ++expert)
      n_locked += residency.steps[block.step_of(expert)].rows > 0 ? 1 : 0;
  }
  if (n_all == 0) return;
  summary.n_experts = schedule.expert_blocks.front().n_experts;
  summary.n_experts_used = schedule.n_experts_used;
  summary.locked_expert_share = static_cast<double>(n_locked) / static_cast<double>(n_all);
}

PlanSummary summarise(const Model& model, const EngineOptions& options, const PlanInputs& inputs,
                      const Fixed& fixed, const ResidencyPlan& residency) {
  PlanSummary summary;
  summary.model_bytes = model.schedule.matrix_bytes() + model.schedule.constant_bytes();
  summary.budget_bytes = options.budget_bytes;
  summary.minimum_budget_bytes = minimum_budget(model, options, inputs);
  summary.full_budget_bytes = full_budget(model, options, inputs);
  summary.locked_bytes = residency.arena_bytes + fixed.constant_bytes;
  summary.slot_bytes = residency.slot_bytes() + residency.lookup_bytes;
  summary.kv_cache_bytes = fixed.cache_bytes;
  summary.activation_bytes = fixed.activation_bytes;
  summary.process_bytes = fixed.process_bytes;
  summary.streamed_bytes_per_sweep = residency.streamed_bytes_per_sweep;
  summary.context_length = fixed.context_length;
  summary.batch = fixed.batch.n_tokens;
  summary.context_reduced = fixed.context_reduced;
  foretell(model, residency, options.io, inputs.profile, summary);
  summarise_layers(model, residency, summary);
  summary.roles = role_plans(model.schedule, residency);
  summarise_experts(model.schedule, residency, summary);
  return summary;
}

tl::unexpected<Error> too_small(const Model& model, const EngineOptions& options, const PlanInputs& inputs,
                                const Fixed& fixed) {
  const uint64_t minimum = minimum_budget(model, options, inputs);
  return make_error(
      ErrorCode::kBudgetTooSmall,
      fmt::format("a budget of {} is too small: the smallest that works is {}KiB ({}); at {} the process "
                  "takes {}, the "
                  "KV cache {}, activations {}, norms {} and the buffers for reading weights {}",
                  format_bytes(options.budget_bytes), minimum / kKiB, format_bytes(minimum),
                  format_bytes(options.budget_bytes), format_bytes(fixed.process_bytes),
                  format_bytes(fixed.cache_bytes), format_bytes(fixed.activation_bytes),
                  format_bytes(fixed.constant_bytes), format_bytes(minimum_weight_bytes(model.schedule))));
}

}  // namespace

void foretell(const Model& model, const ResidencyPlan& residency, IoMode io, const MachineProfile& machine,
              PlanSummary& summary) {
  const Forecast forecast = forecast_speed(model, residency, io, machine);
  summary.swept_bytes = static_cast<uint64_t>(swept_bytes(model.schedule));
  summary.limit = forecast.limit;
  summary.bound_decode_tok_s = 1.0 / forecast.bound_seconds;
  summary.predicted_decode_tok_s = 1.0 / forecast.decode_seconds;
  summary.predicted_first_token_seconds = forecast.first_sweep_seconds;
  summary.profile_measured = machine.disk.source != SpeedSource::kAssumed;
}

Result<MemoryPlan> plan_memory(const Model& model, const EngineOptions& options, const PlanInputs& inputs) {
  FLEX_TRY(const Fixed fixed, fix_sizes(model, options, inputs));
  if (!fits(model, options, fixed)) return too_small(model, options, inputs, fixed);
  MemoryPlan plan;
  FLEX_TRY(plan.residency, plan_weights(model, options, inputs, fixed));
  plan.summary = summarise(model, options, inputs, fixed, plan.residency);
  plan.cache = fixed.cache;
  plan.batch = fixed.batch;
  plan.options = options;
  plan.options.context_length = fixed.context_length;
  plan.options.batch = fixed.batch.n_tokens;
  plan.options.slot_bytes = plan.residency.slot_bytes();
  return plan;
}

}  // namespace flexinfer
