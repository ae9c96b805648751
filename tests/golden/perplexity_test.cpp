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
                                           PerplexityCase{"stories3M-p256-Q6_K", 0.02},
                                           PerplexityCase{"stories3M-p256-moe8-noisy-Q4_K_M", 0.02}),
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

std::string quantised(const TempDirectory& directory, const std::string& source, const std::string& type) {
  const auto result = quantize_model(source, directory.path(type), type, 0, {});
  if (!result) throw std::runtime_error(result.error().message);
  return directory.path(type);
}

// Models that were quantised here, against llama.cpp's perplexity of those that it quantised itself.
TEST(QuantizedPerplexity, DiffersFromTheReference) {
  const std::string source = kModels + "stories260K-f32.gguf";
  if (!std::filesystem::exists(source)) GTEST_SKIP() << source << " is not there";
  const std::string text = read_bytes(shared("text/tinystories-valid-30k.txt"));
  const auto references = reference_perplexities();
  const TempDirectory directory;
  for (const std::string type : {"F16", "Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1"}) {
    const double tolerance = type == "F16" || type == "Q8_0" ? 0.005 : 0.02;
    const double perplexity = perplexity_of(quantised(directory, source, type), 256, {}, text);
    RecordProperty(type, std::to_string(perplexity));
    EXPECT_NEAR(perplexity / references.at("stories260K-" + type), 1, tolerance) << type << " " << perplexity;
  }
}

const std::string kDocsModel = kModels + "docs7m-F16.gguf";

// Windows of 512 of the reference's own token ids: its method B.
class TrainedModelPerplexity : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!std::filesystem::exists(kDocsModel)) GTEST_SKIP() << kDocsModel << " is not there";
    const auto reference = nlohmann::json::parse(read_bytes(kModels + "docs-reference.json"));
    tokens_ = reference.at("val_ids").get<std::vector<Token>>();
    tokens_.insert(tokens_.begin(), reference.at("bos").get<Token>());
    expected_ = reference.at("models").at("draft").at("ppl_B");
  }
  double relative_perplexity(const std::string& path) const {
    return perplexity_of(path, 512, tokens_, {}) / expected_;
  }

 private:
  std::vector<Token> tokens_;
  double expected_ = 0;
};

TEST_F(TrainedModelPerplexity, DiffersFromTheReference) {
  EXPECT_NEAR(relative_perplexity(kDocsModel), 1, 0.005);
}

TEST_F(TrainedModelPerplexity, SearchedTypesLoseMoreThanTheirBits) {
  const TempDirectory directory;
  for (const auto& [type, tolerance] : {std::pair{"Q6_K", 0.005}, {"Q5_K", 0.015}, {"Q4_K", 0.05}}) {
    const double relative = relative_perplexity(quantised(directory, kDocsModel, type));
    RecordProperty(type, std::to_string(relative));
    EXPECT_NEAR(relative, 1, tolerance) << type;
  }
}

}  // namespace
}  // namespace flexinfer::testing
