// What an independent implementation computed for a model, and ways to compute the same here.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "flexinfer/engine.h"

namespace flexinfer::testing {

struct ModelCase {
  std::string model_path;
  std::vector<Token> prompt;
  std::vector<Token> greedy;          // the continuation by arg max
  std::vector<double> greedy_margin;  // distance of the two best logits at each of its steps
  std::vector<float> logits;          // positions x vocabulary
  size_t n_vocab = 0;

  size_t n_positions() const { return logits.size() / n_vocab; }
};

// NAME.gguf, NAME.json and NAME.logits.f32 of tests/data/golden. Throws where they cannot be read.
ModelCase load_golden(const std::string& name);

// Options for a whole case: context and logits for its prompt and continuation, everything in memory.
EngineOptions options_for(const ModelCase& model);

// The logits at every position of the prompt, appended in pieces of so many tokens. Throws the error's
// message.
std::vector<float> prompt_logits(const ModelCase& model, const EngineOptions& options, size_t piece_tokens);
std::vector<float> prompt_logits(const ModelCase& model, const EngineOptions& options);

// What a greedy generation after the prompt gives.
std::vector<Token> greedy_continuation(const ModelCase& model, const EngineOptions& options);

// sum of (a - b)^2 over sum of b^2
double normalised_square_error(const std::vector<float>& a, const std::vector<float>& b);
double largest_difference(const std::vector<float>& a, const std::vector<float>& b);

// Whether FLEXINFER_KERNELS names kernels that this machine cannot run.
bool kernels_are_missing();

}  // namespace flexinfer::testing
