// Model files of known shapes with pseudo-random weights: to try a machine before a download, and to test
// with.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/function_ref.h"
#include "base/ggml_type.h"
#include "base/result.h"

namespace flexinfer {

// What tells the layers of one family of architectures from those of another.
struct SynthFamily {
  std::string_view architecture;  // general.architecture
  bool has_head_norms = false;    // on queries and keys
  bool has_post_norms = false;    // after attention and feed-forward, besides those before
  bool has_qkv_biases = false;
  bool has_other_biases = false;  // of the attention's output, the router and the experts
  bool has_sinks = false;         // of attention, one for each head
  bool is_fused = false;          // queries, keys and values are one tensor, gate and up another
  std::string_view ffn_norm = "ffn_norm";
};

inline constexpr SynthFamily kSynthLlama = {.architecture = "llama"};

// The dimensions of a model, as its authors published them.
struct SynthShape {
  std::string_view name;
  uint64_t vocab_size;
  uint64_t hidden_dim;
  uint64_t n_layers;
  uint64_t n_heads;
  uint64_t n_kv_heads;
  uint64_t ffn_dim;  // of one expert, where there are experts
  uint64_t context_length;
  float rope_base;
  bool is_tied = false;  // the embedding is the output head too
  uint64_t n_experts = 0;
  uint64_t n_experts_used = 0;
  uint64_t own_head_dim = 0;  // where it is not hidden_dim / n_heads
  SynthFamily family = kSynthLlama;
  uint64_t window = 0;                 // 0: every position is seen
  std::string_view rope_scaling = {};  // "linear" or "yarn"
  float rope_factor = 1;
  uint64_t original_context_length = 0;  // that of yarn

  uint64_t head_dim() const { return own_head_dim > 0 ? own_head_dim : hidden_dim / n_heads; }
  uint64_t n_parameters() const;
};

std::span<const SynthShape> synth_shapes();
const SynthShape* find_synth_shape(std::string_view name);  // nullptr where unknown

// One tensor of a synthetic model.
struct SynthTensor {
  std::string name;
  GgmlType type = GgmlType::kF32;
  std::vector<uint64_t> dims;  // dims[0] is the row length
  double deviation = 0;        // of its weights; 0: all are 1 (a norm)

  uint64_t n_parameters() const;
};

// All tensors in the order of the file: the embedding, the layers, the output; matrices in `type`, norms and
// biases in F32. MXFP4 is a type for experts: where there are any, the other matrices are Q8_0 then, as in
// published files. The deviations keep activations finite through the layers and logits spread out.
std::vector<SynthTensor> synth_tensors(const SynthShape& shape, GgmlType type);

// Writes the model and a made-up vocabulary. The bytes depend on shape, type and seed alone. `progress` is
// called after every few MiB, with bytes of weights; false cancels (kCancelled). On any error nothing is left
// behind. kUsage for a type without pseudo-random weights and for one that rows of the shape are not whole
// blocks of; kIo as GgufWriter. Uses two threads, one writing.
Status write_synthetic_model(const SynthShape& shape, GgmlType type, const std::string& path, uint64_t seed,
                             FunctionRef<bool(uint64_t done_bytes, uint64_t total_bytes)> progress);

}  // namespace flexinfer
