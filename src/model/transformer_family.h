// What the families of decoder-only transformers have in common: the numbers of their metadata and the names
// and shapes of their tensors. A family calls what it shares and adds what it has of its own.
#pragma once

#include <string_view>

#include "gguf/gguf_file.h"
#include "model/metadata_reader.h"
#include "model/model.h"
#include "model/schedule_builder.h"

namespace flexinfer {

// Sizes, heads, experts, norm epsilon and one rope for all layers, which see everything.
Result<Hyperparameters> read_hyperparameters(MetadataReader& metadata, RopePairs pairs);

// Of every `period` layers all but the last see a window only; the others see everything. A window of 0
// changes nothing.
void set_windows(Hyperparameters& hp, int64_t window, int64_t period);

// A model has no window longer than this.
inline constexpr int64_t kMostContext = int64_t{1} << 28;
inline constexpr int64_t kMostLayers = 1024;

// The norm before it, the projections and their biases where the file has them.
AttentionWeights declare_attention(LayerTensors& tensors, const Hyperparameters& hp);

// Norms on each head of queries and keys.
void declare_head_norms(LayerTensors& tensors, const Hyperparameters& hp, AttentionWeights& w);

// The norm before it, gate, up and down.
FfnWeights declare_ffn(LayerTensors& tensors, const Hyperparameters& hp);

// Refuses a file without experts.
Status require_experts(const MetadataReader& metadata, const Hyperparameters& hp);

// The norm before them, the router, gates, ups and downs of the experts, and biases where the file has them.
ExpertWeights declare_experts(LayerTensors& tensors, const Hyperparameters& hp,
                              std::string_view norm = "ffn_norm.weight");

// Declares one layer, each matrix in its order of use.
using DeclareLayer = LayerWeights (*)(LayerTensors& tensors, const Hyperparameters& hp);

// The whole schedule: the layers, what comes before and after them.
Result<Model> declare_model(const GgufFile& file, Hyperparameters hp, DeclareLayer declare_layer);

}  // namespace flexinfer
