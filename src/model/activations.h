// The memory that a forward pass computes in.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/page_buffer.h"
#include "base/result.h"
#include "model/expert_activations.h"
#include "model/model.h"
#include "ops/compute.h"

namespace flexinfer {

// One token of a batch and where it stands. A prompt's chunk, a decoding step and steps of several sequences
// are all batches; within a sequence, positions rise by one and earlier ones are in the cache.
struct BatchToken {
  int32_t token = 0;
  int32_t position = 0;
  int32_t sequence = 0;
  bool wants_logits = false;
};

// The largest batch, and with it the memory, of a forward pass.
struct BatchLimits {
  int64_t n_tokens = 1;
  int64_t n_logits = 1;  // tokens of a batch that want logits
  int64_t context_length = 0;
  int n_threads = 1;
};

// By how much one rope turns each pair at the positions of a batch.
struct RopeAngles {
  Rows cosines;  // (n_tokens, n_dims / 2)
  Rows sines;
};

// One block of memory, cut up. Every row belongs to a token of the batch but where it says otherwise; n_rows
// follow the batch.
class Activations {
 public:
  static uint64_t bytes(const Model& model, const BatchLimits& limits);  // whole pages
  static Result<Activations> allocate(const Model& model, const BatchLimits& limits);

  void set_batch(std::span<const BatchToken> batch);

  Rows x;       // (n_tokens, hidden_dim): the residual stream
  Rows normed;  // (n_tokens, hidden_dim): a block's input, then what it adds to x
  Rows q;       // (n_tokens, n_heads * head_dim)
  Rows k;       // (n_tokens, n_kv_heads * head_dim)
  Rows v;
  Rows attended;  // (n_tokens, n_heads * head_dim)
  Rows gate;      // (n_tokens, ffn_dim)
  Rows up;
  ExpertActivations experts;       // of a mixture
  std::vector<RopeAngles> angles;  // parallel to Hyperparameters::ropes
  Rows logits;                     // (n_logits, vocab_size), without padding between rows
  std::byte* quantised = nullptr;  // scratch of MatmulInput
  std::byte* attention_scratch = nullptr;
  std::byte* embedded = nullptr;  // rows of the embedding as they lie in the file
  std::vector<int32_t> tokens;
  std::vector<int32_t> positions;
  std::vector<int32_t> sequences;

 private:
  class Carver;
  Activations(const Model& model, const BatchLimits& limits, Carver& memory);

  PageBuffer storage_;
};

}  // namespace flexinfer
