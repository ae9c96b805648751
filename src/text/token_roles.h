// Which tokens begin and end a text, and which end what a model generates.
#pragma once

#include <vector>

#include "base/result.h"
#include "gguf/metadata.h"
#include "text/token_table.h"

namespace flexinfer {

struct TokenRoles {
  Token bos = kNoToken;
  Token eos = kNoToken;
  Token unknown = kNoToken;
  bool add_bos = false;
  bool add_eos = false;
  std::vector<Token> end_of_generation;  // sorted
};

// From `tokenizer.ggml.{bos,eos,unknown,eot,eom}_token_id` and `.add_{bos,eos}_token`. Where no id is stated,
// by the names that are in common use; tokens named like an end of turn end the generation in any case.
// kCorrupt for an id outside the vocabulary, and for a BOS or EOS that is to be added but does not exist.
Result<TokenRoles> read_token_roles(const Metadata& metadata, const TokenTable& vocabulary,
                                    bool adds_bos_by_default);

}  // namespace flexinfer
