// One reader for each architecture family, in the file of its name: from a file of that architecture and its
// metadata to the model, as read_model says.
#pragma once

#include "gguf/gguf_file.h"
#include "model/metadata_reader.h"
#include "model/model.h"

namespace flexinfer {

// Llama 1 to 3, CodeLlama, Mistral, TinyLlama, SmolLM and their fine-tunes: RMSNorm, rotary embedding on
// adjacent pairs, grouped-query attention, SwiGLU. Touvron et al. 2023.
Result<Model> read_llama(const GgufFile& file, MetadataReader& metadata);

}  // namespace flexinfer
