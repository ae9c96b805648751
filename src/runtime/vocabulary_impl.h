// What a Vocabulary holds.
#pragma once

#include <memory>

#include "flexinfer/engine.h"
#include "text/tokenizer.h"

namespace flexinfer {

struct Vocabulary::Impl {
  std::unique_ptr<Tokenizer> tokenizer;
};

}  // namespace flexinfer
