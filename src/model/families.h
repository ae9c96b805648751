// One reader for each architecture family, in the file of its name: from a file of that architecture and its
// metadata to the model, as read_model says.
#pragma once

#include "gguf/gguf_file.h"
#include "model/metadata_reader.h"
#include "model/model.h"

namespace flexinfer {

// Llama 1 to 3, CodeLlama, Mistral, Mixtral, TinyLlama, SmolLM and their fine-tunes: RMSNorm, rotary
// embedding on adjacent pairs, grouped-query attention, SwiGLU. Touvron et al. 2023.
Result<Model> read_llama(const GgufFile& file, MetadataReader& metadata);

// Ministral 3 and other text models of Mistral AI whose rope is YaRN's: a llama whose queries may grow with
// their position.
Result<Model> read_mistral3(const GgufFile& file, MetadataReader& metadata);

// Qwen 2 and 2.5: a llama with biases on queries, keys and values. Yang et al. 2024.
Result<Model> read_qwen2(const GgufFile& file, MetadataReader& metadata);

// Qwen 3: norms on each head of queries and keys in their place. Yang et al. 2025.
Result<Model> read_qwen3(const GgufFile& file, MetadataReader& metadata);

// Qwen 3 with experts.
Result<Model> read_qwen3moe(const GgufFile& file, MetadataReader& metadata);

// OLMoE: norms on queries and keys as a whole, experts whose weights do not add up to 1. Muennighoff et al.
// 2024.
Result<Model> read_olmoe(const GgufFile& file, MetadataReader& metadata);

// gpt-oss: biases everywhere, attention sinks, a window on every other layer, YaRN, experts with a clamped
// SwiGLU. OpenAI 2025.
Result<Model> read_gpt_oss(const GgufFile& file, MetadataReader& metadata);

// Phi 3, 3.5 and 4: queries, keys and values in one tensor, gate and up in one, longrope. Abdin et al. 2024.
Result<Model> read_phi3(const GgufFile& file, MetadataReader& metadata);

// Gemma 2: norms before and after each block, GEGLU, soft caps, a window on every other layer. Gemma Team
// 2024.
Result<Model> read_gemma2(const GgufFile& file, MetadataReader& metadata);

// Gemma 3, its language model: head norms for the cap on scores, a window and a rope of its own on five of
// six layers. Gemma Team 2025.
Result<Model> read_gemma3(const GgufFile& file, MetadataReader& metadata);

}  // namespace flexinfer
