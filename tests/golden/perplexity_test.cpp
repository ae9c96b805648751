// Perplexities of trained models against those of llama.cpp and of PyTorch, for every weight type there is a
// file of.
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>

#include "flexinfer/tools.h"
#include "golden/model_case.h"
#include "support/files.h"
#include "support/paths.h"

namespace flexinfer::testing {
namespace {

const std::string kModels = shared("models/");

struct PerplexityCase {
  std::string name;
  double tolerance;  // relative: types whose activations are rounded as well have more
};

std::map<std::string, double> reference_perplexities() {
  std::ifstream file(kModels + "PPL-reference.txt");
  std::map<std::string, double> references;
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::string name, ppl, equals;
    double value = 0;
    if (words >> name >> ppl >> equals >> value) references[name] = value;
  }
  return references;
}

double perplexity_of(const std::string& path, int64_t window, const std::vector<Token>& tokens,
                     const std::string& text) {
  EngineOptions options;
  options.context_length = window;
  options.logits_everywhere = true;
  const auto engine = Engine::open(path, options);
  if (!engine) throw std::runtime_error(engine.error().message);
  auto session = engine->new_session();
  if (!session) throw std::runtime_error(session.error().message);
  const auto ids = tokens.empty() ? engine->vocabulary().encode(text, false, true) : tokens;
  if (!ids) throw std::runtime_error(ids.error().message);
  const auto result = measure_perplexity(*session, engine->vocabulary(), *ids, window, {});
  if (!result) throw std::runtime_error(result.error().message);
  return result->perplexity;
}

class Perplexity : public ::testing::TestWithParam<PerplexityCase> {};

INSTANTIATE_TEST_SUITE_P(Stories, Perplexity,
                         ::testing::Values(PerplexityCase{"stories260K-f32", 0.005},
                                           PerplexityCase{"stories260K-Q8_0", 0.005},
                                           PerplexityCase{"stories3M-Q8_0", 0.005},
                                           PerplexityCase{"stories3M-Q4_0", 0.02},
                                           PerplexityCase{"stories3M-p256-Q2_K", 0.02},
                                           PerplexityCase{"stories3M-p256-Q3_K_M", 0.02},
                                           PerplexityCase{"stories3M-p256-Q4_K_M", 0.02},
                                           PerplexityCase{"stories3M-p256-Q5_K_M", 0.02},
                                           PerplexityCase{"stories3M-p256-Q6_K", 0.02}),
                         [](const auto& instance) {
                           std::string name = instance.param.name;
                           std::ranges::replace(name, '-', '_');
                           return name;
                         });

TEST_P(Perplexity, DiffersFromTheReference) {
  const auto& [name, tolerance] = GetParam();
  const std::string path = kModels + name + ".gguf";
  const std::string text_path = shared("text/tinystories-valid-30k.txt");
  const auto references = reference_perplexities();
  if (!std::filesystem::exists(path) || !std::filesystem::exists(text_path) || !references.contains(name)) {
    GTEST_SKIP() << path << ", its text or its reference is not there";
  }
  const double perplexity = perplexity_of(path, 256, {}, read_bytes(text_path));
  EXPECT_NEAR(perplexity / references.at(name), 1, tolerance) << perplexity << " for " << references.at(name);
}

// Windows of 512 of the reference's own token ids: its method B.
TEST(TrainedModelPerplexity, DiffersFromTheReference) {
  const std::string path = kModels + "docs7m-F16.gguf";
  if (!std::filesystem::exists(path)) GTEST_SKIP() << path << " is not there";
  const auto reference = nlohmann::json::parse(read_bytes(kModels + "docs-reference.json"));
  std::vector<Token> tokens = reference.at("val_ids");
  tokens.insert(tokens.begin(), reference.at("bos").get<Token>());
  const double expected = reference.at("models").at("draft").at("ppl_B");
  EXPECT_NEAR(perplexity_of(path, 512, tokens, {}) / expected, 1, 0.005);
}

}  // namespace
}  // namespace flexinfer::testing
