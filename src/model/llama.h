// The `llama` architecture: Llama 1 to 3, CodeLlama, Mistral, TinyLlama, SmolLM and their fine-tunes.
// RMSNorm, rotary embedding on adjacent pairs, grouped-query attention, SwiGLU; Touvron et al. 2023.
#pragma once

#include "gguf/gguf_file.h"
#include "model/model.h"

namespace flexinfer {

Result<Model> read_llama(const GgufFile& file);

}  // namespace flexinfer
