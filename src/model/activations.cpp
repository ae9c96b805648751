#include "model/activations.h"

#include <algorithm>
#include <utility>

#include "base/bytes.h"
#include "ops/matmul.h"

namespace flexinfer {
namespace {

constexpr uint64_t kBufferAlignment = 64;

}  // namespace

// Hands out parts of one block of memory; with no block it only counts.
class Activations::Carver {
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

Activations::Activations(const Model& model, const BatchLimits& limits, Carver& memory) {
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
  if (hp.routing.n_experts > 0) {
    experts.scores = memory.rows(n, hp.routing.n_experts);
    experts.routed = memory.rows(n, hp.hidden_dim);
    experts.reserve(hp.routing, n);
  }
  for (const RopeParameters& rope : hp.ropes) {
    const Rows cosines = memory.rows(n, rope.n_dims / 2);
    angles.push_back({cosines, memory.rows(n, rope.n_dims / 2)});
  }
  const int64_t logits_size = limits.n_logits * hp.vocab_size;
  logits = {memory.rows(1, logits_size).data, limits.n_logits, hp.vocab_size, hp.vocab_size};
  quantised = memory.bytes(matmul_scratch_bytes(n, std::max({hp.hidden_dim, hp.q_dim(), hp.ffn_dim})));
  attention_scratch =
      memory.bytes(attention_scratch_bytes(hp.attention, n, limits.context_length, limits.n_threads));
  embedded = memory.bytes(static_cast<uint64_t>(n) * model.schedule.embedding.row_bytes);
  for (std::vector<int32_t>* list : {&tokens, &positions, &sequences})
    list->reserve(static_cast<size_t>(n));
}

uint64_t Activations::bytes(const Model& model, const BatchLimits& limits) {
  Carver counting(nullptr);
  const Activations counted(model, limits, counting);
  return align_up(counting.used(), kPageBytes);
}

Result<Activations> Activations::allocate(const Model& model, const BatchLimits& limits) {
  FLEX_TRY(PageBuffer storage, PageBuffer::allocate(bytes(model, limits)));
  Carver memory(storage.data());
  Activations activations(model, limits, memory);
  activations.storage_ = std::move(storage);
  return activations;
}

void Activations::set_batch(std::span<const BatchToken> batch) {
  const auto n = static_cast<int64_t>(batch.size());
  for (Rows* rows : {&x, &normed, &q, &k, &v, &attended, &gate, &up})
    rows->n_rows = n;
  experts.set_batch(n);
  for (RopeAngles& rope : angles)
    rope.cosines.n_rows = rope.sines.n_rows = n;
  tokens.clear();
  positions.clear();
  sequences.clear();
  for (const BatchToken& token : batch) {
    tokens.push_back(token.token);
    positions.push_back(token.position);
    sequences.push_back(token.sequence);
  }
}

}  // namespace flexinfer
