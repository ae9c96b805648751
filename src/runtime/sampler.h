// From logits to a token.
#pragma once

#include <cstdint>
#include <deque>
#include <span>
#include <vector>

#include "flexinfer/engine.h"
#include "flexinfer/options.h"

namespace flexinfer {

// kUsage, naming the option, for values outside the ranges that options.h gives them.
Status check_sampling(const SamplingOptions& options);

// Penalty, top-k, top-p, min-p, temperature, draw: in this order. The same options, seed and logits give the
// same tokens on every machine's same instruction set. Used by one thread; keeps its scratch between calls.
class Sampler {
 public:
  // The options have passed check_sampling.
  explicit Sampler(const SamplingOptions& options);

  // A token that has become part of the text, for the repeat penalty.
  void accept(Token token);
  // The next token. Logits that are not numbers never win; where none is a number, token 0.
  Token sample(std::span<const float> logits);

 private:
  struct Candidate {
    float logit;
    Token token;
  };
  Token most_likely() const;
  void penalise_repeats();
  void keep_top_k();
  void keep_top_p_and_min_p();
  Token draw();
  double next_uniform();

  const SamplingOptions options_;
  uint64_t state_;
  std::deque<Token> recent_;
  std::vector<Candidate> candidates_;
  std::vector<double> weights_;
};

}  // namespace flexinfer
