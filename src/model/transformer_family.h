// What the families of decoder-only transformers have in common: the numbers of their metadata and the names
// and shapes of their tensors. A family calls what it shares and adds what it has of its own.
#pragma once

#include "gguf/gguf_file.h"
#include "model/metadata_reader.h"
#include "model/model.h"
#include "model/schedule_builder.h"

namespace flexinfer {

// Sizes, heads, norm epsilon and one rope for all layers.
Result<Hyperparameters> read_hyperparameters(MetadataReader& metadata);

// The norm before it, the projections and their biases where the file has them.
AttentionWeights declare_attention(LayerTensors& tensors, const Hyperparameters& hp);

// The norm before it, gate, up and down.
FfnWeights declare_ffn(LayerTensors& tensors, const Hyperparameters& hp);

// Declares one layer, each matrix in its order of use.
using DeclareLayer = LayerWeights (*)(LayerTensors& tensors, const Hyperparameters& hp);

// The whole schedule: the layers, what comes before and after them.
Result<Model> declare_model(const GgufFile& file, Hyperparameters hp, DeclareLayer declare_layer);

}  // namespace flexinfer
