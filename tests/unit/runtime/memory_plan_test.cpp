#include "runtime/memory_plan.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <random>

#include "base/bytes.h"

namespace flexinfer {
namespace {

constexpr uint64_t kPageGroup = 64 * kKiB;  // budgets are named in whole ones

struct Shape {
  const char* name;
  int64_t n_layers;
  int64_t hidden_dim;
  int64_t n_heads;
  int64_t n_kv_heads;
  int64_t ffn_dim;
  int64_t vocab_size;
  int64_t context_length;
  bool tied;
  int64_t window = 0;  // on five of six layers
};

const Shape kShapes[] = {
    {"tiny", 4, 256, 4, 2, 768, 512, 512, false},
    {"smollm", 30, 576, 9, 3, 1536, 49152, 2048, true},
    {"llama13b", 40, 5120, 40, 40, 13824, 32000, 16384, false},
    {"windowed", 26, 1152, 4, 1, 6912, 32000, 32768, true, 512},
};

// Lays Q4_0 matrices and F32 vectors one behind the other, as a file does.
class ModelMaker {
 public:
  explicit ModelMaker(const Shape& shape) {
    Hyperparameters& hp = model_.hyperparameters;
    hp.layers.resize(static_cast<size_t>(shape.n_layers));
    for (size_t layer = 0; layer < hp.layers.size(); ++layer)
      hp.layers[layer].window = layer % 6 < 5 ? shape.window : 0;
    hp.hidden_dim = shape.hidden_dim;
    hp.ffn_dim = shape.ffn_dim;
    hp.vocab_size = shape.vocab_size;
    hp.context_length = shape.context_length;
    hp.attention = {shape.n_heads, shape.n_kv_heads, shape.hidden_dim / shape.n_heads};
    hp.ropes = {{.n_dims = hp.attention.head_dim}};
    WeightSchedule& schedule = model_.schedule;
    schedule.n_layers = static_cast<int>(shape.n_layers);
    schedule.tied_embedding = shape.tied;
    schedule.embedding = matrix(schedule.n_layers, Role::kTokenEmbedding, shape.vocab_size, shape.hidden_dim);
    for (int layer = 0; layer < schedule.n_layers; ++layer)
      add_layer(layer);
    add_vector(shape.hidden_dim);
    schedule.steps.push_back(
        shape.tied ? schedule.embedding
                   : matrix(schedule.n_layers, Role::kOutputHead, shape.vocab_size, shape.hidden_dim));
  }
  const Model& model() const { return model_; }

 private:
  WeightStep matrix(int layer, Role role, int64_t rows, int64_t cols) {
    const uint64_t row_bytes = static_cast<uint64_t>(cols) / 32 * 18;
    WeightStep step{layer, role, "matrix", GgmlType::kQ4_0, rows, cols, row_bytes, {}};
    step.extent = {0, end_, row_bytes * static_cast<uint64_t>(rows)};
    end_ = align_up(step.extent.end(), 32);
    return step;
  }
  void add_vector(int64_t size) {
    const uint64_t bytes = static_cast<uint64_t>(size) * 4;
    model_.schedule.constants.push_back({"vector", GgmlType::kF32, size, {0, end_, bytes}});
    end_ += bytes;
  }
  void add_layer(int layer) {
    const Hyperparameters& hp = model_.hyperparameters;
    const std::tuple<Role, int64_t, int64_t> matrices[] = {
        {Role::kAttentionQ, hp.q_dim(), hp.hidden_dim},  {Role::kAttentionK, hp.kv_dim(), hp.hidden_dim},
        {Role::kAttentionV, hp.kv_dim(), hp.hidden_dim}, {Role::kAttentionOutput, hp.hidden_dim, hp.q_dim()},
        {Role::kFfnGate, hp.ffn_dim, hp.hidden_dim},     {Role::kFfnUp, hp.ffn_dim, hp.hidden_dim},
        {Role::kFfnDown, hp.hidden_dim, hp.ffn_dim},
    };
    for (const auto& [role, rows, cols] : matrices)
      model_.schedule.steps.push_back(matrix(layer, role, rows, cols));
    add_vector(hp.hidden_dim);
    add_vector(hp.hidden_dim);
  }

  Model model_;
  uint64_t end_ = 12345 * 32;
};

class MemoryPlanTest : public ::testing::TestWithParam<Shape> {
 protected:
  MemoryPlanTest() : maker_(GetParam()) { inputs_.program_bytes = 14 * kMiB; }

  const Model& model() const { return maker_.model(); }
  Result<MemoryPlan> try_plan(const EngineOptions& options) const {
    return plan_memory(model(), options, inputs_);
  }
  MemoryPlan plan(const EngineOptions& options) const {
    auto plan = try_plan(options);
    EXPECT_TRUE(plan) << plan.error().message;
    return plan ? std::move(*plan) : MemoryPlan{};
  }
  static EngineOptions with_budget(uint64_t budget_bytes, EngineOptions options = {}) {
    options.budget_bytes = budget_bytes;
    options.n_threads = 4;
    return options;
  }
  uint64_t minimum(const EngineOptions& options = {}) const {
    return plan(with_budget(kTerabyte, options)).summary.minimum_budget_bytes;
  }
  uint64_t full(const EngineOptions& options = {}) const {
    return plan(with_budget(kTerabyte, options)).summary.full_budget_bytes;
  }
  // Budgets from the smallest to beyond the full one, dense near the ends where rules change.
  std::vector<uint64_t> budgets(const EngineOptions& options, int n) {
    const uint64_t least = minimum(options);
    const uint64_t most = full(options);
    std::uniform_int_distribution<uint64_t> anywhere(least, most + most / 4);
    std::uniform_int_distribution<uint64_t> near(0, 2 * kMiB);
    std::vector<uint64_t> budgets = {least, least + 1, most};
    for (int i = 0; i < n; ++i) {
      budgets.push_back(anywhere(random_));
      budgets.push_back(least + near(random_));
    }
    return budgets;
  }

  static constexpr uint64_t kTerabyte = 1024 * kGiB;
  ModelMaker maker_;
  PlanInputs inputs_;
  std::mt19937_64 random_{3};
};

INSTANTIATE_TEST_SUITE_P(Models, MemoryPlanTest, ::testing::ValuesIn(kShapes),
                         [](const auto& test) { return std::string(test.param.name); });

uint64_t parts(const PlanSummary& s) {
  return s.locked_bytes + s.slot_bytes + s.kv_cache_bytes + s.activation_bytes + s.process_bytes;
}

// What a user may set that changes sizes.
std::vector<EngineOptions> option_sets() {
  std::vector<EngineOptions> sets(6);
  sets[1].context_length = 256;
  sets[2].batch = 32;
  sets[3].logits_everywhere = true;
  sets[4].cache_type = CacheType::kF32;
  sets[4].lock = LockPolicy::kPrefix;
  sets[5].slot_bytes = 8 * kMiB;
  sets[5].preserve = Preservation::kAttention;
  return sets;
}

TEST_P(MemoryPlanTest, PartsAddUpToMoreThanTheBudgetOrLeaveSomeOfIt) {
  for (const EngineOptions& options : option_sets()) {
    for (uint64_t budget : budgets(options, 15)) {
      const MemoryPlan plan = this->plan(with_budget(budget, options));
      EXPECT_LE(parts(plan.summary), budget);
      if (plan.summary.streamed_bytes_per_sweep > 0) {
        EXPECT_GE(parts(plan.summary), budget - budget / 100) << "of " << budget;
      }
    }
  }
}

TEST_P(MemoryPlanTest, NamesAMinimumThatIsNotTheLeast) {
  for (const EngineOptions& options : option_sets()) {
    const uint64_t least = minimum(options);
    EXPECT_EQ(plan(with_budget(least, options)).summary.minimum_budget_bytes, least);
    const auto less = try_plan(with_budget(least - kPageGroup, options));
    ASSERT_FALSE(less);
    EXPECT_EQ(less.error().code, ErrorCode::kBudgetTooSmall);
    EXPECT_NE(less.error().message.find(fmt::format("{}KiB", least / kKiB)), std::string::npos)
        << less.error().message;
  }
}

TEST_P(MemoryPlanTest, RefusalDoesNotNameAUsableBudget) {
  const auto refused = try_plan(with_budget(1));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kBudgetTooSmall);
  for (const char* part : {"process", "KV cache", "activations", "norms", "reading weights"}) {
    EXPECT_NE(refused.error().message.find(part), std::string::npos) << refused.error().message;
  }
  EXPECT_TRUE(try_plan(with_budget(minimum())));
}

TEST_P(MemoryPlanTest, StreamsUnderAFullBudget) {
  for (const EngineOptions& options : option_sets()) {
    const uint64_t most = full(options);
    std::uniform_int_distribution<uint64_t> more(0, most);
    for (int i = 0; i < 20; ++i) {
      const uint64_t budget = most + (i == 0 ? 0 : more(random_));
      const MemoryPlan plan = this->plan(with_budget(budget, options));
      EXPECT_EQ(plan.summary.streamed_bytes_per_sweep, 0U) << budget;
      EXPECT_EQ(plan.residency.n_slots, 0U);
      EXPECT_TRUE(plan.residency.all_locked());
    }
  }
}

TEST_P(MemoryPlanTest, NamesAFullBudgetThatIsTooLarge) {
  EngineOptions options;
  options.context_length = 256;
  options.batch = 16;
  const uint64_t most = full(options);
  // A page group less is no longer all: where the embedding is a matrix of its own, its rows give way first.
  const MemoryPlan less = plan(with_budget(most - kPageGroup, options));
  if (model().schedule.tied_embedding) {
    EXPECT_GT(less.summary.streamed_bytes_per_sweep, 0U);
  } else {
    EXPECT_LT(less.residency.embedding.rows, model().schedule.embedding.rows);
  }
  // Without the embedding something must stream.
  const uint64_t embedding = model().schedule.tied_embedding ? 0 : model().schedule.embedding.extent.size;
  const uint64_t without = most - embedding - embedding / 200 - 2 * kPageGroup;
  EXPECT_GT(plan(with_budget(without, options)).summary.streamed_bytes_per_sweep, 0U);
  EXPECT_EQ(plan(with_budget(most, options)).residency.embedding.rows, model().schedule.embedding.rows);
}

TEST_P(MemoryPlanTest, LayersDoNotAddUpToTheModel) {
  for (uint64_t budget : budgets({}, 5)) {
    const PlanSummary summary = plan(with_budget(budget)).summary;
    ASSERT_EQ(summary.layers.size(), static_cast<size_t>(GetParam().n_layers) + 1);
    uint64_t total = 0;
    for (size_t i = 0; i < summary.layers.size(); ++i) {
      EXPECT_EQ(summary.layers[i].layer, static_cast<int>(i));
      total += summary.layers[i].locked_bytes + summary.layers[i].streamed_bytes;
    }
    uint64_t steps = 0;
    for (const WeightStep& step : model().schedule.steps)
      steps += step.extent.size;
    EXPECT_EQ(total, steps);
  }
}

TEST_P(MemoryPlanTest, DefaultContextBreaksItsRules) {
  const int64_t wanted = std::min<int64_t>(GetParam().context_length, 4096);
  for (uint64_t budget : budgets({}, 20)) {
    const MemoryPlan plan = this->plan(with_budget(budget));
    const PlanSummary& summary = plan.summary;
    EXPECT_LE(summary.context_length, wanted);
    EXPECT_GE(summary.context_length, 128);
    if (summary.context_length > 128) {
      KvCacheShape single = plan.cache;
      single.n_batch_tokens = 1;  // what a batch adds to the rings of windowed layers is the batch's
      EXPECT_LE(single.bytes(), budget / 4);
    }
    EXPECT_EQ(summary.context_reduced, summary.context_length < wanted);
  }
  EXPECT_EQ(plan(with_budget(kTerabyte)).summary.context_length, wanted);
  EXPECT_FALSE(plan(with_budget(kTerabyte)).summary.context_reduced);
}

// Where a model takes other rope factors in a longer context, a budget must not choose between them.
TEST_P(MemoryPlanTest, BudgetChoosesTheRopeFactors) {
  Model model = this->model();
  model.hyperparameters.original_context_length = 200;
  model.long_rope_factors = 0;
  const auto plan = plan_memory(model, with_budget(kTerabyte), inputs_);
  ASSERT_TRUE(plan) << plan.error().message;
  EXPECT_EQ(plan->summary.context_length, 200);
}

TEST_P(MemoryPlanTest, CacheOfThePlanIsNotTheOneThatIsAllocated) {
  for (uint64_t budget : budgets({}, 5)) {
    const MemoryPlan plan = this->plan(with_budget(budget));
    EXPECT_EQ(plan.summary.kv_cache_bytes, align_up(plan.cache.bytes(), kPageBytes));
    EXPECT_EQ(plan.cache.n_batch_tokens, plan.batch.n_tokens);
  }
}

TEST_P(MemoryPlanTest, GivenContextIsChanged) {
  for (int64_t context_length : {int64_t{1}, int64_t{100}, int64_t{20000}}) {
    EngineOptions options;
    options.context_length = context_length;
    for (uint64_t budget : {minimum(options), kTerabyte}) {
      const MemoryPlan plan = this->plan(with_budget(budget, options));
      EXPECT_EQ(plan.summary.context_length, context_length);
      EXPECT_EQ(plan.options.context_length, context_length);
      EXPECT_EQ(plan.cache.context_length, context_length);
      EXPECT_EQ(plan.batch.context_length, context_length);
      EXPECT_FALSE(plan.summary.context_reduced);
    }
  }
}

TEST_P(MemoryPlanTest, GivenBatchIsChanged) {
  for (int64_t batch : {int64_t{1}, int64_t{7}, int64_t{64}}) {
    EngineOptions options;
    options.batch = batch;
    for (uint64_t budget : {minimum(options), kTerabyte}) {
      const MemoryPlan plan = this->plan(with_budget(budget, options));
      EXPECT_EQ(plan.summary.batch, batch);
      EXPECT_EQ(plan.options.batch, batch);
      EXPECT_EQ(plan.batch.n_tokens, batch);
    }
  }
}

TEST_P(MemoryPlanTest, BatchIsLargerThanTheContext) {
  EngineOptions options;
  options.context_length = 10;
  options.batch = std::numeric_limits<int64_t>::max();
  EXPECT_EQ(plan(with_budget(kTerabyte, options)).batch.n_tokens, 10);
  options.batch = 0;
  EXPECT_EQ(plan(with_budget(kTerabyte, options)).batch.n_tokens, 10);
}

TEST_P(MemoryPlanTest, DefaultBatchDoesNotGrowWithTheBudget) {
  EXPECT_EQ(plan(with_budget(kTerabyte)).summary.batch, 512);
  int64_t before = 0;
  for (uint64_t budget = minimum(); budget < 8 * kGiB; budget *= 2) {
    const MemoryPlan plan = this->plan(with_budget(budget));
    EXPECT_GE(plan.summary.batch, before);
    EXPECT_LE(Transformer::activation_bytes(model(), plan.batch) -
                  Transformer::activation_bytes(model(), {1, 1, plan.summary.context_length, 4}),
              budget / 32);
    before = plan.summary.batch;
  }
}

TEST_P(MemoryPlanTest, LogitsEverywhereCostNothing) {
  EngineOptions options;
  options.batch = 64;
  const MemoryPlan one = plan(with_budget(kTerabyte, options));
  options.logits_everywhere = true;
  const MemoryPlan all = plan(with_budget(kTerabyte, options));
  EXPECT_EQ(one.batch.n_logits, 1);
  EXPECT_EQ(all.batch.n_logits, 64);
  const uint64_t more = all.summary.activation_bytes - one.summary.activation_bytes;
  EXPECT_GE(more + kPageBytes, 63 * sizeof(float) * static_cast<uint64_t>(GetParam().vocab_size));
  EXPECT_GT(all.summary.minimum_budget_bytes, one.summary.minimum_budget_bytes);
}

TEST_P(MemoryPlanTest, PlansWhatIsNotAllocated) {
  const MemoryPlan plan = this->plan(with_budget(minimum()));
  EXPECT_GE(plan.summary.activation_bytes, Transformer::activation_bytes(model(), plan.batch));
  EXPECT_GE(plan.summary.kv_cache_bytes, plan.cache.bytes());
  EXPECT_GE(plan.summary.process_bytes, inputs_.program_bytes);
  EXPECT_EQ(plan.summary.slot_bytes, plan.residency.slot_bytes() + plan.residency.lookup_bytes);
  EXPECT_EQ(plan.summary.locked_bytes, plan.residency.arena_bytes + model().schedule.constant_bytes());
}

TEST_P(MemoryPlanTest, AbsurdContextPasses) {
  for (int64_t context_length : {std::numeric_limits<int64_t>::max(), int64_t{1} << 40}) {
    EngineOptions options;
    options.context_length = context_length;
    const auto plan = try_plan(with_budget(kTerabyte, options));
    ASSERT_FALSE(plan);
    EXPECT_EQ(plan.error().code, ErrorCode::kUsage);
  }
}

TEST_P(MemoryPlanTest, PredictsMoreThanTheDiskGives) {
  inputs_.profile.disk.bytes_per_second = 1e6;
  const PlanSummary slow = plan(with_budget(minimum())).summary;
  EXPECT_EQ(slow.limit, "disk");
  EXPECT_NEAR(slow.bound_decode_tok_s * static_cast<double>(slow.streamed_bytes_per_sweep), 1e6, 1.0);
  EXPECT_LE(slow.predicted_decode_tok_s, slow.bound_decode_tok_s);
  EXPECT_NE(plan(with_budget(kTerabyte)).summary.limit, "disk");
}

}  // namespace
}  // namespace flexinfer
