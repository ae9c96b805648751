#include "model/transformer.h"

#include <algorithm>
#include <cstring>

#include "base/bytes.h"
#include "ops/attention.h"
#include "ops/elementwise.h"
#include "ops/matmul.h"
#include "ops/rope.h"

namespace flexinfer {
namespace {

constexpr uint64_t kBufferAlignment = 64;

// Hands out parts of one block of memory; with no block it only counts.
class Carver {
 public:
  explicit Carver(std::byte* memory) : memory_(memory) {}

  std::byte* bytes(uint64_t size) {
    std::byte* part = memory_ == nullptr ? nullptr : memory_ + used_;
    used_ += align_up(size, kBufferAlignment);
    return part;
  }
  Rows rows(int64_t n, int64_t cols) {
    const int64_t stride = padded_cols(cols);
    return {reinterpret_cast<float*>(bytes(static_cast<uint64_t>(n * stride) * sizeof(float))), n, cols,
            stride};
  }
  uint64_t used() const { return used_; }

 private:
  std::byte* memory_;
  uint64_t used_ = 0;
};

Rows first_rows(const Rows& rows, int64_t n) {
  return {rows.data, n, rows.cols, rows.stride};
}

}  // namespace

struct Transformer::Buffers {
  Buffers(const Model& model, const BatchLimits& limits, Carver& memory);
  void set_batch(std::span<const BatchToken> batch);

  PageBuffer storage;
  BatchLimits limits;
  Rows x;       // (n_tokens, hidden_dim): the residual stream
  Rows normed;  // (n_tokens, hidden_dim): also what a block adds to x
  Rows q;       // (n_tokens, n_heads * head_dim)
  Rows k;       // (n_tokens, n_kv_heads * head_dim)
  Rows v;
  Rows attended;  // (n_tokens, n_heads * head_dim)
  Rows gate;      // (n_tokens, ffn_dim)
  Rows up;
  Rows cosines;  // (n_tokens, rope pairs)
  Rows sines;
  Rows logits;                             // (n_logits, vocab_size), without padding between rows
  std::byte* quantised = nullptr;          // scratch of MatmulInput
  std::byte* attention_scratch = nullptr;  // of attend
  std::byte* embedded = nullptr;           // rows of the embedding as they lie in the file
  std::vector<int32_t> tokens;
  std::vector<int32_t> positions;
  std::vector<int32_t> sequences;
};

Transformer::Buffers::Buffers(const Model& model, const BatchLimits& batch_limits, Carver& memory)
    : limits(batch_limits) {
  const Hyperparameters& hp = model.hyperparameters;
  const int64_t n = limits.n_tokens;
  x = memory.rows(n, hp.hidden_dim);
  normed = memory.rows(n, hp.hidden_dim);
  q = memory.rows(n, hp.q_dim());
  k = memory.rows(n, hp.kv_dim());
  v = memory.rows(n, hp.kv_dim());
  attended = memory.rows(n, hp.q_dim());
  gate = memory.rows(n, hp.ffn_dim);
  up = memory.rows(n, hp.ffn_dim);
  cosines = memory.rows(n, hp.rope.n_dims / 2);
  sines = memory.rows(n, hp.rope.n_dims / 2);
  const int64_t logits_size = limits.n_logits * hp.vocab_size;
  logits = {memory.rows(1, logits_size).data, limits.n_logits, hp.vocab_size, hp.vocab_size};
  quantised = memory.bytes(matmul_scratch_bytes(n, std::max({hp.hidden_dim, hp.q_dim(), hp.ffn_dim})));
  attention_scratch =
      memory.bytes(attention_scratch_bytes(hp.attention, n, limits.context_length, limits.n_threads));
  embedded = memory.bytes(static_cast<uint64_t>(n) * model.schedule.embedding.row_bytes);
  for (std::vector<int32_t>* list : {&tokens, &positions, &sequences})
    list->reserve(static_cast<size_t>(n));
}

void Transformer::Buffers::set_batch(std::span<const BatchToken> batch) {
  const auto n = static_cast<int64_t>(batch.size());
  for (Rows* rows : {&x, &normed, &q, &k, &v, &attended, &gate, &up, &cosines, &sines})
    rows->n_rows = n;
  tokens.clear();
  positions.clear();
  sequences.clear();
  for (const BatchToken& token : batch) {
    tokens.push_back(token.token);
    positions.push_back(token.position);
    sequences.push_back(token.sequence);
  }
}

uint64_t Transformer::activation_bytes(const Model& model, const BatchLimits& limits) {
  Carver counting(nullptr);
  const Buffers buffers(model, limits, counting);
  return align_up(counting.used(), kPageBytes);
}

Result<std::unique_ptr<Transformer>> Transformer::create(const Model& model, const BatchLimits& limits,
                                                         const Compute& compute, WeightSource& weights,
                                                         KvCache& cache) {
  std::unique_ptr<Transformer> transformer(new Transformer(model, compute, weights, cache));
  FLEX_TRY(PageBuffer storage, PageBuffer::allocate(activation_bytes(model, limits)));
  Carver memory(storage.data());
  transformer->buffers_ = std::make_unique<Buffers>(model, limits, memory);
  transformer->buffers_->storage = std::move(storage);
  return transformer;
}

Transformer::Transformer(const Model& model, const Compute& compute, WeightSource& weights, KvCache& cache)
    : model_(model), compute_(compute), weights_(weights), cache_(cache) {
  const std::span<const float> factors =
      model.rope_factors ? weights.constant(*model.rope_factors) : std::span<const float>{};
  rope_frequencies_ = rope_frequencies(model.hyperparameters.rope, factors);
}

Transformer::~Transformer() = default;

Result<std::span<const float>> Transformer::forward(std::span<const BatchToken> batch, bool another_follows,
                                                    const std::function<void(double)>& on_progress) {
  Buffers& b = *buffers_;
  b.set_batch(batch);
  const bool with_head =
      std::any_of(batch.begin(), batch.end(), [](const BatchToken& t) { return t.wants_logits; });
  weights_.begin_sweep({with_head, another_follows});
  FLEX_CHECK(embed());
  rope_angles(compute_, rope_frequencies_, model_.hyperparameters.rope.magnitude, b.positions, b.cosines,
              b.sines);
  const size_t n_layers = model_.layers.size();
  for (size_t layer = 0; layer < n_layers; ++layer) {
    FLEX_CHECK(attention_block(model_.layers[layer], cache_.layer(layer)));
    FLEX_CHECK(ffn_block(model_.layers[layer]));
    if (on_progress) on_progress(static_cast<double>(layer + 1) / static_cast<double>(n_layers + 1));
  }
  if (!with_head) return std::span<const float>{};
  FLEX_CHECK(head(batch));
  if (on_progress) on_progress(1.0);
  return std::span<const float>(b.logits.data, static_cast<size_t>(b.logits.n_rows * b.logits.stride));
}

Status Transformer::embed() {
  Buffers& b = *buffers_;
  const WeightStep& embedding = model_.schedule.embedding;
  FLEX_CHECK(weights_.read_embedding_rows(b.tokens, b.embedded));
  dequantize_rows(compute_, embedding.type, b.embedded, embedding.row_bytes, b.x);
  return {};
}

Status Transformer::attention_block(const LayerWeights& layer, const CacheLayer& cache) {
  Buffers& b = *buffers_;
  const Hyperparameters& hp = model_.hyperparameters;
  rms_norm(compute_, b.x, weights_.constant(layer.attention_norm), hp.norm_epsilon, b.normed);
  MatmulInput input(compute_, b.normed, b.quantised);
  FLEX_CHECK(project(layer.q, input, b.q));
  FLEX_CHECK(project(layer.k, input, b.k));
  FLEX_CHECK(project(layer.v, input, b.v));
  add_bias_if(layer.q_bias, b.q);
  add_bias_if(layer.k_bias, b.k);
  add_bias_if(layer.v_bias, b.v);
  apply_rope(compute_, hp.rope.pairs, b.cosines, b.sines, hp.rope.n_dims / 2, hp.attention.head_dim, b.q);
  apply_rope(compute_, hp.rope.pairs, b.cosines, b.sines, hp.rope.n_dims / 2, hp.attention.head_dim, b.k);
  const TokenPlaces places{b.positions, b.sequences};
  store_cache(compute_, hp.attention, places, b.k, b.v, cache);
  attend(compute_, hp.attention, {}, places, b.q, cache, b.attention_scratch, b.attended);
  MatmulInput attended(compute_, b.attended, b.quantised);
  FLEX_CHECK(project(layer.attention_output, attended, b.normed));
  add_bias_if(layer.attention_output_bias, b.normed);
  add_rows(compute_, b.normed, b.x);
  return {};
}

Status Transformer::ffn_block(const LayerWeights& layer) {
  Buffers& b = *buffers_;
  rms_norm(compute_, b.x, weights_.constant(layer.ffn_norm), model_.hyperparameters.norm_epsilon, b.normed);
  MatmulInput input(compute_, b.normed, b.quantised);
  FLEX_CHECK(project(layer.gate, input, b.gate));
  FLEX_CHECK(project(layer.up, input, b.up));
  silu_multiply(compute_, b.gate, b.up);
  MatmulInput activated(compute_, b.gate, b.quantised);
  FLEX_CHECK(project(layer.down, activated, b.normed));
  add_rows(compute_, b.normed, b.x);
  return {};
}

// Only the tokens that want logits go through the final norm and the head.
Status Transformer::head(std::span<const BatchToken> batch) {
  Buffers& b = *buffers_;
  int64_t n_wanted = 0;
  for (size_t t = 0; t < batch.size(); ++t) {
    if (!batch[t].wants_logits) continue;
    const float* row = b.x.row(static_cast<int64_t>(t));
    std::copy(row, row + b.x.cols, b.x.row(n_wanted++));
  }
  b.logits.n_rows = n_wanted;
  const Rows normed = first_rows(b.normed, n_wanted);
  rms_norm(compute_, first_rows(b.x, n_wanted), weights_.constant(model_.output_norm),
           model_.hyperparameters.norm_epsilon, normed);
  MatmulInput input(compute_, normed, b.quantised);
  return project(model_.schedule.head_step(), input, b.logits);
}

// out = weights of a step times input, over the rows as they become available.
Status Transformer::project(size_t step, MatmulInput& input, const Rows& out) {
  const WeightStep& weight = model_.schedule.steps[step];
  for (int64_t row = 0; row < weight.rows;) {
    FLEX_TRY(const WeightLease lease, weights_.acquire(step, row));
    const Rows part{out.data + row, out.n_rows, lease.row_end() - row, out.stride};
    input.multiply(weight.type, lease.rows(), weight.row_bytes, part.cols, part);
    row = lease.row_end();
  }
  return {};
}

void Transformer::add_bias_if(std::optional<size_t> constant, const Rows& rows) {
  if (constant) add_bias(compute_, weights_.constant(*constant), rows);
}

}  // namespace flexinfer
